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
        self._count = 0
        self._candidates: list[tuple[int, av.VideoFrame]] = []

    def add(self, frame: av.VideoFrame) -> None:
        """Add the next frame of the shot."""
        if self._count % self._step == 0:
            self._candidates.append((self._count, frame))
            if len(self._candidates) > MOST:
                self._step *= 2
                self._candidates = [
                    (place, candidate) for place, candidate in self._candidates if place % self._step == 0
                ]
        self._count += 1

    def choose_best(self) -> av.VideoFrame:
        """The sharpest of the frames in the middle half, the nearer to the middle the better."""
        middle = (self._count - 1) / 2
        reach = max(self._count / 4, self._step)
        near = [(place, frame) for place, frame in self._candidates if abs(place - middle) <= reach]

        def measure_merit(candidate: tuple[int, av.VideoFrame]) -> float:
            place, frame = candidate
            return (1 + measure_sharpness(frame)) * (1 - abs(place - middle) / (2 * reach))

        return max(near or self._candidates, key=measure_merit)[1]
