"""CEA-608 closed captions: in their own track, in Scenarist files (.scc), and between the frames of a video.

libavcodec decodes them, but only as packets of a demuxer that knows their times. So captions that are carried with the
frames (ATSC A/53 user data: ``GA94``) are written as a Scenarist file in memory, and read like one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import av
from av.container import InputContainer
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from ops.core.errors import MediaError
from ops.videos.container import demux

CODEC = "eia_608"
_CARRIERS = frozenset(("h264", "hevc", "mpeg2video"))
_MARK = b"GA94\x03"
_LONGEST_BLOCK = 2 + 31 * 3 + 40
_FIRST_PACKETS, _FIRST_BYTES = 250, 8 << 20
_SCC_HEAD = "Scenarist_SCC V1.0\n\n"
_SCC_MARK = b"Scenarist_SCC"
_SCC_FRAME_MS = 33
"""Duration that libavformat gives to each frame of a Scenarist timecode."""
_SCC_ROW = re.compile(rb"(\d\d?):(\d\d):(\d\d)([:;.,])(\d\d)\s+([0-9A-Fa-f]{4}(?:\s+[0-9A-Fa-f]{4})*)")
_SCC_CODES = 1300
"""libavformat reads 4,095 characters of codes in a row, and each takes three."""
_LONGEST_S = 3600
_NTSC = Fraction(1001, 1000)


@dataclass(frozen=True, kw_only=True)
class Packet:
    """One piece of a text track: times in seconds from the first frame; ``end_s`` is ``None`` if unknown."""

    start_s: float
    end_s: float | None
    data: bytes


def has_captions(container: InputContainer, stream: VideoStream) -> bool:
    """Return whether the first packets of a video track carry closed captions; writers put them into every frame."""
    if stream.codec_context is None or stream.codec_context.codec.canonical_name not in _CARRIERS:
        return False
    size = 0
    try:
        for packet in islice(demux(container, stream), _FIRST_PACKETS):
            size += packet.size
            if _MARK in bytes(packet):
                return True
            if size > _FIRST_BYTES:
                return False
    except av.FFmpegError:
        # The readers of the frames find and report damage.
        return False
    return False


def read_caption_track(container: InputContainer, stream: SubtitleStream, zero_s: float) -> Iterator[Packet]:
    """Yield captions of a track of their own, as events of an ASS file; ``zero_s`` is subtracted from their times."""
    for packet in demux(container, stream):
        # The empty packet at the end flushes the caption that no later packet ended.
        captions = stream.codec_context.decode2(packet)
        if captions is None:
            continue
        start = captions.pts / 1_000_000 + captions.start_display_time / 1000 - zero_s
        shown_s = (captions.end_display_time - captions.start_display_time) / 1000
        end = start + shown_s if packet.size and 0 < shown_s < _LONGEST_S else None
        for rectangle in captions:
            if event := getattr(rectangle, "ass", b""):
                yield Packet(start_s=start, end_s=end, data=bytes(event))


def read_carried_captions(container: InputContainer, stream: VideoStream, zero_s: float) -> list[Packet]:
    """Return captions of the first field's first channel that the frames of a video track carry, by time."""
    pairs = []
    for packet in demux(container, stream):
        if packet.pts is None or packet.time_base is None:
            continue
        if pairs_here := _extract_pairs(bytes(packet)):
            pairs.append((float(packet.pts * packet.time_base) - zero_s, pairs_here))
    pairs.sort(key=lambda pair: pair[0])
    return _read_scc_text(_format_scc(pairs))


def read_scc(data: bytes) -> list[Packet]:
    """Return the captions of a Scenarist file. Raises ``MediaError`` if it is not one.

    A timecode without drop frames counts 30 frames a second of frames that come at 29.97.
    """
    if _SCC_MARK not in data[:200]:
        raise MediaError("it is not a Scenarist file: its first line is not that of the format")
    rows = [row for _, row in _parse_scc(data) if isinstance(row, _Row)]
    slower = 1.0 if all(row.drops_frames for row in rows) else float(_NTSC)
    return [
        Packet(start_s=each.start_s * slower, end_s=None if each.end_s is None else each.end_s * slower, data=each.data)
        for each in _read_scc_text((_SCC_HEAD + "\n".join(row.text for row in rows)).encode())
    ]


def find_scc_faults(data: bytes) -> list[tuple[int, str]]:
    """Return the lines of a Scenarist file that :func:`read_scc` leaves out: number from 1, and the reason."""
    return [(number, row) for number, row in _parse_scc(data) if isinstance(row, str)]


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row of a Scenarist file, as libavformat reads it: ``HH:MM:SS:FF``, a tab, and codes with blanks between."""

    text: str
    drops_frames: bool


def _parse_scc(data: bytes) -> Iterator[tuple[int, _Row | str]]:
    """Yield the number of each line that has text, and its row, or the reason why it is none."""
    for number, line in enumerate(data.splitlines(), 1):
        stripped = line.strip()
        if not stripped or _SCC_MARK in line:
            continue
        match = _SCC_ROW.fullmatch(stripped)
        codes = match[6].split() if match else []
        if match is None or len(codes) > _SCC_CODES:
            shown = repr(stripped[:60].decode("utf-8", "replace"))
            wanted = f"a timecode with 1 to {_SCC_CODES:,} pairs of hexadecimal digits"
            yield number, f"not {wanted}, left out: {shown}"
            continue
        hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
        timecode = f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frames:02d}"
        text = f"{timecode}\t{b' '.join(codes).decode()}\n"
        yield number, _Row(text=text, drops_frames=match[4] != b":")


def _read_scc_text(data: bytes) -> list[Packet]:
    try:
        with av.open(io.BytesIO(data), mode="r", format="scc") as container:
            return list(read_caption_track(container, container.streams.subtitles[0], 0.0))
    except (av.FFmpegError, IndexError) as error:
        raise MediaError(f"its captions cannot be decoded: {error}") from error


def _extract_pairs(data: bytes) -> list[bytes]:
    """Return pairs of bytes of the first field in the user data of one packet, without padding."""
    pairs = []
    at = data.find(_MARK)
    while at >= 0:
        start = at + len(_MARK)
        # H.264 and H.265 put a 3 after two zeros that could otherwise look like the beginning of a unit.
        block = data[start : start + _LONGEST_BLOCK].replace(b"\0\0\3", b"\0\0")
        count = block[0] & 0x1F if block and block[0] & 0x40 else 0
        for place in range(2, min(2 + 3 * count, len(block) - 2), 3):
            is_valid, field = block[place] & 4, block[place] & 3
            pair = block[place + 1 : place + 3]
            if is_valid and field == 0 and (pair[0] & 0x7F or pair[1] & 0x7F):
                pairs.append(pair)
        at = data.find(_MARK, start)
    return pairs


def _format_scc(pairs: Iterable[tuple[float, list[bytes]]]) -> bytes:
    rows = []
    for seconds, codes in pairs:
        minutes, milliseconds = divmod(round(max(seconds, 0.0) * 1000), 60_000)
        whole, rest = divmod(milliseconds, 1000)
        time = f"{minutes // 60:02d}:{minutes % 60:02d}:{whole:02d}:{min(rest // _SCC_FRAME_MS, 29):02d}"
        rows.append(f"{time}\t{' '.join(pair.hex() for pair in codes)}\n")
    return (_SCC_HEAD + "\n".join(rows)).encode()
