"""Gradual transitions of several kinds between moving shots are one boundary each; light that returns is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from ops.shots.detector import Boundary
from ops.shots.detectors.auto import AutoDetector
from ops.shots.detectors.fronts import find_front
from ops.shots.thresholds import AUTO
from tests.unit.shots.test_detectors import boundaries_of

Image = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 256, 144
COLUMN, ROW = (axis.astype(np.float32) for axis in np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT)))
ORDERS: dict[str, npt.NDArray[np.floating[Any]]] = {
    "right": COLUMN,
    "up": 1 - ROW,
    "diagonal": (COLUMN + ROW) / 2,
    "circle": np.hypot(COLUMN - 0.5, ROW - 0.5) / 0.71,
}
"""For each shape of a wipe, the time at which each pixel changes, 0-1."""


def draw_moving_shot(seed: int, frames: int) -> list[Image]:
    """A camera that pans slowly over soft blocks, with two objects that move on their own, and noise."""
    random = np.random.default_rng(seed)
    blocks = random.integers(20, 235, (9, 32, 3)).astype(np.uint8)
    wall = cv2.resize(blocks, (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    speed, colours = random.uniform(0.1, 0.4), random.integers(0, 255, (2, 3)).tolist()
    shot = []
    for number in range(frames):
        left = round(speed * number)
        image = wall[:, left : left + WIDTH].copy()
        for place, colour in enumerate(colours):
            centre = (60 + 100 * place + number * (1 - 2 * place) // 2, 40 + 60 * place)
            cv2.circle(image, centre, 18, colour, -1)
        shot.append(np.clip(image + random.normal(0, 2, image.shape), 0, 255).astype(np.uint8))
    return shot


def join_shots(seed: int, length: int, mix: Callable[[Image, Image, float], Image], before: int = 60) -> list[Image]:
    """Two moving shots with a transition of ``length`` frames from frame ``before`` on."""
    one, other = draw_moving_shot(seed, before + length), draw_moving_shot(seed + 100, length + 70)
    mixed = [mix(one[before + at], other[at], (at + 1) / (length + 1)) for at in range(length)]
    return [*one[:before], *mixed, *other[length:]]


def mix_wipe(order: npt.NDArray[np.floating[Any]], softness: float) -> Callable[[Image, Image, float], Image]:
    def mix(one: Image, other: Image, share: float) -> Image:
        mask = np.clip((share * (1 + softness) - order) / softness, 0, 1)[..., None]
        return np.asarray(one * (1 - mask) + other * mask, np.uint8)

    return mix


def mix_dip(colour: int) -> Callable[[Image, Image, float], Image]:
    def mix(one: Image, other: Image, share: float) -> Image:
        image, light = (one, 1 - 2 * share) if share < 0.5 else (other, 2 * share - 1)
        return np.asarray(image * light + colour * (1 - light), np.uint8)

    return mix


def find_boundaries(images: list[Image]) -> list[Boundary]:
    return boundaries_of(AutoDetector(AUTO), images)


@pytest.mark.parametrize(("length", "softness"), [(12, 0.2), (24, 0.01), (30, 0.01)])
@pytest.mark.parametrize("shape", ORDERS)
def test_a_wipe_between_moving_shots_is_one_boundary(shape: str, length: int, softness: float) -> None:
    found = find_boundaries(join_shots(length, length, mix_wipe(ORDERS[shape], softness)))
    assert [boundary.transition for boundary in found] == ["gradual"]
    assert 60 <= found[0].frame <= 60 + length


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("length", [8, 15, 44])
def test_a_fade_through_one_colour_is_one_boundary_however_short(length: int, colour: int) -> None:
    """Some of them have no frame of one colour: the darkest shows a little of a shot."""
    found = find_boundaries(join_shots(7, length, mix_dip(colour)))
    assert [boundary.transition for boundary in found] == ["gradual"]
    assert abs(found[0].frame - 60 - length / 2) <= max(length / 4, 2)


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("length", [20, 40])
def test_a_light_that_fills_the_image_and_goes_is_no_boundary(length: int, colour: int) -> None:
    images = draw_moving_shot(3, 160)
    for at in range(length):
        share = float(np.sin(np.pi * (at + 1) / (length + 1)))
        images[60 + at] = np.asarray(images[60 + at] * (1 - share) + colour * share, np.uint8)
    assert find_boundaries(images) == []


def test_a_front_is_told_from_a_dissolve_and_from_motion() -> None:
    def weigh(images: list[Image]) -> float:
        small = np.stack([cv2.resize(image, (32, 18), interpolation=cv2.INTER_AREA) for image in images])
        front = find_front(small.astype(np.float32))
        assert front is not None
        return front.weigh_evidence(AUTO.gradual)

    wipe = join_shots(1, 16, mix_wipe(COLUMN, 0.01))[50:86]
    dissolve = join_shots(1, 16, lambda one, other, share: np.asarray(one * (1 - share) + other * share, np.uint8))
    assert weigh(wipe) > AUTO.gradual.front_evidence > max(weigh(dissolve[50:86]), weigh(dissolve[:36]))


def test_a_few_frames_and_a_still_have_no_front() -> None:
    assert find_front(np.zeros((6, 18, 32, 3), np.float32)) is None
    assert find_front(np.zeros((30, 18, 32, 3), np.float32)) is None
