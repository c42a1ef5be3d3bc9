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
    shows, by_show = sorted({answer.task.show for answer in answers}), choose_drawn_unit(answers, parts) == "show"
    gains, groups, start = [np.zeros(0)], [np.zeros(0, np.int64)], 0
    for answer in answers:
        for part in parts:
            values, places = _list_show_questions(answer, part)
            gains.append(values)
            groups.append(np.full(len(values), shows.index(answer.task.show)) if by_show else start + places)
        start += len(answer.task.items) + len(answer.gains_G)
    return np.concatenate(gains), np.concatenate(groups)


def choose_drawn_unit(answers: Sequence[ShowAnswer], parts: Sequence[str]) -> str:
    """``show`` if at least :data:`LEAST_SHOWS` shows have questions of these parts, else ``shot``."""
    asking = {
        answer.task.show for answer in answers if any(len(_list_show_questions(answer, part)[0]) for part in parts)
    }
    return "show" if len(asking) >= LEAST_SHOWS else "shot"


def compute_chance(answers: Sequence[ShowAnswer], parts: Sequence[str]) -> float:
    """Mean nDCG@10, 0-1, of random orders over all questions of these parts.

    Raises ``UsageError`` if there are no questions.
    """
    expectations: list[float] = []
    for part in parts:
        if part == "graded":
            expectations += [
                _compute_graded_chance(grades, len(answer.task.items))
                for answer in answers
                for _, grades in answer.task.queries
            ]
        else:
            questions = len(pool_ranks(answers, part))
            within = np.array(
                [share / 100 for _, share in compute_chance_curve(answers, part, range(1, 11))] or [0.0] * 10
            )
            expectations += [float(np.diff(within, prepend=0.0) @ _DISCOUNTS)] * questions
    if not expectations:
        raise UsageError("nothing is asked, so chance has no figure")
    return float(np.mean(expectations))


def compute_chance_curve(answers: Sequence[ShowAnswer], direction: str, ks: Sequence[int]) -> list[tuple[int, float]]:
    """``(k, R@k in percent)`` of items in random order, each show's among its own."""
    counts = [(len(answer.caption_ranks_Q), len(answer.task.items), 1) for answer in answers]
    if direction == "video_to_text":
        counts = [
            (
                len(answer.item_ranks_N),
                len(answer.task.texts) + len(answer.task.other_captions),
                round(len(answer.task.texts) / max(1, len(answer.item_ranks_N))),
            )
            for answer in answers
        ]
    total = sum(queries for queries, _, _ in counts)
    return [
        (k, 100.0 * sum(queries * _compute_hit_chance(k, items, right) for queries, items, right in counts) / total)
        for k in (ks if total else ())
    ]


def _compute_hit_chance(k: int, items: int, right: int) -> float:
    """Probability that at least one of ``right`` among ``items`` is among the first ``k`` of a random order."""
    miss_chance = np.prod([max(0, items - right - n) / (items - n) for n in range(min(k, items))])
    return float(1 - miss_chance)


def pool_ranks(answers: Sequence[ShowAnswer], direction: str) -> NDArray[np.int64]:
    """Pooled ranks (M,) of the questions of one of the two directions."""
    ranks = [answer.caption_ranks_Q if direction == "text_to_video" else answer.item_ranks_N for answer in answers]
    return np.concatenate([np.zeros(0, np.int64), *ranks])


def _list_show_questions(answer: ShowAnswer, part: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """nDCG@10 of a show's questions, and the group of each: its item's position, or its own number after all items."""
    if part == "graded":
        return answer.gains_G, len(answer.task.items) + np.arange(len(answer.gains_G))
    if part == "video_to_text":
        return compute_single_gains(answer.item_ranks_N), np.unique(answer.task.owners)
    return compute_single_gains(answer.caption_ranks_Q), answer.task.owners


_DISCOUNTS = 1.0 / np.log2(np.arange(2, 12))


def _compute_graded_chance(grades: Mapping[str, float], items: int) -> float:
    """Mean of nDCG@10 over all orders, in which every item has every position equally often."""
    best = np.sort(list(grades.values()))[::-1][:10]
    places = _DISCOUNTS[: min(10, items)].sum()
    return float(sum(grades.values()) / items * places / (best @ _DISCOUNTS[: len(best)]))
