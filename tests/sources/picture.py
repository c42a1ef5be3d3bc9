"""How pictures are stored and shown: orientation, crop, fields, colours, depth, transparency, shape of pixels.

``REFERENCES`` names, for kinds whose pictures FFmpeg does not show right by itself, the filters that do.
"""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ops.core.media import Crop, Orientation
from tests.films import make_film, run_ffmpeg
from tests.sources.kind import Kind

WIDTH, HEIGHT, FRAMES = 160, 90, 8
REFERENCES: dict[str, str] = {}
"""Filters, by kind, that show the pictures as they are meant."""


def encode(folder: Path, name: str, *options: str, source: str = "", frames: int = FRAMES) -> Path:
    """Encode ``frames`` generated pictures; ``options`` are of the output."""
    path = folder / name
    source = source or f"testsrc2=s={WIDTH}x{HEIGHT}:r=25"
    run_ffmpeg(["-f", "lavfi", "-i", source, "-frames:v", str(frames), *options, str(path)])
    return path


def remux(source: Path, target: Path, *, before: Sequence[str] = (), after: Sequence[str] = ()) -> Path:
    """Copy the streams with options of the input and of the output."""
    run_ffmpeg([*before, "-i", str(source), "-c", "copy", *after, str(target)])
    return target


def numbered(folder: Path, name: str = "numbered.mp4", **options: Any) -> Path:
    """A film whose frames carry their numbers."""
    size = {"width": WIDTH, "height": HEIGHT}
    return make_film(folder / name, **{"frames": FRAMES, "cuts": (), **size, **options}).path


# Orientation


def shown(folder: Path, suffix: str, display: Sequence[str]) -> Path:
    return remux(numbered(folder), folder / f"film{suffix}", before=display)


def with_message(folder: Path, display: str, matrix: Sequence[str] = (), suffix: str = ".ts") -> Path:
    """With a display orientation message (SEI) of H.264."""
    message = ("-bsf:v", f"h264_metadata=display_orientation=insert:{display}")
    marked = remux(numbered(folder), folder / "marked.mp4", after=message)
    return remux(marked, folder / f"film{suffix}", before=matrix)


def with_matrix(folder: Path, a: float, b: float, c: float, d: float) -> Path:
    """A track header with this display matrix."""
    path = numbered(folder)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", *(round(value * 65536) for value in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
    path.write_bytes(data)
    return path


def with_rotate_tag(folder: Path, degrees: int) -> Path:
    return remux(numbered(folder), folder / "film.mkv", after=("-metadata:s:v", f"rotate={degrees}"))


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
    oriented("matrix near 90", partial(with_matrix, a=0.02, b=1, c=-1, d=0.02), Orientation(quarter_turns=1)),
    oriented(
        "matrix at 80", partial(with_matrix, a=0.17, b=0.98, c=-0.98, d=0.17), Orientation(quarter_turns=1), "-10"
    ),
    oriented("matrix of zeros", partial(with_matrix, a=0, b=0, c=0, d=0), Orientation()),
]
REFERENCES |= {
    "message and another matrix": "",
    "tag: rotate=90": "transpose=clock",
    "tag: rotate=-90": "transpose=cclock",
    "matrix at 80": "transpose=clock",
    "matrix near 90": "transpose=clock",
}


# Crop


def with_clap(folder: Path, crop: Crop, suffix: str = ".mp4", **options: Any) -> Path:
    """With a clean aperture, appended to the sample description of a file whose index is at its end."""
    path = numbered(folder, f"film{suffix}", **options)
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
    path = remux(numbered(folder), folder / "film.mkv", after=("-write_crc32", "0"))
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
    return remux(numbered(folder, height=96), folder / "film.mkv", after=("-bsf:v", crop))


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


# Fields


def interlaced(folder: Path, name: str, scan: str, *options: str, size: str = "160x96", flag: str = "") -> Path:
    """Fields of 50 pictures a second; ``flag`` overwrites what the frames say of themselves."""
    source = f"testsrc2=s={size}:r=50,format=yuv420p,interlace=scan={scan}"
    source += f",setfield={flag}" if flag else ""
    return encode(folder, name, *options, source=source, frames=12)


def telecined(folder: Path, name: str, first: str, *options: str) -> Path:
    source = f"testsrc2=s=160x96:r=24000/1001,format=yuv420p,telecine=pattern=23:first_field={first}"
    return encode(folder, name, *options, source=source + f",setfield={first[0]}ff", frames=20)


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
        REFERENCES[kinds[-1].name] = f"bwdif=mode=send_frame:parity={scan}:deint=all"
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
    return encode(folder, "film.mp4", *options, source="testsrc2=s=160x96:r=25,format=yuv420p,setfield=tff", frames=12)


def dv(folder: Path) -> Path:
    source = "testsrc2=s=720x576:r=50,format=yuv420p,interlace=scan=bff"
    return encode(folder, "film.dv", "-c:v", "dvvideo", "-pix_fmt", "yuv420p", source=source, frames=8)


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
    Kind(name="progressive", make=lambda folder: encode(folder, "film.mp4"), facts={"field_order": "progressive"}),
    Kind(
        name="progressive noise",
        make=lambda folder: encode(folder, "film.mp4", source="color=gray:s=160x96:r=25,noise=alls=60:allf=t"),
        facts={"field_order": "progressive"},
    ),
    Kind(
        name="progressive tilt",
        make=lambda folder: encode(folder, "film.mp4", source="testsrc2=s=160x180:r=25,crop=160:96:0:3*n"),
        facts={"field_order": "progressive"},
    ),
]
MATCH = "fieldmatch=order={0}:combmatch=full,bwdif=mode=send_frame:parity={0}:deint=interlaced"
REFERENCES |= {
    "dv": DEINTERLACE.format("bff"),
    "interlaced without flags, upper": "setfield=tff," + DEINTERLACE.format("tff"),
    "interlaced without flags, lower": "setfield=bff," + DEINTERLACE.format("bff"),
    "interlaced with the other flag": "setfield=tff," + DEINTERLACE.format("tff"),
    "progressive in an interlaced stream": DEINTERLACE.format("tff"),
    "telecined, upper": MATCH.format("tff"),
    "telecined, lower": MATCH.format("bff"),
}


# Colours

PATCHES = "smptehdbars=s={}:r=25"
"""Bars whose colours tell matrices apart."""


def coloured(folder: Path, size: str, matrix: str, codes: tuple[int, int, int] | None, suffix: str = ".mp4") -> Path:
    """Bars in a matrix, with tags of primaries, transfer and matrix in the stream (2 is unspecified)."""
    source = PATCHES.format(size) + f",scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p"
    stored = encode(folder, "stored.mp4", "-c:v", "libx264", "-crf", "8", source=source, frames=3)
    primaries, transfer, space = codes or (2, 2, 2)
    tags = f"colour_primaries={primaries}:transfer_characteristics={transfer}:matrix_coefficients={space}"
    return remux(stored, folder / f"film{suffix}", after=("-bsf:v", f"h264_metadata={tags}"))


def with_other_colr(folder: Path) -> Path:
    """The container says BT.709, the codec BT.601; what is in the pictures is BT.709."""
    path = coloured(folder, "160x90", "bt709", (1, 1, 1))
    data = bytearray(path.read_bytes())
    path = remux(path, folder / "other.mp4", after=("-bsf:v", "h264_metadata=matrix_coefficients=6"))
    data = bytearray(path.read_bytes())
    at = data.index(b"colrnclx") + 8
    data[at : at + 6] = struct.pack(">3H", 1, 1, 1)
    path.write_bytes(data)
    return path


def colour(name: str, matrix: str, make: Any, reference: str = "", **facts: Any) -> Kind:
    REFERENCES[name] = reference
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


def deep(
    folder: Path, transfer: str, *options: str, suffix: str = ".mov", primaries: str = "2020", npl: int = 203
) -> Path:
    """Bars of standard range, reference white at 203 cd/m2, as HDR or in a wide gamut."""
    source = PATCHES.format("160x90") + ",format=gbrp"
    source += f",zscale=tin=bt709:min=gbr:pin=bt709:rin=full:t={transfer}:m=2020_ncl:p={primaries}:r=tv:npl={npl}"
    codes = {"smpte2084": "smpte2084", "arib-std-b67": "arib-std-b67", "2020_10": "bt2020-10"}[transfer]
    tags = ["-color_primaries", "bt2020" if primaries == "2020" else "smpte432", "-color_trc", codes]
    encoder = options or ("-c:v", "libx265", "-crf", "10", "-preset", "ultrafast")
    if "libx265" in encoder and "-x265-params" not in encoder:
        encoder = (*encoder, "-x265-params", "log-level=error", "-tag:v", "hvc1")
    return encode(
        folder, f"film{suffix}", *encoder, "-pix_fmt", "yuv420p10le", *tags, "-colorspace", "bt2020nc",
        source=source + ",format=yuv420p10le", frames=3,
    )  # fmt: skip


MASTERING = "log-level=error:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L({},1)"
X265 = ("-c:v", "libx265", "-crf", "10", "-preset", "ultrafast", "-tag:v", "hvc1", "-x265-params")


def hdr(name: str, transfer: str, make: Any, **facts: Any) -> Kind:
    facts = {"transfer": transfer, "primaries": "bt2020", "matrix": "bt2020", **facts}
    return Kind(name=name, make=make, facts=facts, notes=("tone-mapped",) if transfer != "sdr" else ())


DEEP = [
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
    hdr("HLG hevc", "hlg", partial(deep, transfer="arib-std-b67", npl=1000)),
    hdr("HLG ts", "hlg", partial(deep, transfer="arib-std-b67", npl=1000, suffix=".ts")),
    hdr("standard range in BT.2020", "sdr", partial(deep, transfer="2020_10")),
]


# Depth, range, chroma, RGB, transparency


def stored(folder: Path, name: str, codec: str, pix_fmt: str, *options: str, size: str = "160x90") -> Path:
    source = f"testsrc2=s=320x180:r=25,scale={size.replace('x', ':')},setsar=1"
    return encode(folder, name, "-c:v", codec, "-pix_fmt", pix_fmt, *options, source=source, frames=4)


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
    "bgr0": ("film.avi", "rawvideo", "bgr0", "160x90"),
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
        options = {"name": file, "codec": codec, "pix_fmt": pix_fmt, "size": size}
        is_rgb = pix_fmt in ("rgb24", "rgb48be", "pal8", "bgr0")
        facts = {"width": width, "height": height, "has_alpha": False, "matrix": "rgb" if is_rgb else "bt601"}
        kinds.append(Kind(name=f"format {name}", make=partial(stored_kind, quiet=quiet, **options), facts=facts))
    return kinds


def stored_kind(folder: Path, quiet: Sequence[str], name: str, codec: str, pix_fmt: str, size: str) -> Path:
    return stored(folder, name, codec, pix_fmt, *quiet, size=size)


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
    return encode(folder, name, *options, source=source, frames=4)


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
REFERENCES |= {f"transparent {name}": OVER_BLACK for name in ALPHA_FORMATS}
REFERENCES["empty alpha"] = "format=rgb24"


# Shape of pixels


def wide(folder: Path, sar: str, display: Sequence[str] = ()) -> Path:
    film = numbered(folder, sar=sar)
    return remux(film, folder / "film.mp4", before=display) if display else film


def growing(folder: Path) -> Path:
    """A stream whose pictures change their size on the way."""
    parts = [numbered(folder, "a.ts"), numbered(folder, "b.ts", width=320, height=180)]
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

KINDS = [*ORIENTATIONS, *CROPS, *FIELDS, *COLOURS, *DEEP, *format_kinds(), *ALPHA, *SHAPES]
