"""The detector interface: frames in, shot boundaries out, with a bounded look-ahead.

A detector gets every frame of a video once, in order, as a small BGR image, and reports shot starts with a bounded
delay. It reads no clock, opens no file and starts no thread. So the same frames always give the same boundaries,
however they were decoded and scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

TinyImage = npt.NDArray[np.uint8]
"""uint8 BGR (H, W, 3)."""

SMALL = (32, 18)
"""Width and height of a detector_frame's ``small`` image, whatever the aspect ratio of the video."""


class DetectorFrame:
    """The detector's view of one frame.

    ``small`` is uint8 BGR (18, 32, 3), averaged over the whole frame. ``deviation`` is the standard deviation of its
    most varied channel, 0-128. ``tiny`` is uint8 BGR (H, W, 3), longer side at most 256, computed on first access.
    """

    def __init__(self, small: TinyImage, make_tiny: Callable[[], TinyImage]) -> None:
        import cv2

        self.small = small
        self.deviation = float(cv2.meanStdDev(small)[1].max())
        self._make_tiny = make_tiny

    @cached_property
    def tiny(self) -> TinyImage:
        """The larger image."""
        return self._make_tiny()

    @classmethod
    def wrap(cls, image: TinyImage) -> DetectorFrame:
        """The detector_frame of an image that is already tiny."""
        import cv2

        small = np.asarray(cv2.resize(image, SMALL, interpolation=cv2.INTER_AREA), np.uint8)
        return cls(small, lambda: image)


@dataclass(frozen=True, order=True, slots=True)
class Boundary:
    """A shot begins at ``frame`` (0-based): after a hard ``cut``, or in the middle of a ``gradual`` transition."""

    frame: int
    transition: Literal["cut", "gradual"] = "cut"


class Detector(Protocol):
    """Finds the frames at which shots begin.

    ``push`` and ``finish`` return boundaries that are new, ascending, above zero, never reported before, and below
    ``decided``. ``decided`` counts the frames that the detector has decided about; it grows, lags behind the pushed
    frames by at most ``max_delay`` and, after ``finish``, equals their number.
    """

    max_delay: int

    @property
    def decided(self) -> int:
        """Number of frames that the detector has decided about."""
        ...

    def push(self, detector_frame: DetectorFrame) -> list[Boundary]:
        """Add the next frame."""
        ...

    def finish(self) -> list[Boundary]:
        """End the video; no frames follow."""
        ...
