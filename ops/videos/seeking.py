"""Read some frames of a long video with their frame numbers, without decoding all frames before them.

A table of the times of all frames, read from the packets without decoding, gives each frame its number. The table is
trusted only if it has exactly as many frames as a full decode once gave. After a seek, the time of each frame must
equal the time that the table has for its number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from ops.core.errors import MediaError
from ops.videos.container import demux, open_container, require_file
from ops.videos.reader import ONE_FRAME_A_PACKET, DecodedFrame, Sound, read_media
from ops.videos.tracks import choose_video_track

TIMED_FORMATS = ("mov", "matroska")
"""Containers that carry the presentation time of each frame and can be sought exactly."""
MARGIN_S = 1
"""Seconds of sound that are decoded before the wanted frame; its first samples after a seek are wrong."""
MARGIN_KEYS = 2
"""Keyframes before the wanted frame: leading frames of an open GOP cannot be decoded right after a seek."""


@dataclass(frozen=True)
class FrameTable:
    """Times of all frames and of the keyframes, ascending, in ticks of ``tick`` seconds."""

    times: list[int]
    keys: list[int]
    tick: Fraction

    def start_before(self, frame: int) -> int | None:
        """Return the seek target for a correct decode of ``frame``, in ticks; ``None`` if that is the beginning."""
        target = self.times[frame]
        sound_key = bisect_right(self.keys, target - int(MARGIN_S / self.tick)) - 1
        key = min(bisect_right(self.keys, target) - MARGIN_KEYS, sound_key)
        return self.keys[key] if key > 0 else None


def build_frame_table(path: Path, frames: int) -> FrameTable | None:
    """Return the table of a video that has ``frames`` frames, or ``None`` if its packets do not give exact times.

    Reads the whole file, decodes nothing. Raises ``MediaError`` if the file cannot be read.
    """
    require_file(path)
    with open_container(path) as container:
        stream = choose_video_track(container)
        is_timed = not set(TIMED_FORMATS).isdisjoint(container.format.name.split(","))
        if not is_timed or stream.codec_context.name not in ONE_FRAME_A_PACKET or not stream.time_base:
            return None
        times, keys = set[int](), set[int]()
        try:
            for packet in demux(container, stream):
                if packet.size and not packet.is_discard:
                    if packet.pts is None or packet.pts in times:
                        return None
                    times.add(packet.pts)
                    if packet.is_keyframe:
                        keys.add(packet.pts)
        except (av.FFmpegError, OSError):
            return None
        return FrameTable(sorted(times), sorted(keys), Fraction(stream.time_base)) if len(times) == frames else None


def read_from(
    path: Path, table: FrameTable, frame: int, *, threads: int = 1, audio: bool | Collection[int] = False
) -> Iterator[DecodedFrame | Sound]:
    """Yield frames from ``frame`` or some before it on, and their sound, numbered and timed as from the beginning.

    Raises ``MediaError`` as :func:`read_media` does, and if a frame differs from the one in the table.
    """
    start = table.start_before(frame)
    first: int | None = None
    shift = Fraction(0)
    for item in read_media(path, threads=threads, audio=audio, start=start):
        if isinstance(item, Sound):
            yield Sound(item.time_s + shift, item.frame, item.stream)
            continue
        at = item.frame.pts
        if first is None:
            first = bisect_right(table.times, at if at is not None else -1) - 1
            shift = (table.times[max(first, 0)] - table.times[0]) * table.tick
        number = first + item.index
        if not 0 <= number < len(table.times) or table.times[number] != at:
            raise MediaError(
                f"the picture at {float(item.time_s + shift):.3f} s is not the one that its packets announce"
            )
        yield DecodedFrame(number, (at - table.times[0]) * table.tick, item.frame)
