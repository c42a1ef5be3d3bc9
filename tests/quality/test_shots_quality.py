"""How well shot boundaries are found on annotated clips of many kinds; no number is judged on a clip that chose it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from itertools import chain
from operator import add
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ops.evaluation.cuts import BoundaryScore, ShotAnnotation, score_boundaries
from ops.shots.detector import Boundary, Glimpse, TinyPicture
from ops.shots.detectors.auto import AutoDetector
from ops.shots.detectors.transnet_model import Scores, small_rgb, transition_probabilities
from ops.shots.pictures import glimpse_of
from ops.shots.scaling import FrameScaler
from ops.shots.thresholds import AUTO, AutoThresholds
from ops.videos.probe import probe
from ops.videos.reader import Picture, read_media

pytestmark = [pytest.mark.shared, pytest.mark.slow]

LONG = "bbb_full_360p.mp4"
GRID = [
    replace(AUTO, probability=probability, gradual=replace(AUTO.gradual, evidence=evidence))
    for probability in (0.18, 0.3)
    for evidence in (0.8, 0.95)
]
CASES = {
    "dissolve8.mp4": (62, 70),
    "dissolve60.mp4": (10, 70),
    "dip8.mp4": (62, 70),
    "wipe15.mp4": (55, 70),
    "flash4.mp4": None,
}
"""Where the one boundary of each generated clip is; ``None`` for one shot."""


@dataclass
class Clip:
    """One decoded clip; what the network said of its windows is kept, so that other thresholds cost little."""

    fps: Fraction
    annotation: ShotAnnotation
    smalls: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    rgbs: list[TinyPicture] = field(default_factory=list)
    answers: dict[int, tuple[Scores, Scores]] = field(default_factory=dict)

    def network(self, window: list[TinyPicture]) -> tuple[Scores, Scores]:
        key = hash(b"".join(picture.tobytes() for picture in window))
        if key not in self.answers:
            self.answers[key] = transition_probabilities(window)
        return self.answers[key]

    def find(self, thresholds: AutoThresholds = AUTO) -> list[Boundary]:
        detector = AutoDetector(thresholds, self.fps, self.network)
        pairs = zip(self.smalls, self.rgbs, strict=True)
        found = [boundary for small, rgb in pairs for boundary in detector.push(_glimpse(small, rgb))]
        return found + detector.finish()

    def score(self, thresholds: AutoThresholds = AUTO) -> BoundaryScore:
        return score_boundaries(
            [(boundary.frame, boundary.transition == "gradual") for boundary in self.find(thresholds)], self.annotation
        )


def _glimpse(small: npt.NDArray[np.uint8], rgb: TinyPicture) -> Glimpse:
    return Glimpse(small, lambda: rgb)


def pooled(scores: Iterator[BoundaryScore] | list[BoundaryScore]) -> BoundaryScore:
    return reduce(add, scores)


def clip_of(path: Path, annotation: ShotAnnotation) -> Clip:
    info = probe(path)
    scaler, clip = FrameScaler(info), Clip(info.fps, annotation)
    frames = (frame for item in read_media(path) if isinstance(item, Picture) for frame in scaler.push(item.frame))
    for frame in chain(frames, scaler.finish()):
        glimpse = glimpse_of(frame)
        clip.smalls.append(glimpse.small)
        clip.rgbs.append(small_rgb(glimpse.tiny))
    return clip


@pytest.fixture(scope="module")
def clips(footage: Path) -> dict[str, Clip]:
    """Each annotated clip decoded once, as ``segment_video`` does it."""
    annotations = sorted(footage.glob("*.shots.json"))
    return {
        path.name.removesuffix(".shots.json"): clip_of(
            path.with_name(path.name.removesuffix(".shots.json")),
            ShotAnnotation.from_document(json.loads(path.read_text())),
        )
        for path in annotations
    }


@pytest.fixture(scope="module")
def scores(clips: dict[str, Clip]) -> dict[str, BoundaryScore]:
    return {name: clip.score() for name, clip in clips.items()}


def test_hard_cuts_are_found_on_clips_of_every_kind(scores: dict[str, BoundaryScore]) -> None:
    assert pooled(list(scores.values())).hard.f1 >= 0.97
    assert pooled([score for name, score in scores.items() if name != LONG]).hard.f1 >= 0.945
    for name, score in scores.items():
        if score.hard.right + score.hard.missed > 10:
            assert score.hard.f1 >= 0.93, name


def test_gradual_transitions_are_found(scores: dict[str, BoundaryScore]) -> None:
    assert pooled(list(scores.values())).gradual.f1 >= 0.74


def test_a_shaky_shot_has_no_hard_cut(scores: dict[str, BoundaryScore]) -> None:
    """750 frames from a telephone that is swung about; one swing is taken for a dissolve."""
    assert scores["cat_spinning_360p.mp4"].hard.false == 0
    assert scores["cat_spinning_360p.mp4"].gradual.false <= 1


def test_thresholds_hold_on_clips_that_did_not_choose_them(clips: dict[str, Clip]) -> None:
    """Leave one clip out: choose on the others, judge on the one left out."""
    short = {name: clip for name, clip in clips.items() if name != LONG}
    table = {name: [clip.score(thresholds) for thresholds in GRID] for name, clip in short.items()}

    def merit(score: BoundaryScore) -> float:
        return score.hard.f1 + score.gradual.f1

    judged = []
    for held_out in short:
        others = [pooled([table[name][at] for name in short if name != held_out]) for at in range(len(GRID))]
        judged.append(table[held_out][int(np.argmax([merit(score) for score in others]))])
    assert pooled(judged).hard.f1 >= 0.93
    assert pooled(judged).gradual.f1 >= 0.72
    everywhere = [pooled([scores[at] for scores in table.values()]) for at in range(len(GRID))]
    assert min(score.hard.f1 for score in everywhere) >= 0.92, "no cliff anywhere in the grid"


@pytest.mark.parametrize("name", CASES)
def test_each_transition_is_one_boundary_and_a_flash_is_none(name: str, footage: Path) -> None:
    where = CASES[name]
    path = footage.parent / "cases" / "media" / name
    annotation = ShotAnnotation(hard=(), gradual=())
    frames = [boundary.frame for boundary in clip_of(path, annotation).find()]
    assert len(frames) == (where is not None)
    assert where is None or where[0] <= frames[0] <= where[1]
