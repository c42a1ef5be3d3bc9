"""How spoken lines become words: what the engines tokenise, the same for a line and for a query.

Stands alone because embedded engine, server and the client's in-memory mode must agree on what a word is.
So folding is done here, and the engines are left with what all of them do alike: split at what is neither
letter nor digit, and stem.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

STEMMERS = {
    "ar": "arabic",
    "hy": "armenian",
    "da": "danish",
    "nl": "dutch",
    "en": "english",
    "fi": "finnish",
    "fr": "french",
    "de": "german",
    "el": "greek",
    "hu": "hungarian",
    "it": "italian",
    "no": "norwegian",
    "nb": "norwegian",
    "nn": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "es": "spanish",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
"""Snowball stemmers of the engine by ISO 639-1 code."""

UNKNOWN_LANGUAGE = "english"
NO_STEMMER = "none"

# Letters that are not an ASCII letter with a mark, for which people type ASCII all the same.
_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
# Scripts written without spaces: Thai, Lao, Khmer, Myanmar, kana, CJK ideographs.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a text in order, without case, accents and punctuation: "You\u2019re" is "you", "re".

    In scripts without spaces each sign is a word, so that a phrase may begin anywhere.
    """
    folded = "".join(map(_folded, unicodedata.normalize("NFKC", text))).translate(_LETTERS)
    return _WORD.findall(_UNSPACED.sub(r" \g<0> ", folded))


def terms_of(text: str) -> list[str]:
    """What ranking counts: the words, and where a script has no spaces also each pair of neighbouring signs."""
    words = words_of(text)
    return words + list(_pairs(words))


def stemmer_of(language: str) -> str:
    """The stemmer for a language code (``en``, ``pt-BR``); ``none`` where there is none, English where unknown."""
    code = language.lower().replace("_", "-").split("-")[0]
    return STEMMERS.get(code, NO_STEMMER) if code not in ("", "und") else UNKNOWN_LANGUAGE


def _folded(sign: str) -> str:
    base = unicodedata.normalize("NFD", sign)[0]
    # Only Latin loses its marks: in other scripts a mark makes another letter.
    return (base if base.isascii() else sign).casefold().replace("\u0307", "")


def _pairs(words: list[str]) -> Iterator[str]:
    for left, right in itertools.pairwise(words):
        if _UNSPACED.match(left) and _UNSPACED.match(right):
            yield left + right
