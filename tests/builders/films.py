"""Generated films whose every frame carries its own number, so that a test can prove which frame was read.

The number is drawn as two rows of eleven black or white cells over the top quarter of the picture: white and
black references, 18 bits of Gray code, and two check bits. From frame to frame exactly two cells change, so the
barcode adds the same small difference to each frame and never looks like a cut. Below it each shot has its own
colours and texture, with little motion, so that the cuts are unmistakable.

Encoding is done by the binary of imageio-ffmpeg, not by the libraries under test.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

ROWS, COLUMNS = 2, 11
BITS = ROWS * COLUMNS - 4
PREROLL_NUMBER = 200_000
"""Number of the first frame that an edit list hides; who reads one of these ignored the edit list."""

kept_films: Path | None = None
"""Folder of films that were made in this run; ``tests/conftest.py`` sets it."""


@dataclass(frozen=True)
class Film:
    """A generated film: ``cuts`` are first frames of new shots (frame 0 is none), ``fps`` is exact.

    ``times`` holds the presentation time of each frame in seconds from the first, where the rate varies.
    """

    path: Path
    frames: int
    cuts: tuple[int, ...]
    fps: Fraction
    times: tuple[Fraction, ...] = ()

    @property
    def shots(self) -> list[tuple[int, int]]:
        """Half-open ``(start_frame, end_frame)`` of each shot."""
        edges = [0, *self.cuts, self.frames]
        return list(itertools.pairwise(edges))


def make_film(
    path: Path,
    *,
    cuts: Sequence[int] = (50, 90),
    frames: int = 130,
    fps: Fraction | int = Fraction(24),
    codec: str = "libx264",
    width: int = 320,
    height: int = 180,
    gop: int = 24,
    open_gop: bool = False,
    bframes: int = 2,
    audio: bool = False,
    rotation: int = 0,
    pix_fmt: str = "yuv420p",
    crf: int = 18,
    preroll: int = 0,
    delay_s: float = 0.0,
    vfr: bool = False,
    timecode: str = "",
    sar: str = "",
    blank: Sequence[int] = (),
    seed: int = 0,
    options: Sequence[str] = (),
) -> Film:
    """Write a film; the container follows the suffix of ``path``.

    ``rotation`` is display metadata only (degrees clockwise that a player turns the picture): pixels are stored
    unrotated. An open GOP needs a ``gop`` that ``bframes + 1`` divides. ``preroll`` frames before the first are
    stored but hidden by an edit list (mp4, mov). ``delay_s`` lets the pictures start later than the sound (an empty
    edit in mp4). ``vfr`` makes frame durations cycle through 1, 2 and 4 frame times. ``blank`` names shots (by
    index) that are black and carry no number. ``options`` go to the encoder last. Raises ``RuntimeError`` with the
    encoder's own words.
    """
    cuts, blank, options = tuple(cuts), tuple(blank), tuple(options)
    arguments = {name: value for name, value in locals().items() if name != "path"}
    rate = Fraction(fps)
    cuts = tuple(cut for cut in sorted(cuts) if 0 < cut < frames)
    film = Film(path, frames, cuts, rate, vfr_times(frames, rate) if vfr else ())
    copies = bool(rotation or preroll or delay_s)
    cached_path = _name_kept(path, arguments)
    if cached_path and cached_path.exists():
        shutil.copyfile(cached_path, path)
        return film
    source = path.with_name(f"encoding-{path.stem}.mp4") if copies else path
    command = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(rate), "-i", "pipe:0"]
    if audio:
        length = film.times[-1] + 4 / rate if vfr else (frames + preroll) / rate
        command += ["-f", "lavfi", "-t", f"{float(length):.6f}", "-i", "sine=frequency=440:sample_rate=48000"]
        command += ["-c:a", "libopus" if path.suffix in (".webm", ".mkv") else "aac", "-b:a", "64k"]
    filters = ["setpts='(floor(N/3)*7+eq(mod(N,3),1)+eq(mod(N,3),2)*3)/(FR*TB)'"] if vfr else []
    filters += [f"setsar={sar.replace(':', '/')}"] if sar else []
    command += ["-vf", ",".join(filters)] if filters else []
    command += ["-fps_mode", "passthrough"] if vfr else []
    command += ["-c:v", codec, "-pix_fmt", pix_fmt, *codec_options(codec, gop, open_gop, bframes, crf)]
    command += ["-timecode", timecode] if timecode else []
    pictures = draw_frames(frames, cuts, width, height, preroll=preroll, blank=blank, seed=seed)
    run_ffmpeg([*command, *options, str(source.absolute())], pictures)
    if copies:
        hidden_s = (preroll - 0.25) / float(rate) if preroll else 0
        change_container(source, path, rotation, hidden_s, delay_s)
        source.unlink()
    if cached_path:
        partial = cached_path.with_name(f"{os.getpid()}-{cached_path.name}")
        shutil.copyfile(path, partial)
        partial.replace(cached_path)
    return film


def _name_kept(path: Path, arguments: dict[str, Any]) -> Path | None:
    """The copy of a film for all modules and workers of this run; ``None`` if two writes of it may differ.

    A Matroska file has a random id. Each test gets a file of its own, which it may change.
    """
    if kept_films is None or path.suffix not in (".mp4", ".mov"):
        return None
    digest = hashlib.blake2b(repr((path.name, sorted(arguments.items()))).encode(), digest_size=16).hexdigest()
    return kept_films / f"{digest}{path.suffix}"


def change_container(source: Path, target: Path, rotation: int, hidden_s: float, delay_s: float) -> None:
    """Copy the streams unchanged, with a display matrix, an edit list, or the pictures starting late."""
    turn = ["-display_rotation:v:0", f"{(360 - rotation) % 360}"] if rotation else []
    seek = ["-ss", f"{hidden_s:.6f}"] if hidden_s else []
    late = ["-itsoffset", f"{delay_s:.6f}"] if delay_s else []
    pictures = [*turn, *seek, *late, "-i", str(source.absolute())]
    sound = [*seek, "-i", str(source.absolute())]
    run_ffmpeg([*pictures, *sound, "-map", "0:v", "-map", "1:a?", "-c", "copy", str(target.absolute())])


def codec_options(codec: str, gop: int, open_gop: bool, bframes: int, crf: int) -> list[str]:
    """Encoder options for a GOP of ``gop`` frames, fast rather than small."""
    open_flag = int(open_gop)
    match codec:
        case "libx264":
            # b-adapt=0 fixes the pattern of B-frames, so that an open GOP has pictures that lead its key picture.
            parameters = f"open-gop={open_flag}:scenecut=0:b-adapt=0:keyint={gop}:min-keyint={gop}"
            return ["-preset", "veryfast", "-crf", f"{crf}", "-bf", f"{bframes}", "-x264-params", parameters]
        case "libx265":
            parameters = (
                f"open-gop={open_flag}:scenecut=0:keyint={gop}:min-keyint={gop}:bframes={bframes}:log-level=error"
            )
            return ["-preset", "ultrafast", "-crf", f"{crf}", "-x265-params", parameters, "-tag:v", "hvc1"]
        case "libsvtav1":
            refresh = f"irefresh-type={1 if open_gop else 2}"
            return ["-preset", "11", "-crf", f"{crf + 10}", "-g", f"{gop}", "-svtav1-params", refresh]
        case "libvpx-vp9":
            return ["-deadline", "good", "-cpu-used", "5", "-b:v", "0", "-crf", f"{crf + 10}", "-g", f"{gop}"]
        case "mpeg4" | "mpeg2video":
            closed_options = [] if open_gop else ["-flags", "+cgop", "-sc_threshold", "1000000000"]
            return ["-q:v", "3", "-g", f"{gop}", "-bf", f"{bframes}", *closed_options]
        case _:
            return []


def vfr_times(frames: int, fps: Fraction) -> tuple[Fraction, ...]:
    """Start times of frames whose durations cycle through 1, 2 and 4 frame times."""
    return tuple((n // 3 * 7 + (0, 1, 3)[n % 3]) / fps for n in range(frames))


def draw_frames(
    frames: int,
    cuts: Sequence[int],
    width: int,
    height: int,
    *,
    preroll: int = 0,
    blank: Sequence[int] = (),
    seed: int = 0,
) -> Iterator[Picture]:
    """The film's pictures, uint8 RGB (H, W, 3), the hidden ones first."""
    starts = [0, *cuts]
    shot, background = -1, np.zeros((height, width, 3), np.uint8)
    for number in range(-preroll, frames):
        now = sum(start <= max(number, 0) for start in starts) - 1
        if now != shot:
            shot, background = now, shot_background(now, width, height, seed)
        if shot in blank:
            yield np.zeros((height, width, 3), np.uint8)
            continue
        picture = background.copy()
        draw_motion(picture, number - starts[shot])
        draw_barcode(picture, number if number >= 0 else PREROLL_NUMBER + preroll + number)
        yield picture


def shot_background(shot: int, width: int, height: int, seed: int = 0) -> Picture:
    """A texture of coloured blocks: neighbours differ in brightness, in hue and in the size of the blocks."""
    random = np.random.default_rng([seed, shot])
    rows, columns = ((3, 4), (7, 11), (5, 2))[shot % 3]
    # 0.618 of the hue circle: neighbours are always far apart, and no two of many shots are the same.
    hue = 2 * math.pi * ((shot + seed * 7) * 0.618 % 1)
    tint = 0.5 + 0.5 * np.cos(hue + np.array([0, 2.094, 4.189]))
    level = 175 if shot % 2 else 70
    blocks = level * (0.35 + tint) + random.uniform(-40, 40, (rows, columns, 1))
    y, x = np.arange(height) * rows // height, np.arange(width) * columns // width
    return np.clip(blocks, 0, 255).astype(np.uint8)[y[:, None], x[None, :]]


def draw_motion(picture: Picture, age: int) -> None:
    """A small square that drifts across the shot, so that frames of a shot differ."""
    height, width = picture.shape[:2]
    side = max(min(height, width) // 10, 2)
    left = max(age, 0) % max(width - side, 1)
    picture[height * 5 // 8 : height * 5 // 8 + side, left : left + side] = 128


def draw_barcode(picture: Picture, number: int) -> None:
    """Draw ``number`` over the top quarter of ``picture``, in place."""
    height, width = picture.shape[:2]
    for cell, bit in enumerate(cells_of(number)):
        row, column = divmod(cell, COLUMNS)
        top, bottom = row * height // 8, (row + 1) * height // 8
        left, right = column * width // COLUMNS, (column + 1) * width // COLUMNS
        picture[top:bottom, left:right] = 235 if bit else 20


def cells_of(number: int) -> list[int]:
    """White and black references, the Gray code (highest bit first), and two check bits."""
    if not 0 <= number < 1 << BITS:
        raise ValueError(f"{number} does not fit {BITS} bits")
    gray = number ^ number >> 1
    check = gray.bit_count() % 4
    return [1, 0, *(gray >> bit & 1 for bit in reversed(range(BITS))), check >> 1, (check ^ check >> 1) & 1]


def read_barcode(picture: Picture) -> int:
    """The number drawn into ``picture``, uint8 RGB (H, W, 3) or luma (H, W), at a short side of 64 to 1080.

    Raises ``ValueError`` where there is no barcode, a cell is neither black nor white, or a check bit is wrong.
    """
    luma = picture.mean(axis=2) if picture.ndim == 3 else picture.astype(float)
    height, width = luma.shape
    values = []
    for cell in range(ROWS * COLUMNS):
        row, column = divmod(cell, COLUMNS)
        top, bottom = (row + 0.3) * height / 8, (row + 0.7) * height / 8
        left, right = (column + 0.3) * width / COLUMNS, (column + 0.7) * width / COLUMNS
        area = luma[int(top) : max(round(bottom), int(top) + 1), int(left) : max(round(right), int(left) + 1)]
        values.append(float(area.mean()))
    white, black = values[0], values[1]
    if white - black < 60:
        raise ValueError(f"no barcode: references are {white:.0f} and {black:.0f}")
    parts = [(value - black) / (white - black) for value in values]
    if doubtful := [round(part, 2) for part in parts if 0.35 < part < 0.65]:
        raise ValueError(f"unreadable barcode: cells {doubtful} are neither black nor white")
    gray = int("".join(str(int(part > 0.5)) for part in parts[2 : 2 + BITS]), 2)
    number = gray
    for shift in (1, 2, 4, 8, 16):
        number ^= number >> shift
    if cells_of(number) != [int(part > 0.5) for part in parts]:
        raise ValueError(f"wrong check bits after number {number}")
    return number


def make_numbered(folder: Path, name: str = "numbered.mp4", **options: Any) -> Path:
    """A film of eight small frames that carry their numbers."""
    small: dict[str, Any] = {"width": 160, "height": 90, "frames": 8, "cuts": ()}
    return make_film(folder / name, **small | options).path


def encode_source(folder: Path, name: str, *options: str, source: str = "", frames: int = 8) -> Path:
    """Encode ``frames`` pictures of a source of lavfi; ``options`` are of the output."""
    path = folder / name
    source = source or "testsrc2=s=160x90:r=25"
    run_ffmpeg(["-f", "lavfi", "-i", source, "-frames:v", str(frames), *options, str(path)])
    return path


def copy_streams(source: Path, target: Path, *, before: Sequence[str] = (), after: Sequence[str] = ()) -> Path:
    """Copy the streams with options of the input and of the output."""
    run_ffmpeg([*before, "-i", str(source), "-c", "copy", *after, str(target)])
    return target


def run_ffmpeg(arguments: Sequence[str], pictures: Iterator[Picture] | None = None) -> None:
    """Run the encoder binary, feeding raw pictures to its standard input; bounded to two minutes."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
    command = [part for part in command if part != "-nostdin"] if pictures is not None else command
    raw = b"" if pictures is None else b"".join(picture.tobytes() for picture in pictures)
    process = subprocess.run(command, input=raw, capture_output=True, timeout=120, check=False)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {process.stderr.decode(errors='replace')}")
