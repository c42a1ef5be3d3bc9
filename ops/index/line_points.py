"""A spoken line as the index holds it, and what an engine must be able to do with lines."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ops.index.letters import SEPARATOR
from ops.index.sentences import is_unspaced, joined_text
from ops.index.stems import stems_by
from ops.index.words import line_spellings_of, pairs_of, phrase_spellings_of, stemmer_of, terms_of

WORDS_KEY = "words"
"""Payload field whose text index answers for phrases."""
FOLLOWING_KEY = "following"
_TERMS_PREFIX = "terms_"


@dataclass(frozen=True, kw_only=True)
class Following:
    """A line that goes on with the sentence of another one."""

    line_id: str
    text: str
    shot_ids: tuple[str, ...]
    end_frame: int
    end_s: float


@dataclass(frozen=True, kw_only=True)
class LineRow:
    """One line as it goes into the index: a row of the lake's ``dialogue`` table without its stamps.

    Frames are source frames, half-open; ``start_s`` and ``end_s`` seconds from the first frame. ``language`` is
    an ISO 639 code or empty, ``source`` where the line comes from. ``following`` are the next lines of its sentence.
    """

    line_id: str
    video_id: str
    show: str
    shot_ids: tuple[str, ...]
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    text: str
    language: str
    source: str
    following: tuple[Following, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LineHit(LineRow):
    """One line found, or several of one sentence: ``score`` is BM25, above 0, comparable only within one answer.

    ``joined_ids`` are the lines after the first, ``line_id``, if the words run over several; text, end and shots are
    those of all of them.
    """

    score: float
    joined_ids: tuple[str, ...] = ()

    @property
    def line_ids(self) -> tuple[str, ...]:
        """Every line of the hit, in order."""
        return (self.line_id, *self.joined_ids)


@dataclass(frozen=True, kw_only=True)
class LinePoint:
    """A line as an engine stores it."""

    line_id: str
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class WantedLines:
    """Which lines may be found; applied by the engine during the search. Empty means all.

    ``phrases`` are spellings as :func:`phrases_of` makes them; a line must hold one of each.
    """

    shows: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()


class LineStore(Protocol):
    """One complete, immutable version of the lines, open for reading."""

    def manifest(self) -> dict[str, Any]:
        """What the version was built with; costs no opening of the points."""

    def rank(self, field: str, terms: str, depth: int, wanted: WantedLines) -> list[tuple[float, dict[str, Any]]]:
        """Up to ``depth`` of the best ``(BM25 score, payload)`` by a terms field, best first."""

    def scroll(self) -> Iterator[dict[str, Any]]:
        """The payload of every line, once."""

    def close(self) -> None:
        """Let go of files and connections."""


def field_of(stemmer: str) -> str:
    """Payload field, with a text index that scores, of the lines that share a stemmer."""
    return _TERMS_PREFIX + stemmer


def words_field(text: str) -> str:
    """All spellings of a text in one string, in which a phrase is looked for."""
    return f" {SEPARATOR} ".join(map(" ".join, line_spellings_of(text)))


def holds(field: str, phrases: Sequence[Sequence[str]]) -> bool:
    """Whether a :func:`words_field` has one spelling of each phrase, as the engines decide it."""
    return all(any(f" {each} " in f" {field} " for each in spelled) for spelled in phrases)


def point_of(row: LineRow) -> LinePoint:
    """The row as it is stored: its own columns, its words for phrases, its terms for ranking.

    Phrases are looked for in its whole sentence. Ranking counts its own words, and those that only the border
    between two of its lines makes, as it does in scripts without blanks.
    """
    stemmer = stemmer_of(row.language)
    texts = [row.text, *(each.text for each in row.following)]
    terms = _ranked_terms(row.text)
    words = words_field(joined_text(texts))
    if any(is_unspaced(before, after) for before, after in itertools.pairwise(texts)):
        known = {term for text in texts for term in _ranked_terms(text)}
        terms += [term for term in _ranked_terms(joined_text(texts)) if term not in known]
        words = f"{words_field(row.text)} {SEPARATOR} {words}"
    payload = {**vars(row), "shot_ids": list(row.shot_ids), FOLLOWING_KEY: [_stored(each) for each in row.following]}
    ranked = {field_of(stemmer): " ".join(stems_by(stemmer, terms))}
    return LinePoint(line_id=row.line_id, payload={**payload, WORDS_KEY: words, **ranked})


def row_of(payload: dict[str, Any]) -> LineRow:
    """The row that was stored; the inverse of :func:`point_of`."""
    return LineRow(**_columns(payload))


def hit_of(payload: dict[str, Any], score: float) -> LineHit:
    """The stored row as a hit."""
    return LineHit(**_columns(payload), score=score)


def phrases_of(text: str) -> tuple[str, ...]:
    """The spellings of a phrase, each as one string; empty if it has no word."""
    return tuple(map(" ".join, phrase_spellings_of(text)))


def line_point_id(line_id: str) -> uuid.UUID:
    """Point id of a line: 128 bits of BLAKE2b, so that writing a line twice cannot double it."""
    return uuid.UUID(bytes=hashlib.blake2b(line_id.encode(), digest_size=16).digest())


def values_of(row: LineRow) -> list[Any]:
    """All values of a row as JSON has them."""
    return [*list(vars(row).values())[:-1], [list(vars(each).values()) for each in row.following]]


def _ranked_terms(text: str) -> list[str]:
    return [*terms_of(text), *pairs_of(text)]


def _stored(line: Following) -> dict[str, Any]:
    return {**vars(line), "shot_ids": list(line.shot_ids)}


def _columns(payload: dict[str, Any]) -> dict[str, Any]:
    columns = {name: payload[name] for name in LineRow.__dataclass_fields__}
    following = tuple(Following(**each | {"shot_ids": tuple(each["shot_ids"])}) for each in columns[FOLLOWING_KEY])
    return columns | {"shot_ids": tuple(columns["shot_ids"]), FOLLOWING_KEY: following}


def distinct(words: Sequence[str], most: int) -> list[str]:
    """The first ``most`` different words: a query may be as long as it likes and stays bounded."""
    return list(dict.fromkeys(words))[:most]
