"""Whether words are English, and the word that somebody meant who typed another.

Stands alone because the answer is about a language, not about this catalogue: a word list with frequencies
(pyspellchecker, from subtitles of films), and the words that the starter's tokenizer has whole. Nothing is loaded
as long as all words of a text are among the latter.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from ops.embeddings.starter.text_tower import tokenizer_words
from ops.index.words import words_of

LEAST_LETTERS = 4
"""Shorter words are near to too many others."""
_SURE_LETTERS = 6
"""From so many letters on, one of them may be another one; in shorter words a vowel only, or m for n."""
_TWO_EDITS_FROM = 7
_LEAST_COUNT = 150
"""Suggestions are words that occur so often in the list ("bicycle" has 7,329): rarer ones are seldom meant."""
_CLEARLY = 4
"""The best suggestion occurs so many times as often as the next one with as many edits, or there is none."""
_LEAST_PART, _SURE_PART = 3, 4

_BRITISH = (("our", "or"), ("tre", "ter"), ("ae", "e"), ("is", "iz"), ("ys", "yz"), ("ll", "l"), ("ogue", "og"),
            ("oe", "e"), ("mm", "m"), ("red", "ered"), ("aero", "air"))  # fmt: skip

_ENDINGS = ("s", "es", "ed", "ing", "er", "ers", "ly", "y", "less", "like")

# Letters that sound alike: words with one key are nearer than any edit makes them (elefant, elephant).
_SOUNDS = (("ph", "f"), ("ck", "k"), ("c", "k"), ("q", "k"), ("y", "i"), ("z", "s"), ("ie", "i"), ("ei", "i"))
_VOWELS = frozenset("aeiouy")

# Words that hold a sentence of another language together and that English does not use, or seldom.
_FUNCTION_WORDS_TEXT = """
des une dans les du et avec sur est qui aux au pour sous chez deux un la le
der das und ein eine einem einen einer auf mit im ist dem den zwei von für vor zum am
el los las una en con del por dos sobre junto que al sin
il gli uno nel nella su sulla della di che due sul
uma um com em na no dos das da os dois ao
een het op twee bij voor onder naar uit
ett på med och av som två vid under över til ved to
ja joka kaksi jossa kanssa na ze dwa przy pod nad jest przez oraz se dva u je ve při
bir ve ile üzerinde iki bu içinde egy és az két mellett alatt pe cu în și de doi două
di yang dan dengan seorang sebuah dua pada một trên trong và với hai người của
"""
_ENGLISH_TOO = frozenset(["no", "to", "under", "am", "do", "by", "at"])
_FUNCTION_WORDS = frozenset(_FUNCTION_WORDS_TEXT.split()) - _ENGLISH_TOO


def unknown_words(text: str) -> list[str]:
    """Words of the text that no English word list has, each once; words with digits and one letter are known."""
    known = tokenizer_words()
    rare = [word for word in dict.fromkeys(words_of(text)) if len(word) > 1 and word.isalpha() and word not in known]
    return [word for word in rare if not is_english(word)]


def is_english(word: str) -> bool:
    """Whether the English list has a word (folded), in American or British spelling, or what it is derived from."""
    words = _word_counts()
    if word in words or any(british in word and word.replace(british, us) in words for british, us in _BRITISH):
        return True
    bases = [word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending)]
    return any(len(base) >= LEAST_LETTERS and base in _common_words() for base in bases)


def suggestion(word: str) -> str | None:
    """The word that was meant by one that is not English, if one is clearly nearest; ``None`` if none is.

    A word made of two others ("firelit") is meant as it is, unless a single edit makes a word of short parts right.
    """
    if len(word) < LEAST_LETTERS or not word.isascii() or _is_compound(word, _SURE_PART):
        return None
    return nearest_word(word, _common_words(), most_edits=1 if _is_compound(word, _LEAST_PART) else 2)


def nearest_word(word: str, counts: Mapping[str, int], *, most_edits: int = 2) -> str | None:
    """The clearly nearest of the words, by letters left out, added, changed or swapped; ``None`` if none is.

    ``counts`` says how often each word occurs, which decides between equally near ones. The rules were set on
    captions (Flickr8k dev, 5,000 texts, 2026-11-28): 80 suggestions, some 70 of them of words that are spelt wrong.
    """
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extract

    allowed = min(most_edits, 2 if len(word) >= _TWO_EDITS_FROM else 1)
    sound = _sound(word)
    alike = [other for other in counts if other[0] == word[0] and abs(len(other) - len(word)) <= 2]
    found = extract(word, alike, scorer=OSA.distance, score_cutoff=allowed, limit=None)
    near = [
        (_weight(word, other, int(count)), other) for other, count, _ in found if _is_likely(word, other, int(count))
    ]
    if most_edits > 1 or len(word) < _TWO_EDITS_FROM:
        near += [(0.0, other) for other in alike if _sound(other) == sound]
    if not near:
        return None
    least = min(near)[0]
    rivals = sorted(((counts[other], other) for count, other in set(near) if count == least), reverse=True)
    best = rivals[0]
    return best[1] if len(rivals) == 1 or best[0] >= _CLEARLY * rivals[1][0] else None


def looks_foreign(text: str) -> bool:
    """Whether a text is hardly English: in letters of another script, or with many words that English does not have.

    One word in Latin letters is not enough, unless it has an accent that makes it another word: names are unknown,
    too.
    """
    letters = [sign for sign in text if sign.isalpha()]
    if letters and sum(map(_is_latin, letters)) < len(letters) / 2:
        return True
    words = re.findall(r"[^\W\d_]+", text.casefold())
    if text.isascii() and _FUNCTION_WORDS.isdisjoint(words) and not unknown_words(text):
        return False
    foreign = {word for word in words if _is_foreign(word)}
    if not foreign:
        return False
    share = sum(word in foreign for word in words) / len(words)
    if len(words) == 1 or share >= 0.8:
        return len(words) > 2 or not text.isascii()
    held = sum(word in _FUNCTION_WORDS for word in words)
    marked = sum(word in foreign or word in _FUNCTION_WORDS for word in words) / len(words)
    return marked >= 0.5 and bool(held) and (share >= 0.5 or held >= 2)


def _is_foreign(word: str) -> bool:
    """Whether no English text has the word; an accent alone makes none of a word that has lost it (café)."""
    if len(word) < 2 or word in _word_counts():
        return False
    return not any(len(part) == 1 or is_english(part) for part in words_of(word))


def _is_compound(word: str, least: int) -> bool:
    """Whether a word is made of two common ones with at least so many letters each."""
    words = _common_words()
    return any(word[:at] in words and word[at:] in words for at in range(least, len(word) - least + 1))


def _is_likely(word: str, other: str, edits: int) -> bool:
    """Whether somebody who meant ``other`` types ``word``, by the place and the kind of the edits."""
    if edits == 0:
        return False
    if edits == 2:
        return word[-1] == other[-1] and abs(len(word) - len(other)) < 2
    if word[:-1] == other:  # "bento" is not "bent"
        return word[-1] == other[-1]
    changed = [pair for pair in zip(word, other, strict=False) if pair[0] != pair[1]]
    if len(word) != len(other) or len(changed) == 2 or len(word) >= _SURE_LETTERS:
        return True
    return set(changed[0]) <= _VOWELS or set(changed[0]) == {"m", "n"}


def _weight(word: str, other: str, edits: int) -> float:
    """The edits; one is less where two letters are only swapped."""
    return edits / 2 if edits == 1 and len(word) == len(other) and sorted(word) == sorted(other) else float(edits)


def _sound(word: str) -> str:
    for letters, sound in _SOUNDS:
        word = word.replace(letters, sound)
    return re.sub(r"(.)\1", r"\1", word)


def _is_latin(sign: str) -> bool:
    return sign < "\u0250" or "\u1e00" <= sign <= "\u1eff"


@lru_cache(maxsize=1)
def _word_counts() -> Mapping[str, int]:
    """How often each English word occurs in the list."""
    import spellchecker

    path = Path(spellchecker.__file__).parent / "resources" / "en.json.gz"
    return dict(json.loads(gzip.decompress(path.read_bytes())))


@lru_cache(maxsize=1)
def _common_words() -> Mapping[str, int]:
    return {word: count for word, count in _word_counts().items() if count >= _LEAST_COUNT and word.isalpha()}
