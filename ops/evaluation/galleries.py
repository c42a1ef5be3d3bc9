"""Galleries: the items that compete with the right one of a question.

``video``: those of the same video. ``show``: those of the same show, whose videos compete. ``all``: those of all shows
that are measured. ``catalogue``: every shot of the catalogue, with or without a caption, as search ranks them. A
gallery of one item is refused: that item is always first. Pure data, as :mod:`ops.evaluation.shows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypedDict, get_args

from ops.core.errors import UsageError
from ops.evaluation.shows import ShowTask

Gallery = Literal["video", "show", "all", "catalogue"]
GALLERIES: tuple[Gallery, ...] = get_args(Gallery)
_TITLES: dict[str, str] = {
    "video": "the captioned shots of the same video",
    "show": "the captioned shots of the same show",
    "all": "the captioned shots of all shows",
    "catalogue": "all shots of the catalogue",
    "images": "all images of the file",
}


class GalleryDocument(TypedDict):
    """The gallery of a measurement: its kind, the same in words, and the sizes of its smallest and largest."""

    kind: str
    competing: str
    smallest: int
    largest: int


def widen_tasks(tasks: Sequence[ShowTask], gallery: Gallery, more_items: Sequence[str] = ()) -> list[ShowTask]:
    """Return the tasks with the competing items of their gallery, each task's own items first.

    ``more_items`` compete without a caption (``catalogue``). Items of all tasks need different names. A graded query
    that two tasks of a gallery share is asked once, with the grades of both.
    """
    if gallery == "video":
        return list(tasks)
    groups: dict[str, list[int]] = {}
    for number, task in enumerate(tasks):
        groups.setdefault(task.show if gallery == "show" else "", []).append(number)
    wide_tasks = list(tasks)
    for numbers in groups.values():
        group = [tasks[number] for number in numbers]
        items = dict.fromkeys([*(item for task in group for item in task.items), *more_items])
        grades = _join_grades(group)
        for number in numbers:
            wide_tasks[number] = _widen(
                tasks[number], list(items), [each for each in group if each is not tasks[number]]
            )
            own_tasks = [
                (text, grades.pop(text))
                for text in dict.fromkeys(text for text, _ in tasks[number].queries)
                if text in grades
            ]
            wide_tasks[number] = replace(wide_tasks[number], queries=tuple(own_tasks))
    return wide_tasks


def require_images(task: ShowTask) -> None:
    """Raise ``UsageError`` if only one image competes."""
    if len(task.items) < 2:
        raise UsageError(f"{task.show}: only one image competes, and it would always be first: add captioned images")


def explain_lone_shot(gallery: Gallery, shots: int) -> str:
    """Return why a gallery of one shot is not measured, and the way out if there are ``shots`` in all."""
    can_widen = gallery in ("video", "show") and shots > 1
    advice = "measure it with --gallery all, or caption more shots" if can_widen else "caption more shots"
    return f"only one shot competes, and it would always be first: {advice}"


def describe_gallery(kind: str, tasks: Sequence[ShowTask]) -> GalleryDocument:
    """Describe the gallery of a measurement for its document."""
    sizes = [len(task.items) for task in tasks] or [0]
    return {"kind": kind, "competing": _TITLES[kind], "smallest": min(sizes), "largest": max(sizes)}


def _widen(task: ShowTask, items: Sequence[str], others: Sequence[ShowTask]) -> ShowTask:
    own_items = set(task.items)
    competing = [item for item in items if item not in own_items]
    return replace(
        task,
        items=(*task.items, *competing),
        captions=(*task.captions, *((),) * len(competing)),
        other_captions=tuple(text for other in others for text in other.texts),
        queries=(),
    )


def _join_grades(group: Sequence[ShowTask]) -> dict[str, Mapping[str, float]]:
    grades_by_query: dict[str, Mapping[str, float]] = {}
    for task in group:
        for text, grades in task.queries:
            grades_by_query[text] = {**grades_by_query.get(text, {}), **grades}
    return grades_by_query
