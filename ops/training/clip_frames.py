"""Frames of a video file that is not in the catalogue, read and scaled as ingest reads them.

Legend: N frames, H x W pixels, C = RGB.
"""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.core.media import MediaInfo
from ops.embeddings.frames import sample_positions
from ops.shots.cutting import TimedFrame
from ops.shots.reading import read_proxy_frames
from ops.videos.probe import probe


def read_clip_frames(path: Path, count: int, seconds: float | None = None) -> NDArray[np.uint8]:
    """RGB frames (N, H, W, 3): ``count`` at equal distances of the first ``seconds``, or all if there are fewer.

    Raises ``MediaError`` if the file has no usable frames, and errors of decoders (see ``convert_film_errors``).
    """
    info = probe(path)
    total = info.frames if seconds is None else min(info.frames, math.ceil(seconds * info.fps))
    frames, decoded_count = _decode(path, info, set(sample_positions(total, count)))
    if len(frames) < min(total, count) and decoded_count:  # it ends before the length that its container gives
        frames, _ = _decode(path, info, set(sample_positions(decoded_count, count)))
    if not frames:
        raise MediaError("it has no frames")
    return np.stack(frames)


def _decode(path: Path, info: MediaInfo, positions: set[int]) -> tuple[list[NDArray[np.uint8]], int]:
    """The frames at these positions, and the number of frames that were decoded: up to the last position."""
    frames: list[NDArray[np.uint8]] = []
    decoded_count = 0
    with closing(read_proxy_frames(path, info, threads=1)) as items:  # type: ignore[type-var]
        for item in items:
            if not isinstance(item, TimedFrame):
                continue
            decoded_count = item.index + 1
            if item.index in positions:
                frames.append(np.asarray(item.frame.to_ndarray(format="rgb24"), dtype=np.uint8))
                if len(frames) == len(positions):
                    break
    return frames, decoded_count
