"""The default detector: one cheap score everywhere, TransNetV2 only where that score is in doubt.

The score is the contrast of a frame's change to the change around it, on pictures of 32 x 18. That small, the
grain and the fine motion that make the usual scores rise are gone, and unlike hue, the difference of colours stays
calm in black and in fades. A frame whose contrast is high starts a shot; one whose contrast is middling is shown
to TransNetV2 with 25 frames on each side.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from ops.shots.detector import Boundary, Glimpse, TinyPicture
from ops.shots.detectors.transnet_model import transition_probabilities
from ops.shots.thresholds import AUTO, TRANSNETV2, AutoThresholds

Verdict = Literal["cut", "flash", "none"]
Scores = npt.NDArray[np.float32]

BINS = [6, 6, 6]


class AutoDetector:
    """Hard cuts by contrast, with flashes left out and blended cuts counted once; fades through one colour.

    See :class:`ops.shots.thresholds.AutoThresholds` for what each number means.
    """

    def __init__(self, thresholds: AutoThresholds = AUTO) -> None:
        self._t = thresholds
        self._half = thresholds.second_opinion_window // 2
        self._ahead = max(thresholds.reach, thresholds.flash_length) + 1
        self.max_delay = self._half + self._ahead + thresholds.longest_black
        self.consulted = 0
        """How often TransNetV2 was asked."""
        self._frames = _RecentFrames(keep=self.max_delay + self._half + self._ahead)
        self._settled = 0
        self._dip = _Dip(thresholds.longest_black)
        self._finished = False
        self._opinion: tuple[int, npt.NDArray[np.float32]] = (
            -thresholds.second_opinion_window,
            np.zeros(0, np.float32),
        )

    @property
    def decided(self) -> int:
        return self._settled if self._dip.held_from is None else self._dip.held_from

    def push(self, glimpse: Glimpse) -> list[Boundary]:
        self._frames.append(glimpse)
        return self._settle()

    def finish(self) -> list[Boundary]:
        self._finished = True
        found = self._settle()
        self._dip.held_from = None
        return found

    def _settle(self) -> list[Boundary]:
        found: list[Boundary] = []
        while self._settled < self._frames.count:
            verdict = self._verdict(self._settled)
            if verdict is None:
                break
            is_blank = self._frames.deviation(self._settled) < self._t.blank_deviation
            middle = self._dip.advance(self._settled, is_blank, is_hard=verdict != "none" or not self._settled)
            if middle is not None:
                found.append(Boundary(middle, "gradual"))
            if verdict == "cut":
                found.append(Boundary(self._settled))
            self._settled += 1
        return found

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
        mixture = np.asarray(cv2.addWeighted(before, 0.5, after, 0.5, 0.0), np.uint8)
        return between > self._frames.change(frame) and _difference(mixture, now) < self._t.blend_likeness * between

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


class _RecentFrames:
    """The last frames by number, and their changes; outside the film a change is -1 and a picture ``None``."""

    def __init__(self, keep: int) -> None:
        self.count = 0
        self._glimpses: deque[Glimpse] = deque(maxlen=keep)
        self._changes: deque[float] = deque(maxlen=keep)

    def append(self, glimpse: Glimpse) -> None:
        self._changes.append(_difference(self._glimpses[-1].small, glimpse.small) if self.count else -1.0)
        self._glimpses.append(glimpse)
        self.count += 1

    def _place(self, frame: int) -> int | None:
        place = frame - (self.count - len(self._glimpses))
        return place if 0 <= place < len(self._glimpses) else None

    def small(self, frame: int) -> TinyPicture | None:
        place = self._place(frame)
        return None if place is None else self._glimpses[place].small

    def change(self, frame: int) -> float:
        """Mean absolute difference to the frame before, 0-255."""
        place = self._place(frame)
        return -1.0 if place is None else self._changes[place]

    def difference(self, one: int, other: int) -> float:
        """Mean absolute difference of two frames, 0-255; infinite where one is not in the film."""
        first, second = self.small(one), self.small(other)
        return float("inf") if first is None or second is None else _difference(first, second)

    def deviation(self, frame: int) -> float:
        """Standard deviation of the most varied colour channel."""
        place = self._place(frame)
        return 0.0 if place is None else self._glimpses[place].deviation

    def histogram_change(self, frame: int) -> float:
        """Share of the pixels whose colour bin is not found in the frame before, 0-1."""
        place = self._place(frame)
        if not place:
            return 0.0
        now, before = self._glimpses[place].tiny, self._glimpses[place - 1].tiny
        counts = [cv2.calcHist([picture], [0, 1, 2], None, BINS, [0, 256] * 3) for picture in (now, before)]
        return float(cv2.norm(counts[0], counts[1], cv2.NORM_L1) / (2 * now.shape[0] * now.shape[1]))

    def window(self, start: int, end: int) -> list[TinyPicture]:
        """Pictures of ``[start, end)``; beyond the film its first or last picture repeats."""
        first, last = self.count - len(self._glimpses), len(self._glimpses) - 1
        return [self._glimpses[min(max(frame - first, 0), last)].tiny for frame in range(start, end)]


class _Dip:
    """Follows runs of one-coloured frames: a run with soft edges divides two shots in its middle."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._start: int | None = None
        self._is_open = False
        self.held_from: int | None = None
        """First frame of a run in which a boundary may yet be placed."""

    def advance(self, frame: int, is_blank: bool, is_hard: bool) -> int | None:
        """Take the next settled frame; the boundary that has become certain, if any."""
        start, held = self._start, self.held_from
        if not is_blank:
            self._start = self.held_from = None
            return (start + frame) // 2 if start is not None and held is not None and not is_hard else None
        if start is None or is_hard:
            # Black at the beginning or after a hard cut belongs to the shot that follows; a flash divides nothing.
            self._start, self.held_from = frame, None if is_hard else frame
            return None
        if held is not None and frame - start >= self._longest:
            self.held_from = None
            return start + self._longest // 2
        return None


def _difference(one: TinyPicture, other: TinyPicture | None) -> float:
    return 0.0 if other is None else float(cv2.norm(one, other, cv2.NORM_L1) / one.size)
