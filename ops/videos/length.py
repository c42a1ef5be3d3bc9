"""How many frames a source has, and how long it lasts.

The rule, best evidence first: the index of an mp4 or mov without the frames that an edit list hides; all packets, if
the file is small enough to count them; else the duration times the rate, until the video was decoded once. The duration
of a transport or program stream comes from its first and last time stamp. If it is more than a fifth apart from its
running clock (``broadcast.py``), the clock counts.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ops.videos.broadcast import measure_clocked_seconds
from ops.videos.fact_log import FactLog
from ops.videos.sample import HeadSample
from ops.videos.timing import FrameRate

MAX_TABLE = 100_000
_HIDDEN_FLAG = 2  # AVINDEX_DISCARD_FRAME: an edit list hides the frame
_MAX_DIFFERENCE = Fraction(1, 5)


@dataclass(frozen=True, kw_only=True)
class IndexTable:
    """The index of an mp4 or mov: how many frames an edit list hides, how many are shown, when they are decoded."""

    hidden: int
    shown: int
    decode_times: list[int]


def read_table(stream: VideoStream, container_format: str) -> IndexTable | None:
    """Return the table of samples of an mp4 or mov, whose decoding times are as regular as presentation times.

    ``None`` for other containers, whose tables hold keyframes only, and for fragmented files, which have none.
    """
    entries = stream.index_entries
    if "mov" not in container_format.split(",") or not stream.frames or not entries:
        return None
    hidden_count = 0
    times: list[int] = []
    for entry in itertools.islice(entries, MAX_TABLE):
        hidden_count += bool(entry.flags & _HIDDEN_FLAG)
        times.append(entry.timestamp)
    return IndexTable(hidden=hidden_count, shown=len(entries) - hidden_count, decode_times=times)


def find_length(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    table: IndexTable | None,
    sample: HeadSample,
    rate: FrameRate,
    log: FactLog,
) -> tuple[int, Fraction]:
    """Return the number of frames, and seconds; adds the facts ``frames`` and ``duration``."""
    duration, evidence, contradictions = _determine_duration(path, container, stream, sample, rate)
    log.add("duration", f"{float(duration):.3f} s", evidence, contradictions=contradictions)
    if table and not (sample.is_field_coded and sample.is_whole):
        # Some frames may be two fields and others whole: the same share as in the beginning.
        share = Fraction(sample.frame_count, sample.packets) if sample.is_field_coded else 1
        frames = round(table.shown * share)
        evidence = f"index of the file ({table.hidden} hidden by an edit list)" if table.hidden else "index of the file"
    elif sample.is_whole:
        frames, evidence = sample.frame_count, "all packets counted"
    else:
        frames, evidence = round(duration * rate.fps), "duration and rate, until the film is decoded"
    frames = max(frames, 1)
    log.add("frames", frames, evidence)
    return frames, duration


def _determine_duration(
    path: Path, container: InputContainer, stream: VideoStream, sample: HeadSample, rate: FrameRate
) -> tuple[Fraction, str, list[str]]:
    """Return seconds, the evidence, and its contradictions."""
    file_length, evidence = Fraction(0), "the file"
    if stream.duration and stream.time_base:
        file_length, evidence = stream.duration * Fraction(stream.time_base), "the video track"
    elif container.duration:
        file_length = Fraction(container.duration, av.time_base)
    frame_length = Fraction(0)
    if sample.is_whole and len(sample.times) > 2 and stream.time_base:
        frame_length = (sample.times[-1] - sample.times[0]) * Fraction(stream.time_base) + 1 / rate.fps
        how = "times of all its pictures"
    elif container.format.name in ("mpegts", "mpeg") and (
        seconds := measure_clocked_seconds(path, container.format.name)
    ):
        frame_length, how = (
            Fraction(seconds).limit_denominator(1000),
            "its clock at places all over the file, without its jumps",
        )
    if (
        frame_length
        and abs(frame_length - file_length) > _MAX_DIFFERENCE * min(frame_length, file_length)
        and container.format.name != "avi"
    ):
        against = [f"{evidence} gives {float(file_length):.3f} s"] if file_length else []
        return frame_length, how, against
    if file_length:
        return file_length, evidence, []
    return max(stream.frames, 1) / rate.fps, "number of pictures and rate", []
