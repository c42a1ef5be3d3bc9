"""Times of the frames of a shot, read from its proxy."""

from __future__ import annotations

from fractions import Fraction

import av

from ops.core.errors import StorageError
from ops.core.storage import ObjectStore
from ops.shots.segment import make_proxy_key

MAX_DRIFT = Fraction(1, 4)
"""Maximum deviation of a frame from a constant rate, in frame durations; from half of one on, a player counts wrong."""


def read_proxy_times(
    store: ObjectStore, video_id: str, start_frame: int, end_frame: int, fps: Fraction
) -> list[float] | None:
    """Seconds from the shot's start at which each of its frames begins, ascending from 0.

    ``None`` if frame n simply begins at n / ``fps``, or if the proxy is missing or incomplete. Reads only the proxy's
    table of samples.
    """
    try:
        with (
            store.open(make_proxy_key(video_id, start_frame, end_frame)) as file,
            av.open(file, mode="r", format="mp4") as proxy,
        ):
            stream = proxy.streams.video[0]
            # Proxies have no frames out of order, so decoding times differ by the same amounts as presentation times.
            ticks = [entry.timestamp for entry in stream.index_entries]
            tick = Fraction(stream.time_base or 1)
    except (FileNotFoundError, StorageError, av.FFmpegError, IndexError):
        return None
    if len(ticks) != end_frame - start_frame:
        return None
    times = [(at - ticks[0]) * tick for at in ticks]
    if all(abs(time * fps - number) <= MAX_DRIFT for number, time in enumerate(times)):
        return None
    return [round(float(time), 6) for time in times]
