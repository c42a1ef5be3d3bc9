"""The last frames of a film as a detector looks back at them, by frame number."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from ops.shots.detector import Glimpse, TinyPicture

BINS = [6, 6, 6]


class RecentFrames:
    """The last ``keep`` glimpses and their changes; outside the film a change is -1 and a picture ``None``."""

    def __init__(self, keep: int) -> None:
        self.count = 0
        self._glimpses: deque[Glimpse] = deque(maxlen=keep)
        self._changes: deque[float] = deque(maxlen=keep)
        self._paths: deque[float] = deque(maxlen=keep)

    def append(self, glimpse: Glimpse) -> None:
        change = difference(self._glimpses[-1].small, glimpse.small) if self.count else -1.0
        self._paths.append((self._paths[-1] if self.count else 0.0) + max(change, 0.0))
        self._changes.append(change)
        self._glimpses.append(glimpse)
        self.count += 1

    def _place(self, frame: int) -> int | None:
        place = frame - (self.count - len(self._glimpses))
        return place if 0 <= place < len(self._glimpses) else None

    def small(self, frame: int) -> TinyPicture | None:
        """The small picture of a frame."""
        place = self._place(frame)
        return None if place is None else self._glimpses[place].small

    def change(self, frame: int) -> float:
        """Mean absolute difference to the frame before, 0-255."""
        place = self._place(frame)
        return -1.0 if place is None else self._changes[place]

    def path(self, one: int, other: int) -> float:
        """Sum of the changes from frame ``one`` to the later frame ``other``; 0 where one is not there."""
        first, last = self._place(one), self._place(other)
        return 0.0 if first is None or last is None else self._paths[last] - self._paths[first]

    def difference(self, one: int, other: int) -> float:
        """Mean absolute difference of two frames, 0-255; infinite where one is not in the film."""
        first, second = self.small(one), self.small(other)
        return float("inf") if first is None or second is None else difference(first, second)

    def deviation(self, frame: int) -> float:
        """Standard deviation of the most varied colour channel; infinite outside the film."""
        place = self._place(frame)
        return float("inf") if place is None else self._glimpses[place].deviation

    def histogram_change(self, frame: int) -> float:
        """Share of the pixels whose colour bin is not found in the frame before, 0-1."""
        place = self._place(frame)
        if not place:
            return 0.0
        now, before = self._glimpses[place].tiny, self._glimpses[place - 1].tiny
        counts = [cv2.calcHist([picture], [0, 1, 2], None, BINS, [0, 256] * 3) for picture in (now, before)]
        return float(cv2.norm(counts[0], counts[1], cv2.NORM_L1) / (2 * now.shape[0] * now.shape[1]))

    def window(self, start: int, end: int) -> list[TinyPicture]:
        """Tiny pictures of ``[start, end)``; beyond the film its first or last picture repeats."""
        first, last = self.count - len(self._glimpses), len(self._glimpses) - 1
        return [self._glimpses[min(max(frame - first, 0), last)].tiny for frame in range(start, end)]


def difference(one: TinyPicture, other: TinyPicture) -> float:
    """Mean absolute difference of two pictures of one size, 0-255."""
    return float(cv2.norm(one, other, cv2.NORM_L1) / one.size)


def mixture(one: TinyPicture, other: TinyPicture, share: float) -> TinyPicture:
    """``share`` of ``other`` mixed into ``one``."""
    return np.asarray(cv2.addWeighted(one, 1 - share, other, share, 0.0), np.uint8)
