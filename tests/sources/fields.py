"""Interlaced, telecined and progressive pictures, flagged right, wrong or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.builders.films import encode_source
from tests.sources.kind import Kind

WIDTH, HEIGHT, FRAMES = 160, 90, 8
_REFERENCES: dict[str, str] = {}


def interlaced(folder: Path, name: str, scan: str, *options: str, size: str = "160x96", flag: str = "") -> Path:
    """Fields of 50 pictures a second; ``flag`` overwrites what the frames say of themselves."""
    source = f"testsrc2=s={size}:r=50,format=yuv420p,interlace=scan={scan}"
    source += f",setfield={flag}" if flag else ""
    return encode_source(folder, name, *options, source=source, frames=12)


def telecined(folder: Path, name: str, first: str, *options: str) -> Path:
    source = f"testsrc2=s=160x96:r=24000/1001,format=yuv420p,telecine=pattern=23:first_field={first}"
    return encode_source(folder, name, *options, source=source + f",setfield={first[0]}ff", frames=20)


X264_FIELDS = ("-c:v", "libx264", "-flags", "+ildct+ilme")
FIELD_CODECS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "h264 ts": ("film.ts", X264_FIELDS, "160x96"),
    "h264 mp4": ("film.mp4", X264_FIELDS, "160x96"),
    "mpeg2": ("film.mpg", ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-q:v", "3"), "160x96"),
    "prores": ("film.mov", ("-c:v", "prores_ks", "-flags", "+ildct"), "160x96"),
    "ffv1": ("film.mkv", ("-c:v", "ffv1"), "160x96"),
    "uncompressed": ("film.mov", ("-c:v", "rawvideo", "-pix_fmt", "uyvy422"), "160x96"),
    "dnxhd": ("film.mov", ("-c:v", "dnxhd", "-b:v", "120M", "-flags", "+ildct", "-pix_fmt", "yuv422p"), "1920x1080"),
}
ORDERS = {"upper": "tff", "lower": "bff"}


def field_kinds() -> list[Kind]:
    kinds = []
    for (codec, (name, options, size)), (order, scan) in itertools.product(FIELD_CODECS.items(), ORDERS.items()):
        if codec == "dnxhd" and order == "lower":
            continue
        flags = ("-x264-params", f"{scan}=1") if "libx264" in options else ("-field_order", scan[0] * 2)
        make = partial(interlaced_kind, name=name, scan=scan, options=(*options, *flags), size=size)
        facts = {"field_order": order, "is_telecined": False}
        kinds.append(Kind(name=f"{codec} {order} field first", make=make, facts=facts, notes=("deinterlaced",)))
        _REFERENCES[kinds[-1].name] = f"bwdif=mode=send_frame:parity={scan}:deint=all"
    return kinds


def interlaced_kind(folder: Path, name: str, scan: str, options: Sequence[str], size: str) -> Path:
    return interlaced(folder, name, scan, *options, size=size)


def unflagged(folder: Path, scan: str) -> Path:
    return interlaced(folder, "film.mp4", scan, "-c:v", "libx264", size="352x288", flag="prog")


def wrongly_flagged(folder: Path) -> Path:
    return interlaced(folder, "film.mp4", "tff", *X264_FIELDS, "-x264-params", "bff=1", size="352x288", flag="bff")


def progressive_segmented(folder: Path) -> Path:
    """Progressive pictures in a stream that is flagged interlaced."""
    options = (*X264_FIELDS, "-x264-params", "tff=1")
    return encode_source(
        folder, "film.mp4", *options, source="testsrc2=s=160x96:r=25,format=yuv420p,setfield=tff", frames=12
    )


def dv(folder: Path) -> Path:
    source = "testsrc2=s=720x576:r=50,format=yuv420p,interlace=scan=bff"
    return encode_source(folder, "film.dv", "-c:v", "dvvideo", "-pix_fmt", "yuv420p", source=source, frames=8)


LOW_RATES = [
    ("mpeg2 at 200 kbit/s", "film.mpg", "testsrc2", "-c:v mpeg2video -b:v 200k -maxrate 300k -bufsize 100k"),
    ("mpeg2 at its default rate", "film.mpg", "testsrc2", "-c:v mpeg2video"),
    ("mpeg4 at its default rate", "film.avi", "testsrc2", "-c:v mpeg4"),
    ("coarse jpeg", "film.mkv", "testsrc", "-c:v mjpeg -q:v 31 -pix_fmt yuvj420p"),
    ("coarse h263", "film.flv", "testsrc", "-c:v flv1 -q:v 25"),
]


def low_rate(folder: Path, name: str, source: str, options: Sequence[str]) -> Path:
    """Small pictures at 50 a second whose coding noise looks like combing."""
    return encode_source(folder, name, *options, source=f"{source}=s=320x180:r=50,format=yuv420p", frames=24)


DEINTERLACE = "bwdif=mode=send_frame:parity={}:deint=all"
FIELDS = [
    *field_kinds(),
    Kind(name="dv", make=dv, facts={"field_order": "lower", "width": 768, "height": 576}),
    Kind(name="interlaced without flags, upper", make=partial(unflagged, scan="tff"), facts={"field_order": "upper"}),
    Kind(name="interlaced without flags, lower", make=partial(unflagged, scan="bff"), facts={"field_order": "lower"}),
    Kind(
        name="interlaced with the other flag", make=wrongly_flagged, facts={"field_order": "upper"}, notes=("flagged",)
    ),
    Kind(name="progressive in an interlaced stream", make=progressive_segmented, facts={"field_order": "upper"}),
    Kind(
        name="telecined, upper",
        make=lambda folder: telecined(folder, "film.mp4", "top", *X264_FIELDS, "-x264-params", "tff=1"),
        facts={"field_order": "upper", "is_telecined": True},
        notes=("telecined",),
    ),
    Kind(
        name="telecined, lower",
        make=lambda folder: telecined(folder, "film.mp4", "bottom", *X264_FIELDS, "-x264-params", "bff=1"),
        facts={"field_order": "lower", "is_telecined": True},
        notes=("telecined",),
    ),
    Kind(
        name="progressive", make=lambda folder: encode_source(folder, "film.mp4"), facts={"field_order": "progressive"}
    ),
    Kind(
        name="progressive noise",
        make=lambda folder: encode_source(
            folder, "film.mp4", source="color=gray:s=160x96:r=25,noise=alls=60:allf=t,format=yuv420p"
        ),
        facts={"field_order": "progressive"},
    ),
    Kind(
        name="progressive patterns in motion",
        make=partial(encode_source, name="film.mxf", source="testsrc2=s=160x90:r=50", frames=20),
        facts={"field_order": "progressive"},
    ),
    *(
        Kind(
            name=f"progressive, {label}",
            make=partial(low_rate, name=name, source=source, options=tuple(options.split())),
            facts={"field_order": "progressive"},
        )
        for label, name, source, options in LOW_RATES
    ),
    Kind(
        name="progressive tilt",
        make=lambda folder: encode_source(folder, "film.mp4", source="testsrc2=s=160x180:r=25,crop=160:96:0:3*n"),
        facts={"field_order": "progressive"},
    ),
]
MATCH = "fieldmatch=order={0}:combmatch=full,bwdif=mode=send_frame:parity={0}:deint=interlaced"
_REFERENCES |= {
    "dv": DEINTERLACE.format("bff"),
    "interlaced without flags, upper": "setfield=tff," + DEINTERLACE.format("tff"),
    "interlaced without flags, lower": "setfield=bff," + DEINTERLACE.format("bff"),
    "interlaced with the other flag": "setfield=tff," + DEINTERLACE.format("tff"),
    "progressive in an interlaced stream": DEINTERLACE.format("tff"),
    "telecined, upper": MATCH.format("tff"),
    "telecined, lower": MATCH.format("bff"),
}


KINDS = [replace(kind, reference=_REFERENCES.get(kind.name, "")) for kind in (*FIELDS,)]
