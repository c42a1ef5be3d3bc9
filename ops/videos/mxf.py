"""Timecode and tape name of MXF files, read from the header metadata.

FFmpeg reports labels without their counting base, and EBU R 122 counts 50p frames at 25. Format: SMPTE ST 336 (KLV), ST
377-1 (header metadata: sets of local tags).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_HEADER = 1 << 24
"""Most bytes of header metadata that are read."""
RUN_IN = 65_536
_PARTITION = bytes.fromhex("060e2b34020501010d010201")
_SET = bytes.fromhex("060e2b34025301010d010101010101")
_MATERIAL, _SOURCE, _TIMECODE, _TAPE = 0x36, 0x37, 0x14, 0x2E
_UID, _NAME, _TRACKS, _DESCRIPTOR, _SEQUENCE, _COMPONENTS = 0x3C0A, 0x4402, 0x4403, 0x4701, 0x4803, 0x1001
_START, _BASE, _DROP = 0x1501, 0x1502, 0x1503

Sets = dict[bytes, tuple[int, dict[int, bytes]]]
"""By instance id: the kind of a set, and its values by local tag."""


@dataclass(frozen=True, kw_only=True)
class MxfTimecode:
    """The timecode of one package: ``count`` frames at ``base`` (rounded) frames per second.

    ``package`` is ``material`` (how the file plays), ``file`` (the stored essence) or ``tape`` (its origin).
    """

    package: str
    count: int
    base: int
    is_drop: bool


@dataclass(frozen=True, kw_only=True)
class MxfHeader:
    """Timecodes of the packages in the order material, file, tape; and the name of the tape or reel."""

    timecodes: tuple[MxfTimecode, ...] = ()
    reel: str = ""


def read_mxf_header(path: Path) -> MxfHeader:
    """Read the timecode of the header metadata of an MXF file; empty for other files.

    Raises ``OSError`` if the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(2 * RUN_IN)
        start = data.find(_PARTITION, 0, RUN_IN)
        if start < 0:
            return MxfHeader()
        data += file.read(_read_header_length(data, start))
    sets = dict(_read_sets(data, start))
    timecodes: list[MxfTimecode] = []
    reel = ""
    for kind, values in sets.values():
        if kind not in (_MATERIAL, _SOURCE):
            continue
        is_tape = sets.get(values.get(_DESCRIPTOR, b""), (0, {}))[0] == _TAPE
        package = "material" if kind == _MATERIAL else "tape" if is_tape else "file"
        timecodes += _read_timecodes(sets, values, package)
        if is_tape:
            reel = reel or values.get(_NAME, b"").decode("utf-16-be", "replace").partition("\0")[0].strip()
    order = ("material", "file", "tape")
    return MxfHeader(timecodes=tuple(sorted(timecodes, key=lambda each: order.index(each.package))), reel=reel)


def _read_header_length(data: bytes, at: int) -> int:
    """Return bytes of header metadata by the partition pack: versions, alignment, three offsets, then this count."""
    length = int.from_bytes(data[at + 16 : at + 17], "big")
    content = at + 17 + (length & 0x7F if length & 0x80 else 0)
    return min(int.from_bytes(data[content + 32 : content + 40], "big"), MAX_HEADER)


def _read_sets(data: bytes, at: int) -> Iterator[tuple[bytes, tuple[int, dict[int, bytes]]]]:
    """Yield the sets of the header metadata, each with its instance id; ends at the start of the essence."""
    while at + 17 <= len(data):
        key, length, start = data[at : at + 16], data[at + 16], at + 17
        if length & 0x80:
            size = length & 0x7F
            length, start = int.from_bytes(data[start : start + size], "big"), start + size
        if key[:4] != _PARTITION[:4] or start + length > len(data):
            return
        # The sixth byte is the coding of the set (0x53: tags and lengths of two bytes); the eighth is a version.
        if key[:7] == _SET[:7] and key[8:14] == _SET[8:14]:
            values = dict(_read_values(data[start : start + length]))
            yield values.get(_UID, b""), (key[14], values)
        at = start + length


def _read_values(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(content):
        tag, length = int.from_bytes(content[at : at + 2], "big"), int.from_bytes(content[at + 2 : at + 4], "big")
        yield tag, content[at + 4 : at + 4 + length]
        at += 4 + length


def _read_references(value: bytes) -> Iterator[bytes]:
    """Yield the ids of a batch or array: a count, the length of one (16), the ids."""
    for at in range(8, len(value) - 15, 16):
        yield value[at : at + 16]


def _read_timecodes(sets: Sets, package: dict[int, bytes], name: str) -> Iterator[MxfTimecode]:
    """Yield the first timecode component of each timecode track of a package."""
    for track in _read_references(package.get(_TRACKS, b"")):
        sequence = sets.get(sets.get(track, (0, {}))[1].get(_SEQUENCE, b""), (0, {}))
        parts = [sequence] + [sets.get(part, (0, {})) for part in _read_references(sequence[1].get(_COMPONENTS, b""))]
        for kind, values in parts:
            base = int.from_bytes(values.get(_BASE, b""), "big")
            if kind == _TIMECODE and base:
                count = int.from_bytes(values.get(_START, b""), "big", signed=True)
                yield MxfTimecode(package=name, count=count, base=base, is_drop=any(values.get(_DROP, b"")))
                break
