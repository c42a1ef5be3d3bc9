"""Lines of writing in the picture that continue each other: "MIND THE" above "GAP".

Stands alone because this rule can be wrong: only place, size and time show that two lines are one text. Lines side by
side, as in columns, are never joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ops.index.line_points import Following, LineRow

LEAST_TOGETHER = 0.5
"""Share of the shorter time on screen in which both lines are there."""
MOST_GAP, MOST_OVERLAP = 1.0, 0.5
"""Distance of two lines below each other, and how far their boxes overlap, in heights of the lower one of them."""
LIKE_SIZE = 2.0
"""Ratio of the heights of two lines of one text."""
LEAST_BELOW = 0.5
"""Share of the width of the narrower line that is above or below the other one."""
ALIGNED, ALIGNED_ANYWAY = 0.15, 10
"""Distance of the left edges, the right edges or the centres: a share of the wider line, plus thousandths of the
picture."""
MOST_FOLLOWING = 3
MOST_SIGNS = 240
"""Characters of the lines after a line that are indexed with it."""


@dataclass(frozen=True, kw_only=True)
class PlacedLine:
    """A line with its box: left, top, right and bottom in thousandths of the picture."""

    row: LineRow
    box: tuple[int, int, int, int]


def join_blocks(lines: Iterable[PlacedLine]) -> Iterator[LineRow]:
    """Yield the lines, each with the lines below it that continue its text; all lines of a video in any order."""
    by_shot: dict[tuple[str, ...], list[PlacedLine]] = {}
    for line in lines:
        by_shot.setdefault(line.row.shot_ids, []).append(line)
    for shot_lines in by_shot.values():
        nexts = [_find_next(shot_lines, at) for at in range(len(shot_lines))]
        counts = Counter(nexts)
        # A line below two columns continues neither.
        nexts = [None if place is None or counts[place] > 1 else place for place in nexts]
        for at, line in enumerate(shot_lines):
            yield replace(line.row, following=tuple(_follow_block(shot_lines, nexts, at)))


def _find_next(lines: Sequence[PlacedLine], at: int) -> int | None:
    """Return the place of the line that continues line ``at``; ``None`` also if there are several side by side."""
    below = [place for place, other in enumerate(lines) if place != at and _is_continued(lines[at], other)]
    if not below:
        return None
    nearest = min(below, key=lambda place: lines[place].box[1])
    middle = (lines[nearest].box[1] + lines[nearest].box[3]) / 2
    return nearest if all(place == nearest or lines[place].box[1] >= middle for place in below) else None


def _is_continued(upper: PlacedLine, lower: PlacedLine) -> bool:
    return (
        _are_together(upper.row, lower.row) and _are_near(upper.box, lower.box) and _are_aligned(upper.box, lower.box)
    )


def _are_together(one: LineRow, other: LineRow) -> bool:
    common = min(one.end_frame, other.end_frame) - max(one.start_frame, other.start_frame)
    shorter = min(one.end_frame - one.start_frame, other.end_frame - other.start_frame)
    return common >= LEAST_TOGETHER * shorter and common > 0


def _are_near(upper: tuple[int, int, int, int], lower: tuple[int, int, int, int]) -> bool:
    heights = sorted((upper[3] - upper[1], lower[3] - lower[1]))
    gap = lower[1] - upper[3]
    return -MOST_OVERLAP * heights[0] <= gap <= MOST_GAP * heights[0] and heights[1] <= LIKE_SIZE * heights[0]


def _are_aligned(upper: tuple[int, int, int, int], lower: tuple[int, int, int, int]) -> bool:
    widths = sorted((upper[2] - upper[0], lower[2] - lower[0]))
    common = min(upper[2], lower[2]) - max(upper[0], lower[0])
    left, right = abs(upper[0] - lower[0]), abs(upper[2] - lower[2])
    centre = abs(upper[0] + upper[2] - lower[0] - lower[2]) / 2
    return common >= LEAST_BELOW * widths[0] and min(left, right, centre) <= ALIGNED * widths[1] + ALIGNED_ANYWAY


def _follow_block(lines: Sequence[PlacedLine], nexts: Sequence[int | None], at: int) -> Iterator[Following]:
    signs = 0
    for _ in range(MOST_FOLLOWING):
        place = nexts[at]
        if place is None:
            return
        row = lines[place].row
        signs += len(row.text)
        if signs > MOST_SIGNS:
            return
        yield Following(
            line_id=row.line_id, text=row.text, shot_ids=row.shot_ids, end_frame=row.end_frame, end_s=row.end_s
        )
        at = place
