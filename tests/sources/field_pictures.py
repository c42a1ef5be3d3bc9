"""H.264 whose frames are coded as two field pictures (PAFF), as AVCHD cameras and broadcasters write it.

No encoder at hand writes field pictures, so the stream is put together here: every macroblock is uncompressed (I_PCM).
Syntax: ITU-T H.264, 7.3.2.1.1 (sequence parameters), 7.3.2.2 (picture parameters), 7.3.3 (slice header), 7.3.5.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from tests.builders.films import draw_frames, run_ffmpeg
from tests.sources.kind import Kind

WIDTH, HEIGHT, FRAMES = 160, 96, 30
Plane = npt.NDArray[np.uint8]


class Bits:
    """A growing string of bits with the codes of H.264."""

    def __init__(self) -> None:
        self.text = ""

    def fixed(self, width: int, *values: int) -> Bits:
        self.text += "".join(f"{value:0{width}b}" for value in values)
        return self

    def golomb(self, *values: int) -> Bits:
        """Unsigned Exp-Golomb codes, 9.1."""
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def aligned(self, *, ends: bool = False) -> bytes:
        """Whole bytes; ``ends`` adds the stop bit."""
        text = self.text + "1" * ends
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _unit(kind: int, content: bytes) -> bytes:
    """A NAL unit with emulation prevention (7.4.1)."""
    for tail in range(4):
        content = content.replace(bytes([0, 0, tail]), bytes([0, 0, 3, tail])) if tail != 3 else content
    return b"\0\0\0\1" + bytes([0x60 | kind]) + content


def _parameters(rate: Fraction) -> bytes:
    sequence = Bits().fixed(8, 77, 0, 30).golomb(0, 0, 2, 1).fixed(1, 0)
    sequence.golomb(WIDTH // 16 - 1, HEIGHT // 32 - 1).fixed(1, 0, 0, 1, 0)
    # Usability information with nothing but timing: a tick is a field.
    sequence.fixed(1, 1, 0, 0, 0, 0, 1).fixed(32, rate.denominator, rate.numerator * 2).fixed(1, 1, 0, 0, 0, 0)
    picture = Bits().golomb(0, 0).fixed(1, 0, 0).golomb(0, 0, 0).fixed(1, 0).fixed(2, 0).golomb(0, 0, 0)
    return _unit(7, sequence.aligned(ends=True)) + _unit(8, picture.fixed(1, 1, 0, 0).aligned(ends=True))


def _slice(planes: tuple[Plane, Plane, Plane], number: int, field: int | None, is_first: bool) -> bytes:
    """One picture: a whole frame if ``field`` is ``None``, or its upper (0) or lower (1) field."""
    head = Bits().golomb(0, 7, 0).fixed(4, number % 16).fixed(1, *((0,) if field is None else (1, field)))
    if is_first:
        head.golomb(0).fixed(1, 0, 0)
    else:
        head.fixed(1, 0)
    head.golomb(0, 1)
    content = b""
    rows, columns = planes[0].shape[0] // 16, planes[0].shape[1] // 16
    for block in range(rows * columns):
        row, column = divmod(block, columns)
        content += (Bits() if content else head).golomb(25).aligned()
        for plane, side in zip(planes, (16, 8, 8), strict=True):
            part = plane[row * side : (row + 1) * side, column * side : (column + 1) * side]
            content += part.tobytes()
    return _unit(5 if is_first else 1, content + b"\x80")


def write_field_pictures(path: Path, rate: Fraction, is_frame: Callable[[int], bool] = lambda number: False) -> Path:
    """A film of ``FRAMES`` frames, cut in the middle; frames that ``is_frame`` accepts are coded whole."""
    stream = b""
    for number, picture in enumerate(draw_frames(FRAMES, (FRAMES // 2,), WIDTH, HEIGHT)):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        samples = np.clip(frame.to_ndarray(), 16, 235)  # no zeros, which would look like the start of a unit
        luma, chroma = samples[:HEIGHT], samples[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
        planes = (luma, chroma[0], chroma[1])
        for field in (None,) if is_frame(number) else (0, 1):
            parts = planes if field is None else (luma[field::2], chroma[0][field::2], chroma[1][field::2])
            is_key = number % 10 == 0 and not field
            stream += b"\0\0\0\1\x09\x10" + (_parameters(rate) if is_key else b"")
            stream += _slice(parts, number, field, is_first=number == 0 and not field)
    raw = path.with_suffix(".264")
    raw.write_bytes(stream)
    options = ["-f", "mpegts", "-mpegts_m2ts_mode", "1"] if path.suffix == ".mts" else []
    run_ffmpeg(["-framerate", str(rate), "-i", str(raw), "-c", "copy", *options, str(path)])
    return path


def _make(folder: Path, name: str, rate: Fraction, is_frame: Callable[[int], bool] = lambda number: False) -> Path:
    return write_field_pictures(folder / name, rate, is_frame)


KINDS = [
    Kind(
        name=f"field pictures in {name} at {float(rate):.3f}",
        make=partial(_make, name=name, rate=rate),
        facts={"fps": rate, "variable_rate": False, "frames": FRAMES},
        numbers=range(FRAMES),
    )
    for rate in (Fraction(25), Fraction(30000, 1001))
    for name in ("film.ts", "film.mts", "film.mp4", "film.mov", "film.mkv")
] + [
    Kind(
        name=f"fields and frames in turn in {name}",
        make=partial(_make, name=name, rate=Fraction(25), is_frame=lambda number: number % 5 > 2),
        facts={"fps": 25, "variable_rate": False, "frames": FRAMES},
        numbers=range(FRAMES),
    )
    for name in ("film.ts", "film.mp4", "film.mkv")
]
