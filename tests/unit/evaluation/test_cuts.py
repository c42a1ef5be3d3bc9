"""Scores of hard cuts against counts made by hand, and the matching against a brute-force one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.evaluation.cuts import CutScore, ShotAnnotation, score_boundaries, score_cuts, score_gradual


@pytest.mark.parametrize(
    ("detected", "annotated", "expected"),
    [
        ([], [], (0, 0, 0)),
        ([10, 20], [10, 20], (2, 0, 0)),
        ([8, 22], [10, 20], (2, 0, 0)),
        ([7, 23], [10, 20], (0, 2, 2)),
        ([10, 11], [10], (1, 1, 0)),
        ([10], [9, 11], (1, 0, 1)),
        ([11, 13], [9, 11], (2, 0, 0)),
        ([0, 50], [50], (1, 0, 0)),
    ],
)
def test_counts(detected: list[int], annotated: list[int], expected: tuple[int, int, int]) -> None:
    score = score_cuts(detected, annotated)
    assert (score.right, score.false, score.missed) == expected


def test_gradual_ranges_are_neutral() -> None:
    score = score_cuts([98, 105, 113, 200], [111, 200], gradual=[(100, 110)])
    assert (score.right, score.false, score.missed) == (2, 0, 0)
    assert score_cuts([97], [], gradual=[(100, 110)]).false == 1
    assert score_cuts([112], [], gradual=[(100, 110)]).false == 0


def test_what_lies_beyond_the_annotation_does_not_count() -> None:
    assert score_cuts([10, 99, 100], [10], frames=100) == CutScore(right=1, false=1, missed=0)


def test_rates() -> None:
    score = CutScore(right=8, false=2, missed=0)
    assert (score.precision, score.recall, score.f1) == pytest.approx((0.8, 1.0, 16 / 18))
    assert score + CutScore(right=0, false=0, missed=10) == CutScore(right=8, false=2, missed=10)
    nothing = CutScore(right=0, false=0, missed=0)
    assert (nothing.precision, nothing.recall, nothing.f1) == (1.0, 1.0, 1.0)
    assert CutScore(right=0, false=3, missed=0).f1 == 0.0


frames = st.lists(st.integers(1, 25), max_size=5, unique=True)


@given(frames, frames)
def test_the_matching_finds_as_many_as_can_be_found(detected: list[int], annotated: list[int]) -> None:
    def best(rest: list[int], cuts: frozenset[int]) -> int:
        if not rest:
            return 0
        taken = [1 + best(rest[1:], cuts - {cut}) for cut in cuts if abs(cut - rest[0]) <= 2]
        return max([best(rest[1:], cuts), *taken])

    score = score_cuts(detected, annotated)
    assert score.right == best(detected, frozenset(annotated))
    assert score.false == len(detected) - score.right
    assert score.missed == len(annotated) - score.right


@given(frames, frames)
def test_order_does_not_matter(detected: list[int], annotated: list[int]) -> None:
    scores = {
        score_cuts(one, other)
        for one, other in itertools.product((detected, detected[::-1]), (annotated, annotated[::-1]))
    }
    assert len(scores) == 1


def test_a_gradual_transition_is_found_once() -> None:
    ranges = [(100, 120), (300, 310)]
    assert score_gradual([(110, True)], ranges) == CutScore(right=1, false=0, missed=1)
    assert score_gradual([(98, False), (122, True)], ranges) == CutScore(right=1, false=1, missed=1)
    assert score_gradual([(50, True), (60, False)], ranges) == CutScore(right=0, false=1, missed=2)
    assert score_gradual([(50, True)], ranges, hard=[51]).false == 0
    assert score_gradual([(50, True)], ranges, neutral=[(40, 49)]).false == 0
    assert score_gradual([(50, True), (300, True)], ranges, frames=50) == CutScore(right=0, false=0, missed=2)


def test_each_boundary_counts_once_and_by_its_kind() -> None:
    annotation = ShotAnnotation.from_document(
        {
            "hard_cuts": [0, 50],
            "gradual": [[100, 120, "dissolve"], [200, 220, "fade of a caption"]],
            "shot_starts": [0, 50, 110],
            "optional_cuts": [150],
            "frames_annotated": 400,
        }
    )
    found = [(51, True), (110, False), (150, False), (210, True), (300, False), (310, True)]
    score = score_boundaries(found, annotation)
    assert score.hard == CutScore(right=1, false=1, missed=0)
    assert score.gradual == CutScore(right=1, false=1, missed=0)
    assert (score + score).hard.right == 2
