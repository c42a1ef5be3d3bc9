"""Ways to spoil a file: of any kind, and by the structure of mp4, Matroska and RIFF."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator

Change = Callable[[bytes], bytes]
Named = Iterator[tuple[str, bytes]]

HUGE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0")
CONTAINER_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"mvex", b"moof", b"traf", b"dinf"}
EBML_MASTERS = {
    "segment": b"\x18\x53\x80\x67",
    "tracks": b"\x16\x54\xae\x6b",
    "info": b"\x15\x49\xa9\x66",
    "cluster": b"\x1f\x43\xb6\x75",
    "cues": b"\x1c\x53\xbb\x6b",
    "seek head": b"\x11\x4d\x9b\x74",
}
EBML_VALUES = {"width": b"\xb0", "height": b"\xba", "time scale": b"\x2a\xd7\xb1", "frame time": b"\x23\xe3\x83"}
FIELDS = {
    "movie duration and time scale": (b"mvhd", 12, 8),
    "track duration": (b"tkhd", 20, 4),
    "track size": (b"tkhd", 76, 8),
    "media time scale": (b"mdhd", 12, 4),
    "edit": (b"elst", 4, 16),
    "number of times": (b"stts", 4, 4),
    "first time": (b"stts", 8, 8),
    "number of sizes": (b"stsz", 8, 4),
    "one size for all": (b"stsz", 4, 4),
    "number of chunks": (b"stsc", 4, 4),
    "first chunk": (b"stsc", 8, 12),
    "offsets": (b"stco", 4, 8),
    "number of descriptions": (b"stsd", 4, 4),
    "coded size": (b"stsd", 40, 4),
    "offsets of times": (b"ctts", 4, 12),
    "key pictures": (b"stss", 4, 8),
}
"""Fields of mp4 boxes: box, offset behind its name, length."""


def mutate(data: bytes, chance: random.Random) -> list[tuple[str, bytes]]:
    """Return named mutations, each with other bytes than the rest and than ``data``."""
    results: dict[bytes, str] = {}
    for name, mutated in (*_mutate_any(data, chance), *_mutate_by_structure(data)):
        if mutated != data:
            results.setdefault(mutated, name)
    return [(name, mutated) for mutated, name in results.items()]


def _mutate_any(data: bytes, chance: random.Random) -> Named:
    size = len(data)
    for share in (0.02, 0.3, 0.6, 0.95):
        yield f"the first {share:.0%}", data[: max(int(size * share), 1)]
    yield "without its first 100 bytes", data[100:]
    for count, end in ((1, 200), (8, 600), (40, size), (400, size)):
        yield f"{count} bits flipped in {min(end, size)} bytes", _flip(data, count, end, chance)
    for value in HUGE:
        for _ in range(2):
            at = chance.randrange(0, min(size, 700))
            yield f"{value.hex()} at {at}", data[:at] + value + data[at + 4 :]
    third = size // 3
    yield "a third of zeros", data[:third] + bytes(third) + data[2 * third :]
    yield "a third of noise", data[:third] + chance.randbytes(third) + data[2 * third :]
    yield "thirds in another order", data[:third] + data[2 * third :] + data[third : 2 * third]
    yield "three times", data * 3
    yield "its head 200 times", data[:1000] * 200


def _flip(data: bytes, count: int, end: int, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(count):
        changed[chance.randrange(min(end, len(data)))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _mutate_by_structure(data: bytes) -> Named:
    if data[4:8] in (b"ftyp", b"wide", b"moov"):
        yield from _mutate_boxes(data)
    elif data.startswith(b"\x1a\x45\xdf\xa3"):
        yield from _mutate_elements(data)
    elif data.startswith(b"RIFF"):
        yield from _mutate_chunks(data)


def _mutate_boxes(data: bytes) -> Named:
    for title, (box, offset, length) in FIELDS.items():
        at = data.find(box)
        if at > 0:
            start = at + 4 + offset
            for value in (b"\xff", b"\0"):
                yield f"{title} {value.hex()}", data[:start] + value * length + data[start + length :]
    for box in (b"ftyp", b"moov", b"trak", b"stbl", b"mdat"):
        at = data.find(box) - 4
        for size in (0, 1, 4, 0x7FFFFFFF, 0xFFFFFFFF):
            if at >= 0:
                yield f"box {box.decode()} of {size} bytes", data[:at] + struct.pack(">I", size) + data[at + 4 :]
    moov = data.find(b"moov") - 4
    if moov >= 0:
        (size,) = struct.unpack(">I", data[moov : moov + 4])
        index = data[moov : moov + size]
        yield "5,000 boxes nested", data[:moov] + _nest(index, 5_000) + data[moov + size :]
        yield "2,000 tracks", data[:moov] + _multiply_tracks(index, 2_000) + data[moov + size :]


def _nest(index: bytes, times: int) -> bytes:
    for number in range(times):
        index = struct.pack(">I4s", len(index) + 8, (b"moov", b"trak", b"udta", b"meta")[number % 4]) + index
    return index


def _multiply_tracks(index: bytes, times: int) -> bytes:
    at = index.find(b"trak") - 4
    (size,) = struct.unpack(">I", index[at : at + 4])
    body = index[8:at] + index[at : at + size] * times + index[at + size :]
    return struct.pack(">I4s", len(body) + 8, b"moov") + body


def _mutate_elements(data: bytes) -> Named:
    for title, name in EBML_MASTERS.items():
        at = data.find(name)
        if at < 0:
            continue
        for value in (b"\x01\xff\xff\xff\xff\xff\xff\xff", b"\x08\xff\xff\xff\xff", b"\x80", b"\0"):
            yield f"{title} of length {value.hex()}", data[: at + len(name)] + value + data[at + len(name) + 1 :]
    for title, name in EBML_VALUES.items():
        at = data.find(name, data.find(EBML_MASTERS["tracks"]) if title != "time scale" else 0)
        length = data[at + len(name)] & 0x7F if at > 0 else 0
        start = at + len(name) + 1
        for value in (b"\xff", b"\0"):
            if 0 < length <= 8:
                yield f"{title} {value.hex()}", data[:start] + value * length + data[start + length :]
    at = data.find(EBML_MASTERS["tracks"])
    if at > 0:
        yield "2,000 lists of tracks", data[:at] + data[at : at + 300] * 2_000 + data[at:]


def _mutate_chunks(data: bytes) -> Named:
    fields = {
        "frame time": (b"avih", 4, 4),
        "number of frames": (b"avih", 20, 4),
        "number of tracks": (b"avih", 28, 4),
        "size": (b"avih", 36, 8),
        "rate": (b"strh", 24, 8),
        "coded size": (b"strf", 8, 8),
        "bits a pixel": (b"strf", 18, 2),
        "length of the format": (b"strf", 0, 4),
        "length of the index": (b"idx1", 0, 4),
        "first entry": (b"idx1", 4, 16),
        "length of the list": (b"LIST", 0, 4),
    }
    for title, (chunk, offset, length) in fields.items():
        at = data.find(chunk)
        if at > 0:
            start = at + 4 + offset
            for value in (b"\xff", b"\0", b"\x7f"):
                yield f"{title} {value.hex()}", data[:start] + value * length + data[start + length :]
