"""Quality of scores as a yes-no classifier: pure functions of scores and truths, with bootstrap intervals.

Legend: N shots. Average precision is the area under the precision-recall steps (as in scikit-learn), ties counted
together. The expected calibration error is Guo et al. 2017 (arXiv:1706.04599) with bins of equal counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Truths = NDArray[np.bool_]
Metric = Callable[[Scores, Truths], float]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure with the interval that holds 95 % of its bootstrap resamples."""

    value: float
    low: float
    high: float


def compute_average_precision(scores_N: Scores, truths_N: Truths) -> float:
    """0 to 1; NaN if no truth is yes."""
    truths, last = _rank(scores_N, truths_N)
    if not truths.any():
        return float("nan")
    right = np.cumsum(truths)[last]
    precision = right / (last + 1)
    return float(np.sum(np.diff(right, prepend=0) * precision) / truths.sum())


def compute_roc_auc(scores_N: Scores, truths_N: Truths) -> float:
    """Probability that a yes scores above a no, ties half: 0-1, whatever the share of yes; NaN with one class only."""
    yes, no = scores_N[truths_N], np.sort(scores_N[~truths_N])
    if not len(yes) or not len(no):
        return float("nan")
    below = np.searchsorted(no, yes, "left") + np.searchsorted(no, yes, "right")
    return float(below.sum() / 2 / len(yes) / len(no))


def build_precision_at(k: int) -> Metric:
    """Share of yes among the ``k`` best (or all, if there are fewer)."""

    def metric(scores_N: Scores, truths_N: Truths) -> float:
        best = np.argsort(-scores_N, kind="stable")[:k]
        return float(truths_N[best].mean()) if len(best) else float("nan")

    return metric


def compute_brier(scores_N: Scores, truths_N: Truths) -> float:
    """Mean squared error of probabilities: 0 is perfect, 0.25 is a coin toss."""
    return float(np.mean((scores_N - truths_N) ** 2))


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Shots with about the same predicted probability: the mean prediction and the true share of yes.

    ``low`` and ``high`` are the share's 95 % interval after Wilson (1927), which is valid for few shots too.
    """

    promised: float
    came: float
    low: float
    high: float
    count: int


def bin_reliability(scores_N: Scores, truths_N: Truths, bins: int = 5) -> list[Bin]:
    """Bins of equal counts by ascending score, none empty."""
    return [_build_bin(scores_N[part], truths_N[part]) for part in _split_rows(scores_N, bins)]


def _split_rows(scores_N: Scores, bins: int) -> list[NDArray[np.intp]]:
    """Row numbers by ascending score, in runs of equal counts."""
    order = np.argsort(scores_N, kind="stable")
    return [part for part in np.array_split(order, bins) if len(part)]


def _build_bin(scores_N: Scores, truths_N: Truths) -> Bin:
    count, share, z = len(truths_N), float(truths_N.mean()), 1.96
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z * ((share * (1 - share) + z**2 / (4 * count)) / count) ** 0.5 / (1 + z**2 / count)
    low, high = max(middle - reach, 0.0), min(middle + reach, 1.0)
    return Bin(promised=float(scores_N.mean()), came=share, low=low, high=high, count=count)


def compute_calibration_error(scores_N: Scores, truths_N: Truths, bins: int = 5) -> float:
    """Mean difference between predicted and true share, over ``bins`` bins of equal counts: 0 to 1."""
    gaps = [abs(each.promised - each.came) * each.count for each in bin_reliability(scores_N, truths_N, bins)]
    return float(sum(gaps) / len(scores_N))


def estimate_intervals(
    metrics: Mapping[str, Metric],
    scores_N: Scores,
    truths_N: Truths,
    groups_N: Sequence[int] | NDArray[np.int64],
    *,
    seed: int,
    rounds: int = 500,
) -> dict[str, Interval]:
    """Each metric with its 95 % interval; whole groups are drawn, because the shots of one group are alike.

    Resamples in which a metric is undefined (no yes) do not count; if all are, the interval is the value.
    """
    draws: dict[str, list[float]] = {name: [] for name in metrics}
    for rows in draw_resamples(groups_N, seed=seed, rounds=rounds):
        for name, metric in metrics.items():
            draws[name].append(metric(scores_N[rows], truths_N[rows]))
    return {name: build_interval(metric(scores_N, truths_N), draws[name]) for name, metric in metrics.items()}


def draw_resamples(groups_N: Sequence[int] | NDArray[np.int64], *, seed: int, rounds: int) -> list[NDArray[np.intp]]:
    """Row numbers of ``rounds`` bootstrap samples, each with as many whole groups as the data."""
    random = np.random.default_rng(seed)
    groups = np.asarray(groups_N)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    draws = random.integers(0, len(members), (rounds, len(members)))
    return [np.concatenate([members[number] for number in row]) for row in draws]


def build_interval(value: float, draws: Sequence[float]) -> Interval:
    """A value with the middle 95 % of its finite draws."""
    good = np.asarray([draw for draw in draws if np.isfinite(draw)])
    low, high = np.percentile(good, (2.5, 97.5)) if len(good) else (value, value)
    return Interval(value=value, low=float(low), high=float(high))


def _rank(scores_N: Scores, truths_N: Truths) -> tuple[Truths, NDArray[np.intp]]:
    """Truths by descending score, and the last position of each run of equal scores."""
    order = np.argsort(-scores_N, kind="stable")
    last = np.flatnonzero(np.diff(scores_N[order], append=np.nan) != 0)
    return truths_N[order], last
