"""Figures of encoders, by show and pooled, and the differences of one from another.

Pure numpy, as :mod:`ops.evaluation.retrieval`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.evaluation.questions import questions_of, ranks_asked
from ops.evaluation.retrieval import bootstrap_interval, paired_interval, ranks_figures, single_gains
from ops.evaluation.shows import DIRECTIONS, ShowAnswer


def figures_of(answers: Sequence[ShowAnswer]) -> dict[str, Any]:
    """Pooled figures of both directions and of graded queries, with 95 % intervals.

    ``text_to_video`` and ``video_to_text`` are those of :func:`ranks_figures`, with the numbers of ``queries`` and
    ``items``; ``graded`` has ``ndcg@10`` (0-1), its interval and ``queries``. Parts without questions are excluded. The
    questions of one item are drawn together; from ``LEAST_SHOWS`` shows on, those of one show.
    """
    figures: dict[str, Any] = {}
    for direction in DIRECTIONS:
        ranks, groups = ranks_asked(answers, direction), _groups(answers, direction)
        if len(ranks):
            items = sum(len(own.item_ranks_N) for own in answers)
            figures[direction] = {**ranks_figures(ranks, groups), "queries": len(ranks), "items": items}
    gains, groups = questions_of(answers, ["graded"])
    if len(gains):
        figures["graded"] = {
            "ndcg@10": float(gains.mean()),
            "ndcg@10_interval": list(bootstrap_interval(gains, groups_M=groups)),
            "queries": len(gains),
        }
    return figures


def gains_of(answers: Sequence[ShowAnswer], before: Sequence[ShowAnswer]) -> dict[str, Any]:
    """Differences from another encoder's answers to the same tasks, by paired bootstrap.

    They are ``[difference, low, high]`` of each metric of each part of :func:`figures_of`. Raises ``UsageError`` if the
    tasks differ.
    """
    if [own.task for own in answers] != [own.task for own in before]:
        raise UsageError("two encoders can only be compared on the same captions and queries")
    found: dict[str, Any] = {}
    for direction in DIRECTIONS:
        now, then, groups = ranks_asked(answers, direction), ranks_asked(before, direction), _groups(answers, direction)
        if len(now):
            found[direction] = {
                name: list(paired_interval(metric(now), metric(then), groups_M=groups))
                for name, metric in _METRICS.items()
            }
    gains, groups = questions_of(answers, ["graded"])
    if len(gains):
        then, _ = questions_of(before, ["graded"])
        found["graded"] = {"ndcg@10": list(paired_interval(gains, then, groups_M=groups))}
    return found


def recall_curve(
    answers: Sequence[ShowAnswer], direction: str, ks: Sequence[int]
) -> list[tuple[int, float, float, float]]:
    """``(k, R@k, low, high)`` in percent for each ``k``; empty if that direction has no questions."""
    ranks, groups = ranks_asked(answers, direction), _groups(answers, direction)
    if not len(ranks):
        return []
    shares = [100.0 * (ranks <= k) for k in ks]
    intervals = [bootstrap_interval(share, groups_M=groups, resamples=500) for share in shares]
    return [(k, float(share.mean()), low, high) for k, share, (low, high) in zip(ks, shares, intervals, strict=True)]


_METRICS: dict[str, Callable[[NDArray[np.int64]], NDArray[Any]]] = {
    "r@1": lambda ranks: 100.0 * (ranks <= 1),
    "r@5": lambda ranks: 100.0 * (ranks <= 5),
    "r@10": lambda ranks: 100.0 * (ranks <= 10),
    "ndcg@10": single_gains,
}


def _groups(answers: Sequence[ShowAnswer], part: str) -> NDArray[np.int64]:
    return questions_of(answers, [part])[1]
