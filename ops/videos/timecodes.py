"""The start timecode of a source and the name of its reel: all evidence, weighed by one written rule.

Better evidence first:

1. QuickTime and MP4: the timecode track that the video track refers to, then other timecode tracks, read from their own
   description (``timecode_track``). MXF: the material package, which is how the file plays (SMPTE ST 377-1), then the
   file package, then the tape (``mxf``).
2. Tags: of the video track, then of the whole file, then of other tracks. A tag has no rate of its own. It counts video
   frames, or frames of half their rate if it is a label of that rate only.
3. The document of a Sony camera within an MP4.
4. The frames themselves (MPEG-2 group headers, H.264 and HEVC messages), unless they count from zero: encoders that
   know no timecode write zero.

Contradictions to the best evidence are kept with it and reported; nothing becomes zero in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ops.core.errors import UsageError
from ops.core.media import StartTimecode
from ops.core.time import count_frames_per_day, find_counting_rate, is_drop_frame_rate, make_timecode, parse_timecode
from ops.videos.container import demux, open_container
from ops.videos.fact_log import FactLog
from ops.videos.mxf import MxfHeader, read_mxf_header
from ops.videos.timecode_track import (
    COUNTER,
    DROP_FRAME,
    MAX_24_HOURS,
    TimecodeTrack,
    count_in,
    read_camera_timecode,
    read_timecode_tracks,
)
from ops.videos.timing import format_rate

NO_TIMECODE = "00:00:00:00"
HALVED_FROM = 47
"""Frames per second from which on timecode may count pairs of frames (SMPTE ST 12-1, EBU R 122)."""
MAX_RATE = 1000
MAX_REEL = 200
_LABEL = re.compile(r"(\d{1,2})([:;.,])(\d{1,2})([:;.,])(\d{1,2})([:;.,])(\d{2,3})")
_TIMECODE_NAMES = {"timecode", "starttimecode"}
_REEL_NAMES = {"reelname", "reel", "tapename", "tape"}


@dataclass(frozen=True, kw_only=True)
class SourceTimecode:
    """The result of the evidence. ``start`` is ``None`` if the source has no usable timecode.

    ``label`` is the start in frames of the video. ``reel`` is empty if the source names none.
    """

    start: StartTimecode | None
    label: str
    reel: str


@dataclass(frozen=True, kw_only=True)
class TimecodeReading:
    """Timecode as one source has it: ``count`` frames from midnight at ``rate``, or the ``reason`` to ignore it."""

    source: str
    count: Fraction = Fraction(0)
    rate: Fraction = Fraction(0)
    is_drop: bool = False
    is_nominal: bool = False
    may_wrap: bool = False
    reason: str = ""
    remarks: tuple[str, ...] = ()

    def start(self) -> StartTimecode:
        """Return the reading as a fact."""
        zero = "00:00:00;00" if self.is_drop else NO_TIMECODE
        label = make_timecode(round(self.count), self.rate, zero)
        return StartTimecode(label=label, rate=self.rate, start_s=self.count / self.rate, source=self.source)


def read_timecode(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    first_frame: av.VideoFrame,
    fps: Fraction,
    log: FactLog,
    *,
    variable_rate: bool = False,
) -> SourceTimecode:
    """Return the start timecode and the reel of an opened source whose frames run at ``fps``; facts go to ``log``.

    ``first_frame`` is the first decoded frame. Reads a few boxes of the file, decodes nothing.
    """
    names = container.format.name.split(",")
    tracks = read_timecode_tracks(path, stream.index) if "mov" in names else []
    header = read_mxf_header(path) if names[0].startswith("mxf") else MxfHeader()
    # Timecode has no mean rate: labels of a varying rate count at the nearest whole number.
    counting_fps = Fraction(max(round(fps), 1)) if variable_rate else fps
    candidates = [
        *_read_structure(path, tracks, header, counting_fps),
        *_read_tags(container, stream, tracks, header, counting_fps),
    ]
    if "mov" in names and (camera := read_camera_timecode(path)):
        candidates.append(_read_count("the camera's document", *camera))
    ffmpeg_label = first_frame.metadata.get("timecode", "")
    if re.search("[1-9]", ffmpeg_label):
        candidates.append(_read_label(ffmpeg_label, "the pictures", counting_fps))
    readings = [_settle(each, each.rate if variable_rate else fps) for each in candidates]
    start, label = _weigh(readings, fps, log, variable_rate=variable_rate)
    return SourceTimecode(start=start, label=label, reel=_find_reel(container, stream, tracks, header, log))


def _weigh(
    readings: Sequence[TimecodeReading], fps: Fraction, log: FactLog, *, variable_rate: bool
) -> tuple[StartTimecode | None, str]:
    """Return the first usable reading, and its label at ``fps``."""
    for each in readings:
        if each.reason:
            log.note(f"timecode of {each.source} is ignored: {each.reason}")
    usable = [each for each in readings if not each.reason]
    if not usable:
        return None, NO_TIMECODE
    best = usable[0]
    start = best.start()
    others = [(each.source, each.start()) for each in usable[1:]]
    against = [f"{other.label} of {source}" for source, other in others if not _agree(start, other, fps)]
    contradictions = ", ".join(dict.fromkeys(against))
    log.add(
        "timecode",
        f"{start.label} at {format_rate(start.rate)}",
        start.source,
        contradictions=against,
        note=f"timecode {start.label} is that of {start.source}; not used: {contradictions}" if contradictions else "",
    )
    for remark in best.remarks:
        log.note(f"timecode of {best.source} {remark}")
    label, inexact = _convert_to_frames(start, fps, is_drop=best.is_drop, variable_rate=variable_rate)
    if inexact:
        log.note(inexact)
    return start, label


def _read_structure(
    path: Path, tracks: Sequence[TimecodeTrack], header: MxfHeader, fps: Fraction
) -> Iterator[TimecodeReading]:
    """Yield timecode that the file's own structure carries with its rate, the best first."""
    for track in tracks:
        yield _read_track(path, track, fps)
    for package in header.timecodes:
        yield _read_count(
            f"the {package.package} package", Fraction(package.count), Fraction(package.base), package.is_drop
        )


def _read_count(source: str, count: Fraction, base: Fraction, is_drop: bool) -> TimecodeReading:
    """Return a reading of a frame number that is counted at a rounded rate."""
    return TimecodeReading(source=source, count=count, rate=base, is_drop=is_drop, is_nominal=True)


def _read_tags(
    container: InputContainer, stream: VideoStream, tracks: Sequence[TimecodeTrack], header: MxfHeader, fps: Fraction
) -> Iterator[TimecodeReading]:
    """Yield timecode of tags, without those that FFmpeg derives from the tracks and packages that are read here."""
    skip_streams = {track.stream for track in tracks} | {stream.index for _ in tracks[:1]}
    if header.timecodes:
        return
    for owner, metadata in _list_tags(container, stream):
        if owner.stream not in skip_streams:
            for value in _select_values(metadata, _TIMECODE_NAMES):
                yield _read_label(value, f"the tag of {owner.name}", fps)


class _TimecodeOwner(NamedTuple):
    """The owner of a tag, in words, and the index of the track; ``None`` for the file."""

    name: str
    stream: int | None


def _list_tags(container: InputContainer, stream: VideoStream) -> Iterator[tuple[_TimecodeOwner, Mapping[str, str]]]:
    """Yield the tags of the video track, of the file, of the other tracks."""
    yield _TimecodeOwner("the picture track", stream.index), stream.metadata
    yield _TimecodeOwner("the file", None), container.metadata
    for other in container.streams:
        if other.index != stream.index:
            yield _TimecodeOwner(f"stream {other.index}", other.index), other.metadata


def _select_values(metadata: Mapping[str, str], names: set[str]) -> list[str]:
    """Return values of tags by the last part of their names: ``TIMECODE``, ``time_code``, ``com.maker.timecode``."""
    return [value for name, value in metadata.items() if re.sub("[^a-z]", "", name.lower().rsplit(".", 1)[-1]) in names]


def _read_track(path: Path, track: TimecodeTrack, fps: Fraction) -> TimecodeReading:
    source = f"stream {track.stream}"
    count = track.count if track.count is not None else _read_first_sample(path, track.stream)
    rate = track.rate or Fraction(track.nominal)
    if track.flags & COUNTER:
        return TimecodeReading(source=source, reason="it is a tape counter, not a time of day")
    if count is None:
        return TimecodeReading(source=source, reason="it holds no frame number")
    if not 1 <= rate <= MAX_RATE:
        return TimecodeReading(source=source, reason=f"it counts {format_rate(rate)} frames per second")
    remarks = []
    base = find_counting_rate(rate, fps)
    late = round(track.late_s * fps)
    if late:
        remarks.append(
            f"begins {abs(late)} frame{'s' * (abs(late) > 1)} {'before' if late > 0 else 'after'} the pictures"
        )
    if track.jumps:
        remarks.append("is set again within the file; only its start is used")
    if track.nominal and abs(track.nominal - rate) > 1:
        remarks.append(
            f"runs at {format_rate(rate)} frames per second, and its labels at {track.nominal}; the rate is used"
        )
    return TimecodeReading(
        source=source,
        count=count + late * base / fps,
        rate=rate,
        is_drop=bool(track.flags & DROP_FRAME),
        may_wrap=bool(track.flags & MAX_24_HOURS),
        remarks=tuple(remarks),
    )


def _read_first_sample(path: Path, stream: int) -> Fraction | None:
    """Return the frame number of a track whose samples the index does not list, as in fragmented files."""
    with open_container(path) as container:
        if stream >= len(container.streams):
            return None
        try:
            packet = next(iter(demux(container, container.streams[stream])), None)
        except (av.FFmpegError, OSError):
            return None
        count = count_in(bytes(packet)) if packet else None
        return None if count is None else Fraction(count)


def _read_label(text: str, source: str, fps: Fraction) -> TimecodeReading:
    """Read a tag's label, in video frames, or in frames of half their rate if only that has such a label."""
    match = _LABEL.fullmatch(text.strip())
    if match is None:
        return TimecodeReading(source=source, reason=f"{text.strip()!r} is not a timecode")
    hours, first, minutes, second, seconds, mark, frames = match.groups()
    if len(frames) == 3 and mark in ".," and fps <= 100:
        time_s = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + Fraction(int(frames), 1000)
        return TimecodeReading(source=source, count=time_s * fps, rate=fps)
    # SMPTE ST 12-1 marks drop-frame labels by a semicolon or a period before the frames. Some systems write periods
    # everywhere, without a mark.
    is_drop = mark == ";" or (mark in ".," and first == second == ":")
    rates = [fps] + ([fps / 2] if fps > HALVED_FROM else [])
    hour = int(hours)
    label = f"{hour % 24:02d}:{minutes:0>2}:{seconds:0>2}{';' if is_drop else ':'}{frames}"
    for rate in rates:
        try:
            count = parse_timecode(label, rate)
        except UsageError as error:
            reason = str(error)
            continue
        days = hour // 24 * count_frames_per_day(rate, is_drop=is_drop)
        return TimecodeReading(source=source, count=Fraction(count + days), rate=rate, is_drop=is_drop)
    return TimecodeReading(source=source, reason=reason)


def _settle(reading: TimecodeReading, fps: Fraction) -> TimecodeReading:
    """Return the reading with an exact rate, a flag that its rate allows, and a time of day."""
    if reading.reason:
        return reading
    rate, remarks = find_counting_rate(reading.rate, fps), list(reading.remarks)
    if not reading.is_nominal and abs(rate - reading.rate) * 5000 > rate:
        remarks.append(
            f"is written down at {format_rate(reading.rate)} frames per second; it counts {format_rate(rate)}"
        )
    elif (rate / fps).denominator > 1 and (fps / rate).denominator > 1:
        remarks.append(f"counts {format_rate(rate)} frames per second, and the pictures run at {format_rate(fps)}")
    is_drop = reading.is_drop and is_drop_frame_rate(rate)
    if reading.is_drop and not is_drop:
        remarks.append(
            f"is marked as drop-frame, which {format_rate(rate)} frames per second do not have; the mark is ignored"
        )
    count, day = reading.count, count_frames_per_day(rate, is_drop=is_drop)
    if not 0 <= count < day:
        if not reading.may_wrap:
            remarks.append(
                "is negative; 24 hours are added" if count < 0 else "is 24 hours or more; whole days are left out"
            )
        count %= day
    return TimecodeReading(source=reading.source, count=count, rate=rate, is_drop=is_drop, remarks=tuple(remarks))


def _agree(one: StartTimecode, other: StartTimecode, fps: Fraction) -> bool:
    """Return whether two readings name the same frame, as labels of 25 and of 50 a second do for pairs of frames."""
    apart = abs(one.count_frames(fps) - other.count_frames(fps))
    return apart * min(one.rate, other.rate) < fps


def _convert_to_frames(start: StartTimecode, fps: Fraction, *, is_drop: bool, variable_rate: bool) -> tuple[str, str]:
    """Return ``(label in frames of the video, note if it is inexact)``."""
    zero = "00:00:00;00" if is_drop and is_drop_frame_rate(fps) else NO_TIMECODE
    if variable_rate and round(start.rate) == round(fps):
        return start.label, ""
    fps = Fraction(max(round(fps), 1)) if variable_rate else fps
    frames = start.count_frames(fps)
    label = make_timecode(round(frames), fps, zero)
    if frames.denominator == 1 or variable_rate:
        return label, ""
    return label, (
        f"timecode {start.label} at {format_rate(start.rate)} frames per second falls between two frames at "
        f"{format_rate(fps)}; the nearest, {label}, is used"
    )


def _find_reel(
    container: InputContainer,
    stream: VideoStream,
    tracks: Sequence[TimecodeTrack],
    header: MxfHeader,
    log: FactLog,
) -> str:
    """Return the first name of a reel or tape: of timecode tracks, tape package, tags of the video track, the file."""
    candidates = [(f"stream {track.stream}", track.reel) for track in tracks]
    candidates.append(("the tape package", header.reel))
    for owner, metadata in _list_tags(container, stream):
        candidates += [(f"the tag of {owner.name}", value) for value in _select_values(metadata, _REEL_NAMES)]
    clean = [(source, name) for source, name in ((source, _clean_name(name)) for source, name in candidates) if name]
    if not clean:
        return ""
    source, reel = clean[0]
    others = dict.fromkeys(f"{name} of {other}" for other, name in clean if name != reel)
    note = f"reel {reel} is that of {source}; not used: {', '.join(others)}" if others else ""
    log.add("reel", reel, source, contradictions=list(others), note=note)
    return reel


def _clean_name(name: str) -> str:
    """Return a name on one line, without control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())[:MAX_REEL]
