"""Annotated queries of several films: what their rankings look like, and the fit of the scale of relevance.

Each query is asked twice: among the shots of its film alone, and among those of all films. Shots of other films count
as wrong, although some may be right. Figures are of the first 50 hits, through which people may page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ops.search.calibration import SCALE_SHOTS, Calibration, Scale, score_background
from tests.quality.logistic import fit_logistic

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DEEP = 50
KEPT = 0.85
"""Share of the right ones among them that a fitted divider keeps above it; other films then still have 0.8."""
STEP = 0.05


@dataclass(frozen=True)
class Film:
    """Unit vectors (S, D) of a film's shots, its queries, and their grades (Q, S), 0 to 2."""

    shots: Matrix
    queries: list[str]
    grades: NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """Hits of a query among ``shots``, best first: scores in sigmas of the background, and whether they are right."""

    film: str
    alone: bool
    shots: int
    sigmas: Floats
    right: Bools

    def first(self) -> Asked:
        """Only the first hits."""
        return replace(self, sigmas=self.sigmas[:DEEP], right=self.right[:DEEP])


def ask(films: Mapping[str, Film], encode: Callable[[Sequence[str]], Matrix], texts: Sequence[str]) -> list[Asked]:
    """Ask every query of every film. ``texts`` are the generic ones of the background."""
    everything = np.concatenate([film.shots for film in films.values()])
    calibration = Calibration.fit(score_background(everything, encode(texts), 0, 0), len(everything))
    asked, start = [], 0
    for name, film in films.items():
        grades = np.zeros((len(film.queries), len(everything)), np.int64)
        grades[:, start : start + len(film.shots)] = film.grades
        start += len(film.shots)
        vectors = encode(film.queries)
        for shots, truths, alone in ((film.shots, film.grades, True), (everything, grades, False)):
            for scores, truth in zip(vectors @ shots.T, truths, strict=True):
                order = np.argsort(-scores)
                sigmas = (scores[order].astype(np.float64) - calibration.centre) / calibration.sigma
                asked.append(Asked(name, alone, len(order), sigmas, truth[order] > 0))
    return asked


def fit_scale(asked: Sequence[Asked]) -> Scale:
    """The scale whose relevance is most likely, and the nearest divider that keeps ``KEPT`` of what is right."""
    sigmas, right = _joined(asked)
    tens = np.concatenate([np.full(len(each.sigmas), math.log10(each.shots / SCALE_SHOTS)) for each in asked])
    weights, bias = fit_logistic(np.column_stack([sigmas, tens]), right.astype(np.float64))
    slope, below = float(weights[0]), 0.0
    while kept_and_cut(asked, below)[0] < KEPT:
        below += STEP
    return Scale(
        slope=round(slope, 3),
        half=round(-bias / slope, 2),
        rise=round(-float(weights[1]) / slope, 2),
        below_best=round(below, 2),
    )


def kept_and_cut(asked: Iterable[Asked], below_best: float) -> tuple[float, float]:
    """Share of the right hits above the divider, and share of the wrong ones under it."""
    kept = cut = right = wrong = 0
    for each in (every.first() for every in asked):
        above = each.sigmas >= each.sigmas[0] - below_best
        kept, cut = kept + int((above & each.right).sum()), cut + int((~above & ~each.right).sum())
        right, wrong = right + int(each.right.sum()), wrong + int((~each.right).sum())
    return kept / max(right, 1), cut / max(wrong, 1)


def relevances(asked: Sequence[Asked], scale: Scale) -> tuple[Floats, Bools]:
    """The relevance of each of the first hits, and whether it is right."""
    first = [each.first() for each in asked]
    distances = [scale.find_half(each.shots) - each.sigmas for each in first]
    return 1 / (1 + np.exp(scale.slope * np.concatenate(distances))), _joined(first)[1]


def calibration_error(relevance: Floats, right: Bools, bins: int = 10) -> float:
    """Expected calibration error, 0-1, in bins of equal width (Guo et al. 2017, arXiv:1706.04599)."""
    places = np.minimum((relevance * bins).astype(int), bins - 1)
    inside = [places == at for at in range(bins) if (places == at).any()]
    return float(sum(each.mean() * abs(relevance[each].mean() - right[each].mean()) for each in inside))


def _joined(asked: Sequence[Asked]) -> tuple[Floats, Bools]:
    return np.concatenate([each.sigmas for each in asked]), np.concatenate([each.right for each in asked])
