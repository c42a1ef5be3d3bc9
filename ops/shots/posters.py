"""Choose the poster of a shot while its frames stream by and its length is unknown."""

from __future__ import annotations

import av

from ops.shots.pictures import measure_sharpness

MOST = 12
"""Maximum number of kept frames; about 4 MB at 640 x 360."""


class PosterChoice:
    """Keeps frames at even distances, and thins them out as the shot grows: bounded memory for any length."""

    def __init__(self) -> None:
        self._step = 1
        self._seen = 0
        self._kept: list[tuple[int, av.VideoFrame]] = []

    def add(self, frame: av.VideoFrame) -> None:
        """Add the next frame of the shot."""
        if self._seen % self._step == 0:
            self._kept.append((self._seen, frame))
            if len(self._kept) > MOST:
                self._step *= 2
                self._kept = [(place, kept) for place, kept in self._kept if place % self._step == 0]
        self._seen += 1

    def choose_best(self) -> av.VideoFrame:
        """The sharpest of the frames in the middle half, the nearer to the middle the better."""
        middle = (self._seen - 1) / 2
        reach = max(self._seen / 4, self._step)
        near = [(place, frame) for place, frame in self._kept if abs(place - middle) <= reach]

        def measure_merit(candidate: tuple[int, av.VideoFrame]) -> float:
            place, frame = candidate
            return (1 + measure_sharpness(frame)) * (1 - abs(place - middle) / (2 * reach))

        return max(near or self._kept, key=measure_merit)[1]
