"""Containers as muxers and recorders leave them: elementary streams, fragments, live files, foreign bytes in front."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from tests.builders.films import copy_streams, encode_source, make_film, run_ffmpeg
from tests.sources.kind import Kind, Make

FRAMES, NTSC = 40, Fraction(30000, 1001)
QUIET = ("-x265-params", "log-level=none")


def film(folder: Path, name: str = "film.mp4", **options: Any) -> Path:
    return make_film(folder / name, **({"cuts": (20,), "frames": FRAMES, "width": 160, "height": 90} | options)).path


def copied(folder: Path, name: str, *after: str, **options: Any) -> Path:
    """A film copied into another container with options of its muxer."""
    return copy_streams(film(folder, "source.mp4", **options), folder / name, after=after)


def encoded(folder: Path, name: str, options: Sequence[str], source: str, frames: int) -> Path:
    return encode_source(folder, name, *options, source=source, frames=frames)


def after_bytes(folder: Path, name: str, front: bytes, **options: Any) -> Path:
    """A stream with foreign bytes in front of it, as recorders and resumed downloads leave them."""
    path = film(folder, name, **options)
    path.write_bytes(front + path.read_bytes())
    return path


def in_front_of(name: str, front: bytes, **options: Any) -> Make:
    return partial(after_bytes, name=name, front=front, fps=25, **options)


def without_index(folder: Path) -> Path:
    path = film(folder, "film.avi", codec="mpeg4", fps=25)
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"idx1")])
    return path


def six_sound_tracks(folder: Path) -> Path:
    """A silent track first, and five with sound."""
    tones = [f"sine=frequency={300 + 50 * number}:sample_rate=48000" for number in range(5)]
    sources = ["anullsrc=r=48000:cl=mono", *tones]
    inputs = [part for source in sources for part in ("-f", "lavfi", "-t", "1.6", "-i", source)]
    maps = [part for number in range(1, 7) for part in ("-map", f"{number}:a")]
    command = ["-i", str(film(folder, fps=25)), *inputs, "-map", "0:v", *maps, "-c:v", "copy", "-c:a", "pcm_s16le"]
    run_ffmpeg([*command, "-ac", "1", str(folder / "film.mov")])
    return folder / "film.mov"


def turned_fields(folder: Path) -> Path:
    """Interlaced pictures, and a matrix that turns them."""
    source = "testsrc2=s=160x96:r=50,format=yuv420p,interlace=scan=tff"
    options = ("-c:v", "libx264", "-flags", "+ildct+ilme", "-x264-params", "tff=1")
    path = encoded(folder, "source.mp4", options, source, 12)
    return copy_streams(path, folder / "film.mp4", before=("-display_rotation:v:0", "90"))


def _exact(name: str, make: Any, fps: Fraction | int, **facts: Any) -> Kind:
    return Kind(name=name, make=make, facts={"fps": Fraction(fps), "frames": FRAMES, **facts}, numbers=range(FRAMES))


H264, HEVC = ("-bsf:v", "h264_mp4toannexb", "-f", "h264"), ("-bsf:v", "hevc_mp4toannexb", "-f", "hevc")
FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
KINDS = [
    _exact("muxed: elementary h264 at 25", lambda folder: copied(folder, "film.h264", *H264, fps=25), 25, codec="h264"),
    _exact(
        "muxed: motion jpeg without a container",
        lambda folder: film(folder, "film.mjpeg", codec="mjpeg", fps=25),
        25,
        codec="mjpeg",
    ),
    _exact("muxed: elementary h264 at 50", lambda folder: copied(folder, "film.264", *H264, fps=50), 50),
    _exact(
        "muxed: elementary hevc at 29.97",
        lambda folder: copied(folder, "film.hevc", *HEVC, fps=NTSC, codec="libx265", options=QUIET),
        NTSC,
        codec="hevc",
    ),
    _exact("muxed: fragments", lambda folder: copied(folder, "film.mp4", "-movflags", FRAGMENTS, fps=25), 25),
    _exact(
        "muxed: a fragment a frame",
        lambda folder: copied(folder, "film.mp4", "-movflags", "frag_every_frame+empty_moov", fps=30),
        30,
    ),
    _exact("muxed: live matroska", lambda folder: copied(folder, "film.mkv", "-live", "1", fps=25), 25),
    _exact("muxed: m2ts", lambda folder: copied(folder, "film.m2ts", fps=25), 25),
    _exact("muxed: f4v", lambda folder: copied(folder, "film.f4v", fps=25), 25),
    _exact(
        "muxed: nut", partial(film, name="film.nut", codec="mpeg4", fps=Fraction(24000, 1001)), Fraction(24000, 1001)
    ),
    _exact("muxed: ogg theora", partial(film, name="film.ogv", codec="libtheora", fps=NTSC), NTSC),
    _exact("muxed: wmv", partial(film, name="film.wmv", codec="wmv2", fps=25), 25),
    _exact("muxed: avi without its index", without_index, 25),
    _exact("muxed: zeros before a program stream", in_front_of("film.mpg", bytes(4096), codec="mpeg2video"), 25),
    _exact("muxed: bytes before a transport stream", in_front_of("film.ts", bytes(range(251)) * 4), 25),
    Kind(
        name="muxed: six sound tracks, the first silent",
        make=six_sound_tracks,
        facts={"mixed_streams": (2, 3, 4, 5, 6), "has_audio": True},
        notes=("track 1 is silent",),
    ),
    Kind(
        name="muxed: interlaced and turned",
        make=turned_fields,
        facts={"field_order": "upper", "width": 96, "height": 160},
    ),
]
