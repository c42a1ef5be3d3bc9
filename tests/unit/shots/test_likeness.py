"""What makes two pictures alike to the detector: content, not light, place or colour of a card."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from ops.shots.detectors.likeness import HEIGHT, WIDTH, compare, convert_to_grey

Picture = npt.NDArray[np.uint8]


def scene(seed: int) -> Picture:
    """A textured BGR picture, twice as large as the one compared."""
    coarse = np.random.default_rng(seed).integers(0, 200, (12, 20, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def score(one: Picture, other: Picture) -> float:
    return compare(convert_to_grey(one), convert_to_grey(other)).score


@pytest.mark.parametrize("gain", [0.4, 0.7, 1.25])
def test_light_leaves_pictures_alike(gain: float) -> None:
    assert score(scene(1), cv2.convertScaleAbs(scene(1), alpha=gain, beta=8)) > 0.97


@pytest.mark.parametrize(("x", "y"), [(6, 0), (-16, 4), (10, -10)])
def test_motion_leaves_pictures_alike(x: int, y: int) -> None:
    assert score(scene(1), np.roll(scene(1), (y, x), (0, 1))) > 0.85


def test_other_content_is_not_alike_in_any_light() -> None:
    assert max(score(scene(seed), scene(seed + 50)) for seed in range(20)) < 0.75


def test_cards_without_texture_are_alike_by_where_they_are_bright() -> None:
    left, right = np.zeros((108, 192, 3), np.uint8), np.zeros((108, 192, 3), np.uint8)
    left[:, :96], right[:, 96:] = 160, 160
    assert score(left, left) == 1.0
    assert score(left, cv2.convertScaleAbs(left, alpha=0.5)) > 0.95
    assert score(left, right) < 0.3


def test_scenery_is_not_found_in_one_colour() -> None:
    flat = np.full((108, 192, 3), 90, np.uint8)
    likeness = compare(convert_to_grey(scene(1)), convert_to_grey(flat))
    assert likeness.score < 0.2
    assert likeness.texture == 0.0
