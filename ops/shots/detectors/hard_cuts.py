"""Classify changes from one frame to the next: hard cuts, flashes, mixtures or motion."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import fmean
from typing import Literal, NamedTuple

import cv2
import numpy as np

from ops.shots.detectors.recent import RecentFrames, compute_difference
from ops.shots.thresholds import AutoThresholds

Verdict = Literal["cut", "flash", "none"]


class CutFeatures(NamedTuple):
    """The values that the weights of a hard cut belong to.

    ``contrast``: logarithm of the ratio of the change to that of the neighbouring frames; ``likeness`` and ``texture``:
    those of the frames before and after (:class:`ops.shots.detectors.likeness.Likeness`), 0-1; ``step``: logarithm of
    the ratio of the unlikeness across the cut to that nearby it.
    """

    contrast: float
    likeness: float
    step: float
    texture: float


class HardCuts:
    """Judges single frames; has no state.

    ``lookahead`` frames after a frame must be known, or the video must have ended.
    """

    def __init__(self, thresholds: AutoThresholds, fps: Fraction) -> None:
        self._t = thresholds
        self._few = thresholds.few_frames
        self._flash, self._long_flash, self._fading_flash = (
            max(math.ceil(seconds * fps), thresholds.few_frames)
            for seconds in (thresholds.flash_s, thresholds.long_flash_s, thresholds.fading_flash_s)
        )
        self.lookahead = max(self._fading_flash, thresholds.reach) + 2

    def judge(self, frame: int, frames: RecentFrames) -> Verdict:
        """The event at ``frame``: a ``cut``, a ``flash`` or its end, or ``none``."""
        if not self.is_candidate(frame, frames):
            return "none"
        if self._is_flash(frame, frames):
            return "flash"
        if self._is_blend(frame, frames):
            return "none"
        return "cut" if self.weigh_evidence(frame, frames) > 0 else "none"

    def is_candidate(self, frame: int, frames: RecentFrames) -> bool:
        """Whether enough of the image changes, and more than around it."""
        return (
            frame > 0
            and frames.change(frame) >= self._t.min_change
            and frames.contrast(frame, self._t.reach, self._t.calm) >= self._t.min_contrast
            and frames.changed_share(frame, self._t.moved) >= self._t.min_share
        )

    def weigh_evidence(self, frame: int, frames: RecentFrames) -> float:
        """Logarithm of the odds that a cut begins at ``frame``, by the fitted weights."""
        values = zip(self._t.cut_weights, self.measure_features(frame, frames), strict=True)
        return self._t.cut_bias + sum(weight * value for weight, value in values)

    def measure_features(self, frame: int, frames: RecentFrames) -> CutFeatures:
        """The features for the weights of a cut.

        The frames before and after are compared with their own neighbours to see how much moves without a cut. A side
        with another candidate does not count: a shot of a single frame has a cut on each side.
        """
        across = frames.likeness(frame - 1, frame)
        sides = [
            frames.likeness(near - 1, near).score
            for near in (frame - 1, frame + 1)
            if not self.is_candidate(near, frames)
        ]
        nearby = fmean(sides or [frames.likeness(near - 1, near).score for near in (frame - 1, frame + 1)])
        return CutFeatures(
            contrast=math.log(max(frames.contrast(frame, self._t.reach, self._t.calm), 0.01)),
            likeness=across.score,
            step=math.log((1.1 - across.score) / (1.1 - nearby)),
            texture=across.texture,
        )

    def _is_flash(self, frame: int, frames: RecentFrames) -> bool:
        """Whether the image soon returns to its earlier state, or has just returned: one shot with a flash in it."""
        change = frames.change(frame)
        limit = self._t.flash_likeness * change
        rise = frames.luma(frame) - frames.luma(frame - 1)
        for length in range(1, self._fading_flash + 1):
            back, forth = frames.difference(frame - 1, frame + length), frames.difference(frame - 1 - length, frame)
            goes, came = back < limit, forth < limit
            if length <= self._few or (length <= self._flash and abs(rise) >= self._t.flash_luma):
                is_flash = goes or came
            elif length <= self._long_flash:
                is_flash = (goes and rise >= self._t.flash_luma) or (came and -rise >= self._t.flash_luma)
            else:
                # A shot may become dark as well: fading light leaves exactly the image from before the flash.
                is_fading = frames.change(frame + length) <= self._t.fading_step * change
                is_flash = back < limit / 2 and is_fading and rise >= self._t.flash_luma
                if back < limit / 2 and not is_fading:
                    break
            if is_flash:
                return not self._is_insert(frame, frames)
        return False

    def _is_insert(self, frame: int, frames: RecentFrames) -> bool:
        """Whether both images have content, and certainly not the same: a very short shot, not a flash over one."""
        return (
            self.weigh_evidence(frame, frames) >= self._t.insert_evidence
            and frames.likeness(frame - 1, frame).texture >= self._t.insert_texture
            and frames.correlation(frame - 1, frame) <= self._t.insert_correlation
            and frames.relit_share(frame - 1, frame) <= self._t.insert_relit
        )

    def _is_blend(self, frame: int, frames: RecentFrames) -> bool:
        """Whether the frame is a mixture of its neighbours, and so the first of two changes: the cut is the second."""
        before, now, after = (frames.small(near) for near in (frame - 1, frame, frame + 1))
        if before is None or now is None or after is None:
            return False
        if frames.contrast(frame + 1, self._t.reach, self._t.calm) < self._t.min_contrast:
            return False
        across = compute_difference(before, after)
        if across <= frames.change(frame):
            return False
        mixture = np.asarray(cv2.addWeighted(before, 0.5, after, 0.5, 0.0), np.uint8)
        return compute_difference(mixture, now) < self._t.blend_likeness * across
