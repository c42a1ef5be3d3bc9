"""What corrections of people make of boundaries that were detected: on every detector's delay, and on the files."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.core.errors import MediaError
from ops.core.storage import ObjectStore
from ops.shots.corrected import CorrectedDetector, PlannedCuts
from ops.shots.corrections import Action, CutCorrection, select_current
from ops.shots.detector import Boundary, DetectorFrame
from ops.shots.planning import LEAST_FRAMES, TOLERANCE, PlannedShot, Recut, plan_cuts
from ops.shots.segment import make_poster_key, make_proxy_key, recut_video, segment_video
from ops.videos.probe import probe
from tests.builders.films import Film, make_film

VIDEO = "00112233aabbccdd"
SAID = datetime(2026, 11, 28, 12, tzinfo=UTC)


def said(*statements: tuple[Action, int]) -> list[CutCorrection]:
    return [
        CutCorrection(video_id=VIDEO, frame=frame, action=action, author="ann", created_at=SAID)
        for action, frame in statements
    ]


def frames_of(detected: list[int], *statements: tuple[Action, int]) -> list[int]:
    plan = plan_cuts([Boundary(frame) for frame in detected], said(*statements))
    return [each.frame for each in plan.boundaries]


@pytest.mark.parametrize(
    ("detected", "statements", "wanted"),
    [
        ([50, 90], [], [50, 90]),
        ([50, 90], [("no_cut", 50)], [90]),
        ([50, 90], [("cut", 70)], [50, 70, 90]),
        ([50, 90], [("no_cut", 50), ("no_cut", 90)], []),
        ([52, 90], [("no_cut", 50)], [90]),  # another detector puts the same cut two frames later
        ([53, 90], [("no_cut", 50)], [53, 90]),  # three frames later it is another one
        ([69, 90], [("cut", 70)], [70, 90]),
        ([69, 71], [("cut", 70)], [70]),
        ([67, 73], [("cut", 70)], [67, 70, 73]),
        ([50, 52], [("no_cut", 52)], [50]),  # one correction, one boundary
        ([50, 52], [("no_cut", 50), ("no_cut", 52)], []),
        ([52, 54], [("no_cut", 50), ("no_cut", 52)], [54]),
        ([50], [("no_cut", 50), ("cut", 51)], [51]),  # moved by a frame
        ([51], [("no_cut", 50), ("cut", 51)], [51]),
        ([], [("no_cut", 50)], []),
        ([], [("cut", 50)], [50]),
    ],
)
def test_what_a_correction_does(detected: list[int], statements: list[tuple[Action, int]], wanted: list[int]) -> None:
    assert frames_of(detected, *statements) == wanted


def test_a_shot_names_the_corrections_that_made_it_and_no_others() -> None:
    plan = plan_cuts(
        [Boundary(50), Boundary(90, "gradual"), Boundary(120)], said(("no_cut", 50), ("cut", 100), ("cut", 120))
    )
    shots = plan.shots(150)
    assert [each.span for each in shots] == [(0, 90), (90, 100), (100, 120), (120, 150)]
    assert [each.transition for each in shots] == ["start", "gradual", "cut", "cut"]
    assert [each.detector("auto-1") for each in shots] == [
        "auto-1+no_cut@50",
        "auto-1+cut@100",
        "auto-1+cut@100",
        "auto-1",  # the detector says the same as the person
    ]


def test_a_detected_boundary_beside_a_persons_cut_gives_it_its_transition() -> None:
    assert plan_cuts([Boundary(69, "gradual")], said(("cut", 70))).boundaries == (Boundary(70, "gradual"),)


def test_corrections_past_the_end_make_no_shots() -> None:
    assert [each.span for each in plan_cuts([Boundary(50)], said(("cut", 100))).shots(100)] == [(0, 50), (50, 100)]


def test_the_latest_of_a_frame_counts_and_a_withdrawn_one_does_not() -> None:
    history = [
        replace(each, created_at=SAID + timedelta(seconds=second))
        for second, each in enumerate(
            said(("no_cut", 50), ("cut", 50), ("cut", 70), ("withdrawn", 70), ("no_cut", 90), ("withdrawn", 90))
        )
    ]
    assert [(each.action, each.frame) for each in select_current(history)] == [("cut", 50)]
    assert [(each.action, each.frame) for each in select_current(reversed(history))] == [("cut", 50)]


def test_no_shot_of_random_corrections_is_shorter_than_people_and_detector_make_it() -> None:
    random = np.random.default_rng(5)
    for _ in range(300):
        detected = sorted(random.choice(np.arange(3, 60), random.integers(0, 9), replace=False).tolist())
        cuts = [int(frame) for frame in random.choice(np.arange(1, 20), random.integers(0, 4), replace=False) * 3]
        refused = [
            frame for frame in random.choice(np.arange(3, 60), random.integers(0, 5)).tolist() if frame not in cuts
        ]
        plan = frames_of(detected, *(("cut", frame) for frame in cuts), *(("no_cut", frame) for frame in refused))
        assert set(cuts) <= set(plan) <= {*cuts, *detected}
        assert plan == sorted(set(plan))
        for cut, other in itertools.product(cuts, plan):
            assert cut == other or abs(cut - other) >= LEAST_FRAMES or other in cuts
        assert not set(refused) & set(plan)


class Scripted:
    """A detector that finds given boundaries after a given delay."""

    def __init__(self, boundaries: list[int], delay: int) -> None:
        self.max_delay, self._boundaries, self._delay = delay, boundaries, delay
        self.decided = self._seen = 0

    def push(self, detector_frame: DetectorFrame) -> list[Boundary]:
        self._seen += 1
        return self._until(self._seen - self._delay)

    def finish(self) -> list[Boundary]:
        return self._until(self._seen)

    def _until(self, until: int) -> list[Boundary]:
        begin, self.decided = self.decided, max(self.decided, until)
        return [Boundary(frame) for frame in self._boundaries if begin <= frame < self.decided]


def run(detector: Any, frames: int) -> list[int]:
    """Boundaries in the order of their report; the contract of detectors is asserted on the way."""
    detector_frame = DetectorFrame.wrap(np.zeros((18, 32, 3), np.uint8))
    reported: list[int] = []
    for pushed in range(1, frames + 2):
        before = detector.decided
        fresh = detector.push(detector_frame) if pushed <= frames else detector.finish()
        assert before <= detector.decided <= min(pushed, frames)
        assert detector.decided >= min(pushed, frames) - detector.max_delay
        assert all(before <= each.frame < detector.decided for each in fresh)
        reported += [each.frame for each in fresh]
    assert detector.decided == frames
    return reported


@pytest.mark.parametrize("delay", [0, 1, 7, 200])
def test_while_a_film_is_cut_the_same_comes_out_as_afterwards(delay: int) -> None:
    random = np.random.default_rng(delay)
    for _ in range(60):
        detected = sorted(random.choice(np.arange(1, 80), random.integers(0, 12), replace=False).tolist())
        statements: list[tuple[Action, int]] = [
            ("cut" if random.random() < 0.5 else "no_cut", int(frame))
            for frame in random.choice(np.arange(1, 90), random.integers(0, 8), replace=False)
        ]
        detector = CorrectedDetector(Scripted(detected, delay), said(*statements))
        inside = [frame for frame in frames_of(detected, *statements) if frame < 80]
        assert run(detector, 80) == inside
        assert [each.frame for each in detector.detected] == detected
        assert run(PlannedCuts([Boundary(frame) for frame in inside]), 80) == inside
    assert TOLERANCE == 2


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    path = tmp_path_factory.mktemp("corrected") / "film.mp4"
    return make_film(path, cuts=(50, 90), frames=130, audio=True, width=160, height=90)


@pytest.mark.parametrize("threads", [1, 3])
def test_shots_cut_again_have_the_bytes_of_a_film_cut_with_the_corrections(
    film: Film, tmp_path: Path, threads: int
) -> None:
    whole, part = ObjectStore(str(tmp_path / "whole")), ObjectStore(str(tmp_path / "part"))
    info, scratch = probe(film.path), tmp_path / "scratch"
    corrections, detected = said(("no_cut", 50), ("cut", 110)), list[Boundary]()
    shots = segment_video(
        film.path, VIDEO, info, whole, scratch=scratch, corrections=corrections, detected=detected, threads=threads
    )
    assert [each.frame for each in detected] == [50, 90]
    planned = plan_cuts(detected, corrections).shots(130)
    assert [(each.start_frame, each.end_frame) for each in shots] == [each.span for each in planned]
    segment_video(film.path, VIDEO, info, part, scratch=scratch, threads=threads)
    before = {key: part.read_bytes(key) for key in part.list("")}
    recut = Recut(shots=tuple(planned), wanted=frozenset(each.start_frame for each in planned))
    again = recut_video(film.path, VIDEO, info, part, recut, scratch=scratch, threads=threads)
    assert again == shots
    for shot in shots:
        for make_key in (make_proxy_key, make_poster_key):
            key = make_key(VIDEO, shot.start_frame, shot.end_frame)
            assert part.read_bytes(key) == whole.read_bytes(key), key
    assert all(part.read_bytes(key) == data for key, data in before.items())


def test_only_wanted_shots_are_written_and_the_rest_of_the_film_is_not_read(film: Film, tmp_path: Path) -> None:
    store, seen = ObjectStore(str(tmp_path / "store")), list[int]()
    shots = tuple(PlannedShot(start_frame=at, end_frame=at + 26, transition="cut") for at in range(0, 130, 26))
    recut = Recut(shots=shots, wanted=frozenset({26}))
    import ops.shots.segment as segment

    step, segment.PROGRESS_STEP = segment.PROGRESS_STEP, 1
    try:
        (shot,) = recut_video(
            film.path, VIDEO, probe(film.path), store, recut, scratch=tmp_path / "s", on_progress=seen.append
        )
    finally:
        segment.PROGRESS_STEP = step
    assert (shot.index, shot.start_frame, shot.end_frame) == (1, 26, 52)
    assert sorted(store.list("")) == [make_poster_key(VIDEO, 26, 52), make_proxy_key(VIDEO, 26, 52)]
    assert seen[-1] < 130


def test_a_film_without_these_frames_is_an_error_and_nothing_is_stored(film: Film, tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path / "store"))
    shots = (
        PlannedShot(start_frame=0, end_frame=100, transition="start"),
        PlannedShot(start_frame=100, end_frame=140, transition="cut"),
    )
    recut = Recut(shots=shots, wanted=frozenset({100}))
    with pytest.raises(MediaError, match="frames"):
        recut_video(film.path, VIDEO, probe(film.path), store, recut, scratch=tmp_path / "s")
    assert not list(store.list(""))
