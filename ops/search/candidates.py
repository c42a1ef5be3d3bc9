"""Shots that may answer a query, in the order in which they do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ops.index.index import VectorIndex
from ops.index.lines import LineHit
from ops.search.relevance import Calibration
from ops.search.schema import Kind

Vector = NDArray[np.float32]

# The constant of reciprocal rank fusion, from its paper; and how many shots of the visual list take part, the
# depth of its experiments.
RRF_K = 60
FUSED = 1000


@dataclass(slots=True, kw_only=True)
class Candidate:
    """One shot: ``score`` is the cosine with the query, ``relevance`` 0 to 1.

    ``matched`` says what of ``visual`` and ``dialogue`` speaks for it, ``line_ids`` which lines. ``match``
    are the half-open frames that fulfil the conditions, ``None`` for the whole shot. ``then`` is the shot
    that follows. ``folded`` are shots with the same pictures that would have come later.
    """

    shot_id: str
    score: float
    relevance: float
    matched: tuple[Kind, ...] = ("visual",)
    line_ids: tuple[str, ...] = ()
    match: tuple[int, int] | None = None
    then: Candidate | None = None
    folded: tuple[str, ...] = ()


class Ranking(Protocol):
    """Candidates from best to worst, as many as are asked for.

    ``falls``: whether relevance never rises from one to the next.
    """

    falls: bool

    def best(self, count: int) -> tuple[list[Candidate], bool]:
        """The first ``count`` (or a few more), and whether these are all there are.

        What comes first does not depend on ``count``: pages of one search fit together.
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
        shows: Sequence[str] = (),
        exclude_blank: bool = False,
        exact: bool = False,
    ) -> None:
        self._index = index
        self._vector = vector
        self._calibration = calibration
        self._shows = tuple(shows)
        self._exclude_blank = exclude_blank
        self._exact = exact

    def best(self, count: int) -> tuple[list[Candidate], bool]:
        """See :class:`Ranking`."""
        # The index looks at a power of two of candidates: what is asked for up to there costs nothing more.
        asked = (1 << count.bit_length()) - 1
        found = self._index.search(
            self._vector,
            limit=asked,
            shows=self._shows,
            exclude_blank=self._exclude_blank,
            exact=self._exact,
            with_payload=False,
        )
        relevance = self._calibration.relevance
        candidates = [Candidate(shot_id=hit.shot_id, score=hit.score, relevance=relevance(hit.score)) for hit in found]
        return candidates, len(found) < asked


class FixedRanking:
    """Candidates that are all known."""

    falls = False

    def __init__(self, candidates: list[Candidate]) -> None:
        self._candidates = candidates

    def best(self, count: int) -> tuple[list[Candidate], bool]:
        """See :class:`Ranking`."""
        return self._candidates, True


class FusedRanking:
    """Shots seen and shots in which something is said, by reciprocal rank fusion.

    A shot has the sum of 1 / (RRF_K + its rank) of both lists (G. V. Cormack, C. L. A. Clarke, S. Buettcher,
    "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods", SIGIR 2009). Of the
    shots seen the first FUSED take part; those after them follow in their own order. ``spoken`` comes from
    :func:`spoken_candidates`.
    """

    falls = False

    def __init__(self, seen: Ranking, spoken: Sequence[tuple[int, Candidate]]) -> None:
        self._seen = seen
        self._spoken = {each.shot_id: (rank, each) for rank, each in spoken}

    def best(self, count: int) -> tuple[list[Candidate], bool]:
        """See :class:`Ranking`."""
        seen, is_all = self._seen.best(max(count, FUSED))
        fused: dict[str, tuple[float, Candidate]] = {
            shot_id: (1 / (RRF_K + rank), each) for shot_id, (rank, each) in self._spoken.items()
        }
        for rank, each in enumerate(seen[:FUSED], start=1):
            share = 1 / (RRF_K + rank)
            said = fused.get(each.shot_id)
            fused[each.shot_id] = (share + said[0], _both(each, said[1])) if said else (share, each)
        order = sorted(fused.values(), key=lambda pair: (-pair[0], pair[1].shot_id))
        rest = [each for each in seen[FUSED:] if each.shot_id not in fused]
        return [each for _, each in order] + rest, is_all


def spoken_candidates(lines: Iterable[tuple[LineHit, float]]) -> list[tuple[int, Candidate]]:
    """Shots in which the lines are said, with the rank (from 1) of the best of their lines.

    ``lines`` are best first, each with its relevance. Scores are NaN: nobody compared pictures.
    """
    found: dict[str, tuple[int, Candidate]] = {}
    for rank, (line, relevance) in enumerate(lines, start=1):
        for shot_id in line.shot_ids:
            if shot_id in found:
                known = found[shot_id][1]
                known.line_ids += (line.line_id,)
                known.relevance = max(known.relevance, relevance)
            else:
                candidate = Candidate(
                    shot_id=shot_id,
                    score=math.nan,
                    relevance=relevance,
                    matched=("dialogue",),
                    line_ids=(line.line_id,),
                )
                found[shot_id] = (rank, candidate)
    return list(found.values())


def _both(seen: Candidate, said: Candidate) -> Candidate:
    return Candidate(
        shot_id=seen.shot_id,
        score=seen.score,
        relevance=max(seen.relevance, said.relevance),
        matched=("visual", "dialogue"),
        line_ids=said.line_ids,
    )
