"""Files of camera and encoder tests: uncompressed pictures, elementary streams, and messages inside of streams."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from tests.builders.films import make_film
from tests.sources.kind import Kind

FRAMES, NTSC, NTSC_FILM = 24, Fraction(30000, 1001), Fraction(24000, 1001)
QUIET_X265 = "log-level=none"
Y4M = "wrapped_avframe"


def film(folder: Path, name: str, codec: str, fps: Fraction | int, options: tuple[str, ...], **more: Any) -> Path:
    size: dict[str, Any] = {"width": 192, "height": 112, "frames": FRAMES, "cuts": (12,)}
    return make_film(folder / name, fps=fps, codec=codec, options=options, **size | more).path


def _kind(
    name: str, file: str, codec: str, fps: Fraction | int, *options: str, frames: int = FRAMES, **more: Any
) -> Kind:
    return Kind(
        name=f"raw: {name}",
        make=lambda folder: film(folder, file, codec, fps, options, frames=frames, **more),
        facts={"fps": Fraction(fps), "frames": frames, "variable_rate": False},
        numbers=range(frames),
    )


def cut_y4m(folder: Path, pix_fmt: str) -> Path:
    path = film(folder, "film.y4m", Y4M, 25, ("-strict", "-1"), pix_fmt=pix_fmt)
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def encrypted(folder: Path) -> Path:
    key, key_id = "76a6c65c5ea762046bd749a2e632ccbb", "a7e61c373e219033c21091fa607bf3b8"
    locked = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key, "-encryption_kid", key_id)
    return film(folder, "film.mp4", "libx264", 25, locked)


def compatible_hlg(folder: Path) -> Path:
    """HLG in a stream that names BT.2020 of standard range, for old players, and HLG in a message."""
    tags = "color_primaries=bt2020:color_trc=bt2020-10:colorspace=bt2020nc"
    options = ("-vf", f"setparams={tags}", "-x265-params", f"{QUIET_X265}:atc-sei=18:repeat-headers=1")
    return film(folder, "film.mkv", "libx265", 25, options, pix_fmt="yuv420p10le")


KINDS = [
    _kind("y4m at 25", "film.y4m", Y4M, 25),
    _kind("y4m at 23.976", "film.y4m", Y4M, NTSC_FILM),
    _kind("y4m of 10 bits at 50", "film.y4m", Y4M, 50, "-strict", "-1", pix_fmt="yuv422p10le"),
    _kind("y4m 4:4:4", "film.y4m", Y4M, 24, pix_fmt="yuv444p"),
    _kind("y4m gray", "film.y4m", Y4M, 30, pix_fmt="gray"),
    _kind("y4m of one picture", "film.y4m", Y4M, 25, frames=1),
    _kind("ivf of vp8", "film.ivf", "libvpx", 25, "-b:v", "1M"),
    _kind("ivf of vp9 at 59.94", "film.ivf", "libvpx-vp9", Fraction(60000, 1001)),
    _kind("ivf of av1 at 29.97", "film.ivf", "libsvtav1", NTSC),
    _kind("obu of av1", "film.obu", "libsvtav1", 25),
    _kind("vvc without a container", "film.vvc", "libvvenc", 25, "-preset", "faster", pix_fmt="yuv420p10le"),
    _kind("mpeg1 without a container", "film.m1v", "mpeg1video", 25, "-q:v", "3"),
    _kind("mpeg1 without a container at 29.97", "film.m1v", "mpeg1video", NTSC, "-q:v", "3"),
    *(
        Kind(
            name=f"raw: y4m that ends within a picture ({pix_fmt})",
            make=partial(cut_y4m, pix_fmt=pix_fmt),
            facts={"fps": Fraction(25)},
            numbers=range(FRAMES - 1),
            notes=("the file is cut short",),
        )
        for pix_fmt in ("yuv420p", "yuv422p10le", "gray", "yuv444p")
    ),
    Kind(
        name="raw: gxf whose last picture has the time of a field",
        make=lambda folder: film(folder, "film.gxf", "mpeg2video", 25, (), width=720, height=576),
        facts={"fps": Fraction(25), "variable_rate": False},
    ),
    Kind(name="raw: encrypted mp4", make=encrypted, refused="it is encrypted"),
    Kind(name="raw: HLG by a message", make=compatible_hlg, facts={"transfer": "hlg", "matrix": "bt2020"}),
]
