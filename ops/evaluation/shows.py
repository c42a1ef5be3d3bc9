"""The questions of each show, and an encoder's answers.

A show has three kinds of questions: each caption should find its shot, each shot its captions, and each graded query
its annotated matches. :mod:`ops.evaluation.galleries` decides which items compete. Pure numpy, as
:mod:`ops.evaluation.retrieval`. Legend: Q captions, N items (shots or images), G graded queries, D dimensions, K first
items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.evaluation.retrieval import compute_ndcg_at, rank_captions

DIRECTIONS = ("text_to_video", "video_to_text")
PARTS = (*DIRECTIONS, "graded")
MOST_ITEMS = 8
"""Number of first items of each query in an answer."""


@dataclass(frozen=True, kw_only=True)
class ShowTask:
    """The questions of one show: ``captions`` of each item (N; an item may have none), and graded ``queries``.

    ``items`` are all that compete, also those without a question; ``other_captions`` compete with the captions. A query
    has grades > 0 by item id. Raises ``UsageError`` if an item has two rows, or an item with a grade does not exist.
    """

    show: str
    items: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    queries: tuple[tuple[str, Mapping[str, float]], ...] = ()
    other_captions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known_items = set(self.items)
        if len(known_items) < len(self.items):
            twice = next(item for item in self.items if self.items.count(item) > 1)
            raise UsageError(f"show {self.show}: the item {twice} is there twice")
        for query, grades in self.queries:
            if missing := [item for item in grades if item not in known_items]:
                raise UsageError(f"show {self.show}: the query {query!r} names {missing[0]}, which is not asked for")

    @property
    def texts(self) -> list[str]:
        """All captions (Q), item by item."""
        return [text for captions in self.captions for text in captions]

    @property
    def owners(self) -> NDArray[np.int64]:
        """Position (Q,) of the item of each caption."""
        return np.repeat(np.arange(len(self.items)), [len(captions) for captions in self.captions])


@dataclass(frozen=True, kw_only=True, eq=False)
class ShowAnswer:
    """One encoder's results for a task.

    Ranks of captions (Q) and of captioned items, nDCG@10 of queries (G), and the first items of each caption (Q, K) and
    each query (G, K), as positions.
    """

    task: ShowTask
    caption_ranks_Q: NDArray[np.int64]
    item_ranks_N: NDArray[np.int64]
    gains_G: NDArray[np.float64]
    first_QK: NDArray[np.int64]
    first_GK: NDArray[np.int64]


def answer(
    task: ShowTask, items_ND: NDArray[Any], encode_text: Callable[[Sequence[str]], NDArray[np.float32]]
) -> ShowAnswer:
    """Rank a show's items (unit vectors) for its texts.

    Raises ``UsageError`` if vectors are NaN or their number is not that of the items.
    """
    if len(items_ND) != len(task.items):
        raise UsageError(f"show {task.show}: {len(items_ND)} vectors for {len(task.items)} items")
    texts, queries = task.texts, [query for query, _ in task.queries]
    texts_asked = [*texts, *queries, *(task.other_captions if texts else ())]
    vectors = encode_text(texts_asked) if texts_asked else np.zeros((0, items_ND.shape[1]))
    texts_QD, queries_GD, others_QD = np.split(vectors, [len(texts), len(texts) + len(queries)])
    none = np.zeros(0, dtype=np.int64)
    ranks = rank_captions(texts_QD, items_ND, task.owners, others_QD) if texts else (none, none)
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
        gains_G=compute_ndcg_at(scores_GN, grades_GN) if queries else np.zeros(0),
        first_QK=np.argsort(-(texts_QD @ items_ND.T), axis=1, kind="stable")[:, :MOST_ITEMS],
        first_GK=np.argsort(-scores_GN, axis=1, kind="stable")[:, :MOST_ITEMS],
    )


def answer_tasks(
    tasks: Sequence[ShowTask],
    vectors_by_item: Mapping[str, NDArray[Any]],
    encode_text: Callable[[Sequence[str]], NDArray[np.float32]],
) -> list[ShowAnswer]:
    """:func:`answer` for tasks that share items and texts: each text is encoded once."""
    texts = dict.fromkeys(
        text for task in tasks for text in (*task.texts, *(query for query, _ in task.queries), *task.other_captions)
    )
    place = {text: row for row, text in enumerate(texts)}
    vectors_CD = encode_text(list(texts)) if texts else np.zeros((0, 0), np.float32)
    return [
        answer(
            task,
            np.stack([vectors_by_item[item] for item in task.items]),
            lambda wanted: vectors_CD[[place[text] for text in wanted]],
        )
        for task in tasks
    ]


@dataclass(frozen=True, kw_only=True)
class Example:
    """One query and an encoder's results for it.

    ``wanted`` are the right items with their grades, ``found`` the first items of the result, and ``score`` is nDCG@10
    (of captions 1 / rank), 0-1.
    """

    show: str
    text: str
    wanted: Mapping[str, float]
    found: tuple[str, ...]
    score: float


def list_examples(answers: Sequence[ShowAnswer]) -> list[Example]:
    """All graded queries, or all captions if no show has queries; best first, ties in the order of the questions."""
    graded_examples = [
        Example(
            show=show_answer.task.show,
            text=text,
            wanted=grades,
            found=tuple(show_answer.task.items[position] for position in first),
            score=float(gain),
        )
        for show_answer in answers
        for (text, grades), first, gain in zip(
            show_answer.task.queries, show_answer.first_GK, show_answer.gains_G, strict=True
        )
    ]
    captions = [
        Example(
            show=show_answer.task.show,
            text=text,
            wanted={show_answer.task.items[owner]: 1.0},
            found=tuple(show_answer.task.items[position] for position in first),
            score=1.0 / rank,
        )
        for show_answer in (() if graded_examples else answers)
        for text, owner, first, rank in zip(
            show_answer.task.texts,
            show_answer.task.owners,
            show_answer.first_QK,
            show_answer.caption_ranks_Q.tolist(),
            strict=True,
        )
    ]
    return sorted(graded_examples or captions, key=lambda example: -example.score)
