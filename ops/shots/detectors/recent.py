"""The recent frames of a video for a detector, by frame number: small images, their changes, their likeness."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
import numpy.typing as npt

from ops.shots.detector import DetectorFrame, TinyImage
from ops.shots.detectors.likeness import (
    GreyImage,
    Likeness,
    compare,
    compute_correlation,
    compute_explained_share,
    convert_to_grey,
)

Smalls = npt.NDArray[np.float32]
"""float32 BGR (N, 18, 32, 3), 0-255."""


class RecentFrames:
    """The last ``keep`` detector_frames and their changes; outside the video a change is -1 and an image ``None``.

    ``blank`` records for every frame so far whether it has only one colour (``blank_deviation``, 0-128).
    """

    def __init__(self, keep: int, blank_deviation: float) -> None:
        self.count = 0
        self.blank: list[bool] = []
        self._blank_deviation = blank_deviation
        self._detector_frames: deque[DetectorFrame] = deque(maxlen=keep)
        self._changes: deque[float] = deque(maxlen=keep)
        self._keep = keep
        self._greys: dict[int, GreyImage] = {}
        self._likenesses: dict[tuple[int, int], Likeness] = {}

    def append(self, detector_frame: DetectorFrame) -> None:
        self._changes.append(
            compute_difference(self._detector_frames[-1].small, detector_frame.small) if self.count else -1.0
        )
        self._detector_frames.append(detector_frame)
        self.blank.append(detector_frame.deviation < self._blank_deviation)
        self.count += 1

    def _place(self, frame: int) -> int | None:
        place = frame - (self.count - len(self._detector_frames))
        return place if 0 <= place < len(self._detector_frames) else None

    def small(self, frame: int) -> TinyImage | None:
        """The small image of a frame; ``None`` if it is not kept."""
        place = self._place(frame)
        return None if place is None else self._detector_frames[place].small

    def smalls(self, start: int, end: int) -> Smalls:
        """Small images of ``[start, end)``; beyond the video its first or last image repeats."""
        return np.stack([detector_frame.small for detector_frame in self._list_frames(start, end)]).astype(np.float32)

    def deviations(self, start: int, end: int) -> list[float]:
        """Standard deviation of each frame's most varied channel, 0-128, of ``[start, end)``."""
        return [detector_frame.deviation for detector_frame in self._list_frames(start, end)]

    def change(self, frame: int) -> float:
        """Mean absolute difference to the frame before, 0-255."""
        place = self._place(frame)
        return -1.0 if place is None else self._changes[place]

    def contrast(self, frame: int, reach: int, calm: float) -> float:
        """Ratio of a frame's change to ``calm`` plus the mean change of the ``reach`` frames on each side."""
        around = [self.change(near) for near in range(frame - reach, frame + reach + 1) if near != frame]
        changes = [change for change in around if change >= 0]
        return self.change(frame) / ((sum(changes) / len(changes) if changes else 0.0) + calm)

    def difference(self, one: int, other: int) -> float:
        """Mean absolute difference of two frames, 0-255; infinite if one is not in the video."""
        first, second = self.small(one), self.small(other)
        return float("inf") if first is None or second is None else compute_difference(first, second)

    def correlation(self, one: int, other: int) -> float:
        """Pearson correlation of two frames, -1 to 1; 0 if one is missing or of one value."""
        first, second = self.small(one), self.small(other)
        return 0.0 if first is None or second is None else compute_correlation(first, second)

    def changed_share(self, frame: int, least: int) -> float:
        """Share of the image, 0-1, in which any channel differs from the frame before by more than ``least``."""
        before, now = self.small(frame - 1), self.small(frame)
        if before is None or now is None:
            return 0.0
        return float((cv2.absdiff(before, now).max(axis=2) > least).mean())

    def likeness(self, one: int, other: int) -> Likeness:
        """The likeness of one frame to another; 1 without texture if one is not in the video."""
        if self._place(one) is None or self._place(other) is None:
            return Likeness(1.0, 0.0)
        if (one, other) not in self._likenesses:
            self._likenesses[one, other] = compare(self._grey(one), self._grey(other))
        return self._likenesses[one, other]

    def relit_share(self, one: int, other: int) -> float:
        """How much of the brighter of two frames is the darker one in another light, 0-1; 0 if one is missing."""
        if self._place(one) is None or self._place(other) is None:
            return 0.0
        dark, bright = sorted((self._grey(one), self._grey(other)), key=lambda image: float(image.mean()))
        return compute_explained_share(dark, bright)

    def _grey(self, frame: int) -> GreyImage:
        if frame not in self._greys:
            oldest = self.count - self._keep
            self._greys = {at: grey for at, grey in self._greys.items() if at >= oldest}
            self._likenesses = {pair: likeness for pair, likeness in self._likenesses.items() if min(pair) >= oldest}
            self._greys[frame] = convert_to_grey(self._list_frames(frame, frame + 1)[0].tiny)
        return self._greys[frame]

    def luma(self, frame: int) -> float:
        """Mean of a frame over pixels and channels, 0-255; 0 outside the video."""
        small = self.small(frame)
        return 0.0 if small is None else float(small.mean())

    def window(self, start: int, end: int) -> list[TinyImage]:
        """Tiny images of ``[start, end)``; beyond the video its first or last image repeats."""
        return [detector_frame.tiny for detector_frame in self._list_frames(start, end)]

    def _list_frames(self, start: int, end: int) -> list[DetectorFrame]:
        first, last = self.count - len(self._detector_frames), len(self._detector_frames) - 1
        return [self._detector_frames[min(max(frame - first, 0), last)] for frame in range(start, end)]


def compute_difference(one: TinyImage, other: TinyImage) -> float:
    """Mean absolute difference of two images of one size, 0-255."""
    return float(cv2.norm(one, other, cv2.NORM_L1) / one.size)
