"""What a media file is: exact rate, size as shown, length, codec, sound, start timecode, rotation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ops.core.errors import MediaError, UsageError
from ops.core.media import MediaInfo, Orientation
from ops.core.time import frame_of
from ops.videos.container import open_container, prepare_decoder, require_file, require_size, video_stream_of
from ops.videos.integrity import require_complete
from ops.videos.reader import audio_stream_of

SAMPLE = 400
"""Packets whose times are looked at where the container has no table of them."""
MAX_TABLE = 100_000
MAX_RATE = 1_000
DEFAULT_RATE = Fraction(25)
NO_TIMECODE = "00:00:00:00"

STANDARD_RATES = tuple(
    rate for base in (24, 30, 48, 60, 120, 240) for rate in (Fraction(base * 1000, 1001), Fraction(base))
) + tuple(map(Fraction, (25, 50, 100, 200, 15, 12, 10, 20, 5, 1)))
"""SMPTE and EBU production rates, then the common low ones of screens and cameras."""

_TIMECODE = re.compile(r"\d{2}:\d{2}:\d{2}[:;]\d{2,3}")
_HIDDEN = 2  # AVINDEX_DISCARD_FRAME: an edit list hides the frame


def probe(path: Path) -> MediaInfo:
    """Open ``path``, decode its first picture, and say what it is.

    ``width`` and ``height`` are as shown.
    ``codec`` is the codec's plain name (h264, hevc, av1, ...). ``start_timecode`` keeps the ``;`` of drop-frame
    counting, and is 00:00:00:00 where the file has none. Raises ``MediaError`` for what cannot be used.
    """
    require_file(path)
    require_complete(path)
    with open_container(path) as container:
        stream = video_stream_of(container)
        prepare_decoder(stream)
        hidden, table = _table(stream, container.format.name)
        frame, sampled = _first_picture(container, stream, want=0 if table else SAMPLE)
        times = table or sampled
        fps, variable = rate_of(times, Fraction(stream.time_base or 1), _claims(stream))
        duration = _duration(container, stream, fps)
        orientation = Orientation(quarter_turns=-round(frame.rotation / 90) % 4)
        width, height = _display_size(frame, stream.sample_aspect_ratio, orientation)
        return MediaInfo(
            fps=fps,
            frames=max(stream.frames - hidden if stream.frames else round(duration * fps), 1),
            width=width,
            height=height,
            codec=stream.codec_context.codec.canonical_name,
            has_audio=audio_stream_of(container) is not None,
            start_timecode=_start_timecode(container, stream, fps),
            orientation=orientation,
            variable_rate=variable,
            duration_s=float(duration),
        )


def rate_of(times: Sequence[int], tick: Fraction, claims: Sequence[Fraction]) -> tuple[Fraction, bool]:
    """``(frames per second, whether it varies)`` from frame times in units of ``tick`` seconds.

    Stands alone because containers lie: Matroska rounds times to milliseconds, and a header may claim 24 for a
    recording of any rate. A rate is taken if every frame lies within one tick of where the rate puts it: first
    claims that are production rates, then the production rates, then other claims, then the plain mean. Where
    none fits, the rate varies and the mean is given.
    """
    claims = [claim for claim in claims if 0 < claim <= MAX_RATE]
    if len(times) < 3 or times[-1] <= times[0]:
        return (claims[0] if claims else DEFAULT_RATE), False
    mean = 1 / (Fraction(times[-1] - times[0], len(times) - 1) * tick)
    trusted = [claim for claim in claims if claim in STANDARD_RATES]
    for rate in [*trusted, *STANDARD_RATES, *claims, mean]:
        if abs(rate - mean) < mean / 10 and _explains(rate, times, tick):
            return rate, False
    return mean.limit_denominator(1001), True


def _explains(rate: Fraction, times: Sequence[int], tick: Fraction) -> bool:
    step = 1 / (rate * tick)
    # Compared as integers over one denominator: Fractions would cost a second for a long film.
    top, bottom = step.numerator, step.denominator
    first = times[0]
    return all(abs((time - first) * bottom - n * top) <= bottom for n, time in enumerate(times))


def _claims(stream: VideoStream) -> list[Fraction]:
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return [Fraction(rate) for rate in rates if rate]


def _table(stream: VideoStream, container_format: str) -> tuple[int, list[int]]:
    """``(frames hidden by an edit list, times of the shown ones)`` from an mp4's table of samples.

    These are decoding times, which are as regular as presentation times. Empty for other containers, whose tables
    hold key pictures only, and for fragmented files, whose tables grow while they are read.
    """
    if "mov" not in container_format.split(",") or len(stream.index_entries) != stream.frames:
        return 0, []
    hidden, times = 0, []
    for entry in itertools.islice(stream.index_entries, MAX_TABLE):
        if entry.flags & _HIDDEN:
            hidden += 1
        else:
            times.append(entry.timestamp)
    return hidden, times


def _first_picture(container: InputContainer, stream: VideoStream, *, want: int) -> tuple[av.VideoFrame, list[int]]:
    """The first picture that decodes, and the sorted presentation times of the first packets."""
    picture: av.VideoFrame | None = None
    times: list[int] = []
    for packet in _packets(container, stream):
        if packet.pts is not None and len(times) < SAMPLE and not packet.is_discard:
            times.append(packet.pts)
        if picture is None:
            picture = _try_decode(packet)
        if picture is not None and len(times) >= want:
            break
    if picture is None:
        raise MediaError("not one picture in it can be decoded: the file is damaged or holds no pictures")
    require_size(picture.width, picture.height)
    # Where the sample was stopped, pictures shown before its last ones may still follow.
    times = sorted(set(times))
    return picture, times[:-17] if len(times) > 40 and len(times) >= want else times


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet[Any]]:
    try:
        yield from itertools.islice(container.demux(stream), 50 * SAMPLE)
    except (av.FFmpegError, OSError) as error:
        raise MediaError("damaged at its beginning: it cannot be read; copy the file again") from error


def _try_decode(packet: av.Packet[Any]) -> av.VideoFrame | None:
    """A recording may begin between two key pictures: what does not decode there is passed over."""
    try:
        return next(iter(packet.decode()), None)
    except av.FFmpegError:
        return None


def _duration(container: InputContainer, stream: VideoStream, fps: Fraction) -> Fraction:
    if stream.duration and stream.time_base:
        return stream.duration * Fraction(stream.time_base)
    if container.duration:
        return Fraction(container.duration, av.time_base)
    return max(stream.frames, 1) / fps


def _display_size(frame: av.VideoFrame, aspect: Fraction | None, orientation: Orientation) -> tuple[int, int]:
    """Width and height with square pixels, turned upright."""
    width, height = frame.width, frame.height
    if aspect and Fraction(1, 10) <= aspect <= 10:
        width = max(round(width * aspect), 1)
    return (height, width) if orientation.quarter_turns % 2 else (width, height)


def _start_timecode(container: InputContainer, stream: VideoStream, fps: Fraction) -> str:
    """The timecode of the picture track, else of a timecode track, else of the whole file; checked against ``fps``."""
    for metadata in (stream.metadata, *(other.metadata for other in container.streams), container.metadata):
        for name, value in metadata.items():
            if name.lower() == "timecode" and _TIMECODE.fullmatch(value.strip()):
                try:
                    frame_of(value.strip(), fps)
                except UsageError:
                    continue
                return str(value.strip())
    return NO_TIMECODE
