"""Damaged, truncated, joined and oddly built files: what decodes is read, what is missing is noted."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av

from tests.builders.films import make_film, run_ffmpeg
from tests.sources.kind import Kind

FRAMES = 36
GOP = 12
FACTS: dict[str, Any] = {"fps": Fraction(25), "variable_rate": False, "frames": FRAMES}
WHOLE: dict[str, Any] = {"facts": FACTS, "numbers": range(FRAMES)}
TWICE: dict[str, Any] = {"facts": {"fps": Fraction(25)}, "numbers": [*range(FRAMES), *range(FRAMES)]}
JOINED = (f"another recording is joined on at frame {FRAMES} (1.4 s)",)
TS = 188
SECONDS = [n / 25 for n in range(FRAMES)]

Change = Callable[[bytes], bytes]


def _film(folder: Path, name: str, **options: Any) -> bytes:
    usual = {"frames": FRAMES, "cuts": (18,), "fps": 25, "gop": GOP, "width": 160, "height": 90}
    return make_film(folder / f"whole-{name}", **(usual | options)).path.read_bytes()


def _write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _changed(folder: Path, *, name: str, change: Change, options: dict[str, Any]) -> Path:
    return _write(folder, name, change(_film(folder, name, **options)))


def _kind(title: str, name: str, change: Change, options: dict[str, Any] | None = None, **known: Any) -> Kind:
    return Kind(name=title, make=partial(_changed, name=name, change=change, options=options or {}), **known)


def _copied(folder: Path, data: bytes, name: str, *arguments: str) -> bytes:
    source = _write(folder, f"source-{name}", data)
    run_ffmpeg(["-i", str(source), "-c", "copy", *arguments, str(folder / name)])
    return (folder / name).read_bytes()


# Transport and program streams


def _later(folder: Path, *, suffix: str, arguments: tuple[str, ...], is_first: bool, options: dict[str, Any]) -> Path:
    """A stream and a copy of it with another clock or other identifiers, put together byte by byte."""
    one = _film(folder, f"one.{suffix}", **options)
    other = _copied(folder, one, f"other.{suffix}", *arguments)
    return _write(folder, f"joined.{suffix}", other + one if is_first else one + other)


def _with_other(folder: Path, *, suffix: str, options: dict[str, Any]) -> Path:
    one = _film(folder, f"one.{suffix}")
    return _write(folder, f"joined.{suffix}", one + _film(folder, f"other.{suffix}", seed=3, **options))


def _key_positions(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [packet.pos for packet in container.demux(video=0) if packet.is_keyframe and packet.size]


def _open_gop(folder: Path, *, codec: str, bframes: int, first: int | None, second: int) -> Path:
    """Of a film with open groups: all up to key picture ``first`` (or the end), then all from ``second`` on."""
    options: dict[str, Any] = {"codec": codec, "open_gop": True, "bframes": bframes}
    data = _film(folder, "open.ts", **options)
    keys = _key_positions(folder / "whole-open.ts")
    return _write(folder, "joined.ts", (data[: keys[first]] if first else data) + data[: 3 * TS] + data[keys[second] :])


def _packets(data: bytes) -> list[bytes]:
    return [data[at : at + TS] for at in range(0, len(data), TS)]


def _with_null_packets(data: bytes) -> bytes:
    null = b"\x47\x1f\xff\x10" + b"\xff" * 184
    return b"".join(packet + null * (n % 3 == 0) * 4 for n, packet in enumerate(_packets(data)))


def _of_192(data: bytes) -> bytes:
    return b"".join(struct.pack(">I", n * 1000) + packet for n, packet in enumerate(_packets(data)))


def _of_204(data: bytes) -> bytes:
    return b"".join(packet + bytes(16) for packet in _packets(data))


SOUND = {"audio": True}
MPEG2 = {"codec": "mpeg2video"}
STREAMS = [
    Kind(
        name=f"{suffix} joined, {title}",
        make=partial(_later, suffix=suffix, arguments=arguments, is_first=is_first, options=options),
        notes=JOINED if suffix != "mpg" else ("another recording is joined on at frame 3",),
        **TWICE,
    )
    for suffix, options in (("ts", SOUND), ("mpg", MPEG2), ("m2ts", {}))
    for title, arguments, is_first in (
        ("the same clock", (), False),
        ("an hour ahead", ("-output_ts_offset", "3600", "-muxdelay", "0"), False),
        ("an hour back", ("-output_ts_offset", "3600", "-muxdelay", "0"), True),
    )
]
STREAMS += [
    Kind(
        name=f"ts joined, {title}",
        make=partial(_with_other, suffix="ts", options=options),
        notes=JOINED,
        **TWICE,
    )
    for title, options in (
        ("another size", {"width": 320, "height": 180}),
        ("another sound", {"audio": True}),
        ("another profile", {"bframes": 0}),
    )
]
STREAMS += [
    Kind(
        name=f"{codec} open group, joined at its key picture, {title}",
        make=partial(_open_gop, codec=codec, bframes=bframes, first=first, second=second),
        facts={"fps": Fraction(25)},
        numbers=[*range(first * GOP - bframes if first else FRAMES), *range(second * GOP, FRAMES)],
        times=times,
        notes=(f"{bframes} pictures are missing after frame", *notes),
    )
    for codec, bframes in (("libx264", 3), ("libx265", 3))
    for title, first, second, times, notes in (
        ("back", None, 1, None, JOINED),
        ("far back", 2, 1, None, ("another recording is joined on at frame 21",)),
    )
    if codec == "libx264" or first is None
]
STREAMS += [
    _kind(
        "ts cut in mid-packet at both ends",
        "cut.ts",
        lambda data: data[50:-70],
        numbers=[*range(34), 35],
        times=[*SECONDS[:34], SECONDS[35]],
        notes=("in the middle of a packet",),
    ),
    _kind("m2ts twice", "b192.ts", lambda data: _of_192(data * 2), notes=JOINED, **TWICE),
    _kind("ts after other bytes", "late.ts", lambda data: b"no stream" * 500 + data, **WHOLE),
    _kind("ts with null packets", "null.ts", _with_null_packets, **WHOLE),
    _kind("ts of 192 bytes", "a192.ts", _of_192, **WHOLE),
    _kind("ts of 204 bytes", "a204.ts", _of_204, **WHOLE),
    _kind("ts four times", "four.ts", lambda data: data * 4, numbers=[*range(FRAMES)] * 4, notes=("36 (1.4 s), 72",)),
    _kind("ts with sound cut at its end", "end.ts", lambda data: data[:-400], SOUND, numbers=range(FRAMES)),
]


# mp4 and QuickTime


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind, data[at : at + length]
        at += length


def _before(kind: bytes, inserted: bytes) -> Change:
    """Boxes before the first box of a kind that lies behind the pictures, so that no offset changes."""
    return lambda data: b"".join(inserted + box if name == kind else box for name, box in _boxes(data))


def _mdat_size(size: int) -> Change:
    """Write the size of the media box as 0 (to the end) or 1 (64 bits); ffmpeg leaves 8 bytes of room before it."""

    def change(data: bytes) -> bytes:
        at = data.index(b"mdat") - 4
        length = struct.unpack(">I", data[at : at + 4])[0]
        if size == 1:
            assert data[at - 8 : at] == b"\0\0\0\x08free"
            return data[: at - 8] + struct.pack(">I4sQ", 1, b"mdat", length + 8) + data[at + 8 :]
        return data[:at] + struct.pack(">I", 0) + data[at + 4 :]

    return change


def _split_mdat(data: bytes) -> bytes:
    """Sound and pictures in two boxes, as some recorders write: the head of the second replaces unused bytes."""
    at = data.index(b"mdat") - 4
    length = struct.unpack(">I", data[at : at + 4])[0]
    return data[: at - 8] + _box(b"mdat", b"") + data[at : at + length] + data[at + length :]


FRONT = {"options": ("-movflags", "faststart")}
JUNK = {
    "an ID3 tag": b"ID3\3\0\0\0\0\0\x0a" + bytes(10) + b"TAG" + bytes(125),
    "zeros": bytes(5000),
    "XML": b"<?xml version='1.0'?><x:xmpmeta/>" * 30,
    "noise": random.Random(3).randbytes(3000),
}
MP4 = [
    _kind(f"mov with a box {kind!r} before its index", "a.mov", _before(b"moov", _box(kind, bytes(200))), **WHOLE)
    for kind in (b"PICT", b"frea", b"CAME", b"free", b"wide", b"uuid", b"\xa9xyz", b"SDLN")
]
MP4 += [
    _kind(f"mp4 with {title} behind it", "a.mp4", lambda data, junk=junk: data + junk, **WHOLE)  # type: ignore[misc]
    for title, junk in JUNK.items()
]
MP4 += [
    _kind("mp4 with a media box to the end", "a.mp4", _mdat_size(0), FRONT, **WHOLE),
    _kind("mp4 with a size of 64 bits", "a.mp4", _mdat_size(1), **WHOLE),
    _kind("mp4 with two media boxes", "a.mp4", _split_mdat, **WHOLE),
    _kind(
        "mp4 that ends early, index in front",
        "a.mp4",
        lambda data: data[: len(data) * 2 // 3],
        FRONT,
        numbers=[*range(20), 21],
        times=[*SECONDS[:20], SECONDS[21]],
        notes=("0.9 of about 1.4 s are there; copy it again for the rest",),
    ),
    _kind("mp4 without index", "a.mp4", lambda data: data[: len(data) // 2], refused="recovery tool"),
    _kind("mp4 that ends in its index", "a.mp4", lambda data: data[:-300], refused="cut short within its index"),
    _kind("mp4 without its last byte", "a.mp4", lambda data: data[:-1], **WHOLE),
    _kind(
        "mp4 of an index only", "a.mp4", lambda data: data[: data.index(b"mdat") + 4], FRONT, refused="copy it again"
    ),
]


# AVI


def _riff_length(change: Callable[[int], int]) -> Change:
    return lambda data: data[:4] + struct.pack("<I", change(struct.unpack("<I", data[4:8])[0]) % (1 << 32)) + data[8:]


def _without_index(data: bytes) -> bytes:
    return data[: data.rindex(b"idx1")]


MJPEG = {"codec": "mjpeg", "pix_fmt": "yuvj420p"}
AVI = [
    _kind(f"avi, RIFF length {title}", "a.avi", _riff_length(change), MJPEG, **WHOLE)
    for title, change in (
        ("one too large", lambda length: length + 1),
        ("one too small", lambda length: length - 1),
        ("a header too large", lambda length: length + 8),
        ("zero", lambda _: 0),
        ("unset", lambda _: 0xFFFFFFFF),
    )
]
AVI += [
    _kind("avi without its index", "a.avi", _without_index, MJPEG, numbers=range(FRAMES)),
    _kind(
        "avi that ends early",
        "a.avi",
        lambda data: data[: len(data) * 2 // 3],
        MJPEG,
        numbers=range(25),
        notes=("of about 1.4 s are there",),
    ),
]


# Matroska, FLV, Ogg


def _cut_at(share: float) -> Change:
    return lambda data: data[: int(len(data) * share)]


OTHERS = [
    _kind("mkv that ends early", "a.mkv", _cut_at(0.6), numbers=range(19), notes=("cut short: 0.8 of about 1.4 s",)),
    _kind("mkv with zeros behind it", "a.mkv", lambda data: data + bytes(4000), **WHOLE),
    _kind("mkv with noise behind it", "a.mkv", lambda data: data + random.Random(4).randbytes(4000), **WHOLE),
    _kind(
        "live webm, whole",
        "a.webm",
        lambda data: data,
        {"codec": "libvpx-vp9", "options": ("-live", "1")},
        numbers=range(FRAMES),
    ),
    _kind(
        "live webm that ends early",
        "a.webm",
        _cut_at(0.7),
        {"codec": "libvpx-vp9", "options": ("-live", "1")},
        numbers=range(24),
    ),
    _kind(
        "flv that ends early",
        "a.flv",
        _cut_at(0.6),
        numbers=[*range(19), 21],
        times=[*SECONDS[:19], SECONDS[21]],
        notes=("cut short: 0.9 of about 1.5 s are there",),
    ),
]

KINDS = [*STREAMS, *MP4, *AVI, *OTHERS]
