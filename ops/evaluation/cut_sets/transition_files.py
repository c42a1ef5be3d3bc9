"""Annotation files of public test sets as text: shots with inclusive ends, or transitions.

A damaged line is always reported, with its number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.evaluation.cut_sets.protocol import Transition, list_transitions

MOST_BYTES = 16 << 20
"""The largest annotation file of these sets has less than 3 MiB."""
LAST_FRAME = 10**8
MOST_NOTES = 5


@dataclass(kw_only=True)
class Annotated:
    """Transitions of one video, ascending; ``frames`` is the length in the annotation."""

    transitions: list[Transition] = field(default_factory=list)
    frames: int | None = None
    notes: list[str] = field(default_factory=list)


def read_shots(text: str, *, shift: int = 0) -> Annotated:
    """Read ``first last`` of one shot per line, inclusive, separated by blanks, tabs or a comma.

    ``shift`` is added to each number except a 0 at the start. Raises ``UsageError`` with the line for anything else,
    and if shots do not ascend.
    """
    shots: list[tuple[int, int]] = []
    overlaps = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        first, last = _parse_two_frames(line, number)
        first, last = first + shift if shots or first else 0, last + shift
        if last < first or (shots and first <= shots[-1][0]):
            raise UsageError(f"line {number}: shot {first} to {last} ends before it begins, or begins too early")
        overlaps += bool(shots) and first <= shots[-1][1]
        shots.append((first, last))
    if not shots:
        raise UsageError("it has no shots")
    notes = [f"{plural(overlaps, 'shot begins', 'shots begin')} before the one before ends"] if overlaps else []
    return Annotated(transitions=list_transitions(shots), notes=notes)


def _parse_two_frames(line: str, number: int) -> tuple[int, int]:
    parts = [part for part in re.split(r"[\s,;]+", line.strip()) if part]
    if len(parts) != 2 or not all(re.fullmatch(r"\d{1,9}(\.0*)?", part) for part in parts):
        raise UsageError(f"line {number} is not two frame numbers: {line.strip()[:60]!r}")
    first, last = (int(part.split(".")[0]) for part in parts)
    if max(first, last) > LAST_FRAME:
        raise UsageError(f"line {number} names frame {max(first, last)}")
    return first, last


def read_clipshots(text: str) -> tuple[dict[str, Annotated], dict[str, str]]:
    """ClipShots' JSON as annotations by video, and the reasons why others cannot be used.

    The form is ``{"<video>": {"transitions": [[last, first], ...], "frame_num": N}}``. Raises ``UsageError`` if the
    document has another form.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"it is not JSON: {error}") from error
    if not isinstance(document, dict) or not document:
        raise UsageError("it is not an object of videos")
    annotations: dict[str, Annotated] = {}
    reasons: dict[str, str] = {}
    for name, video in document.items():
        try:
            annotations[name] = _parse_clipshots_video(video)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            reasons[name] = f"its annotation is damaged: {type(error).__name__}: {error}"
    return annotations, reasons


def _parse_clipshots_video(document: Any) -> Annotated:
    pairs = [tuple(map(_parse_frame, pair)) for pair in document["transitions"]]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("a transition is not two frame numbers")
    return _sort_transitions([(pair[0], pair[1]) for pair in pairs], _parse_frame(document["frame_num"]))


def _parse_frame(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"{value!r} is not a frame number")
    if not 0 <= value <= LAST_FRAME:
        raise ValueError(f"{value!r} is not a frame number")
    return int(value)


def _sort_transitions(pairs: list[Transition], frames: int | None) -> Annotated:
    """Transitions in order; those that end before they begin are excluded and noted."""
    annotation = Annotated(frames=frames)
    wrong = [f"{first} to {last}" for first, last in pairs if last <= first]
    if wrong:
        more = f" and {len(wrong) - MOST_NOTES} more" if len(wrong) > MOST_NOTES else ""
        annotation.notes.append(f"left out, they end before they begin: {', '.join(wrong[:MOST_NOTES])}{more}")
    annotation.transitions = sorted({pair for pair in pairs if pair[1] > pair[0]})
    return annotation


_HEADER = re.compile(r"(\S.*\.[A-Za-z0-9]{2,5})(?:\s+(\d+))?")


def read_kuaishou(text: str) -> dict[str, Annotated]:
    """Read AutoShot's ``kuaishou_v2.txt``.

    It has blocks of a header ``<video> [frames]`` and one transition ``last,first`` per line. The file was typed by
    hand: separators vary, and some lines are damaged. These are noted with their video. If a video occurs twice, the
    first block counts, with a note if the second one differs. Raises ``UsageError`` if it has no videos.
    """
    annotations: dict[str, Annotated] = {}
    for name, frames, lines in _split_blocks(text):
        pairs, odd = [], []
        for line in lines:
            numbers = re.fullmatch(r"\[?\s*(\d{1,9})\s*[,.\s]+\s*(\d{1,9})\s*,?\s*\]?", line)
            if numbers:
                pairs.append((int(numbers[1]), int(numbers[2])))
            else:
                odd.append(repr(line[:40]))
        annotation = _sort_transitions(pairs, frames)
        if odd:
            annotation.notes.append(f"left out, they are not two frame numbers: {', '.join(odd[:MOST_NOTES])}")
        if name not in annotations:
            annotations[name] = annotation
        elif annotation.transitions != annotations[name].transitions:
            annotations[name].notes.append("annotated twice, with differences: the first annotation counts")
    if not annotations:
        raise UsageError("it has no line with the name of a video")
    return annotations


def _split_blocks(text: str) -> Iterator[tuple[str, int | None, list[str]]]:
    name, frames, lines = "", None, list[str]()
    for line in (text_line.strip() for text_line in text.splitlines()):
        header = None if re.fullmatch(r"[\d.]+", line) else _HEADER.fullmatch(line)  # some pairs are typed with a point
        if header:
            if name:
                yield name, frames, lines
            name, lines = header[1], []
            frames = int(header[2]) if header[2] and int(header[2]) <= LAST_FRAME else None
        elif line:
            lines.append(line)
    if name:
        yield name, frames, lines
    elif lines:
        raise UsageError(f"it begins without the name of a video: {lines[0][:40]!r}")
