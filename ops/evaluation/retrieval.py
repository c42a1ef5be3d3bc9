"""Retrieval metrics on plain arrays: ranks, recall, median rank, graded nDCG, bootstrap intervals.

Pure numpy, so that a notebook, a Dagster check and the command line give the same figure for the same scores. Legend of
the array names: Q queries, N items, M values of one metric, R resamples, G groups of values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ops.core.errors import UsageError

PartFigures = dict[str, float | list[float]]
"""Figures of one part of the questions by name; those that end in ``_interval`` are ``[low, high]``."""


def rank_queries(scores_QN: ArrayLike, relevant_QN: ArrayLike) -> NDArray[np.int64]:
    """1-based rank of each query's best relevant item, ``(Q,)`` int64.

    ``scores_QN`` float, higher is better; ``relevant_QN`` bool. An irrelevant item with the same score counts as ranked
    before, so that an encoder that maps every input to one vector gets no credit.

    Raises ``UsageError`` if a query has no relevant item, a score is NaN, or the shapes differ.
    """
    scores, grades = _check_shapes(scores_QN, relevant_QN)
    relevant = grades > 0
    if not relevant.any(axis=1).all():
        missing = int(np.flatnonzero(~relevant.any(axis=1))[0])
        raise UsageError(f"query {missing} has no relevant item, so it has no rank: leave it out")
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    return np.asarray(1 + ((scores >= best) & (grades <= 0)).sum(axis=1), dtype=np.int64)


def compute_recall_at(ranks_Q: ArrayLike, k: int) -> float:
    """Share of queries, 0-1, whose best relevant item is among the first ``k``."""
    return float(np.mean(np.asarray(ranks_Q) <= k))


def compute_ndcg_at(scores_QN: ArrayLike, grades_QN: ArrayLike, k: int = 10) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain of each query's first ``k`` items, ``(Q,)`` float64, 0-1.

    ``grades_QN`` >= 0; the gain of an item is its grade and the discount log2(rank + 1) (Järvelin and Kekäläinen,
    2002). Items with equal scores share the mean of the discounts of their ranks, which is the expected value over all
    orders of the tie. Raises ``UsageError`` if the grades of a query are all 0.
    """
    scores, grades = _check_shapes(scores_QN, grades_QN)
    discounts = np.zeros(scores.shape[1])
    top = min(k, scores.shape[1])
    discounts[:top] = 1.0 / np.log2(np.arange(2, top + 2))
    ideal = -np.sort(-grades, axis=1) @ discounts
    if (ideal <= 0).any():
        raise UsageError(f"query {int(np.flatnonzero(ideal <= 0)[0])} has no relevant item: leave it out")
    gains = np.array([_compute_tied_gain(*row, discounts) for row in zip(scores, grades, strict=True)])
    return np.asarray(gains / ideal, dtype=np.float64)


_VALUES_AT_ONCE = 4_000_000


def estimate_interval(
    values_M: ArrayLike,
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
    *,
    groups_M: ArrayLike | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of ``statistic`` (default the mean) over queries drawn with replacement.

    ``statistic`` maps ``(resamples, M)`` to ``(resamples,)``. Values with one label of ``groups_M`` (captions of one
    shot) are drawn together, because the interval would be too narrow if they were drawn independently. The same values
    and seed give the same interval. It covers other queries on the same footage, not other footage.

    Raises ``UsageError`` if there are no values.
    """
    values = np.asarray(values_M, dtype=np.float64)
    if values.size == 0:
        raise UsageError("an interval needs at least one value")
    rng = np.random.default_rng(seed)
    if groups_M is None:
        draws = rng.integers(len(values), size=(resamples, len(values)))
        estimates = values[draws].mean(axis=1) if statistic is None else statistic(values[draws])
    else:
        estimates = _estimate_by_groups(values, np.asarray(groups_M), statistic, resamples, rng)
    low, high = np.quantile(estimates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _estimate_by_groups(
    values_M: NDArray[np.float64],
    groups_M: NDArray[Any],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None,
    resamples: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """The statistic of each resample, (resamples,), with whole groups drawn."""
    _, own_M = np.unique(groups_M, return_inverse=True)
    sizes_G = np.bincount(own_M)
    drawn_RG = rng.integers(len(sizes_G), size=(resamples, len(sizes_G)))
    if statistic is None:
        sums_G = np.bincount(own_M, weights=values_M)
        return np.asarray(sums_G[drawn_RG].sum(axis=1) / sizes_G[drawn_RG].sum(axis=1))
    members = np.split(np.argsort(own_M, kind="stable"), np.cumsum(sizes_G)[:-1])
    estimates_R = np.empty(resamples)
    step = max(1, _VALUES_AT_ONCE // len(values_M))
    for start in range(0, resamples, step):
        rows = [np.concatenate([members[group] for group in drawn_G]) for drawn_G in drawn_RG[start : start + step]]
        lengths = np.array([len(row) for row in rows])
        for length in np.unique(lengths):  # one call for all resamples of a length
            same = np.flatnonzero(lengths == length)
            estimates_R[start + same] = statistic(values_M[np.stack([rows[each] for each in same])])
    return estimates_R


def summarise_ranks(ranks_Q: ArrayLike) -> dict[str, float]:
    """``r@1``, ``r@5``, ``r@10`` (percent, 0-100) and ``median_rank`` of 1-based ranks."""
    recalls = {f"r@{k}": 100 * compute_recall_at(ranks_Q, k) for k in (1, 5, 10)}
    return {**recalls, "median_rank": float(np.median(np.asarray(ranks_Q)))}


def estimate_paired_interval(
    values_M: ArrayLike,
    before_M: ArrayLike,
    *,
    groups_M: ArrayLike | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """``(difference, low, high)`` of the means of two encoders' values on the same queries.

    Queries are drawn in pairs, so that a query that is hard for both does not blur the difference; ``groups_M`` as in
    :func:`estimate_interval`. If the interval holds 0, the difference is within noise, for other queries on the same
    footage. Raises ``UsageError`` if the lengths differ.
    """
    values, before = np.asarray(values_M, dtype=np.float64), np.asarray(before_M, dtype=np.float64)
    if values.shape != before.shape:
        raise UsageError(f"{values.shape} and {before.shape} values are not of the same queries")
    interval = estimate_interval(values - before, groups_M=groups_M, confidence=confidence, seed=seed)
    return float((values - before).mean()), *interval


def rank_captions(
    texts_QD: ArrayLike, items_ND: ArrayLike, owner_Q: ArrayLike, others_PD: ArrayLike | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks of text -> item (Q,) and item -> text (of each captioned item) among unit vectors.

    ``owner_Q`` is the item of each text. An item's rank is that of its best caption. ``others_PD`` are texts of none of
    these items, which compete with the captions.
    """
    texts, items = np.asarray(texts_QD), np.asarray(items_ND)
    own_QN = np.asarray(owner_Q)[:, None] == np.arange(len(items))
    scores_QN = texts @ items.T
    has_caption_N = own_QN.any(axis=0)
    back_CQ, own_CQ = scores_QN.T[has_caption_N], own_QN.T[has_caption_N]
    if others_PD is not None and len(np.asarray(others_PD)):
        others_CP = items[has_caption_N] @ np.asarray(others_PD).T
        back_CQ = np.concatenate([back_CQ, others_CP], axis=1)
        own_CQ = np.concatenate([own_CQ, np.zeros(others_CP.shape, dtype=bool)], axis=1)
    return rank_queries(scores_QN, own_QN), rank_queries(back_CQ, own_CQ)


def describe_ranks(ranks_Q: ArrayLike, groups_Q: ArrayLike | None = None) -> PartFigures:
    """:func:`summarise_ranks` with 95 % bootstrap intervals, and nDCG@10.

    Each recall has its interval as ``r@1_interval``, and so has the median rank. ``ndcg@10`` (0-1) assumes one right
    item per query: the discount at its rank. ``groups_Q`` groups queries, as in :func:`estimate_interval`.
    """
    ranks = np.asarray(ranks_Q)
    gains = compute_single_gains(ranks)
    figures: PartFigures = {**summarise_ranks(ranks), "ndcg@10": float(gains.mean())}
    for k in (1, 5, 10):
        figures[f"r@{k}_interval"] = list(estimate_interval(100.0 * (ranks <= k), groups_M=groups_Q))
    median = estimate_interval(ranks, lambda draws: np.median(draws, axis=1), groups_M=groups_Q)
    figures["median_rank_interval"] = list(median)
    figures["ndcg@10_interval"] = list(estimate_interval(gains, groups_M=groups_Q))
    return figures


def compute_single_gains(ranks_Q: ArrayLike) -> NDArray[np.float64]:
    """nDCG@10 (Q,) of queries that have one right item each, from its 1-based rank."""
    ranks = np.asarray(ranks_Q)
    return np.asarray(np.where(ranks <= 10, 1.0 / np.log2(ranks + 1.0), 0.0), dtype=np.float64)


def _check_shapes(scores_QN: ArrayLike, other_QN: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scores, other = np.asarray(scores_QN, dtype=np.float64), np.asarray(other_QN, dtype=np.float64)
    if scores.ndim != 2 or scores.shape != other.shape:
        raise UsageError(f"scores {scores.shape} and relevance {other.shape} must both be (queries, items)")
    if np.isnan(scores).any():
        raise UsageError("scores hold NaN: the encoder that gave them is broken")
    return scores, other


def _compute_tied_gain(
    scores_N: NDArray[np.float64], grades_N: NDArray[np.float64], discounts_N: NDArray[np.float64]
) -> float:
    _, group = np.unique(-scores_N, return_inverse=True)
    size = np.bincount(group)
    ends = np.cumsum(size)
    sums = np.concatenate([[0.0], np.cumsum(discounts_N)])
    mean_discounts = (sums[ends] - sums[ends - size]) / size
    return float(np.bincount(group, weights=grades_N) @ mean_discounts)
