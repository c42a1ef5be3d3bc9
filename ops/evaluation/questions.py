"""The single questions of all shows: the nDCG@10, the bootstrap group and the chance level of each.

Pure numpy, as :mod:`ops.evaluation.retrieval`. Legend: M questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.evaluation.retrieval import compute_single_gains
from ops.evaluation.shows import ShowAnswer

LEAST_SHOWS = 11
"""Least number of shows from which whole shows are drawn instead of shots; the interval then covers other shows too.

With fewer than eleven clusters, bootstrap intervals are not valid (Webb, Queen's Economics Department working paper
1315, 2014).
"""


def list_questions(answers: Sequence[ShowAnswer], parts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """nDCG@10 (M,) of every question of these :data:`PARTS`, and the bootstrap group of each (M,).

    The group is the question's item, the graded query itself, or its show (see :func:`choose_drawn_unit`).
    """
    shows, by_show = sorted({own.task.show for own in answers}), choose_drawn_unit(answers, parts) == "show"
    gains, groups, start = [np.zeros(0)], [np.zeros(0, np.int64)], 0
    for own in answers:
        for part in parts:
            values, places = _list_show_questions(own, part)
            gains.append(values)
            groups.append(np.full(len(values), shows.index(own.task.show)) if by_show else start + places)
        start += len(own.task.items) + len(own.gains_G)
    return np.concatenate(gains), np.concatenate(groups)


def choose_drawn_unit(answers: Sequence[ShowAnswer], parts: Sequence[str]) -> str:
    """``show`` if at least :data:`LEAST_SHOWS` shows have questions of these parts, else ``shot``."""
    asking = {own.task.show for own in answers if any(len(_list_show_questions(own, part)[0]) for part in parts)}
    return "show" if len(asking) >= LEAST_SHOWS else "shot"


def compute_chance(answers: Sequence[ShowAnswer], parts: Sequence[str]) -> float:
    """Mean nDCG@10, 0-1, of random orders over all questions of these parts.

    Raises ``UsageError`` if there are no questions.
    """
    expected: list[float] = []
    for part in parts:
        if part == "graded":
            expected += [
                _compute_graded_chance(grades, len(own.task.items)) for own in answers for _, grades in own.task.queries
            ]
        else:
            asked = len(pool_ranks(answers, part))
            within = np.array(
                [share / 100 for _, share in compute_chance_curve(answers, part, range(1, 11))] or [0.0] * 10
            )
            expected += [float(np.diff(within, prepend=0.0) @ _DISCOUNTS)] * asked
    if not expected:
        raise UsageError("nothing is asked, so chance has no figure")
    return float(np.mean(expected))


def compute_chance_curve(answers: Sequence[ShowAnswer], direction: str, ks: Sequence[int]) -> list[tuple[int, float]]:
    """``(k, R@k in percent)`` of items in random order, each show's among its own."""
    found = [(len(own.caption_ranks_Q), len(own.task.items), 1) for own in answers]
    if direction == "video_to_text":
        found = [
            (len(own.item_ranks_N), len(own.task.texts), round(len(own.task.texts) / max(1, len(own.item_ranks_N))))
            for own in answers
        ]
    total = sum(queries for queries, _, _ in found)
    return [
        (k, 100.0 * sum(queries * _compute_hit_chance(k, items, right) for queries, items, right in found) / total)
        for k in (ks if total else ())
    ]


def _compute_hit_chance(k: int, items: int, right: int) -> float:
    """Probability that at least one of ``right`` among ``items`` is among the first ``k`` of a random order."""
    missed = np.prod([max(0, items - right - n) / (items - n) for n in range(min(k, items))])
    return float(1 - missed)


def pool_ranks(answers: Sequence[ShowAnswer], direction: str) -> NDArray[np.int64]:
    """Pooled ranks (M,) of the questions of one of the two directions."""
    own_ranks = [own.caption_ranks_Q if direction == "text_to_video" else own.item_ranks_N for own in answers]
    return np.concatenate([np.zeros(0, np.int64), *own_ranks])


def _list_show_questions(own: ShowAnswer, part: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """nDCG@10 of a show's questions, and the group of each: its item's position, or its own number after all items."""
    if part == "graded":
        return own.gains_G, len(own.task.items) + np.arange(len(own.gains_G))
    if part == "video_to_text":
        return compute_single_gains(own.item_ranks_N), np.unique(own.task.owners)
    return compute_single_gains(own.caption_ranks_Q), own.task.owners


_DISCOUNTS = 1.0 / np.log2(np.arange(2, 12))


def _compute_graded_chance(grades: Mapping[str, float], items: int) -> float:
    """Mean of nDCG@10 over all orders, in which every item has every position equally often."""
    best = np.sort(list(grades.values()))[::-1][:10]
    places = _DISCOUNTS[: min(10, items)].sum()
    return float(sum(grades.values()) / items * places / (best @ _DISCOUNTS[: len(best)]))
