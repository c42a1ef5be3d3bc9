"""The stems of words, by the Snowball stemmers: equal for the forms of one word.

Stands alone because lines, queries and the scoring of lines must use one rule for the forms of a word. The engines
receive stems and do not stem: the client's in-memory mode cannot, and all must agree.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ops.index.letters import fold_letters, restore_marks
from ops.index.words import NO_STEMMER, choose_stemmer, list_forms, list_terms

MOST_STEMS = 65_536

_local = threading.local()


@lru_cache(maxsize=MOST_STEMS // 4)
def list_stems(text: str, language: str = "") -> frozenset[str]:
    """Return the stems of all terms of the text, in the language of the line in the index (empty if unknown)."""
    return frozenset(stem_words_with(choose_stemmer(language), list_terms(text)))


def stem_words(words: Iterable[str], language: str = "") -> list[str]:
    """Return the stem of each word from :func:`~ops.index.words.split_words`."""
    return stem_words_with(choose_stemmer(language), words)


def is_in(word: str, stems: frozenset[str], language: str = "") -> bool:
    """Return True if the stem of a word, or of the noun in it, is among those of a line in that language."""
    return not stems.isdisjoint(stem_words(list_forms(word), language))


def stem_words_with(stemmer: str, words: Iterable[str]) -> list[str]:
    """Return the stem of each word by the named stemmer; the word itself by ``none``."""
    return list(words) if stemmer == NO_STEMMER else [_stem(word, stemmer) for word in words]


@lru_cache(maxsize=MOST_STEMS)
def _stem(word: str, stemmer: str) -> str:
    # Stemmers treat marks as marks (Tamil), and may return a letter in a form that is folded here.
    return fold_letters(_load_stemmer(stemmer).stemWord(restore_marks(word)))


def _load_stemmer(stemmer: str) -> Any:
    """Return the stemmer, one for each thread: it must not be shared."""
    import Stemmer

    algorithms: dict[str, Any] = _local.__dict__.setdefault("algorithms", {})
    if stemmer not in algorithms:
        algorithms[stemmer] = Stemmer.Stemmer(stemmer, 0)
    return algorithms[stemmer]
