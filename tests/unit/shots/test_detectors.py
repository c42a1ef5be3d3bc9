"""One contract for every detector, and what the default one does with flashes, blends, fades and doubt."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector, ContentDetector

from ops.core.errors import UsageError
from ops.shots.detector import Boundary, Detector, DetectorFrame
from ops.shots.detectors.adaptive import AdaptiveShotDetector
from ops.shots.detectors.auto import AutoDetector
from ops.shots.detectors.choice import DETECTOR_NAMES, describe_parameters, load_detector
from ops.shots.detectors.content import ContentShotDetector
from ops.shots.detectors.hard_cuts import HardCuts
from ops.shots.detectors.recent import RecentFrames
from ops.shots.thresholds import AUTO, AdaptiveThresholds, AutoThresholds, ContentThresholds
from tests.builders.films import draw_frames, shot_background

Picture = npt.NDArray[np.uint8]


def pictures_of(cuts: Sequence[int], frames: int, seed: int = 0) -> list[Picture]:
    """BGR pictures of a generated film with soft-edged blocks, as real footage has."""
    return [cv2.blur(picture[..., ::-1], (5, 5)) for picture in draw_frames(frames, cuts, 256, 144, seed=seed)]


def boundaries_of(detector: Detector, pictures: Sequence[Picture]) -> list[Boundary]:
    """All boundaries; checks the promises of the interface on the way."""
    found: list[Boundary] = []
    decided = 0
    for number, picture in enumerate(pictures):
        new = detector.push(DetectorFrame.wrap(picture))
        assert all(decided <= boundary.frame < detector.decided for boundary in new)
        assert decided <= detector.decided <= number + 1
        assert number + 1 - detector.decided <= detector.max_delay
        decided = detector.decided
        found += new
    new = detector.finish()
    assert all(decided <= boundary.frame < len(pictures) for boundary in new)
    assert detector.decided == len(pictures)
    found += new
    assert found == sorted(set(found)), "ascending, none twice"
    assert all(boundary.frame > 0 for boundary in found)
    return found


def cuts_of(pictures: Sequence[Picture], thresholds: AutoThresholds = AUTO) -> list[Boundary]:
    return boundaries_of(AutoDetector(thresholds), pictures)


@pytest.mark.parametrize("name", DETECTOR_NAMES)
@pytest.mark.parametrize("cuts", [(), (30, 61, 88)], ids=str)
def test_every_detector_finds_plain_cuts(name: str, cuts: tuple[int, ...]) -> None:
    assert boundaries_of(load_detector(name), pictures_of(cuts, 100)) == [Boundary(cut) for cut in cuts]


@pytest.mark.parametrize("name", DETECTOR_NAMES)
@pytest.mark.parametrize("frames", [0, 1, 9])
def test_every_detector_takes_very_short_films(name: str, frames: int) -> None:
    assert boundaries_of(load_detector(name), pictures_of((), frames)) == []


def test_an_unknown_detector_is_named() -> None:
    with pytest.raises(UsageError, match=r"'best'.*adaptive"):
        load_detector("best")
    with pytest.raises(UsageError, match="'best'"):
        describe_parameters("best")


def test_scores_and_cuts_are_those_of_the_library() -> None:
    pictures = pictures_of((7, 25, 40, 44, 47, 70), 90, seed=3)
    ours = AdaptiveShotDetector(AdaptiveThresholds(ratio=3.0, min_content=15.0, min_length=6))
    theirs = AdaptiveDetector(adaptive_threshold=3.0, min_scene_len=6, min_content_val=15.0)
    content = ContentShotDetector(ContentThresholds(change=27.0, min_length=15))
    their_content = ContentDetector(threshold=27.0, min_scene_len=15)
    expected: list[list[int]] = [[], []]
    for number, picture in enumerate(pictures):
        timecode = FrameTimecode(number, 25.0)
        for found, detector in zip(expected, (theirs, their_content), strict=True):
            found += [cut.frame_num for cut in detector.process_frame(timecode, picture)]
    assert [boundary.frame for boundary in boundaries_of(ours, pictures)] == expected[0] != []
    assert [boundary.frame for boundary in boundaries_of(content, pictures)] == expected[1] != []


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_is_no_cut(length: int) -> None:
    pictures = pictures_of((60,), 100)
    for number in range(30, 30 + length):
        pictures[number] = np.full_like(pictures[number], 250)
    assert cuts_of(pictures) == [Boundary(60)]


def test_shots_of_two_frames_and_a_last_frame_are_found() -> None:
    pictures = pictures_of((40, 42, 99), 100)
    assert cuts_of(pictures) == [Boundary(40), Boundary(42), Boundary(99)]


def test_a_cut_with_a_blended_frame_is_one_cut() -> None:
    pictures = pictures_of((50,), 100)
    pictures[50] = cv2.addWeighted(pictures[49], 0.5, pictures[51], 0.5, 0)
    found = cuts_of(pictures)
    assert len(found) == 1
    assert found[0].frame in (50, 51)


def faded(pictures: list[Picture], middle: int, length: int, hold: int, colour: int = 0) -> list[Picture]:
    """Fade to one colour, hold it, and fade up again, around ``middle``."""
    result = list(pictures)
    for number in range(middle - hold // 2 - length, middle + hold // 2 + length):
        share = min(max((abs(number - middle) - hold / 2) / length, 0), 1)
        flat = np.full_like(pictures[number], colour)
        result[number] = cv2.addWeighted(pictures[number], share, flat, 1 - share, 0)
    return result


@pytest.mark.parametrize("colour", [0, 255])
def test_a_fade_through_one_colour_divides_in_its_middle(colour: int) -> None:
    found = cuts_of(faded(pictures_of((80,), 160), 80, 20, 16, colour))
    assert [boundary.transition for boundary in found] == ["gradual"]
    assert abs(found[0].frame - 80) <= 4


def plain(cuts: Sequence[int], frames: int) -> list[Picture]:
    """Shots that drift slowly and carry no barcode, whose flicker no dissolve has."""
    starts = [0, *cuts]
    shots = [cv2.blur(shot_background(shot, 256, 144), (9, 9)) for shot in range(len(starts))]
    return [np.roll(shots[sum(start <= n for start in starts) - 1], n // 4, axis=1) for n in range(frames)]


def dissolved(pictures: list[Picture], cut: int, length: int) -> list[Picture]:
    """The cut becomes a dissolve of ``length`` frames around it; both shots stand still or move as they do."""
    result = list(pictures)
    for number in range(cut - length // 2, cut + length // 2):
        share = (number - cut + length // 2 + 0.5) / length
        before, after = pictures[min(number, cut - 1)], pictures[max(number, cut)]
        result[number] = cv2.addWeighted(before, 1 - share, after, share, 0)
    return result


@pytest.mark.parametrize("length", [12, 20, 40])
def test_a_dissolve_divides_in_its_middle(length: int) -> None:
    found = cuts_of(dissolved(plain((80, 150), 200), 80, length))
    assert [boundary.transition for boundary in found] == ["gradual", "cut"]
    assert abs(found[0].frame - 80) <= 4


def test_a_dissolve_at_the_end_of_the_film_is_told() -> None:
    found = cuts_of(dissolved(plain((80,), 100), 80, 20))
    assert [boundary.transition for boundary in found] == ["gradual"]


def test_fading_in_and_out_divides_nothing() -> None:
    pictures = plain((), 120)
    black = np.zeros_like(pictures[0])
    for number in range(30):
        pictures[number] = cv2.addWeighted(pictures[number], number / 30, black, 1 - number / 30, 0)
        pictures[-1 - number] = cv2.addWeighted(pictures[-1 - number], number / 30, black, 1 - number / 30, 0)
    assert cuts_of(pictures) == []


def test_a_long_black_divides_without_waiting_for_its_end() -> None:
    found = cuts_of(faded(pictures_of((200,), 400), 200, 20, 200))
    assert [boundary.transition for boundary in found] == ["gradual"]
    assert 100 <= found[0].frame <= 140


def test_black_after_a_hard_cut_and_at_both_ends_divides_nothing() -> None:
    pictures = pictures_of((40,), 100)
    black = np.zeros_like(pictures[0])
    assert cuts_of([black] * 10 + pictures[:40] + [black] * 12 + pictures[40:] + [black] * 5) == [
        Boundary(10),
        Boundary(50),
        Boundary(62),
        Boundary(122),
    ]
    soft = faded(pictures, 0, 20, 0)
    assert cuts_of([black] * 8 + soft[:40]) == []


def test_motion_is_no_cut() -> None:
    random = np.random.default_rng(1)
    wall = cv2.resize(random.integers(0, 255, (24, 300, 3), np.uint8), (256 * 12, 144), interpolation=cv2.INTER_CUBIC)
    assert cuts_of([np.ascontiguousarray(wall[:, 20 * n : 20 * n + 256]) for n in range(120)]) == []


def test_hard_cuts_need_no_second_opinion() -> None:
    def network(window: list[Picture]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        raise AssertionError(f"asked about {len(window)} frames")

    found = boundaries_of(AutoDetector(network=network), plain((50, 54), 120))
    assert found == [Boundary(50), Boundary(54)]


def test_the_evidence_of_a_revision_stays_as_it_is() -> None:
    """Catalogues keep shots until the version changes: raise ``AUTO.revision`` together with these values."""
    frames = RecentFrames(100, AUTO.gradual.blank_deviation)
    for picture in pictures_of((30, 61), 90, seed=5):
        frames.append(DetectorFrame.wrap(picture))
    evidence = [HardCuts(AUTO, Fraction(25)).weigh_evidence(frame, frames) for frame in (30, 45, 61)]
    assert (AUTO.revision, evidence) == (6, pytest.approx([2.46, -8.15, 5.40], abs=0.02))


@pytest.mark.parametrize("length", [2, 4, 8])
@pytest.mark.parametrize("gain", [0.6, 1.0])
def test_an_insert_that_returns_is_a_shot(length: int, gain: float) -> None:
    """Other content, no brighter, however short; a flash is the same content in other light."""
    pictures = plain((60,), 120)
    for number in range(30, 30 + length):
        pictures[number] = cv2.convertScaleAbs(pictures[90], alpha=gain)
    assert cuts_of(pictures) == [Boundary(30), Boundary(30 + length), Boundary(60)]


@pytest.mark.parametrize("fps", [25, 60])
@pytest.mark.parametrize("night", [0.05, 0.3])
def test_lightning_is_no_cut(fps: int, night: float) -> None:
    """A dark scene lights up several times, for up to a second, and grows dark at once or slowly."""
    random = np.random.default_rng(fps)
    light = np.zeros(fps * 8)
    for start, length, decay in ((1, 0.08, 0.0), (2, 0.2, 0.6), (2.5, 0.04, 0.9), (4, 0.4, 0.0), (5.5, 0.1, 0.92)):
        first, last = round(start * fps), round((start + length) * fps)
        light[first : last + 1] = 1
        tail = light[last + 1 : last + 2 * fps]
        tail[:] = np.maximum(tail, decay ** (np.arange(1, len(tail) + 1) * 25 / fps))
    scene = plain((), len(light))
    pictures = [
        np.clip(picture * (night + share * (1.2 - night)) + random.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
        for picture, share in zip(scene, light, strict=True)
    ]
    found = boundaries_of(AutoDetector(fps=Fraction(fps)), pictures)
    assert [boundary for boundary in found if boundary.transition == "cut"] == []


@pytest.mark.parametrize("period", [2, 3, 5])
def test_a_strobe_is_no_cut(period: int) -> None:
    pictures = plain((), 120)
    for number in range(40, 80):
        pictures[number] = cv2.convertScaleAbs(pictures[number], alpha=1.5 if number % period == 0 else 0.2)
    assert cuts_of(pictures) == []


def test_a_caption_is_no_cut() -> None:
    pictures = plain((), 120)
    for number in range(40, 80):
        cv2.rectangle(pictures[number], (0, 104), (256, 130), (20, 20, 20), -1)
        cv2.putText(pictures[number], "NAME", (20, 124), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)
    assert cuts_of(pictures) == []


@pytest.mark.parametrize("fps", [25, 60])
@pytest.mark.parametrize("light", [115, 130, 145])
def test_a_flash_that_saturates_a_part_of_the_image_is_no_cut(fps: int, light: int) -> None:
    """Highlights are white, shadows still show something: half of the image is other than before."""
    random = np.random.default_rng(fps)
    small = random.integers(100, 256, (9, 16)).astype(np.uint8)
    scene = cv2.cvtColor(cv2.resize(small, (256, 144), interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2BGR)
    pictures = [np.clip(scene + random.normal(0, 3, scene.shape), 0, 255).astype(np.uint8) for _ in range(120)]
    for number in range(60, 60 + fps // 6):
        pictures[number] = np.clip(pictures[number].astype(np.int16) + light, 0, 255).astype(np.uint8)
    assert boundaries_of(AutoDetector(fps=Fraction(fps)), pictures) == []


@pytest.mark.parametrize("fps", [24, 30, 60])
def test_a_flash_lasts_a_fifth_of_a_second_at_any_rate(fps: int) -> None:
    pictures = plain((), 160)
    for number in range(60, 60 + fps // 5):
        pictures[number] = np.full_like(pictures[number], 250)
    assert boundaries_of(AutoDetector(fps=Fraction(fps)), pictures) == []


def wiped(pictures: list[Picture], cut: int, length: int) -> list[Picture]:
    """The cut becomes a wipe from left to right of ``length`` frames around it."""
    result = list(pictures)
    for number in range(cut - length // 2, cut + length // 2):
        edge = round(256 * (number - cut + length // 2 + 0.5) / length)
        result[number] = pictures[min(number, cut - 1)].copy()
        result[number][:, :edge] = pictures[max(number, cut)][:, :edge]
    return result


@pytest.mark.parametrize("length", [10, 16, 24])
def test_a_wipe_between_still_shots_divides_in_its_middle(length: int) -> None:
    found = cuts_of(wiped(plain((80,), 160), 80, length))
    assert [boundary.transition for boundary in found] == ["gradual"]
    assert abs(found[0].frame - 80) <= length // 2


CODE = """
import sys, random
import numpy as np
from ops.shots.detector import DetectorFrame
from ops.shots.detectors.choice import load_detector
detector = load_detector({name!r})
pictures = np.random.default_rng(0).integers(0, 255, (2, 9, 16, 3), np.uint8).repeat(16, axis=1).repeat(16, axis=2)
for number in range(60):
    detector.push(DetectorFrame.wrap(pictures[number // 30]))
found = [boundary.frame for boundary in detector.finish()]
print("torch" in sys.modules)
"""


@pytest.mark.parametrize(("name", "expected"), [("auto", "False"), ("adaptive", "False"), ("transnetv2", "True")])
def test_torch_loads_only_when_it_is_consulted(name: str, expected: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE.format(name=name)], capture_output=True, text=True, timeout=120, check=True
    )
    assert run.stdout.split() == [expected]


def test_the_network_leaves_seeds_and_modes_alone() -> None:
    import random

    import torch

    from ops.shots.detectors import transnet_model

    transnet_model._load_model.cache_clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # the network works with one
    states = []
    for _ in range(2):
        states.append(
            (
                random.getstate(),
                np.random.get_state()[1].tolist(),
                torch.get_rng_state().tolist(),
                torch.are_deterministic_algorithms_enabled(),
                torch.get_num_threads(),
            )
        )
        transnet_model.predict_transitions(pictures_of((), 10))
    torch.set_num_threads(threads)
    assert states[0] == states[1]
