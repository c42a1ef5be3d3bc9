"""PySceneDetect's frame score, computed with OpenCV's sums instead of numpy's.

The same numbers (a test compares them), at a tenth of the time: the library widens each channel to 32 bits before it
subtracts. May go when PySceneDetect does the same.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
from scenedetect import FrameTimecode

from ops.shots.detector import TinyImage

NOMINAL_RATE = Fraction(25)
"""All lengths are in frames, so the rate of the timecodes has no effect."""


def make_timecode(frame: int) -> FrameTimecode:
    return FrameTimecode(frame, NOMINAL_RATE)


class FastContentScore:
    """Mixin for scenedetect detectors: mean absolute change of hue, saturation and value, 0-255."""

    _previous_planes: tuple[Any, ...] | None = None

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: TinyImage) -> float:
        planes = tuple(cv2.split(cv2.cvtColor(frame_img, cv2.COLOR_BGR2HSV)))
        previous, self._previous_planes = self._previous_planes, planes
        if previous is None:
            return 0.0
        pixels = float(frame_img.shape[0] * frame_img.shape[1])
        pairs = zip(planes, previous, strict=True)
        return sum(cv2.norm(now, before, cv2.NORM_L1) / pixels for now, before in pairs) / 3.0
