"""Reading some pictures of a long film without decoding all before them, and still knowing which is which.

A table of the times of all pictures, read from the packets without decoding, gives each picture its number. It is
trusted only where it holds exactly as many pictures as decoding the whole film once gave, and each picture that comes
after a seek must then have the very time that the table has for its number.
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
from ops.videos.reader import ONE_PICTURE_A_PACKET, Picture, Sound, read_media
from ops.videos.tracks import choose_video_track

TIMED = ("mov", "matroska")
"""Containers that carry the presentation time of each picture and can be sought exactly."""
MARGIN_S = 1
"""Seconds before the wanted picture from which sound is decoded too, whose first samples after a seek are wrong."""
MARGIN_KEYS = 2
"""Key pictures before the wanted picture: those that lead one of an open GOP cannot be decoded right after a seek."""


@dataclass(frozen=True)
class PictureTable:
    """Times of all pictures and of the key pictures, ascending, in ticks of ``tick`` seconds."""

    times: list[int]
    keys: list[int]
    tick: Fraction

    def start_before(self, frame: int) -> int | None:
        """Where to seek to so that ``frame`` is decoded right, in ticks; ``None`` where that is the beginning."""
        wanted = self.times[frame]
        heard = bisect_right(self.keys, wanted - int(MARGIN_S / self.tick)) - 1
        key = min(bisect_right(self.keys, wanted) - MARGIN_KEYS, heard)
        return self.keys[key] if key > 0 else None


def picture_table(path: Path, frames: int) -> PictureTable | None:
    """The table of a film that has ``frames`` pictures, or ``None`` where its packets do not tell them surely.

    Reads the whole file, decodes nothing. Raises ``MediaError`` where it cannot be read.
    """
    require_file(path)
    with open_container(path) as container:
        stream = choose_video_track(container)
        is_timed = not set(TIMED).isdisjoint(container.format.name.split(","))
        if not is_timed or stream.codec_context.name not in ONE_PICTURE_A_PACKET or not stream.time_base:
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
        return PictureTable(sorted(times), sorted(keys), Fraction(stream.time_base)) if len(times) == frames else None


def read_from(
    path: Path, table: PictureTable, frame: int, *, threads: int = 1, audio: bool | Collection[int] = False
) -> Iterator[Picture | Sound]:
    """Pictures from ``frame`` or some before it on, and their sound, numbered and timed as from the beginning.

    Raises ``MediaError`` as :func:`read_media` does, and where a picture is not the one that the table has.
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
        yield Picture(number, (at - table.times[0]) * table.tick, item.frame)
