"""Figures of encoders, by show and pooled, and the differences of one from another.

Pure numpy, as :mod:`ops.evaluation.retrieval`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.evaluation.questions import list_questions, pool_ranks
from ops.evaluation.retrieval import (
    PartFigures,
    compute_single_gains,
    describe_ranks,
    estimate_interval,
    estimate_paired_interval,
)
from ops.evaluation.shows import DIRECTIONS, ShowAnswer

Figures = dict[str, PartFigures]
"""Figures by part: a direction, or ``graded``."""
Gains = dict[str, dict[str, list[float]]]
"""``[difference, low, high]`` by part and metric."""


def compute_figures(answers: Sequence[ShowAnswer]) -> Figures:
    """Pooled figures of both directions and of graded queries, with 95 % intervals.

    ``text_to_video`` and ``video_to_text`` are those of :func:`describe_ranks`, with the numbers of ``queries`` and
    ``items``; ``graded`` has ``ndcg@10`` (0-1), its interval and ``queries``. Parts without questions are excluded. The
    questions of one item are drawn together; from ``LEAST_SHOWS`` shows on, those of one show.
    """
    figures: Figures = {}
    for direction in DIRECTIONS:
        ranks, groups = pool_ranks(answers, direction), _list_groups(answers, direction)
        if len(ranks):
            items = sum(len(answer.item_ranks_N) for answer in answers)
            figures[direction] = {**describe_ranks(ranks, groups), "queries": len(ranks), "items": items}
    gains, groups = list_questions(answers, ["graded"])
    if len(gains):
        figures["graded"] = {
            "ndcg@10": float(gains.mean()),
            "ndcg@10_interval": list(estimate_interval(gains, groups_M=groups)),
            "queries": len(gains),
        }
    return figures


def compute_gains(answers: Sequence[ShowAnswer], before: Sequence[ShowAnswer]) -> Gains:
    """Differences from another encoder's answers to the same tasks, by paired bootstrap.

    They are ``[difference, low, high]`` of each metric of each part of :func:`compute_figures`.

    Raises ``UsageError`` if the tasks differ.
    """
    if [answer.task for answer in answers] != [answer.task for answer in before]:
        raise UsageError("two encoders can only be compared on the same captions and queries")
    gains: Gains = {}
    for direction in DIRECTIONS:
        now, then, groups = (
            pool_ranks(answers, direction),
            pool_ranks(before, direction),
            _list_groups(answers, direction),
        )
        if len(now):
            gains[direction] = {
                name: list(estimate_paired_interval(metric(now), metric(then), groups_M=groups))
                for name, metric in _METRICS.items()
            }
    after, groups = list_questions(answers, ["graded"])
    if len(after):
        then, _ = list_questions(before, ["graded"])
        gains["graded"] = {"ndcg@10": list(estimate_paired_interval(after, then, groups_M=groups))}
    return gains


def compute_recall_curve(
    answers: Sequence[ShowAnswer], direction: str, ks: Sequence[int]
) -> list[tuple[int, float, float, float]]:
    """``(k, R@k, low, high)`` in percent for each ``k``; empty if that direction has no questions."""
    ranks, groups = pool_ranks(answers, direction), _list_groups(answers, direction)
    if not len(ranks):
        return []
    shares = [100.0 * (ranks <= k) for k in ks]
    intervals = [estimate_interval(share, groups_M=groups, resamples=500) for share in shares]
    return [(k, float(share.mean()), low, high) for k, share, (low, high) in zip(ks, shares, intervals, strict=True)]


_METRICS: dict[str, Callable[[NDArray[np.int64]], NDArray[Any]]] = {
    "r@1": lambda ranks: 100.0 * (ranks <= 1),
    "r@5": lambda ranks: 100.0 * (ranks <= 5),
    "r@10": lambda ranks: 100.0 * (ranks <= 10),
    "ndcg@10": compute_single_gains,
}


def _list_groups(answers: Sequence[ShowAnswer], part: str) -> NDArray[np.int64]:
    return list_questions(answers, [part])[1]
