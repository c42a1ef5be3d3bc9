"""Which changes from one frame to the next are hard cuts, and which are flashes, mixtures or motion."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

import cv2
import numpy as np

from ops.shots.detectors.recent import RecentFrames, difference
from ops.shots.thresholds import AutoThresholds

Verdict = Literal["cut", "doubtful", "flash", "none"]


class HardCuts:
    """Judges single frames; keeps nothing. ``lookahead`` frames behind a frame must be known, or the film be over."""

    def __init__(self, thresholds: AutoThresholds, fps: Fraction) -> None:
        self._t = thresholds
        self._flash = max(math.ceil(thresholds.flash_s * fps), thresholds.few_frames)
        self._long_flash = max(math.ceil(thresholds.long_flash_s * fps), self._flash)
        self.lookahead = max(self._long_flash, thresholds.reach) + 2

    def verdict(self, frame: int, frames: RecentFrames) -> Verdict:
        """What begins at ``frame``: a ``cut``, perhaps one (``doubtful``), a ``flash`` or its end, or nothing."""
        change = frames.change(frame)
        if not frame or change < self._t.min_change:
            return "none"
        contrast = frames.contrast(frame, self._t.reach, self._t.calm)
        if contrast < self._t.doubtful:
            return "none"
        if self._is_flash(frame, change, frames):
            return "flash"
        if self._is_blend(frame, frames):
            return "none"
        if contrast >= self._t.sure and change >= self._t.sure_change:
            is_other = frames.correlation(frame - 1, frame) <= self._t.sure_correlation
            if is_other and frames.changed_share(frame, self._t.moved) >= self._t.sure_share:
                return "cut"
        # Of a cluster of changes only the largest may be a cut.
        return "doubtful" if change >= max(frames.change(near) for near in range(frame - 2, frame + 3)) else "none"

    def _is_flash(self, frame: int, change: float, frames: RecentFrames) -> bool:
        """The picture soon goes back to what it was, or has just come back: one shot with a flash in it."""
        limit = self._t.flash_likeness * change
        rise = frames.luma(frame) - frames.luma(frame - 1)
        for length in range(1, self._long_flash + 1):
            goes = frames.difference(frame - 1, frame + length) < limit
            came = frames.difference(frame - 1 - length, frame) < limit
            is_light = (goes and rise >= self._t.flash_luma) or (came and -rise >= self._t.flash_luma)
            is_short = length <= self._t.few_frames or (length <= self._flash and abs(rise) >= self._t.flash_luma)
            if (goes or came) and (is_short or is_light):
                return True
        return False

    def _is_blend(self, frame: int, frames: RecentFrames) -> bool:
        """The first of two changes of which the frame between is a mixture: the cut is the second."""
        before, now, after = (frames.small(near) for near in (frame - 1, frame, frame + 1))
        if before is None or now is None or after is None:
            return False
        if frames.contrast(frame + 1, self._t.reach, self._t.calm) < self._t.doubtful:
            return False
        across = difference(before, after)
        if across <= frames.change(frame):
            return False
        mixture = np.asarray(cv2.addWeighted(before, 0.5, after, 0.5, 0.0), np.uint8)
        return difference(mixture, now) < self._t.blend_likeness * across
