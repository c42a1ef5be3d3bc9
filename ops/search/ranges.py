"""Sorted, disjoint, half-open frame ranges: union and intersection.

Pure functions: everything that can be off by one about composed queries, without index or lake. All take
and give lists of ``(start_frame, end_frame)``; those given back are ascending, disjoint, never empty, and
never touch one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Range = tuple[int, int]
VideoRanges = Mapping[str, Sequence[Range]]


def normalised(ranges: Iterable[Range]) -> list[Range]:
    """Any ranges as sorted, disjoint ones; empty ones go, those that overlap or touch become one."""
    joined: list[Range] = []
    for start, end in sorted(each for each in ranges if each[0] < each[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def union(left: Sequence[Range], right: Sequence[Range]) -> list[Range]:
    """Frames in either."""
    return normalised([*left, *right])


def intersection(left: Sequence[Range], right: Sequence[Range]) -> list[Range]:
    """Frames in both; both are sorted and disjoint. Linear in their lengths."""
    common: list[Range] = []
    at, other = 0, 0
    while at < len(left) and other < len(right):
        start = max(left[at][0], right[other][0])
        end = min(left[at][1], right[other][1])
        if start < end:
            common.append((start, end))
        if left[at][1] < right[other][1]:
            at += 1
        else:
            other += 1
    return normalised(common)


def union_of(parts: Iterable[VideoRanges]) -> dict[str, list[Range]]:
    """:func:`union` video by video; nothing where there are no parts."""
    gathered: dict[str, list[Range]] = {}
    for part in parts:
        for video_id, ranges in part.items():
            gathered.setdefault(video_id, []).extend(ranges)
    joined = {video_id: normalised(ranges) for video_id, ranges in gathered.items()}
    return {video_id: ranges for video_id, ranges in joined.items() if ranges}


def intersection_of(parts: Sequence[VideoRanges]) -> dict[str, list[Range]]:
    """:func:`intersection` video by video, of at least one part; videos without a common frame are left out."""
    common = {video_id: normalised(ranges) for video_id, ranges in parts[0].items()}
    for part in parts[1:]:
        common = {
            video_id: intersection(ranges, normalised(part[video_id]))
            for video_id, ranges in common.items()
            if video_id in part
        }
    return {video_id: ranges for video_id, ranges in common.items() if ranges}
