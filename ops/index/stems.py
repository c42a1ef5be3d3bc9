"""The stems of words, by the engine's own stemmers: two words share one exactly where the index of lines says so.

Stands alone because who judges a line that was found must not have rules of their own of what the forms of a
word are.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ops.index.words import NO_STEMMER, stemmer_of, words_of

Stem = tuple[int, ...]
KEPT = 65_536


def stems_of(text: str, language: str = "") -> list[Stem]:
    """What stands for the stem of each word of the text, in order: equal for the forms of one word.

    ``language`` is that of the line as the index has it (``en``, ``pt-BR``, empty where unknown).
    """
    return stems_of_words(words_of(text), language)


def stems_of_words(words: Iterable[str], language: str = "") -> list[Stem]:
    """:func:`stems_of` of words as ``words_of`` makes them."""
    stemmer = stemmer_of(language)
    return [_stem(word, stemmer) for word in words]


@lru_cache(maxsize=KEPT)
def _stem(word: str, stemmer: str) -> Stem:
    # One word makes one dimension of a sparse vector, the engine's hash of its stem; more where the engine
    # sees more words than we do.
    return tuple(sorted(_model(stemmer).embed_query(word).indices))


@lru_cache
def _model(stemmer: str) -> Any:
    import qdrant_edge as edge

    stem: Any = edge.DisabledStemmer()
    if stemmer != NO_STEMMER:
        stem = edge.SnowballParams(getattr(edge.SnowballLanguage, stemmer.capitalize()))
    return edge.Bm25(
        edge.Bm25Config(
            tokenizer=edge.TokenizerType.Word,
            lowercase=True,
            stopwords=edge.StopwordsSet(custom=set()),  # without it, those of English would be left out
            stemmer=stem,
        )
    )
