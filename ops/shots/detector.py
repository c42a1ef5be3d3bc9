"""The detector interface: pictures in, shot boundaries out, with a bounded look-ahead.

A detector sees every frame of a film once, in order, as a small BGR picture, and says with a bounded delay where
shots begin. It keeps no clock, opens no file and starts no thread, so that the same pictures always give the same
boundaries however the pictures were made ready.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

TinyPicture = npt.NDArray[np.uint8]
"""uint8 BGR (H, W, 3)."""

SMALL = (32, 18)
"""Width and height of a glimpse's ``small`` picture, whatever the shape of the film."""


class Glimpse:
    """What a detector sees of one frame.

    ``small`` is uint8 BGR (18, 32, 3), averaged over the whole frame; ``deviation`` is the standard deviation of its
    most varied channel, 0-128; ``tiny`` is uint8 BGR (H, W, 3), longer side at most 256, made when first asked for.
    """

    def __init__(self, small: TinyPicture, make_tiny: Callable[[], TinyPicture]) -> None:
        import cv2

        self.small = small
        self.deviation = float(cv2.meanStdDev(small)[1].max())
        self._make_tiny = make_tiny

    @cached_property
    def tiny(self) -> TinyPicture:
        """The larger picture."""
        return self._make_tiny()

    @classmethod
    def of(cls, picture: TinyPicture) -> Glimpse:
        """The glimpse of a picture that is tiny already."""
        import cv2

        small = np.asarray(cv2.resize(picture, SMALL, interpolation=cv2.INTER_AREA), np.uint8)
        return cls(small, lambda: picture)


@dataclass(frozen=True, order=True, slots=True)
class Boundary:
    """A shot begins at ``frame`` (0-based): after a hard ``cut``, or in the middle of a ``gradual`` transition."""

    frame: int
    transition: Literal["cut", "gradual"] = "cut"


class Detector(Protocol):
    """Finds where shots begin.

    ``push`` and ``finish`` return boundaries that are new, ascending, above zero, never reported before, and below
    ``decided``. ``decided`` counts the frames of which it is settled whether a shot begins there; it grows, lags
    behind the frames pushed by at most ``max_delay`` and, after ``finish``, by none.
    """

    max_delay: int

    @property
    def decided(self) -> int:
        """Frames whose fate is settled."""
        ...

    def push(self, glimpse: Glimpse) -> list[Boundary]:
        """Take the next frame."""
        ...

    def finish(self) -> list[Boundary]:
        """No frames follow."""
        ...
