"""Pictures of painted scenes as a camera sees them that pans, tilts, zooms or rolls by known amounts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 320, 180
Picture = NDArray[np.uint8]
Scene = NDArray[np.float64]

MOVES: dict[str, dict[str, float]] = {
    "still": {},
    "right": {"right": 1.0},
    "left": {"right": -1.0},
    "up": {"up": 1.0},
    "down": {"up": -1.0},
    "in": {"zoom": 1.0},
    "out": {"zoom": -1.0},
}
"""Ways to move, of strength 1."""


def paint(seed: int) -> Scene:
    """A scene three times as wide and high as a picture: squares of random colours, 0 to 255."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(0, 255, (3 * HEIGHT // 12, 3 * WIDTH // 12, 3))
    return np.kron(coarse, np.ones((12, 12, 1)))


def look(scene: Scene, right: float = 0, up: float = 0, zoom: float = 0, roll: float = 0) -> Picture:
    """What a camera sees of the scene: moved by shares of the width, nearer by ``zoom``, its picture turned."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    x, y = columns - (WIDTH - 1) / 2, rows - (HEIGHT - 1) / 2
    turned_x, turned_y = np.cos(roll) * x + np.sin(roll) * y, -np.sin(roll) * x + np.cos(roll) * y
    at_x = turned_x / (1 + zoom) + scene.shape[1] / 2 + right * WIDTH
    at_y = turned_y / (1 + zoom) + scene.shape[0] / 2 - up * WIDTH
    left, top = np.floor(at_x).astype(int), np.floor(at_y).astype(int)
    share_x, share_y = (at_x - left)[..., None], (at_y - top)[..., None]
    upper = (1 - share_x) * scene[top, left] + share_x * scene[top, left + 1]
    lower = (1 - share_x) * scene[top + 1, left] + share_x * scene[top + 1, left + 1]
    return np.asarray((1 - share_y) * upper + share_y * lower, np.uint8)


def shoot(scene: Scene, move: str, strength: float) -> tuple[Picture, Picture]:
    """Two pictures of a camera that moves so; ``strength`` is a share of the width, or of the size for a zoom."""
    return look(scene), look(scene, **{name: strength * amount for name, amount in MOVES[move].items()})
