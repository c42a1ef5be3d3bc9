"""The prefixes of Hebrew words: conjunctions, prepositions and the article are one letter each, written together.

Stands alone because the letters alone do not decide: לבית is "to a house", לילה is "night". Counts of words decide
(wordfreq's list), by rules that apply to words with a prefix and not to other words:

1. The rest is a word. If neither the whole nor the rest is known (names), the rest has three letters or more.
2. The whole is rarer than its rest, by the usual difference for the prefix: מים (water) is not מ with ים (sea).
3. No article is written before a preposition: הכלב (the dog) is frequent, so כלב is not כ with לב (heart).
4. The rest takes other prefixes, too: nouns and names do, most forms of verbs do not. Conjunctions (ו, ש, כש) stand
before any word, and before other prefixes.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ops.index.frequencies import load_word_frequencies

_HEBREW_WORD = re.compile("[א-ת]{3,}")
_LETTERS = "ובכלמשה"
_WHEN = "כש"
"""A conjunction of two letters that is one prefix: כשהבית."""

_LEAST_ZIPF = 2.0
"""Rarer words are not loaded: 210,000 remain, in 20 MB and 0.3 s, once a text has Hebrew letters."""
_MOST_RATIO = {"ה": 0.6, "ב": 0.5, "ל": 0.3, "ו": -0.5, "ש": -0.5, "מ": -0.5, "כ": -0.6, _WHEN: -0.5}
"""Maximum by which a word with the prefix is more frequent (Zipf) than its rest."""
_CONJUNCTIONS = frozenset(("ו", "ש", _WHEN))
_ARTICLE = "ה"
_LEAST_WITHOUT_ARTICLE = 2.3
"""Minimum by which a word with a prefix becomes rarer (Zipf) with an article before it."""
_MARGIN = 2.2
"""A word takes a prefix if it is rarer with it by at most this (Zipf)."""
_OF_NOUNS = "בל"
_COMMON = 4.0
"""A noun that is at least this frequent with an article takes one of these prefixes, too: הלכו (they went) does not."""
_SHORT = 2
# Words that the counts cannot distinguish from a prefix and another word: question words (why, how much, is it so),
# therefore, namely, without, many pronouns, names.
_WHOLE_TEXT = """
למה כמה במה האם לכן כלומר בלי משה שמעון שלי שלך שלו שלה שלנו שלכם שלהם הזה הזאת האלה בכלל לאה שרה הרבה בכה הבין
הכו הזמין
"""
_WHOLE = frozenset(_WHOLE_TEXT.split())


@lru_cache(maxsize=65_536)
def split_hebrew(word: str) -> tuple[str, ...]:
    """Return the prefixes of a folded word, one by one, and the rest; the word alone if it has none."""
    if not _HEBREW_WORD.fullmatch(word) or word in _WHOLE:
        return (word,)
    for prefix in (_WHEN, word[0]):
        rest = word.removeprefix(prefix)
        if prefix in _MOST_RATIO and rest != word and len(rest) >= _SHORT and _is_prefixed(word, prefix, rest):
            return (prefix, *split_hebrew(rest))
    return (word,)


def _is_prefixed(word: str, prefix: str, rest: str) -> bool:
    frequencies = load_word_frequencies("large_he", _LEAST_ZIPF)
    whole, bare = frequencies.get(word, 0.0), frequencies.get(rest, 0.0)
    if not bare:
        return not whole and len(rest) > _SHORT
    with_article = frequencies.get(_ARTICLE + word, 0.0)
    if whole and whole - bare > _MOST_RATIO[prefix]:
        return False
    if whole and with_article and with_article > whole - _LEAST_WITHOUT_ARTICLE:
        return False
    if prefix in _CONJUNCTIONS:
        return True
    letters = {letter for letter in _LETTERS if frequencies.get(letter + rest, 0.0) > max(bare - _MARGIN, 0.0)} - {
        prefix
    }
    # The rarer a word, the more of its forms are missing in the list.
    is_noun = prefix != _ARTICLE or bare < _COMMON or not letters.isdisjoint(_OF_NOUNS)
    return is_noun and len(letters) >= min(int(bare) - _SHORT, 2)
