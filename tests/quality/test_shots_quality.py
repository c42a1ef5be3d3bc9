"""How well shot boundaries are found on annotated clips of many kinds; no number is judged on a clip that chose it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.evaluation.cuts import BoundaryScore, CutScore, ShotAnnotation
from ops.shots.thresholds import AUTO
from tests.builders.homes import Home
from tests.quality.annotated_clips import (
    Clip,
    RecordingDetector,
    decode_clip,
    fit_thresholds,
    fit_weights,
    pooled,
    read_annotations,
)

pytestmark = [pytest.mark.shared, pytest.mark.slow, pytest.mark.timeout(3000)]  # beside other tests on two cores

LONG = "bbb_full_360p.mp4"
EVIDENCES = (0.75, 0.86, 1.0)
"""Evidence for a gradual transition, around the shipped one."""
CASES = {
    "dissolve8.mp4": (62, 70),
    "dissolve60.mp4": (10, 70),
    "dip8.mp4": (62, 70),
    "wipe15.mp4": (55, 70),
    "flash4.mp4": None,
}
"""Where the one boundary of each generated clip is; ``None`` for one shot."""


@pytest.fixture(scope="module")
def recorded(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Clip]]:
    """The document that ``needle evaluate --footage`` prints, and the clips as its detectors saw them."""
    detectors: list[RecordingDetector] = []

    def load(name: str, fps: Fraction) -> RecordingDetector:
        assert name == "auto"
        detectors.append(RecordingDetector(fps))
        return detectors[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ops.training.evaluate.load_detector", load)
        home = Home(tmp_path_factory.mktemp("home"))
        document = home.json("evaluate", "--footage", str(footage), "--cuts-only")
    annotations = read_annotations(footage)
    assert list(document["films"]) == list(annotations)
    pairs = zip(annotations.items(), detectors, strict=True)
    return document, {name: replace(detector.clip, annotation=annotation) for (name, annotation), detector in pairs}


@pytest.fixture(scope="module")
def evaluation(recorded: tuple[dict[str, Any], dict[str, Clip]]) -> dict[str, Any]:
    return recorded[0]


@pytest.fixture(scope="module")
def clips(recorded: tuple[dict[str, Any], dict[str, Clip]]) -> dict[str, Clip]:
    return recorded[1]


@pytest.fixture(scope="module")
def scores(evaluation: dict[str, Any]) -> dict[str, BoundaryScore]:
    def score(film: dict[str, Any], prefix: str) -> CutScore:
        return CutScore(right=film[f"{prefix}_right"], false=film[f"{prefix}_false"], missed=film[f"{prefix}_missed"])

    return {
        name: BoundaryScore(hard=score(film, "cuts"), gradual=score(film, "gradual"))
        for name, film in evaluation["films"].items()
    }


def test_the_command_pools_all_clips(evaluation: dict[str, Any], scores: dict[str, BoundaryScore]) -> None:
    assert len(scores) == 15
    assert not evaluation["set_aside"]
    assert evaluation["shot_f1"] == pytest.approx(pooled(scores.values()).hard.f1)
    assert evaluation["gradual_f1"] == pytest.approx(pooled(scores.values()).gradual.f1)


def test_hard_cuts_are_found_on_clips_of_every_kind(scores: dict[str, BoundaryScore]) -> None:
    """Measured: 0.992, and 0.979 without the long film (goal 0.97); 1.0 on the worst clip (goal 0.93)."""
    assert pooled(scores.values()).hard.f1 >= 0.985
    assert pooled(score for name, score in scores.items() if name != LONG).hard.f1 >= 0.97
    for name, score in scores.items():
        if score.hard.right + score.hard.missed > 10:
            assert score.hard.f1 >= 0.95, name


def test_gradual_transitions_are_found(scores: dict[str, BoundaryScore]) -> None:
    assert pooled(scores.values()).gradual.f1 >= 0.74


def test_a_shaky_shot_has_no_hard_cut(scores: dict[str, BoundaryScore]) -> None:
    """750 frames from a telephone that is swung about; one swing is taken for a dissolve."""
    assert scores["cat_spinning_360p.mp4"].hard.false == 0
    assert scores["cat_spinning_360p.mp4"].gradual.false <= 1


def test_weights_hold_on_clips_that_did_not_choose_them(clips: dict[str, Clip]) -> None:
    """Leave one clip out: fit on the others, judge on the one left out. The shipped weights are those of all clips."""
    candidates = {name: clip.candidates() for name, clip in clips.items()}
    weights, bias = fit_weights(list(candidates.values()))
    assert (*AUTO.cut_weights, AUTO.cut_bias) == pytest.approx((*weights, bias), abs=0.05)
    judged = {
        name: clip.score(fit_thresholds([each for other, each in candidates.items() if other != name])).hard
        for name, clip in clips.items()
    }
    assert reduce(add, judged.values()).f1 >= 0.98
    assert reduce(add, (score for name, score in judged.items() if name != LONG)).f1 >= 0.965


def test_the_evidence_for_a_dissolve_holds_on_clips_that_did_not_choose_it(clips: dict[str, Clip]) -> None:
    grid = [replace(AUTO, gradual=replace(AUTO.gradual, evidence=evidence)) for evidence in EVIDENCES]
    table = {name: [clip.score(thresholds).gradual for thresholds in grid] for name, clip in clips.items()}
    judged = []
    for held_out, scores in table.items():
        others = [reduce(add, (table[name][at] for name in table if name != held_out)) for at in range(len(grid))]
        judged.append(scores[int(np.argmax([score.f1 for score in others]))])
    assert reduce(add, judged).f1 >= 0.72


@pytest.mark.parametrize("name", CASES)
def test_each_transition_is_one_boundary_and_a_flash_is_none(name: str, footage: Path) -> None:
    where = CASES[name]
    path = footage.parent / "cases" / "media" / name
    annotation = ShotAnnotation(hard=(), gradual=())
    frames = [boundary.frame for boundary in decode_clip(path, annotation).find()]
    assert len(frames) == (where is not None)
    assert where is None or where[0] <= frames[0] <= where[1]
