"""The default detector: one cheap score everywhere, TransNetV2 only where that score is in doubt.

The score is the contrast of a frame's change to the change around it, on pictures of 32 x 18. That small, the
grain and the fine motion that make the usual scores rise are gone, and unlike hue, the difference of colours stays
calm in black and in fades. A frame whose contrast is high starts a shot; one whose contrast is middling is shown
to TransNetV2 with 25 frames on each side.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from ops.shots.detector import Boundary, Glimpse
from ops.shots.detectors.gradual import Dips, Dissolves
from ops.shots.detectors.recent import RecentFrames, difference, mixture
from ops.shots.detectors.transnet_model import transition_probabilities
from ops.shots.thresholds import AUTO, TRANSNETV2, AutoThresholds

Verdict = Literal["cut", "flash", "none"]
Scores = npt.NDArray[np.float32]


class AutoDetector:
    """Hard cuts by contrast, with flashes left out and blended cuts counted once; fades through a colour; dissolves.

    See :class:`ops.shots.thresholds.AutoThresholds` for what each number means.
    """

    def __init__(self, thresholds: AutoThresholds = AUTO) -> None:
        self._t = thresholds
        self._half = thresholds.second_opinion_window // 2
        self._dips = Dips(thresholds.longest_black)
        self._dissolves = Dissolves(thresholds.dissolve, thresholds.blank_deviation)
        self._ahead = max(thresholds.reach, thresholds.flash_length + 1, self._dissolves.reach)
        self.max_delay = self._half + self._ahead + max(thresholds.longest_black, self._dissolves.max_delay) + 1
        self.consulted = 0
        """How often TransNetV2 was asked."""
        self._frames = RecentFrames(keep=self.max_delay + self._half + self._ahead)
        self._settled = 0
        self._early: list[Boundary] = []
        self._finished = False
        self._opinion: tuple[int, npt.NDArray[np.float32]] = (
            -thresholds.second_opinion_window,
            np.zeros(0, np.float32),
        )

    @property
    def decided(self) -> int:
        held = [held for held in (self._dips.held_from, self._dissolves.held_from) if held is not None]
        return min([self._settled, *held])

    def push(self, glimpse: Glimpse) -> list[Boundary]:
        self._frames.append(glimpse)
        return self._settle()

    def finish(self) -> list[Boundary]:
        self._finished = True
        told = self._settle()
        middle = self._dissolves.finish(self._frames)
        if middle is not None:
            self._early.append(Boundary(middle, "gradual"))
        # A film that ends in black has no shot after it.
        self._dips.held_from = None
        return told + self._tell()

    def _settle(self) -> list[Boundary]:
        while self._settled < self._frames.count:
            frame, verdict = self._settled, self._verdict(self._settled)
            if verdict is None:
                break
            is_hard = verdict != "none" or not frame
            is_blank = self._frames.deviation(frame) < self._t.blank_deviation
            for middle in (
                self._dips.advance(frame, is_blank, is_hard),
                self._dissolves.advance(frame, self._frames, is_hard),
            ):
                if middle is not None:
                    self._early.append(Boundary(middle, "gradual"))
            if verdict == "cut":
                self._early.append(Boundary(frame))
            self._settled += 1
        return self._tell()

    def _tell(self) -> list[Boundary]:
        """What is certain and cannot be preceded by anything that is held back."""
        told = sorted(boundary for boundary in self._early if boundary.frame < self.decided)
        self._early = [boundary for boundary in self._early if boundary.frame >= self.decided]
        return told

    def _has(self, frame: int) -> bool:
        return self._finished or self._frames.count > frame

    def _verdict(self, frame: int) -> Verdict | None:
        """What begins at ``frame``; ``None`` where frames that follow must be seen first."""
        if not frame:
            return "none"
        if not self._has(frame + self._ahead):
            return None
        change = self._frames.change(frame)
        if change < self._t.min_change:
            return "none"
        contrast = self._contrast(frame)
        if contrast < self._t.doubtful:
            return "none"
        if self._is_flash(frame, change):
            return "flash"
        if self._is_blend(frame):
            return "none"
        if contrast >= self._t.sure:
            return "cut"
        if not self._is_doubtful(frame, change):
            return "none"
        if not self._has(frame + self._half):
            return None
        return "cut" if self._second_opinion(frame) else "none"

    def _contrast(self, frame: int) -> float:
        reach = self._t.reach
        around = [self._frames.change(near) for near in range(frame - reach, frame + reach + 1) if near != frame]
        known = [change for change in around if change >= 0]
        mean = sum(known) / len(known) if known else 0.0
        return self._frames.change(frame) / (mean + self._t.calm)

    def _is_flash(self, frame: int, change: float) -> bool:
        """The picture soon goes back to what it was, or has just come back: one shot with a flash in it."""
        limit = self._t.flash_likeness * change
        return any(
            self._frames.difference(frame - 1, frame + length) < limit
            or self._frames.difference(frame - 1 - length, frame) < limit
            for length in range(1, self._t.flash_length + 1)
        )

    def _is_blend(self, frame: int) -> bool:
        """The first of two changes of which the frame between is a mixture: the cut is the second."""
        before, after = self._frames.small(frame - 1), self._frames.small(frame + 1)
        if before is None or after is None or self._contrast(frame + 1) < self._t.doubtful:
            return False
        between = self._frames.difference(frame - 1, frame + 1)
        now = self._frames.small(frame)
        if now is None or between <= self._frames.change(frame):
            return False
        return difference(mixture(before, after, 0.5), now) < self._t.blend_likeness * between

    def _is_doubtful(self, frame: int, change: float) -> bool:
        if change < self._t.min_doubtful_change:
            return False
        around = (self._frames.change(near) for near in range(frame - 2, frame + 3))
        return change >= max(around) and self._frames.histogram_change(frame) >= self._t.min_histogram

    def _second_opinion(self, frame: int) -> bool:
        start, last_T = self._opinion
        if not self._half // 2 <= frame - start <= self._half * 3 // 2:
            # Doubts come in clusters: one window serves those that lie well inside it.
            self.consulted += 1
            start = frame - self._half
            last_T, _ = transition_probabilities(self._frames.window(start, frame + self._half))
            self._opinion = start, last_T
        # The network marks the last frame of the old shot; one frame of play, for blended cuts.
        at = frame - start
        return bool(last_T[at - 2 : at + 1].max() >= TRANSNETV2.probability)
