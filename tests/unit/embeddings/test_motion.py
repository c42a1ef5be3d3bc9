"""Motion of generated pictures whose camera is known: directions, strength, and what moves within them."""

from __future__ import annotations

import numpy as np
import pytest

from ops.embeddings.motion import LAG, NAMES, describe_motion, measure_motion
from tests.builders.cameras import HEIGHT, MOVES, WIDTH, Picture, look, paint, shoot


def measure(before: list[Picture], after: list[Picture]) -> dict[str, float]:
    values = measure_motion(np.stack(before), np.stack(after))
    assert values.dtype == np.float32 and values.shape == (len(NAMES),)
    return dict(zip(NAMES, map(float, values), strict=True))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("camera", "name", "amount"),
    [
        ({"right": 0.03}, "pan", 0.03),
        ({"right": -0.02}, "pan", -0.02),
        ({"up": 0.03}, "tilt", 0.03),
        ({"up": -0.02}, "tilt", -0.02),
        ({"zoom": 0.05}, "zoom", 0.05),
        ({"zoom": -0.04}, "zoom", -0.04),
        ({"roll": 0.04}, "roll", 0.04),
        ({"roll": -0.04}, "roll", -0.04),
        ({}, "pan", 0.0),
    ],
)
def test_the_motion_of_a_camera_is_measured(seed: int, camera: dict[str, float], name: str, amount: float) -> None:
    scene = paint(seed)
    found = measure([look(scene)] * 3, [look(scene, **camera)] * 3)
    assert found[name] == pytest.approx(amount, rel=0.25, abs=0.001)
    others = {other: value for other, value in found.items() if other != name}
    assert all(abs(value) < 0.006 for value in others.values()), others


def test_a_pan_is_found_behind_something_that_moves() -> None:
    scene, thing = paint(4), look(paint(5))[:90, :110]
    before, after = look(scene), look(scene, right=0.03)
    before[40:130, 40:150] = thing
    after[40:130, 60:170] = thing
    found = measure([before], [after])
    assert found["pan"] == pytest.approx(0.03, rel=0.15)
    assert found["activity"] > 2 * measure([look(scene)], [look(scene, right=0.03)])["activity"]


def test_shots_whose_cameras_move_alike_are_nearest() -> None:
    generator = np.random.default_rng(8)
    names, motion = [], []
    for scene in range(4):
        for name in MOVES:
            before, after = shoot(paint(10 + scene), name, generator.uniform(0.01, 0.05))
            names.append(name)
            motion.append(measure_motion(before[None], after[None]) * 25 / LAG)
    vectors = describe_motion(np.stack(motion))
    distances = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    nearest = [[names[at] for at in np.argsort(row)[1:4]] for row in distances]
    assert nearest == [[name] * 3 for name in names]


def test_one_odd_pair_of_several_changes_nothing() -> None:
    scene = paint(6)
    before, after = [look(scene)] * 5, [look(scene, up=0.02)] * 4 + [look(paint(7))]
    assert measure(before, after)["tilt"] == pytest.approx(0.02, rel=0.15)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_plain_picture_does_not_move(value: int) -> None:
    plain = np.full((HEIGHT, WIDTH, 3), value, np.uint8)
    assert all(abs(each) < 1e-6 for each in measure([plain], [plain]).values())


@pytest.mark.parametrize("size", [(2, 2), (16, 640), (640, 16), (360, 640)])
def test_pictures_of_any_size_have_motion(size: tuple[int, int]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    assert np.isfinite(measure_motion(pictures, pictures)).all()


def test_without_a_pair_it_is_unknown() -> None:
    nothing = np.zeros((0, HEIGHT, WIDTH, 3), np.uint8)
    assert np.isnan(measure_motion(nothing, nothing)).all() and LAG > 0
