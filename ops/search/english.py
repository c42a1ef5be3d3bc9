"""Check if words are English, suggest the intended word for a misspelt one, and detect the language of a text.

Stands alone because the answers depend on languages, not on this catalogue. The data are word lists with frequencies
(wordfreq, Speer 2022; data CC BY-SA 4.0) on the Zipf scale, log10 of occurrences in a billion words. Nothing is loaded
if the starter's tokenizer has all words of a text whole and the text shows no sign of another language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ops.embeddings.starter.text_tower import read_tokenizer_words
from ops.index.frequencies import load_word_frequencies
from ops.index.words import split_words

LEAST_LETTERS = 4
"""Shorter words are near to too many others."""
_SURE_LETTERS = 6
"""In words of at least this length, any letter may be replaced; in shorter ones a vowel only, or m for n."""
_TWO_EDITS_FROM = 7
_KNOWN = 2.2
"""Words at least this frequent are words ("machu" 2.6, "bento" 2.7); most rarer ones are misspelt."""
_COMMON = 3.3
"""Suggestions are words at least this frequent ("bicycle" 4.0): rarer ones are seldom meant."""
_MORE_FREQUENT = 1.8
"""A suggestion is at least this much more frequent than the typed word: "fletching" (1.7) is not "fetching" (3.3)."""
_CLEARLY = 4.0
"""The best suggestion must occur this many times as often as the next one with as many edits, or there is none."""
_LEAST_PART, _SURE_PART = 3, 4

# Endings of inflected forms, and the endings that their base has instead.
_FORMS = (("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("d", ""), ("ing", ""), ("er", ""), ("ers", ""), ("rs", ""))

# Letters that sound alike: words with the same key are closer than any edit (elefant, elephant).
_SOUNDS = (("ph", "f"), ("ck", "k"), ("c", "k"), ("q", "k"), ("y", "i"), ("z", "s"), ("ie", "i"), ("ei", "i"))
_VOWELS = frozenset("aeiouy")

# Function words of other languages that English does not use, or seldom uses.
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

LANGUAGES = {
    "fr": "French", "de": "German", "es": "Spanish", "it": "Italian", "pt": "Portuguese", "nl": "Dutch",
    "sv": "Swedish", "da": "Danish", "nb": "Norwegian", "fi": "Finnish", "pl": "Polish", "cs": "Czech",
    "tr": "Turkish", "hu": "Hungarian", "ro": "Romanian", "id": "Indonesian", "vi": "Vietnamese", "ca": "Catalan",
}  # fmt: skip
"""Languages in Latin letters that are distinguished from English."""
_ANOTHER = "another language"
# How much more frequent the words of a text must be in the language than in English, as a mean on the Zipf scale. Set
# on 35 texts in other languages (least: 1.6 for three words, 2.2 for two, 2.1 for one) and 221 English ones with
# foreign words in them ("ballerina en pointe" 1.3, "El Capitan" 1.9, "dirndl" 1.8), 2026-11-28.
_FOREIGN_FROM = {1: 2.0, 2: 2.0}
_FOREIGN = 1.5
_CLEAR_WORD, _UNKNOWN_WORD, _RARE = 1.3, 2.0, 1.6
_PARTICLES = frozenset(["da", "de", "del", "der", "di", "du", "el", "la", "le", "van", "von", "y"])
"""Words of names that are written small."""
_MOST = 3.0
"""Maximum that one word contributes: names are in no list, or in one by chance."""


def list_unknown_words(text: str) -> list[str]:
    """Return each word of the text that no English list has, once; words with digits and single letters are known."""
    vocabulary = read_tokenizer_words()
    rare = [
        word for word in dict.fromkeys(split_words(text)) if len(word) > 1 and word.isalpha() and word not in vocabulary
    ]
    return [word for word in rare if not is_english(word)]


def is_english(word: str) -> bool:
    """Return True if a word (folded), or the base of an inflected form, is frequent enough in English texts."""
    english = _load_english()
    if english.get(word, 0.0) >= _KNOWN:
        return True
    bases = [word.removesuffix(ending) + base for ending, base in _FORMS if word.endswith(ending)]
    return any(len(each) >= LEAST_LETTERS and english.get(each, 0.0) >= _KNOWN for each in bases)


def suggest_word(word: str) -> str | None:
    """Return the intended word for one that is not English, if one is clearly nearest, else ``None``.

    A compound of two words ("firelit") is kept, unless a single edit corrects a compound of short parts.
    """
    if len(word) < LEAST_LETTERS or not word.isascii() or _is_compound(word, _SURE_PART):
        return None
    best = find_nearest_word(word, _load_common_words(), most_edits=1 if _is_compound(word, _LEAST_PART) else 2)
    english = _load_english()
    return best if best and english[best] >= english.get(word, 0.0) + _MORE_FREQUENT else None


def find_nearest_word(word: str, counts: Mapping[str, float], *, most_edits: int = 2) -> str | None:
    """Return the clearly nearest of the words, by letters dropped, added, changed or swapped, else ``None``.

    ``counts`` gives the occurrences of each word, which decide between equally near ones. The rules were set on
    captions (Flickr8k dev, 5,000 texts, 2026-11-28).
    """
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extract

    edit_limit = min(most_edits, 2 if len(word) >= _TWO_EDITS_FROM else 1)
    sound = _encode_sound(word)
    alike = [other for other in counts if other[0] == word[0] and abs(len(other) - len(word)) <= 2]
    matches = extract(word, alike, scorer=OSA.distance, score_cutoff=edit_limit, limit=None)
    near = [
        (_weigh_edits(word, other, int(count)), other)
        for other, count, _ in matches
        if _is_likely(word, other, int(count))
    ]
    if most_edits > 1 or len(word) < _TWO_EDITS_FROM:
        near += [(0.0, other) for other in counts if _can_sound_alike(word, other) and _encode_sound(other) == sound]
    if not near:
        return None
    least = min(near)[0]
    rivals = sorted(((counts[other], other) for count, other in set(near) if count == least), reverse=True)
    best = rivals[0]
    return best[1] if len(rivals) == 1 or best[0] >= _CLEARLY * rivals[1][0] else None


def detect_foreign_language(text: str) -> str | None:
    """Return the language of a text that is hardly English ("French"), or ``None`` if it may be English.

    Letters of another script decide alone ("another language"). In Latin letters, the words must be much more frequent
    in that language.
    """
    letters = [sign for sign in text if sign.isalpha()]
    if letters and sum(map(_is_latin, letters)) < len(letters) / 2:
        return _ANOTHER
    words = re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", text).casefold())
    if not words or (text.isascii() and _FUNCTION_WORDS.isdisjoint(words) and read_tokenizer_words().issuperset(words)):
        return None
    if _looks_like_name(text) or (len(words) == 1 and words[0].isascii() and len(words[0]) < LEAST_LETTERS):
        return None
    english = _load_english()
    excess, code = max(
        (_compute_excess(words, load_word_frequencies(f"small_{code}"), english), code) for code in LANGUAGES
    )
    return LANGUAGES[code] if excess >= _FOREIGN_FROM.get(len(words), _FOREIGN) else None


def _compute_excess(words: Sequence[str], other: Mapping[str, float], english: Mapping[str, float]) -> float:
    """Return how much more frequent the words are in the other language, as a mean, Zipf.

    Beside a word that is clearly of that language, one that English does not have counts as of it, too.
    """
    each = [max(-_MOST, min(_MOST, other.get(word, 0.0) - english.get(word, 0.0))) for word in words]
    if max(each) >= _CLEAR_WORD:
        each = [
            max(excess, _UNKNOWN_WORD) if english.get(word, 0.0) < _RARE and len(word) >= LEAST_LETTERS else excess
            for word, excess in zip(words, each, strict=True)
        ]
    return sum(each) / len(each)


def _looks_like_name(text: str) -> bool:
    """Return True if every word of several begins with a capital, but for particles: "Lars von Trier"."""
    words = text.split()
    return len(words) > 1 and all(word[0].isupper() or word in _PARTICLES for word in words)


def _is_compound(word: str, least: int) -> bool:
    """Return True if a word is made of two common ones with at least ``least`` letters each."""
    words = _load_common_words()
    return any(word[:at] in words and word[at:] in words for at in range(least, len(word) - least + 1))


def _is_likely(word: str, other: str, edits: int) -> bool:
    """Return True if ``word`` is a likely misspelling of ``other``, by the place and kind of the edits."""
    if edits == 0:
        return False
    if edits == 2:
        return word[-1] == other[-1] and abs(len(word) - len(other)) < 2
    if word[:-1] == other:  # "bento" is not "bent"
        return word[-1] == other[-1]
    different_pairs = [pair for pair in zip(word, other, strict=False) if pair[0] != pair[1]]
    if len(word) != len(other) or len(different_pairs) == 2 or len(word) >= _SURE_LETTERS:
        return True
    return set(different_pairs[0]) <= _VOWELS or set(different_pairs[0]) == {"m", "n"}


def _can_sound_alike(word: str, other: str) -> bool:
    return abs(len(other) - len(word)) <= 2 and (other[0] == word[0] or {other[0], word[0]} in ({"f", "p"}, {"c", "k"}))


def _weigh_edits(word: str, other: str, edits: int) -> float:
    """Return the number of edits; a swap of two letters counts half."""
    return edits / 2 if edits == 1 and len(word) == len(other) and sorted(word) == sorted(other) else float(edits)


def _encode_sound(word: str) -> str:
    for letters, sound in _SOUNDS:
        word = word.replace(letters, sound)
    return re.sub(r"(.)\1", r"\1", word)


def _is_latin(sign: str) -> bool:
    return sign < "\u0250" or "\u1e00" <= sign <= "\u1eff"


def _load_english() -> Mapping[str, float]:
    return load_word_frequencies("large_en")


@lru_cache(maxsize=1)
def _load_common_words() -> Mapping[str, float]:
    """Return the occurrences of each common English word in a billion words."""
    return {word: 10**zipf for word, zipf in _load_english().items() if zipf >= _COMMON and word.isalpha()}
