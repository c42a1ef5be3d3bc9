"""A spoken line as the index stores it, and the interface of an engine for lines."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, cast

from ops.index.letters import SEPARATOR
from ops.index.points import Manifest
from ops.index.sentences import is_unspaced, join_text
from ops.index.stems import stem_words_with
from ops.index.words import choose_stemmer, list_line_spellings, list_pairs, list_phrase_spellings, list_terms

WORDS_KEY = "words"
"""Payload field whose text index answers for phrases."""
FOLLOWING_KEY = "following"
_TERMS_PREFIX = "terms_"


@dataclass(frozen=True, kw_only=True)
class Following:
    """A line that continues the sentence of another one."""

    line_id: str
    text: str
    shot_ids: tuple[str, ...]
    end_frame: int
    end_s: float


@dataclass(frozen=True, kw_only=True)
class LineRow:
    """One line for the index: a row of the lake's ``dialogue`` table without its stamps.

    Frames are source frames, half-open; ``start_s`` and ``end_s`` are seconds from the first frame. ``language`` is an
    ISO 639 code or empty, ``source`` the origin of the line. ``following`` are the next lines of its sentence.
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
    """One matching line, or several of one sentence: ``score`` is BM25, above 0, comparable only within one answer.

    If the words span several lines, ``joined_ids`` are the lines after the first, ``line_id``. Text, end and shots are
    then those of all of them.
    """

    score: float
    joined_ids: tuple[str, ...] = ()

    @property
    def line_ids(self) -> tuple[str, ...]:
        """Return every line of the hit, in order."""
        return (self.line_id, *self.joined_ids)


class FollowingPayload(TypedDict):
    """A :class:`Following` as an engine stores it."""

    line_id: str
    text: str
    shot_ids: list[str]
    end_frame: int
    end_s: float


class LinePayload(TypedDict):
    """The columns of a :class:`LineRow` as an engine stores them."""

    line_id: str
    video_id: str
    show: str
    shot_ids: list[str]
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    text: str
    language: str
    source: str
    following: list[FollowingPayload]


@dataclass(frozen=True, kw_only=True)
class LinePoint:
    """A line as an engine stores it: its columns, its words for phrases, and the stemmed terms that rank it."""

    line_id: str
    payload: LinePayload
    words: str
    stemmer: str
    terms: str


@dataclass(frozen=True, kw_only=True)
class WantedLines:
    """The filter for lines; applied by the engine during the search. Empty means all.

    ``phrases`` are spellings from :func:`spell_phrase`; a line must contain one of each.
    """

    shows: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()


class LineStore(Protocol):
    """One complete, immutable version of the lines, open for reading."""

    def manifest(self) -> Manifest:
        """The manifest with which the version was built; does not open the points."""

    def list_stemmers(self) -> Sequence[str]:
        """Return the stemmers of the lines."""

    def rank(self, stemmer: str, terms: str, depth: int, conditions: WantedLines) -> list[tuple[float, LinePayload]]:
        """Return up to ``depth`` of the best ``(BM25 score, payload)`` of the lines of a stemmer, best first."""

    def scroll(self) -> Iterator[LinePayload]:
        """Yield the payload of every line, once."""

    def count_words(self) -> Mapping[str, int]:
        """Return in how many lines each word is."""

    def list_shot_ids(self) -> frozenset[str]:
        """Return the shots of all lines."""

    def close(self) -> None:
        """Release files and connections."""


def name_terms_field(stemmer: str) -> str:
    """Return the payload field, with a text index that scores, of the lines that share a stemmer."""
    return _TERMS_PREFIX + stemmer


def build_words_field(text: str) -> str:
    """Return all spellings of a text in one string, in which phrases are searched."""
    return f" {SEPARATOR} ".join(map(" ".join, list_line_spellings(text)))


def has_phrases(field: str, phrases: Sequence[Sequence[str]]) -> bool:
    """Return True if a :func:`build_words_field` has one spelling of each phrase, by the rule of the engines."""
    return all(any(f" {each} " in f" {field} " for each in spellings) for spellings in phrases)


def build_point(row: LineRow) -> LinePoint:
    """Return the row for storage: its own columns, its words for phrases, its terms for ranking.

    Phrases are searched in its whole sentence. Ranking counts its own words, and words that only the border between two
    of its lines makes, as in scripts without blanks.
    """
    stemmer = choose_stemmer(row.language)
    texts = [row.text, *(each.text for each in row.following)]
    terms = _list_ranked_terms(row.text)
    words = build_words_field(join_text(texts))
    if any(is_unspaced(before, after) for before, after in itertools.pairwise(texts)):
        known_terms = {term for text in texts for term in _list_ranked_terms(text)}
        terms += [term for term in _list_ranked_terms(join_text(texts)) if term not in known_terms]
        words = f"{build_words_field(row.text)} {SEPARATOR} {words}"
    payload = {
        **vars(row),
        "shot_ids": list(row.shot_ids),
        FOLLOWING_KEY: [_store_following(each) for each in row.following],
    }
    return LinePoint(
        line_id=row.line_id,
        payload=cast(LinePayload, payload),
        words=words,
        stemmer=stemmer,
        terms=" ".join(stem_words_with(stemmer, terms)),
    )


def parse_row(payload: LinePayload) -> LineRow:
    """Return the stored row; the inverse of :func:`build_point`."""
    return LineRow(
        line_id=payload["line_id"],
        video_id=payload["video_id"],
        show=payload["show"],
        shot_ids=tuple(payload["shot_ids"]),
        start_frame=payload["start_frame"],
        end_frame=payload["end_frame"],
        start_s=payload["start_s"],
        end_s=payload["end_s"],
        text=payload["text"],
        language=payload["language"],
        source=payload["source"],
        following=tuple(map(_parse_following, payload["following"])),
    )


def parse_hit(payload: LinePayload, score: float) -> LineHit:
    """Return the stored row as a hit."""
    return LineHit(**vars(parse_row(payload)), score=score)


def spell_phrase(text: str) -> tuple[str, ...]:
    """Return the spellings of a phrase, each as one string; empty if it has no word."""
    return tuple(map(" ".join, list_phrase_spellings(text)))


def make_point_id(line_id: str, generation: int) -> uuid.UUID:
    """Return the point id of a line on a server: 128 bits of BLAKE2b, so that writing it twice cannot duplicate it."""
    return uuid.UUID(bytes=hashlib.blake2b(f"{generation} {line_id}".encode(), digest_size=16).digest())


def list_values(row: LineRow) -> list[Any]:
    """Return all values of a row as JSON values."""
    return [*list(vars(row).values())[:-1], [list(vars(each).values()) for each in row.following]]


def _list_ranked_terms(text: str) -> list[str]:
    return [*list_terms(text), *list_pairs(text)]


def _store_following(line: Following) -> FollowingPayload:
    return {
        "line_id": line.line_id,
        "text": line.text,
        "shot_ids": list(line.shot_ids),
        "end_frame": line.end_frame,
        "end_s": line.end_s,
    }


def _parse_following(payload: FollowingPayload) -> Following:
    return Following(
        line_id=payload["line_id"],
        text=payload["text"],
        shot_ids=tuple(payload["shot_ids"]),
        end_frame=payload["end_frame"],
        end_s=payload["end_s"],
    )


def take_distinct(words: Sequence[str], most: int) -> list[str]:
    """Return the first ``most`` different words: this bounds the cost of a query of any length."""
    return list(dict.fromkeys(words))[:most]
