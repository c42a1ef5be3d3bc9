"""How pictures are shown: orientation, crop, shape of pixels."""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ops.core.media import Crop, Orientation
from tests.builders.films import copy_streams, make_numbered, run_ffmpeg
from tests.sources.kind import Kind

WIDTH, HEIGHT, FRAMES = 160, 90, 8
_REFERENCES: dict[str, str] = {}


def shown(folder: Path, suffix: str, display: Sequence[str]) -> Path:
    return copy_streams(make_numbered(folder), folder / f"film{suffix}", before=display)


def with_message(folder: Path, display: str, matrix: Sequence[str] = (), suffix: str = ".ts") -> Path:
    """With a display orientation message (SEI) of H.264."""
    message = ("-bsf:v", f"h264_metadata=display_orientation=insert:{display}")
    marked = copy_streams(make_numbered(folder), folder / "marked.mp4", after=message)
    return copy_streams(marked, folder / f"film{suffix}", before=matrix)


def with_matrix(folder: Path, a: float, b: float, c: float, d: float) -> Path:
    """A track header with this display matrix."""
    path = make_numbered(folder)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", *(round(value * 65536) for value in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
    path.write_bytes(data)
    return path


def with_rotate_tag(folder: Path, degrees: int) -> Path:
    return copy_streams(make_numbered(folder), folder / "film.mkv", after=("-metadata:s:v", f"rotate={degrees}"))


DISPLAY: dict[str, tuple[tuple[str, ...], Orientation]] = {
    "turned by 90": (("-display_rotation", "270"), Orientation(quarter_turns=1)),
    "turned by 180": (("-display_rotation", "180"), Orientation(quarter_turns=2)),
    "turned by 270": (("-display_rotation", "90"), Orientation(quarter_turns=3)),
    "mirrored": (("-display_hflip",), Orientation(is_mirrored=True)),
    "upside down": (("-display_vflip",), Orientation(quarter_turns=2, is_mirrored=True)),
    "turned by 90, mirrored": (
        ("-display_rotation", "270", "-display_hflip"),
        Orientation(quarter_turns=1, is_mirrored=True),
    ),
    "turned by 270, mirrored": (
        ("-display_rotation", "90", "-display_hflip"),
        Orientation(quarter_turns=3, is_mirrored=True),
    ),
}


def oriented(name: str, make: Any, orientation: Orientation, *notes: str) -> Kind:
    size = (HEIGHT, WIDTH) if orientation.quarter_turns % 2 else (WIDTH, HEIGHT)
    facts = {"orientation": orientation, "width": size[0], "height": size[1]}
    return Kind(name=name, make=make, facts=facts, numbers=range(FRAMES), notes=notes)


ORIENTATIONS = [
    oriented(f"{suffix[1:]} {name}", partial(shown, suffix=suffix, display=display), orientation)
    for suffix, (name, (display, orientation)) in itertools.product((".mp4", ".mov", ".mkv"), DISPLAY.items())
] + [
    oriented("message: turned by 90", partial(with_message, display="rotate=270"), Orientation(quarter_turns=1)),
    oriented("message: mirrored", partial(with_message, display="flip=horizontal"), Orientation(is_mirrored=True)),
    oriented(
        "message and another matrix",
        partial(with_message, display="rotate=90", matrix=("-display_rotation", "180"), suffix=".mp4"),
        Orientation(quarter_turns=2),
    ),
    oriented("tag: rotate=90", partial(with_rotate_tag, degrees=90), Orientation(quarter_turns=1)),
    oriented("tag: rotate=-90", partial(with_rotate_tag, degrees=-90), Orientation(quarter_turns=3)),
    oriented("matrix near 90", partial(with_matrix, a=0.01, b=1, c=-1, d=0.01), Orientation(quarter_turns=1)),
    oriented(
        "matrix at 80", partial(with_matrix, a=0.17, b=0.98, c=-0.98, d=0.17), Orientation(quarter_turns=1), "-10"
    ),
    oriented("matrix of zeros", partial(with_matrix, a=0, b=0, c=0, d=0), Orientation()),
]
_REFERENCES |= {
    "tag: rotate=90": "transpose=clock",
    "tag: rotate=-90": "transpose=cclock",
    "matrix at 80": "transpose=clock",
    "matrix near 90": "transpose=clock",
}


# Crop


def with_clap(folder: Path, crop: Crop, suffix: str = ".mp4", **options: Any) -> Path:
    """With a clean aperture, appended to the sample description of a file whose index is at its end."""
    path = make_numbered(folder, f"film{suffix}", **options)
    width, height = options.get("width", WIDTH), options.get("height", HEIGHT)
    shown_w, shown_h = width - crop.left - crop.right, height - crop.top - crop.bottom
    right, down = crop.left - crop.right, crop.top - crop.bottom
    clap = struct.pack(">I4s8i", 40, b"clap", shown_w, 1, shown_h, 1, right, 2, down, 2)
    data = bytearray(path.read_bytes())
    entry = data.index(b"stsd") + 12
    end = entry + int.from_bytes(data[entry : entry + 4], "big")
    data[end:end] = clap
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        at = data.index(kind) - 4
        data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + len(clap)).to_bytes(4, "big")
    data[entry : entry + 4] = (end - entry + len(clap)).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def with_pixel_crop(folder: Path, crop: Crop) -> Path:
    """PixelCrop elements in the Video element; the Void element before it becomes shorter, so that the rest stays."""
    path = copy_streams(make_numbered(folder), folder / "film.mkv", after=("-write_crc32", "0"))
    data = bytearray(path.read_bytes())
    sides = ((0x54AA, crop.bottom), (0x54BB, crop.top), (0x54CC, crop.left), (0x54DD, crop.right))
    elements = b"".join(code.to_bytes(2, "big") + b"\x81" + bytes([value]) for code, value in sides)
    tracks = data.index(b"\x16\x54\xae\x6b", data.index(b"\x15\x49\xa9\x66", data.index(b"\xec\x01\0")))
    entry = data.index(b"\xae", tracks + 4)
    found = re.search(rb"\xe0(?:[\x81-\xfe]|\x01.{7})\xb0", data[entry:], re.DOTALL)  # Video with its PixelWidth
    assert found
    video, void = entry + found.start(), data.index(b"\xec\x01\0")
    for at, more in ((tracks + 4, 1), (entry + 1, 1), (video + 1, 1), (void + 1, -1)):
        length = 9 - data[at].bit_length()
        value = int.from_bytes(data[at : at + length], "big") + more * len(elements)
        data[at : at + length] = value.to_bytes(length, "big")
    content = video + 10 - data[video + 1].bit_length()
    data[content:content] = elements
    del data[void + 9 : void + 9 + len(elements)]
    path.write_bytes(data)
    return path


def with_codec_crop(folder: Path, left: int, right: int, top: int) -> Path:
    crop = f"h264_metadata=crop_left={left}:crop_right={right}:crop_top={top}"
    return copy_streams(make_numbered(folder, height=96), folder / "film.mkv", after=("-bsf:v", crop))


def cropped(name: str, make: Any, crop: Crop, size: tuple[int, int]) -> Kind:
    return Kind(name=name, make=make, facts={"crop": crop, "width": size[0], "height": size[1]})


SIDES = Crop(left=16, right=8, top=4, bottom=6)
UNEVEN = Crop(left=7, right=2, top=3, bottom=1)
CROPS = [
    cropped("clean aperture mp4", partial(with_clap, crop=SIDES), SIDES, (136, 80)),
    cropped("clean aperture mov", partial(with_clap, crop=UNEVEN, suffix=".mov"), UNEVEN, (151, 86)),
    cropped("clean aperture with wide pixels", partial(with_clap, crop=SIDES, sar="4:3"), SIDES, (181, 80)),
    cropped("pixel crop mkv", partial(with_pixel_crop, crop=SIDES), SIDES, (136, 80)),
    cropped("crop of the codec", partial(with_codec_crop, left=10, right=6, top=8), Crop(), (144, 88)),
]


def wide(folder: Path, sar: str, display: Sequence[str] = ()) -> Path:
    film = make_numbered(folder, sar=sar)
    return copy_streams(film, folder / "film.mp4", before=display) if display else film


def growing(folder: Path) -> Path:
    """A stream whose pictures change their size on the way."""
    parts = [make_numbered(folder, "a.ts"), make_numbered(folder, "b.ts", width=320, height=180)]
    names = folder / "parts.txt"
    names.write_text("".join(f"file '{part}'\n" for part in parts))
    run_ffmpeg(["-f", "concat", "-safe", "0", "-i", str(names), "-c", "copy", str(folder / "film.ts")])
    return folder / "film.ts"


SHAPES = [
    Kind(name="wide pixels", make=partial(wide, sar="4:3"), facts={"width": 213, "height": 90}, numbers=range(FRAMES)),
    Kind(name="tall pixels", make=partial(wide, sar="8:9"), facts={"width": 142, "height": 90}, numbers=range(FRAMES)),
    Kind(
        name="wide pixels, turned",
        make=partial(wide, sar="4:3", display=("-display_rotation", "90")),
        facts={"width": 90, "height": 213, "orientation": Orientation(quarter_turns=3)},
    ),
    Kind(
        name="wide pixels, mirrored",
        make=partial(wide, sar="4:3", display=("-display_hflip",)),
        facts={"width": 213, "height": 90, "orientation": Orientation(is_mirrored=True)},
    ),
    Kind(
        name="another size on the way",
        make=growing,
        facts={"width": WIDTH, "height": HEIGHT},
        numbers=[*range(FRAMES), *range(FRAMES)],
    ),
]

KINDS = [replace(kind, reference=_REFERENCES.get(kind.name, "")) for kind in (*ORIENTATIONS, *CROPS, *SHAPES)]
