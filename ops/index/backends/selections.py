"""Which points of a scan are kept: the best ones, or all that may reach a score; and the comparison of one chunk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ops.index import tuning
from ops.index.backends.segments import Floats, Mask, Rows, Segment


class Best:
    """Keeps the points with the ``count`` best scores, and those of equal score."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._least = -np.inf
        self._rows: list[Rows] = []
        self._scores: list[Floats] = []
        self._row_count = 0

    def add(self, rows: Rows, scores: Floats, _: Floats) -> None:
        """Offer points."""
        better = np.flatnonzero(scores >= self._least)
        self._rows.append(rows[better])
        self._scores.append(scores[better])
        self._row_count += len(better)
        if self._row_count > 2 * self._count:
            self._shrink()

    def take(self, other: Best) -> None:
        """Add the points that another selection has kept."""
        self._rows += other._rows
        self._scores += other._scores

    def rows(self) -> Rows:
        """Return the points that are kept."""
        self._shrink()
        return self._rows[0]

    def _shrink(self) -> None:
        rows = np.concatenate(self._rows) if self._rows else np.zeros(0, np.int64)
        scores = np.concatenate(self._scores) if self._scores else np.zeros(0, np.float32)
        if len(scores) > self._count:
            self._least = float(np.partition(scores, -self._count)[-self._count])
            rows, scores = rows[scores >= self._least], scores[scores >= self._least]
        self._rows, self._scores, self._row_count = [rows], [scores], len(rows)


class AboveLeast:
    """Keeps the points whose score may be at least ``least``."""

    def __init__(self, least: float) -> None:
        self._least = least
        self._rows: list[Rows] = []

    def add(self, rows: Rows, scores: Floats, bounds: Floats) -> None:
        """Offer points; ``bounds`` are the largest errors of their scores."""
        self._rows.append(rows[scores + bounds >= self._least])

    def take(self, other: AboveLeast) -> None:
        """Add the points that another selection has kept."""
        self._rows += other._rows

    def rows(self) -> Rows:
        """Return the points that are kept."""
        return np.concatenate(self._rows) if self._rows else np.zeros(0, np.int64)


def compare_chunk(
    segment: Segment, first: int, mask: Mask | None, codes: NDArray[np.int8]
) -> tuple[Rows, NDArray[np.float64]]:
    """Return the rows of the mask in one chunk, and their dot products with the code int8 (1, D)."""
    import numkong

    end = min(first + tuning.CHUNK, segment.count)
    if mask is None:
        return np.arange(first, end), np.asarray(numkong.cdist(codes, segment.codes[first:end], metric="dot"))[0]
    places = np.flatnonzero(mask[first:end])
    rows = places + first
    if not len(rows):
        return rows, np.zeros(0)
    if len(rows) < tuning.SPARSE * (end - first):
        return rows, np.asarray(numkong.cdist(codes, segment.codes[rows], metric="dot"))[0]
    return rows, np.asarray(numkong.cdist(codes, segment.codes[first:end], metric="dot"))[0][places]
