"""How encoders answer what is asked of each show: figures, show by show and pooled, and one against another.

A show is asked three things: each caption should find its shot, each shot its captions, and each graded query the
shots that were judged to match. Shots of other shows do not compete. Pure numpy, as :mod:`ops.evaluation.retrieval`.
Legend: Q captions, N items (shots or pictures), G graded queries, D dimensions, K first items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.evaluation.retrieval import (
    bootstrap_interval,
    caption_ranks,
    ndcg_at,
    paired_interval,
    ranks_figures,
    single_gains,
)

DIRECTIONS = ("text_to_video", "video_to_text")
PARTS = (*DIRECTIONS, "graded")
LEAST_SHOWS = 11
"""From so many on, whole shows are drawn instead of shots, which also tells about other shows: what is drawn in fewer
than eleven clusters has intervals that do not hold (Webb, Queen's Economics Department working paper 1315, 2014)."""
SHOWN = 8
"""How many of the first items of each query an answer keeps."""


@dataclass(frozen=True, kw_only=True)
class ShowTask:
    """What is asked of one show: ``captions`` of each item (N; none is allowed), and ``queries`` with grades > 0 by
    item id. Raises ``UsageError`` for a grade of an item that is not there."""

    show: str
    items: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    queries: tuple[tuple[str, Mapping[str, float]], ...] = ()

    def __post_init__(self) -> None:
        known = set(self.items)
        for query, grades in self.queries:
            if missing := [item for item in grades if item not in known]:
                raise UsageError(f"show {self.show}: the query {query!r} names {missing[0]}, which is not asked for")

    @property
    def texts(self) -> list[str]:
        """All captions (Q), item by item."""
        return [text for own in self.captions for text in own]

    @property
    def owners(self) -> NDArray[np.int64]:
        """Position (Q,) of the item that each caption is of."""
        return np.repeat(np.arange(len(self.items)), [len(own) for own in self.captions])


@dataclass(frozen=True, kw_only=True, eq=False)
class ShowAnswer:
    """What one encoder made of a task: ranks of captions (Q) and of captioned items, nDCG@10 of queries (G), and the
    first items of each caption (Q, K) and each query (G, K), as positions."""

    task: ShowTask
    caption_ranks_Q: NDArray[np.int64]
    item_ranks_N: NDArray[np.int64]
    gains_G: NDArray[np.float64]
    first_QK: NDArray[np.int64]
    first_GK: NDArray[np.int64]


def answer(
    task: ShowTask, items_ND: NDArray[Any], encode_text: Callable[[Sequence[str]], NDArray[np.float32]]
) -> ShowAnswer:
    """Rank a show's items (unit vectors) for its texts. Raises ``UsageError`` for vectors that are NaN or too few."""
    if len(items_ND) != len(task.items):
        raise UsageError(f"show {task.show}: {len(items_ND)} vectors for {len(task.items)} items")
    texts, queries = task.texts, [query for query, _ in task.queries]
    vectors = encode_text([*texts, *queries]) if texts or queries else np.zeros((0, items_ND.shape[1]))
    texts_QD, queries_GD = vectors[: len(texts)], vectors[len(texts) :]
    none = np.zeros(0, dtype=np.int64)
    ranks = caption_ranks(texts_QD, items_ND, task.owners) if texts else (none, none)
    place = {item: position for position, item in enumerate(task.items)}
    grades_GN = np.zeros((len(queries), len(task.items)))
    for row, (_, grades) in enumerate(task.queries):
        for item, grade in grades.items():
            grades_GN[row, place[item]] = grade
    scores_GN = queries_GD @ items_ND.T
    return ShowAnswer(
        task=task,
        caption_ranks_Q=ranks[0],
        item_ranks_N=ranks[1],
        gains_G=ndcg_at(scores_GN, grades_GN) if queries else np.zeros(0),
        first_QK=np.argsort(-(texts_QD @ items_ND.T), axis=1, kind="stable")[:, :SHOWN],
        first_GK=np.argsort(-scores_GN, axis=1, kind="stable")[:, :SHOWN],
    )


def figures_of(answers: Sequence[ShowAnswer]) -> dict[str, Any]:
    """Pooled figures: ``text_to_video`` and ``video_to_text`` as of :func:`ranks_figures`, with the numbers of
    ``queries`` and ``items``, and ``graded`` (``ndcg@10``, 0-1, its interval, ``queries``). What no show asks is left
    out. Intervals are 95 %; what belongs to one item is drawn together, or to one show from :data:`LEAST_SHOWS` on."""
    figures: dict[str, Any] = {}
    for direction in DIRECTIONS:
        ranks, groups = _ranks(answers, direction), _groups(answers, direction)
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
    """Differences from another encoder's answers to the same tasks: ``[difference, low, high]`` of each metric of each
    part of :func:`figures_of`, by paired bootstrap. Raises ``UsageError`` where the tasks are not the same."""
    if [own.task for own in answers] != [own.task for own in before]:
        raise UsageError("two encoders can only be compared on the same captions and queries")
    found: dict[str, Any] = {}
    for direction in DIRECTIONS:
        now, then, groups = _ranks(answers, direction), _ranks(before, direction), _groups(answers, direction)
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


def questions_of(answers: Sequence[ShowAnswer], parts: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """nDCG@10 (M,) of every question of these :data:`PARTS`, and what each is drawn with (M,): its item, a graded query
    with itself, or its show (see :func:`drawn_by`)."""
    shows, by_show = sorted({own.task.show for own in answers}), drawn_by(answers, parts) == "show"
    gains, groups, start = [np.zeros(0)], [np.zeros(0, np.int64)], 0
    for own in answers:
        for part in parts:
            values, places = _asked(own, part)
            gains.append(values)
            groups.append(np.full(len(values), shows.index(own.task.show)) if by_show else start + places)
        start += len(own.task.items) + len(own.gains_G)
    return np.concatenate(gains), np.concatenate(groups)


def drawn_by(answers: Sequence[ShowAnswer], parts: Sequence[str]) -> str:
    """``show`` where at least :data:`LEAST_SHOWS` shows ask something of these parts, else ``shot``."""
    asking = {own.task.show for own in answers if any(len(_asked(own, part)[0]) for part in parts)}
    return "show" if len(asking) >= LEAST_SHOWS else "shot"


def chance_of(answers: Sequence[ShowAnswer], parts: Sequence[str]) -> float:
    """nDCG@10, 0-1, that random orders would have on average over all questions of these parts.

    Raises ``UsageError`` where nothing is asked."""
    expected: list[float] = []
    for part in parts:
        if part == "graded":
            expected += [
                _chance_graded(grades, len(own.task.items)) for own in answers for _, grades in own.task.queries
            ]
        else:
            asked = len(_ranks(answers, part))
            within = np.array([share / 100 for _, share in chance_curve(answers, part, range(1, 11))] or [0.0] * 10)
            expected += [float(np.diff(within, prepend=0.0) @ _DISCOUNTS)] * asked
    if not expected:
        raise UsageError("nothing is asked, so chance has no figure")
    return float(np.mean(expected))


def recall_curve(
    answers: Sequence[ShowAnswer], direction: str, ks: Sequence[int]
) -> list[tuple[int, float, float, float]]:
    """``(k, R@k, low, high)`` in percent for each ``k``; empty where nothing is asked in that direction."""
    ranks, groups = _ranks(answers, direction), _groups(answers, direction)
    if not len(ranks):
        return []
    shares = [100.0 * (ranks <= k) for k in ks]
    intervals = [bootstrap_interval(share, groups_M=groups, resamples=500) for share in shares]
    return [(k, float(share.mean()), low, high) for k, share, (low, high) in zip(ks, shares, intervals, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Example:
    """One query and what an encoder found: ``wanted`` items with their grades, the first items that were ``found``, and
    nDCG@10 (of captions 1 / rank) as ``score`` (0-1)."""

    show: str
    text: str
    wanted: Mapping[str, float]
    found: tuple[str, ...]
    score: float


def examples_of(answers: Sequence[ShowAnswer]) -> list[Example]:
    """All graded queries, or where no show has any, all captions; the best first, of equals in the order of asking."""
    graded = [
        Example(
            show=own.task.show,
            text=text,
            wanted=grades,
            found=tuple(own.task.items[position] for position in first),
            score=float(gain),
        )
        for own in answers
        for (text, grades), first, gain in zip(own.task.queries, own.first_GK, own.gains_G, strict=True)
    ]
    captions = [
        Example(
            show=own.task.show,
            text=text,
            wanted={own.task.items[owner]: 1.0},
            found=tuple(own.task.items[position] for position in first),
            score=1.0 / rank,
        )
        for own in (() if graded else answers)
        for text, owner, first, rank in zip(
            own.task.texts, own.task.owners, own.first_QK, own.caption_ranks_Q.tolist(), strict=True
        )
    ]
    return sorted(graded or captions, key=lambda example: -example.score)


def chance_curve(answers: Sequence[ShowAnswer], direction: str, ks: Sequence[int]) -> list[tuple[int, float]]:
    """``(k, R@k in percent)`` of items in random order, each show's among its own."""
    found = [(len(own.caption_ranks_Q), len(own.task.items), 1) for own in answers]
    if direction == "video_to_text":
        found = [
            (len(own.item_ranks_N), len(own.task.texts), round(len(own.task.texts) / max(1, len(own.item_ranks_N))))
            for own in answers
        ]
    total = sum(queries for queries, _, _ in found)
    return [
        (k, 100.0 * sum(queries * _chance(k, items, right) for queries, items, right in found) / total)
        for k in (ks if total else ())
    ]


def _chance(k: int, items: int, right: int) -> float:
    """That at least one of ``right`` among ``items`` is among the first ``k`` of a random order."""
    missed = np.prod([max(0, items - right - n) / (items - n) for n in range(min(k, items))])
    return float(1 - missed)


_METRICS: dict[str, Callable[[NDArray[np.int64]], NDArray[Any]]] = {
    "r@1": lambda ranks: 100.0 * (ranks <= 1),
    "r@5": lambda ranks: 100.0 * (ranks <= 5),
    "r@10": lambda ranks: 100.0 * (ranks <= 10),
    "ndcg@10": single_gains,
}


def _ranks(answers: Sequence[ShowAnswer], direction: str) -> NDArray[np.int64]:
    """Pooled ranks."""
    own_ranks = [own.caption_ranks_Q if direction == "text_to_video" else own.item_ranks_N for own in answers]
    return np.concatenate([np.zeros(0, np.int64), *own_ranks])


def _groups(answers: Sequence[ShowAnswer], part: str) -> NDArray[np.int64]:
    return questions_of(answers, [part])[1]


def _asked(own: ShowAnswer, part: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """nDCG@10 of a show's questions, and the place of each: its item's, or one of its own after all items."""
    if part == "graded":
        return own.gains_G, len(own.task.items) + np.arange(len(own.gains_G))
    if part == "video_to_text":
        return single_gains(own.item_ranks_N), np.unique(own.task.owners)
    return single_gains(own.caption_ranks_Q), own.task.owners


_DISCOUNTS = 1.0 / np.log2(np.arange(2, 12))


def _chance_graded(grades: Mapping[str, float], items: int) -> float:
    """Mean of nDCG@10 over all orders: every item has every place as often."""
    best = np.sort(list(grades.values()))[::-1][:10]
    places = _DISCOUNTS[: min(10, items)].sum()
    return float(sum(grades.values()) / items * places / (best @ _DISCOUNTS[: len(best)]))
