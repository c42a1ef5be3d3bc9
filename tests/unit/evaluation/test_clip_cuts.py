"""Scores of several clips: faults with frame, time and neighbour, and intervals against a plain bootstrap."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.evaluation.clip_cuts import ClipCuts, CutEvaluation, compare_clip, estimate_interval_over_clips
from ops.evaluation.cuts import CutScore, Fault, ShotAnnotation, match_boundaries


def clip(boundaries: list[tuple[int, bool]], annotation: ShotAnnotation, frames: int = 200) -> ClipCuts:
    return compare_clip(
        name="a.mp4",
        path=Path("a.mp4"),
        fps=Fraction(25),
        times_s=[frame / 25 for frame in range(frames)],
        boundaries=boundaries,
        annotation=annotation,
    )


def test_each_fault_has_its_frame_time_kind_and_nearest_neighbour() -> None:
    annotation = ShotAnnotation(hard=(50, 100), gradual=((120, 140),), frames=200)
    found = clip([(50, False), (95, False), (170, True)], annotation)
    told = [fault.as_json() for fault in found.faults]
    assert told == [
        {
            "clip": "a.mp4",
            "kind": kind,
            "transition": transition,
            "frame": first,
            "last_frame": last,
            "time_s": first / 25,
            "nearest_frame": nearest,
        }
        for kind, transition, first, last, nearest in [
            ("false", "cut", 95, 95, 100),
            ("missed", "cut", 100, 100, 95),
            ("missed", "gradual", 120, 140, None),
            ("false", "gradual", 170, 170, None),
        ]
    ]
    assert not found.notes


def test_an_annotation_of_another_length_is_noted_and_nothing_fails() -> None:
    longer = clip([], ShotAnnotation(hard=(10, 250), gradual=((300, 310),), frames=400))
    assert [fault.time_s for fault in longer.faults] == [0.4, None, None]
    assert longer.notes == (
        "the annotation is of 400 frames, the clip has 200",
        "2 annotated boundaries come after the last of the 200 frames and count as missed",
    )
    shorter = clip([(150, False)], ShotAnnotation(hard=(), gradual=(), frames=100))
    assert shorter.notes == ("annotated up to frame 100 of 200: later detections are not counted",)
    assert not shorter.faults


boundaries = st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=6, unique_by=lambda own: own[0])
ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=3, unique_by=lambda own: own[0])


@given(boundaries, st.lists(st.integers(0, 60), max_size=4), ranges, st.none() | st.integers(1, 60))
def test_faults_are_as_many_as_the_counts(
    detected: list[tuple[int, bool]], hard: list[int], gradual: list[tuple[int, int]], frames: int | None
) -> None:
    spans = tuple((first, first + length) for first, length in gradual)
    match = match_boundaries(detected, ShotAnnotation(hard=tuple(hard), gradual=spans, frames=frames))
    for transition, score in (("cut", match.score.hard), ("gradual", match.score.gradual)):
        kinds = [fault.kind for fault in match.faults if fault.transition == transition]
        assert (kinds.count("false"), kinds.count("missed")) == (score.false, score.missed)
    assert {fault.first for fault in match.faults if fault.kind == "false"} <= {frame for frame, _ in detected}


def scores(*counts: tuple[int, int, int]) -> list[CutScore]:
    return [CutScore(right=right, false=false, missed=missed) for right, false, missed in counts]


MANY = scores((20, 1, 0), (13, 0, 0), (3, 0, 5), (0, 4, 0), (9, 0, 1), (0, 0, 0), (128, 2, 0))


@pytest.mark.parametrize("metric", ["f1", "precision", "recall"])
def test_intervals_are_those_of_a_plain_bootstrap_over_clips(metric: str) -> None:
    interval = estimate_interval_over_clips(MANY, metric)
    assert interval is not None and interval == estimate_interval_over_clips(MANY, metric)
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(3000):
        total = CutScore(right=0, false=0, missed=0)
        for place in rng.integers(len(MANY), size=len(MANY)):
            total += MANY[place]
        drawn.append(getattr(total, metric))
    assert interval == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.06)


def test_there_is_no_interval_with_fewer_than_five_clips_that_count() -> None:
    assert estimate_interval_over_clips(MANY[:4], "f1") is None
    assert estimate_interval_over_clips([*MANY[:4], *scores((0, 0, 0), (0, 0, 0))], "f1") is None
    assert estimate_interval_over_clips(MANY[:5], "f1") is not None
    assert estimate_interval_over_clips([], "f1") is None


def test_clips_are_pooled_and_their_faults_listed() -> None:
    annotation = ShotAnnotation(hard=(50,), gradual=())
    evaluation = CutEvaluation(detector="x", clips=(clip([(50, False)], annotation), clip([(60, False)], annotation)))
    assert evaluation.pooled.hard == CutScore(right=1, false=1, missed=1)
    assert [fault.fault for fault in evaluation.faults] == [
        Fault(first=50, last=50, kind="missed", transition="cut"),
        Fault(first=60, last=60, kind="false", transition="cut"),
    ]
    assert set(evaluation.estimate_intervals().values()) == {None}


@pytest.mark.parametrize(
    "document",
    [
        {"hard_cuts": [3.5], "gradual": [], "frames_annotated": 9},
        {"hard_cuts": [-1], "gradual": [], "frames_annotated": 9},
        {"hard_cuts": ["3"], "gradual": [], "frames_annotated": 9},
        {"hard_cuts": [True], "gradual": [], "frames_annotated": 9},
        {"hard_cuts": [], "gradual": [[8, 4, "fade"]], "frames_annotated": 9},
        {"hard_cuts": [], "gradual": [[8]], "frames_annotated": 9},
        {"hard_cuts": [], "gradual": [], "frames_annotated": float("nan")},
        {"hard_cuts": [], "gradual": [], "frames_annotated": float("inf")},
        {"hard_cuts": None, "gradual": [], "frames_annotated": 9},
    ],
)
def test_frame_numbers_that_are_none_are_refused(document: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        ShotAnnotation.from_document(document)
