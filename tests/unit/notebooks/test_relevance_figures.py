"""The reliability of relevance in the retrieval report: graded queries, searched within their show."""

from __future__ import annotations

import pytest

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.evaluation.shows import ShowTask
from ops.notebooks.retrieval_page import search_graded
from ops.search.searcher import Searcher
from tests.builders.colours import SHOWS, ColourEncoder, fill_with_colours, shot

pytestmark = pytest.mark.home(fill=fill_with_colours)


def build_task(number: int, grades: dict[str, dict[str, float]]) -> ShowTask:
    items = tuple(shot(number, place) for place in range(4))
    return ShowTask(show=SHOWS[number], items=items, captions=((),) * 4, queries=tuple(grades.items()))


def test_hits_of_the_show_are_compared_with_the_grades(settings: Settings) -> None:
    tasks = [
        build_task(0, {"red": {shot(0, 0): 2.0}, "blue": {shot(0, 3): 1.0, shot(0, 0): 0.0}}),
        build_task(1, {"green": {shot(1, 1): 1.0}}),
    ]
    relevance, right = search_graded(Searcher(settings, ColourEncoder()), tasks)
    assert len(relevance) == len(right) == 9  # three shots of a show, without the blank one
    assert right.sum() == 3 and (relevance >= 0).all() and (relevance <= 1).all()
    assert relevance[right].min() > relevance[~right].max()


def test_words_that_look_like_filters_are_searched_as_words(settings: Settings) -> None:
    task = build_task(0, {"red -rabbit show:nothing": {shot(0, 0): 1.0}})
    _, right = search_graded(Searcher(settings, ColourEncoder()), [task])
    assert len(right) == 3 and right.sum() == 1


def test_a_show_that_is_not_indexed_is_an_error(settings: Settings) -> None:
    task = ShowTask(show="unknown", items=("a",), captions=((),), queries=(("red", {"a": 1.0}),))
    with pytest.raises(NotFoundError):
        search_graded(Searcher(settings, ColourEncoder()), [task])
