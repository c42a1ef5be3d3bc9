"""Pixel formats: depth, range, chroma, RGB, odd sizes, transparency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.builders.films import encode_source
from tests.sources.kind import Kind

WIDTH, HEIGHT, FRAMES = 160, 90, 8
_REFERENCES: dict[str, str] = {}


def stored(folder: Path, name: str, codec: str, pix_fmt: str, *options: str, size: str = "160x90") -> Path:
    source = f"testsrc2=s=320x180:r=25,scale={size.replace('x', ':')},setsar=1"
    return encode_source(folder, name, "-c:v", codec, "-pix_fmt", pix_fmt, *options, source=source, frames=4)


FORMATS: dict[str, tuple[str, str, str, str]] = {
    "full range": ("film.mp4", "libx264", "yuvj420p", "160x90"),
    "motion jpeg": ("film.avi", "mjpeg", "yuvj422p", "160x90"),
    "10 bit": ("film.mkv", "libx265", "yuv420p10le", "160x90"),
    "12 bit": ("film.mkv", "ffv1", "yuv422p12le", "160x90"),
    "4:2:2": ("film.mp4", "libx264", "yuv422p", "160x90"),
    "4:4:4": ("film.mp4", "libx264", "yuv444p", "160x90"),
    "4:1:1": ("film.mkv", "ffv1", "yuv411p", "160x96"),
    "4:1:0": ("film.mkv", "ffv1", "yuv410p", "160x96"),
    "4:4:0": ("film.mkv", "ffv1", "yuv440p", "160x96"),
    "gray": ("film.mkv", "ffv1", "gray", "160x90"),
    "gray h264": ("film.mp4", "libx264", "gray", "160x90"),
    "gray 10 bit": ("film.mkv", "libx265", "gray10le", "160x90"),
    "rgb24": ("film.mov", "qtrle", "rgb24", "160x90"),
    "gbrp h264": ("film.mp4", "libx264rgb", "rgb24", "160x90"),
    "rgb 16 bit png": ("film.mov", "png", "rgb48be", "160x90"),
    "palette": ("film.mov", "qtrle", "pal8", "160x90"),
    "odd width": ("film.mkv", "ffv1", "yuv420p", "161x90"),
    "odd height": ("film.mkv", "ffv1", "yuv444p", "160x91"),
    "odd both": ("film.mov", "png", "rgb24", "161x91"),
    "v210": ("film.mov", "v210", "yuv422p10le", "160x90"),
    "xvid": ("film.avi", "mpeg4", "yuv420p", "160x90"),
    "vp9 10 bit": ("film.webm", "libvpx-vp9", "yuv420p10le", "160x90"),
    "av1": ("film.mp4", "libsvtav1", "yuv420p10le", "160x90"),
}


def format_kinds() -> list[Kind]:
    kinds = []
    for name, (file, codec, pix_fmt, size) in FORMATS.items():
        quiet = ("-x265-params", "log-level=error") if codec == "libx265" else ()
        width, height = map(int, size.split("x"))
        is_rgb = pix_fmt in ("rgb24", "rgb48be", "pal8")
        facts = {"width": width, "height": height, "has_alpha": False, "matrix": "rgb" if is_rgb else "bt601"}
        kinds.append(
            Kind(
                name=f"format {name}",
                make=partial(stored_kind, options=quiet, name=file, codec=codec, pix_fmt=pix_fmt, size=size),
                facts=facts,
            )
        )
    return kinds


def stored_kind(folder: Path, options: Sequence[str], name: str, codec: str, pix_fmt: str, size: str) -> Path:
    return stored(folder, name, codec, pix_fmt, *options, size=size)


SEE_THROUGH = (
    f"testsrc2=s={WIDTH}x{HEIGHT}:r=25,format=argb,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(Y,45),0,170)'"
)
ALPHA_FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "animation": ("film.mov", ("-c:v", "qtrle", "-pix_fmt", "argb")),
    "png": ("film.mov", ("-c:v", "png", "-pix_fmt", "rgba")),
    "png 16 bit": ("film.mkv", ("-c:v", "png", "-pix_fmt", "rgba64be")),
    "prores 4444": ("film.mov", ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le")),
    "ffv1": ("film.mkv", ("-c:v", "ffv1", "-pix_fmt", "yuva420p")),
    "vp9": ("film.webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-crf", "10", "-b:v", "0")),
    "vp8": ("film.webm", ("-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-b:v", "2M")),
    "uncompressed": ("film.avi", ("-c:v", "rawvideo", "-pix_fmt", "bgra")),
}
OVER_BLACK = f"format=rgba[f];color=black:s={WIDTH}x{HEIGHT}:r=25[b];[b][f]overlay=shortest=1:format=rgb"


def transparent(folder: Path, name: str, options: Sequence[str], source: str = SEE_THROUGH) -> Path:
    return encode_source(folder, name, *options, source=source, frames=4)


def empty_alpha(folder: Path) -> Path:
    """32 bits a pixel whose fourth byte is 0, as old screen recorders write it."""
    source = SEE_THROUGH.replace("if(lt(Y,45),0,170)", "0")
    return transparent(folder, "film.avi", ("-c:v", "rawvideo", "-pix_fmt", "bgra"), source)


ALPHA = [
    Kind(
        name=f"transparent {name}",
        make=partial(transparent, name=file, options=options),
        facts={"has_alpha": True, "width": WIDTH, "height": HEIGHT},
        notes=("transparency",),
    )
    for name, (file, options) in ALPHA_FORMATS.items()
] + [Kind(name="empty alpha", make=empty_alpha, facts={"has_alpha": False})]
_REFERENCES |= {f"transparent {name}": OVER_BLACK for name in ALPHA_FORMATS}
_REFERENCES["empty alpha"] = "format=rgb24"


KINDS = [replace(kind, reference=_REFERENCES.get(kind.name, "")) for kind in (*format_kinds(), *ALPHA)]
