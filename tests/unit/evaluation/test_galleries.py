"""The items that compete with the right one, and the refusal of a gallery in which nothing competes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.evaluation.galleries import describe_gallery, explain_lone_shot, require_images, widen_tasks
from ops.evaluation.questions import compute_chance_curve
from ops.evaluation.shows import ShowTask, answer_tasks


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    """A text has the direction of its first letter."""
    vectors = np.zeros((len(texts), 26), np.float32)
    for row, text in enumerate(texts):
        vectors[row, ord(text[0]) - ord("a")] = 1
    return vectors


def task(show: str, item: str, captions: str, **queries: dict[str, float]) -> ShowTask:
    return ShowTask(show=show, items=(item,), captions=((captions,),), queries=tuple(queries.items()))


THREE = [task("one", "1", "b"), task("one", "2", "a"), task("two", "3", "a")]
VECTORS = dict(zip("1234", encode(["a", "b", "a", "b"]), strict=True))


def ranks(tasks: Sequence[ShowTask]) -> list[tuple[int, int]]:
    answers = answer_tasks(tasks, VECTORS, encode)
    return [(int(each.caption_ranks_Q[0]), int(each.item_ranks_N[0])) for each in answers]


def test_videos_of_a_show_compete_and_shows_only_if_chosen() -> None:
    """Captions of shots 1 and 2 are exchanged: alone each is first, together none is."""
    assert ranks(widen_tasks(THREE, "video")) == [(1, 1)] * 3
    assert ranks(widen_tasks(THREE, "show")) == [(2, 2), (2, 2), (1, 1)]
    everything = widen_tasks(THREE, "all")
    assert ranks(everything) == [(3, 3), (3, 3), (2, 2)]
    assert [each.show for each in everything] == ["one", "one", "two"]
    assert ranks(widen_tasks(THREE, "catalogue", ["1", "4"])) == [(4, 3), (4, 3), (2, 2)]
    found = describe_gallery("show", widen_tasks(THREE, "show"))
    assert (found["kind"], found["smallest"], found["largest"]) == ("show", 1, 2)
    curve = compute_chance_curve(answer_tasks(everything, VECTORS, encode), "video_to_text", [1])
    assert curve == [(1, pytest.approx(100 / 3))]


def test_a_query_that_two_videos_share_is_asked_once_with_the_grades_of_both() -> None:
    tasks = [task("s", "1", "a", b={"1": 1.0}), task("s", "2", "a", b={"2": 2.0}, c={"2": 1.0})]
    first, second = widen_tasks(tasks, "show")
    assert first.queries == (("b", {"1": 1.0, "2": 2.0}),) and second.queries == (("c", {"2": 1.0}),)
    assert widen_tasks(tasks, "video") == tasks


def test_the_way_out_of_a_gallery_of_one_shot_is_one_that_helps() -> None:
    assert explain_lone_shot("show", 3).endswith("measure it with --gallery all, or caption more shots")
    for gallery, shots in (("show", 1), ("all", 1), ("catalogue", 3)):
        assert explain_lone_shot(gallery, shots).endswith("always be first: caption more shots")


def test_a_gallery_of_one_and_an_item_with_two_rows_are_refused() -> None:
    with pytest.raises(UsageError, match=r"two: only one image competes, .*: add captioned images"):
        require_images(widen_tasks(THREE, "show")[2])
    require_images(widen_tasks(THREE, "all")[2])
    with pytest.raises(UsageError, match="the item 1 is there twice"):
        ShowTask(show="s", items=("1", "1"), captions=(("a",), ("b",)))
