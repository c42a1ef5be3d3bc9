"""Timecode tracks of QuickTime and MP4 files, read from the file's own boxes.

A timecode track counts frames of its own rate, which may differ from that of the video (25 on 50p). FFmpeg reports its
label only, and none at all for a drop-frame flag at a rate without drop-frame labels. Format: QuickTime File Format
Specification, "Timecode Media"; ISO/IEC 14496-12 for the boxes around it.
"""

from __future__ import annotations

import io
import itertools
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from ops.videos.boxes import Box, read_boxes

MAX_INDEX = 1 << 28
"""Bytes of the longest index (moov) that is read: a video of days has some 30 MB."""
MAX_DOCUMENT = 1 << 20
DROP_FRAME, MAX_24_HOURS, NEGATIVE, COUNTER = 1, 2, 4, 8
"""Flags of a timecode sample description."""
_UNIT = {b"stts": 8, b"stsc": 12, b"stco": 4, b"co64": 8}
"""Bytes of one entry of a sample table."""


@dataclass(frozen=True, kw_only=True)
class TimecodeTrack:
    """One timecode track. ``count`` is the frame number at its start, behind its edit list, in frames of ``rate``.

    ``count`` is ``None`` if the index has no sample (fragmented files keep it elsewhere), ``rate`` if the description
    has none. ``stream`` is the index of the track in the file. ``nominal`` is the number of frames that the description
    gives for one second. ``late_s`` is the delay of the video after the timecode. ``jumps`` is the number of later
    samples, each of which sets the timecode again. ``is_chosen`` marks the tracks that the video track refers to.
    """

    stream: int
    count: Fraction | None
    rate: Fraction | None
    nominal: int
    flags: int
    reel: str
    late_s: Fraction
    jumps: int
    is_chosen: bool


def read_timecode_tracks(path: Path, video_stream: int) -> list[TimecodeTrack]:
    """Return the timecode tracks of a QuickTime or MP4 file, those of the video track ``picture_stream`` first.

    Tracks that only other tracks refer to are left out, unless all are such tracks. Empty for other files, and for an
    index that cannot be read. Raises ``OSError`` if the file cannot be read.
    """
    with path.open("rb") as file:
        index = _read_box(file, path.stat().st_size, b"moov", MAX_INDEX)
        tracks = [box for box in _read_children(index, 0, len(index)) if box.kind == b"trak"]
        try:
            scale = _read_movie_scale(index)
            edit = _read_edit(index, tracks[video_stream]) if video_stream < len(tracks) else (0, 0)
            references = _read_references(index, tracks[video_stream]) if video_stream < len(tracks) else []
            others = {each for track in tracks for each in _read_references(index, track)} - set(references)
            candidates = [
                (
                    _track_id(index, track),
                    _read_timecode_track(file, index, number, track, (scale, edit[0]), references),
                )
                for number, track in enumerate(tracks)
            ]
        except (struct.error, IndexError, ZeroDivisionError):
            return []
    timecode_tracks = [(identifier, track) for identifier, track in candidates if track]
    own_tracks = [track for identifier, track in timecode_tracks if identifier not in others]
    return sorted(own_tracks or [track for _, track in timecode_tracks], key=lambda track: not track.is_chosen)


def _read_box(file: BinaryIO, size: int, kind: bytes, longest: int) -> bytes:
    """Return the content of the first box of a type at the top level; empty if there is none, or it is longer."""
    for box in read_boxes(file, 0, size):
        if box.kind == kind:
            file.seek(box.start)
            return file.read(box.end - box.start) if box.end - box.start <= longest else b""
    return b""


def _read_children(data: bytes, at: int, end: int) -> Iterator[Box]:
    """Yield the whole boxes within ``[at, end)`` of an index."""
    return itertools.takewhile(lambda box: box.end <= end, read_boxes(io.BytesIO(data), at, end))


def _find(data: bytes, box: Box, *path: bytes) -> Box | None:
    """Return the first box at a path of types below ``box``."""
    for kind in path:
        inner = next((child for child in _read_children(data, box.start, box.end) if child.kind == kind), None)
        if inner is None:
            return None
        box = inner
    return box


def _read_movie_scale(index: bytes) -> int:
    header = _find(index, Box(b"moov", 0, len(index)), b"mvhd")
    return _scale_in(index, header) if header else 1


def _scale_in(data: bytes, header: Box) -> int:
    """Return units per second of a movie or media header; version 1 has times of eight bytes."""
    return int(struct.unpack_from(">I", data, header.start + (20 if data[header.start] else 12))[0])


def _read_edit(data: bytes, track: Box) -> tuple[int, int]:
    """Return ``(movie units before the track begins, media time at which it then begins)`` from its edit list."""
    edits = _find(data, track, b"edts", b"elst")
    if edits is None:
        return 0, 0
    form, step = (">QqI", 20) if data[edits.start] else (">IiI", 12)
    count = struct.unpack_from(">I", data, edits.start + 4)[0]
    empty = 0
    for entry in range(min(count, (edits.end - edits.start - 8) // step)):
        length, media_time, _ = struct.unpack_from(form, data, edits.start + 8 + step * entry)
        if media_time >= 0:
            return empty, media_time
        empty += length
    return empty, 0


def _read_references(data: bytes, track: Box) -> list[int]:
    """Return the ids of the timecode tracks that a track refers to."""
    box = _find(data, track, b"tref", b"tmcd")
    return list(struct.unpack_from(f">{(box.end - box.start) // 4}I", data, box.start)) if box else []


def _read_timecode_track(
    file: BinaryIO, data: bytes, stream: int, track: Box, movie: tuple[int, int], references: list[int]
) -> TimecodeTrack | None:
    """Return the timecode track, or ``None`` for another kind. ``movie`` is its scale and the video's delay."""
    media = _find(data, track, b"mdia")
    table = _find(data, media, b"minf", b"stbl") if media else None
    description = _find(data, table, b"stsd") if table else None
    header = _find(data, media, b"mdhd") if media else None
    if table is None or description is None or header is None or description.end - description.start < 8 + 34:
        return None
    entry = next(_read_children(data, description.start + 8, description.end), None)
    if entry is None or entry.kind not in (b"tmcd", b"tc64") or entry.end - entry.start < 26:
        return None
    flags, scale, duration, nominal = struct.unpack_from(">IIIB", data, entry.start + 12)
    rate = Fraction(scale, duration) if scale and duration else None
    empty, begins = _read_edit(data, track)
    tables = {box.kind: box for box in _read_children(data, table.start, table.end)}
    number, into, later = _sample_at(data, tables, begins)
    count = _read_sample(file, data, tables, number)
    shift = Fraction(into, _scale_in(data, header)) * (rate or nominal)
    return TimecodeTrack(
        stream=stream,
        count=None if count is None else count + shift,
        rate=rate,
        nominal=nominal,
        flags=flags,
        reel=_read_reel(data, entry),
        late_s=Fraction(movie[1] - empty, movie[0]),
        jumps=later,
        is_chosen=_track_id(data, track) in references,
    )


def _track_id(data: bytes, track: Box) -> int:
    header = _find(data, track, b"tkhd")
    return _scale_in(data, header) if header else 0  # the id is at the place of the scale in other headers


def _read_entries(data: bytes, tables: Mapping[bytes, Box], kind: bytes) -> list[tuple[int, ...]]:
    """Return rows of a sample table, each a tuple of whole numbers."""
    box = tables.get(kind)
    if box is None:
        return []
    unit = _UNIT[kind]
    form = ">Q" if kind == b"co64" else f">{unit // 4}I"
    count = min(struct.unpack_from(">I", data, box.start + 4)[0], (box.end - box.start - 8) // unit)
    return [struct.unpack_from(form, data, box.start + 8 + unit * at) for at in range(count)]


def _sample_at(data: bytes, tables: Mapping[bytes, Box], time: int) -> tuple[int, int, int]:
    """Return ``(number of the sample at a media time, how far into it that is, samples behind it)``."""
    durations = [(count, delta) for count, delta in _read_entries(data, tables, b"stts")]
    total, first = sum(count for count, _ in durations), 0
    for count, delta in durations:
        if delta and time < count * delta:
            within, into = divmod(time, delta)
            return first + within, into, total - first - within - 1
        first, time = first + count, time - count * delta
    last_count, last_delta = durations[-1] if durations else (0, 0)
    # Behind the last sample its count goes on.
    return max(total - 1, 0), time + (last_delta if last_count else 0), 0


def _read_sample(file: BinaryIO, data: bytes, tables: Mapping[bytes, Box], number: int) -> int | None:
    """Read a frame number, 32 or 64 bits, signed; ``None`` if the index does not give its place."""
    sizes = tables.get(b"stsz")
    offsets = _read_entries(data, tables, b"stco") or _read_entries(data, tables, b"co64")
    runs = _read_entries(data, tables, b"stsc")
    if sizes is None or not offsets or not runs:
        return None
    one_size, count = struct.unpack_from(">II", data, sizes.start + 4)
    if number >= count:
        return None
    size = one_size or struct.unpack_from(">I", data, sizes.start + 12)[0]
    at = number
    for place, (first, per_chunk, _) in enumerate(runs):
        chunks = (runs[place + 1][0] if place + 1 < len(runs) else len(offsets) + 1) - first
        if at < chunks * per_chunk:
            file.seek(offsets[first - 1 + at // per_chunk][0] + at % per_chunk * size)
            return count_in(file.read(size))
        at -= chunks * per_chunk
    return None


def count_in(sample: bytes) -> int | None:
    """Return the frame number in a timecode sample, 32 or 64 bits, signed; ``None`` for other lengths."""
    return int.from_bytes(sample, "big", signed=True) if len(sample) in (4, 8) else None


def _read_reel(data: bytes, entry: Box) -> str:
    """Read the source name behind a description: a ``name`` box with international text (length, language, bytes)."""
    for box in _read_children(data, entry.start + 26, entry.end):
        if box.kind == b"name" and box.end - box.start >= 4:
            length = struct.unpack_from(">H", data, box.start)[0]
            text = data[box.start + 4 : min(box.start + 4 + length, box.end)]
            return text.decode("utf-8", "replace").partition("\0")[0].strip()
    return ""


_LTC = re.compile(
    rb'<LtcChangeTable[^>]*\btcFps="(\d+)".{0,400}?<LtcChange\b[^>]*\bframeCount="0"[^>]*\bvalue="([0-9A-Fa-f]{8})"',
    re.DOTALL,
)


def read_camera_timecode(path: Path) -> tuple[Fraction, Fraction, bool] | None:
    """Read ``(count, frames per second, drop-frame)`` from the document that Sony cameras put into an MP4 (XAVC S).

    Its ``LtcChange`` holds the bytes of SMPTE ST 12-1 binary coded decimals, frames first; 40h in the frames is the
    drop-frame flag. ``None`` without that document. Raises ``OSError`` if the file cannot be read.
    """
    with path.open("rb") as file:
        match = _LTC.search(_read_box(file, path.stat().st_size, b"meta", MAX_DOCUMENT))
    if match is None or not int(match[1]):
        return None
    frames, seconds, minutes, hours = (int(match[2][at : at + 2], 16) for at in (0, 2, 4, 6))
    is_drop = bool(frames & 0x40)
    parts = [int(f"{value:02x}") if f"{value:02x}".isdecimal() else -1 for value in (hours & 0x3F, minutes & 0x7F)]
    parts += [int(f"{value:02x}") if f"{value:02x}".isdecimal() else -1 for value in (seconds & 0x7F, frames & 0x3F)]
    base = int(match[1])
    if min(parts) < 0 or parts[3] >= base:
        return None
    total = ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * base + parts[3]
    all_minutes = parts[0] * 60 + parts[1]
    total -= 2 * base // 30 * (all_minutes - all_minutes // 10) if is_drop else 0
    return Fraction(total), Fraction(base), is_drop
