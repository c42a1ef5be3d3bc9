"""Retrieve the shots of an index by their similarity to a text and examples, best first.

A :class:`Retrieval` serves one query. Each of its parts (the query itself, the next shot, a condition) is retrieved in
the same way, with the same vector arithmetic, scale and filters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ops.core.types import parse_shot_id
from ops.index.fetching import Fetched
from ops.index.index import VectorIndex
from ops.search.calibration import Calibration
from ops.search.query_encoding import QueryEncoder, combine
from ops.search.query_parts import is_words
from ops.search.retriever import IndexSnapshot
from ops.search.schema import Kind, Query
from ops.search.searched_catalogue import Scope
from ops.search.titles import is_about_writing

Vector = NDArray[np.float32]

NO_TITLES = "title cards stand among the other shots: in this catalogue they cannot be distinguished from them"
# Cosine from which two shots count as the same images (a copy, another encode of the same film).
DUPLICATE = 0.995


@dataclass(slots=True, kw_only=True)
class Candidate:
    """One shot: ``score`` is the cosine with the query, ``relevance`` 0 to 1.

    * ``matched`` names which of ``visual``, ``dialogue`` and ``written`` match, ``line_ids`` the matching lines,
      ``text_ids`` the matching writing.
    * ``match`` are the half-open frames that fulfil the conditions, ``None`` for the whole shot.
    * ``then`` is the shot that follows.
    * ``folded`` are later shots with the same images.
    * ``is_weak``: it lies under the divider.
    """

    shot_id: str
    score: float
    relevance: float
    matched: tuple[Kind, ...] = ("visual",)
    line_ids: tuple[str, ...] = ()
    text_ids: tuple[str, ...] = ()
    match: tuple[int, int] | None = None
    then: Candidate | None = None
    folded: tuple[str, ...] = ()
    is_weak: bool = False


Filter = Callable[[Sequence[Candidate]], Sequence[Candidate]]


class Ranking(Protocol):
    """Candidates from best to worst, as many as requested.

    ``falls``: relevance never rises from one candidate to the next.
    """

    falls: bool

    def best(self, count: int) -> Fetched[Candidate]:
        """Return the first ``count``, or a few more, or fewer if some are left out.

        The order does not depend on ``count``, so the pages of one search are consistent.
        """


class VisualRanking:
    """Every shot of the index by its cosine with one vector, float32 (D,)."""

    falls = True

    def __init__(
        self,
        index: VectorIndex,
        vector: Vector,
        calibration: Calibration,
        *,
        scope: Scope,
        exclude_blank: bool = False,
        exact: bool = False,
    ) -> None:
        self._index = index
        self._vector = vector
        self._calibration = calibration
        self._scope = scope
        self._exclude_blank = exclude_blank
        self._exact = exact

    def best(self, count: int) -> Fetched[Candidate]:
        """See :class:`Ranking`."""
        if self._scope.is_empty:
            return Fetched(items=[], is_all=True, looked_at=0)
        # The index reads a power of two of candidates: a request up to that number costs no more.
        limit = (1 << count.bit_length()) - 1
        hits = self._index.search(
            self._vector,
            limit=limit,
            shows=self._scope.shows,
            videos=self._scope.video_ids,
            exclude_blank=self._exclude_blank,
            exact=self._exact,
            with_payload=False,
        )
        relevance = self._calibration.relevance
        candidates = [Candidate(shot_id=hit.shot_id, score=hit.score, relevance=relevance(hit.score)) for hit in hits]
        return Fetched(items=candidates, is_all=len(hits) < limit, looked_at=len(hits))


class LeastLikeRanking:
    """Every shot of a scope, the least like one vector, float32 (D,), first; all fulfil the filters equally."""

    falls = False

    def __init__(self, index: VectorIndex, vector: Vector, *, scope: Scope, exclude_blank: bool) -> None:
        self._index = index
        self._vector = vector
        self._scope = scope
        self._exclude_blank = exclude_blank

    def best(self, count: int) -> Fetched[Candidate]:
        """See :class:`Ranking`. ``score`` is the cosine with the opposite of the vector."""
        if self._scope.is_empty:
            return Fetched(items=[], is_all=True, looked_at=0)
        hits = self._index.search(
            -self._vector,
            limit=count,
            shows=self._scope.shows,
            videos=self._scope.video_ids,
            exclude_blank=self._exclude_blank,
            exact=True,
            with_payload=False,
        )
        candidates = [Candidate(shot_id=hit.shot_id, score=hit.score, relevance=1.0, matched=()) for hit in hits]
        return Fetched(items=candidates, is_all=len(hits) < count, looked_at=len(hits))


class FixedRanking:
    """A list of candidates that is complete."""

    falls = False

    def __init__(self, candidates: list[Candidate]) -> None:
        self._candidates = candidates

    def best(self, count: int) -> Fetched[Candidate]:
        """See :class:`Ranking`."""
        return Fetched(items=self._candidates, is_all=True, looked_at=len(self._candidates))


class Filtered:
    """A ranking without the shots that filters drop."""

    def __init__(self, ranking: Ranking, filters: Sequence[Filter]) -> None:
        self._ranking = ranking
        self._filters = filters
        self.falls = ranking.falls

    def best(self, count: int) -> Fetched[Candidate]:
        """See :class:`Ranking`; may be fewer than ``count``."""
        hits = self._ranking.best(count)
        items = hits.items
        for each in self._filters:
            items = each(items)
        return Fetched(items=items, is_all=hits.is_all, looked_at=hits.looked_at)


@dataclass(frozen=True, kw_only=True)
class VisualPart:
    """One visual part of a query: its ranking before ``filters``, its unit ``vector`` (D,), and its scale.

    ``titles`` are the title cards in the catalogue, unless the query asks for some. ``notes`` report limits of the
    search for this part.
    """

    ranking: Ranking
    filters: tuple[Filter, ...]
    vector: Vector
    calibration: Calibration
    titles: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def apply_filters(self) -> Ranking:
        """Return the ranking without the shots that the filters drop, and without ``titles``."""
        return Filtered(self.ranking, (*self.filters, exclude(self.titles)))


class Retrieval:
    """Retrieves the parts of one query from one snapshot. ``starts_of`` returns start frames of a video's shots."""

    def __init__(
        self,
        query: Query,
        scope: Scope,
        snapshot: IndexSnapshot,
        encoder: QueryEncoder,
        starts_of: Callable[[str], list[int]],
    ) -> None:
        self._query = query
        self._scope = scope
        self._snapshot = snapshot
        self._encoder = encoder
        self._starts_of = starts_of

    def look_like(self, text: str, like: Sequence[str] = (), unlike: Sequence[str] = ()) -> VisualPart:
        """Return the shots that look like a text and examples, and not like those of ``unlike``, which may be words.

        The filters drop shots given as examples and copies of the wanted ones.
        Raises ``NotFoundError`` for an unknown example.
        """
        query, snapshot, has_text = self._query, self._snapshot, bool(text.strip())
        words = [each for each in unlike if is_words(each)]
        unlike = [each for each in unlike if each not in words]
        names = [*like, *unlike]
        examples = self._encoder.encode_examples(snapshot.index, names, self._starts_of) if names else {}
        unlike_vectors = [examples[name] for name in unlike]
        unwanted_words = list(self._encoder.encode_texts(words)) if words else []
        like_vectors = [examples[name] for name in like]
        vector = combine(self._encoder.encode_text(text), like_vectors, unlike_vectors, unwanted_words)
        shot_count = snapshot.count_shots(self._scope)
        calibration = snapshot.calibration(has_text, len(like), len(unlike), len(words), shots=shot_count)
        filters: list[Filter] = []
        if shots := {name for name in examples if parse_shot_id(name)}:
            filters.append(exclude(shots))
            if vectors := [examples[name] for name in like if name in shots]:
                filters.append(lambda candidates: _drop_copies(snapshot.index, candidates, vectors))
        demotes_titles = has_text and not query.include_titles and not is_about_writing(text)
        ranking = VisualRanking(
            snapshot.index,
            vector,
            calibration,
            scope=self._scope,
            exclude_blank=has_text and not query.include_blank,
            exact=query.exact,
        )
        return VisualPart(
            ranking=ranking,
            filters=tuple(filters),
            vector=vector,
            calibration=calibration,
            titles=snapshot.titles if demotes_titles else frozenset(),
            notes=(NO_TITLES,) if demotes_titles and not snapshot.tells_titles else (),
        )

    def look_unlike(self, unlike: Sequence[str]) -> LeastLikeRanking:
        """Return the shots of the scope in an order that puts those that look like the examples or words last."""
        words = [each for each in unlike if is_words(each)]
        names = [each for each in unlike if each not in words]
        examples = self._encoder.encode_examples(self._snapshot.index, names, self._starts_of) if names else {}
        vectors = [*examples.values(), *(self._encoder.encode_texts(words) if words else ())]
        return LeastLikeRanking(
            self._snapshot.index,
            combine(None, vectors, []),
            scope=self._scope,
            exclude_blank=not self._query.include_blank,
        )

    def compute_middle(self, texts: Sequence[str]) -> Vector | None:
        """Return the mean direction of texts, unit (D,), for the scores of hits by conditions only.

        ``None`` without texts.
        """
        return combine(None, list(self._encoder.encode_texts(texts)), []) if texts else None


def exclude(shot_ids: frozenset[str] | set[str]) -> Filter:
    """Return a filter that drops these shots."""
    return lambda candidates: [each for each in candidates if each.shot_id not in shot_ids]


def keep_only(shot_ids: frozenset[str] | set[str]) -> Filter:
    """Return a filter that keeps only these shots."""
    return lambda candidates: [each for each in candidates if each.shot_id in shot_ids]


def mark_duplicates(vectors: NDArray[np.float32], examples: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Mark the unit vectors (N, D) that show the same images as any of the examples (D,): bool (N,)."""
    if not len(vectors) or not examples:
        return np.zeros(len(vectors), np.bool_)
    same: NDArray[np.bool_] = (vectors @ np.stack(list(examples)).T).max(axis=1) >= DUPLICATE
    return same


def _drop_copies(index: VectorIndex, candidates: Sequence[Candidate], examples: Sequence[Vector]) -> list[Candidate]:
    vectors = index.vectors([each.shot_id for each in candidates])
    candidates_with_vector = [each for each in candidates if each.shot_id in vectors]
    same = mark_duplicates(np.asarray([vectors[each.shot_id] for each in candidates_with_vector], np.float32), examples)
    return [each for each, is_copy in zip(candidates_with_vector, same, strict=True) if not is_copy]
