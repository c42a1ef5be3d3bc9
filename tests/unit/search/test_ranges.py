"""Union and intersection of frame ranges, against sets of frames."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ops.search.composition import Range, intersect, intersect_all, normalise, union, unite_all

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)
BY_VIDEO = st.dictionaries(st.sampled_from("abc"), RANGES, max_size=3)


def frames(ranges: list[Range]) -> set[int]:
    return {frame for start, end in ranges for frame in range(start, end)}


def is_normal(ranges: list[Range]) -> bool:
    return all(start < end for start, end in ranges) and all(
        left[1] < right[0] for left, right in itertools.pairwise(ranges)
    )


@given(RANGES)
def test_normalised_keeps_the_frames(ranges: list[Range]) -> None:
    assert frames(normalise(ranges)) == frames(ranges)
    assert is_normal(normalise(ranges))


@given(RANGES, RANGES)
def test_union_and_intersection_are_those_of_the_frames(left: list[Range], right: list[Range]) -> None:
    left, right = normalise(left), normalise(right)
    assert frames(union(left, right)) == frames(left) | frames(right)
    assert frames(intersect(left, right)) == frames(left) & frames(right)
    assert is_normal(union(left, right)) and is_normal(intersect(left, right))


@given(st.lists(BY_VIDEO, min_size=1, max_size=4))
def test_videos_do_not_mix(parts: list[dict[str, list[Range]]]) -> None:
    for video in "abc":
        sets = [frames(part.get(video, [])) for part in parts]
        assert frames(unite_all(parts).get(video, [])) == set.union(*sets)
        assert frames(intersect_all(parts).get(video, [])) == set.intersection(*sets)
    assert all(unite_all(parts).values()) and all(intersect_all(parts).values()), "no video without frames is named"


def test_ends_are_exclusive() -> None:
    assert intersect([(0, 10)], [(10, 20)]) == []
    assert union([(0, 10)], [(10, 20)]) == [(0, 20)]
    assert intersect([(0, 10)], [(9, 20)]) == [(9, 10)]
