"""Matrices, primaries and transfers, tagged or not."""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.builders.films import copy_streams, encode_source
from tests.sources.kind import Kind

WIDTH, HEIGHT, FRAMES = 160, 90, 8
_REFERENCES: dict[str, str] = {}


PATCHES = "smptehdbars=s={}:r=25"
"""Bars whose colours tell matrices apart."""


def coloured(folder: Path, size: str, matrix: str, codes: tuple[int, int, int] | None, suffix: str = ".mp4") -> Path:
    """Bars in a matrix, with tags of primaries, transfer and matrix in the stream (2 is unspecified)."""
    source = PATCHES.format(size) + f",scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p"
    stored = encode_source(folder, "stored.mp4", "-c:v", "libx264", "-crf", "8", source=source, frames=3)
    primaries, transfer, space = codes or (2, 2, 2)
    tags = f"colour_primaries={primaries}:transfer_characteristics={transfer}:matrix_coefficients={space}"
    return copy_streams(stored, folder / f"film{suffix}", after=("-bsf:v", f"h264_metadata={tags}"))


def with_other_colr(folder: Path) -> Path:
    """The container says BT.709, the codec BT.601; what is in the pictures is BT.709."""
    path = coloured(folder, "160x90", "bt709", (1, 1, 1))
    data = bytearray(path.read_bytes())
    path = copy_streams(path, folder / "other.mp4", after=("-bsf:v", "h264_metadata=matrix_coefficients=6"))
    data = bytearray(path.read_bytes())
    at = data.index(b"colrnclx") + 8
    data[at : at + 6] = struct.pack(">3H", 1, 1, 1)
    path.write_bytes(data)
    return path


def colour(name: str, matrix: str, make: Any, reference: str = "", **facts: Any) -> Kind:
    _REFERENCES[name] = reference
    return Kind(name=name, make=make, facts={"matrix": matrix, "transfer": "sdr", **facts})


def as_matrix(matrix: str) -> str:
    return f"scale=in_color_matrix={matrix}"


COLOURS = [
    colour("HD untagged", "bt709", partial(coloured, size="1280x720", matrix="bt709", codes=None), as_matrix("bt709")),
    colour(
        "HD untagged ts",
        "bt709",
        partial(coloured, size="1920x1080", matrix="bt709", codes=None, suffix=".ts"),
        as_matrix("bt709"),
    ),
    colour(
        "wide untagged", "bt709", partial(coloured, size="1028x480", matrix="bt709", codes=None), as_matrix("bt709")
    ),
    colour(
        "upright untagged", "bt709", partial(coloured, size="404x720", matrix="bt709", codes=None), as_matrix("bt709")
    ),
    colour("SD untagged", "bt601", partial(coloured, size="720x576", matrix="bt601", codes=None), as_matrix("bt601")),
    colour("SD 1024x576", "bt601", partial(coloured, size="1024x576", matrix="bt601", codes=None), as_matrix("bt601")),
    colour("HD tagged BT.709", "bt709", partial(coloured, size="1280x720", matrix="bt709", codes=(1, 1, 1))),
    colour("HD tagged BT.601", "bt601", partial(coloured, size="1280x720", matrix="bt601", codes=(6, 6, 6))),
    colour("SD tagged BT.709", "bt709", partial(coloured, size="160x90", matrix="bt709", codes=(1, 1, 1))),
    colour("SD tagged PAL", "bt601", partial(coloured, size="160x90", matrix="bt601", codes=(5, 6, 5))),
    colour("SMPTE 240M", "bt709", partial(coloured, size="160x90", matrix="smpte240m", codes=(7, 7, 7))),
    colour(
        "SD with primaries of BT.709 alone",
        "bt709",
        partial(coloured, size="160x90", matrix="bt709", codes=(1, 2, 2)),
        as_matrix("bt709"),
    ),
    colour(
        "BT.2020 matrix with BT.709 primaries",
        "bt2020",
        partial(coloured, size="160x90", matrix="bt2020", codes=(1, 1, 9)),
    ),
    colour("colr against the codec", "bt709", with_other_colr, as_matrix("bt709")),
]


def deep(folder: Path, transfer: str, *options: str, suffix: str = ".mov", primaries: str = "2020") -> Path:
    """Bars of standard range, reference white at 203 cd/m2, as HDR or in a wide gamut."""
    source = PATCHES.format("160x90") + ",format=gbrp"
    source += f",zscale=tin=bt709:min=gbr:pin=bt709:rin=full:t={transfer}:m=2020_ncl:p={primaries}:r=tv:npl=203"
    codes = {"smpte2084": "smpte2084", "arib-std-b67": "arib-std-b67", "2020_10": "bt2020-10"}[transfer]
    tags = ["-color_primaries", "bt2020" if primaries == "2020" else "smpte432", "-color_trc", codes]
    encoder = options or ("-c:v", "libx265", "-crf", "10", "-preset", "ultrafast")
    if "libx265" in encoder and "-x265-params" not in encoder:
        encoder = (*encoder, "-x265-params", "log-level=error", "-tag:v", "hvc1")
    formats = ("-pix_fmt", "yuv420p10le", *tags, "-colorspace", "bt2020nc")
    source += ",format=yuv420p10le"
    return encode_source(folder, f"film{suffix}", *encoder, *formats, source=source, frames=3)


MASTERING = "log-level=error:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L({},1)"
X265 = ("-c:v", "libx265", "-crf", "10", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params")


def hdr(name: str, transfer: str, make: Any, **facts: Any) -> Kind:
    facts = {"transfer": transfer, "primaries": "bt2020", "matrix": "bt2020", **facts}
    return Kind(name=name, make=make, facts=facts, notes=("tone-mapped",) if transfer != "sdr" else ())


def deep_rgb(folder: Path) -> Path:
    source = PATCHES.format("160x90") + ",format=gbrp"
    source += ",zscale=tin=bt709:pin=bt709:min=gbr:rin=full:t=smpte2084:p=2020:m=gbr:r=full:npl=203,format=gbrp10le"
    tags = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "rgb")
    return encode_source(folder, "film.mkv", "-c:v", "ffv1", *tags, source=source, frames=3)


DEEP = [
    hdr("PQ in RGB", "pq", deep_rgb, matrix="rgb"),
    hdr("PQ hevc", "pq", partial(deep, transfer="smpte2084"), peak=1000),
    hdr("PQ h264 mkv", "pq", lambda folder: deep(folder, "smpte2084", "-c:v", "libx264", "-crf", "8", suffix=".mkv")),
    hdr("PQ prores", "pq", lambda folder: deep(folder, "smpte2084", "-c:v", "prores_ks", "-profile:v", "3")),
    hdr(
        "PQ mastered at 4000",
        "pq",
        lambda folder: deep(folder, "smpte2084", *X265, MASTERING.format(40000000)),
        peak=4000,
    ),
    hdr(
        "PQ with MaxCLL",
        "pq",
        lambda folder: deep(folder, "smpte2084", *X265, MASTERING.format(10000000) + ":max-cll=600,200"),
        peak=600,
    ),
    hdr("HLG hevc", "hlg", partial(deep, transfer="arib-std-b67")),
    hdr("HLG ts", "hlg", partial(deep, transfer="arib-std-b67", suffix=".ts")),
    hdr("standard range in BT.2020", "sdr", partial(deep, transfer="2020_10")),
]


KINDS = [replace(kind, reference=_REFERENCES.get(kind.name, "")) for kind in (*COLOURS, *DEEP)]
