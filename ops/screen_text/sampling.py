"""Choose the frames of a shot in which writing is looked for: few, and more where there is some.

Pure. The cost of an ingest is measured in ``docs/measurements.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FIRST_EVERY_S, MOST_FIRST = 5.0, 32
"""A first look each five seconds of a shot, at most 32."""
TWO_LOOKS_S = 4.0
"""Shots of at least this length get two looks: a title fades in."""
MORE_EVERY_S, MOST_MORE = 2.0, 12
"""A look each two seconds of a shot in which the first looks have found text: at least three, at most twelve."""
LONG_S = 30.0
MOST_LOOKS = 720
"""Looks at a long shot in which the first ones have found text, one each five seconds: an hour of slides."""
MOST_TEXTS = 200
"""Different texts of one shot after which no further frame is looked at: about 8 s of CPU. Credits have thousands."""
LEAST_CHANGE = 12.0
"""Difference of the mean of any small block, 0 to 255, from which a frame is looked at again."""
BLOCKS = 32
"""Blocks across the longer side of the picture."""


def choose_first(frames: int, seconds: float) -> list[int]:
    """Return positions of the first looks in a shot with these numbers of frames and seconds, ascending."""
    count = min(max(round(seconds / FIRST_EVERY_S), 1 + (seconds >= TWO_LOOKS_S)), MOST_FIRST)
    return _spread(frames, count)


def choose_more(frames: int, seconds: float, known_positions: list[int]) -> list[int]:
    """Return further positions for a shot with text, ascending, besides those already known.

    A long shot is only filled up to a look each five seconds: in rolling credits each look has twenty new lines.
    """
    if seconds > LONG_S:
        count = min(round(seconds / FIRST_EVERY_S), MOST_LOOKS)
        if count <= MOST_FIRST:
            return []
    else:
        count = min(max(round(seconds / MORE_EVERY_S), 3), MOST_MORE)
    return sorted(set(_spread(frames, count)) - set(known_positions))


def is_read_in_part(seconds: float) -> bool:
    """Return True if a shot with text is too long for a look each five seconds."""
    return round(seconds / FIRST_EVERY_S) > MOST_LOOKS


def drop_needless(positions: Sequence[int], texts: Mapping[int, Collection[str]], rate: float) -> list[int]:
    """Return the positions without those between two looks that saw the same ``texts`` at most two seconds apart.

    ``texts`` are those of the looks by position, ``rate`` the frames per second.
    """
    looks = sorted(texts)
    steady = [
        (one, other)
        for one, other in pairwise(looks)
        if texts[one] and set(texts[one]) == set(texts[other]) and other - one <= MORE_EVERY_S * rate
    ]
    return [at for at in positions if not any(one < at < other for one, other in steady)]


def _spread(frames: int, count: int) -> list[int]:
    """Return the centres of ``count`` equal parts; all frames if there are fewer."""
    if frames <= count:
        return list(range(frames))
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def has_changed(old_HWC: NDArray[np.uint8], new_HWC: NDArray[np.uint8]) -> bool:
    """Return True if any part of the picture differs, so that its writing may differ too."""
    return bool(np.abs(_shrink(old_HWC) - _shrink(new_HWC)).max() >= LEAST_CHANGE)


def _shrink(frame_HWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    import cv2

    height, width = frame_HWC.shape[:2]
    size = (max(1, BLOCKS * width // max(height, width)), max(1, BLOCKS * height // max(height, width)))
    return np.asarray(cv2.resize(frame_HWC, size, interpolation=cv2.INTER_AREA), np.float32)
