"""The interface of face models: find the faces of one frame, each with a quality and a vector.

``quality`` decides which faces are grouped into people: small, dark, turned and blurred faces, and uncertain ones, have
vectors that match strangers. The limits were set on five clips (``docs/people.md``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture's width and height, 0 to 1."""

LEAST_QUALITY = 0.5
"""Faces below this quality are kept, and belong to no person."""
SAME_DISTANCES = {"dlib": 0.35, "opencv": 1.0}
"""The ``same_distance`` of each kind of model, by the first part of its ``model_id``."""
CHIP_SIDE = 96
"""Pixels of the sides of the aligned picture of a face of which sharpness and light are measured."""


@dataclass(frozen=True, kw_only=True)
class SeenFace:
    """One face in one frame: ``quality`` is 0 to 1, ``vector_D`` float32 of unit length."""

    box: Box
    quality: float
    vector_D: NDArray[np.float32]


class FaceModel(Protocol):
    """Finds faces in frames. Vectors of one ``model_id`` are comparable by their Euclidean distance."""

    @property
    def model_id(self) -> str:
        """Return the name of the model and of its files; it changes with them."""

    @property
    def same_distance(self) -> float:
        """Return the mean distance of two groups of faces below which they are one person."""

    def find_faces(self, frame_HWC: NDArray[np.uint8]) -> list[SeenFace]:
        """Return the faces of an RGB frame, from left to right. Raises ``MediaError`` if the model fails."""


def name_file(path: Path) -> str:
    """Return the name and size of a model file, which stand for its content; size 0 if it is missing."""
    return f"{path.stem}-{path.stat().st_size if path.is_file() else 0}"


def measure_quality(
    chip_HWC: NDArray[np.uint8], *, height: float, turn: float, certainty: float, likely: tuple[float, float]
) -> float:
    """Return the quality of a face, 0 to 1: that of its worst property.

    ``chip_HWC`` is the aligned face, ``height`` that of its box in pixels of the proxy. ``turn`` is the distance of the
    nose from the middle of the eyes, as a share of their distance. ``certainty`` is 0.3 at the first of ``likely``, and
    1 at the second.
    """
    import cv2

    grey_HW = cv2.cvtColor(chip_HWC, cv2.COLOR_RGB2GRAY)
    margin = CHIP_SIDE // 6
    core_HW = np.asarray(grey_HW[margin:-margin, margin:-margin], np.float32)
    contrast = float(core_HW.std())
    edges = float(np.asarray(cv2.Laplacian(core_HW, cv2.CV_32F)).std())
    worst = min(
        _grade(height, 16, 40),
        _grade(edges / max(contrast, 1e-3), 0.05, 0.15),
        _grade(float(core_HW.mean()), 15, 45),
        _grade(contrast, 4, 14),
        _grade(turn, 0.5, 0.2),
        0.3 + 0.7 * _grade(certainty, *likely),
    )
    return round(worst, 3)


def _grade(value: float, bad: float, good: float) -> float:
    return float(min(max((value - bad) / (good - bad), 0.0), 1.0))
