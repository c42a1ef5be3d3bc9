"""Sources whose timecode is known: tracks of any base, flags, edits, several tracks, tags against tracks, MXF packages.

The encoder writes the file, and the few bytes that it cannot write are patched in place.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from ops.core.media import StartTimecode
from tests.builders.films import draw_frames, make_film, run_ffmpeg
from tests.sources.kind import Kind, Make

FRAMES = 12
N24, N30, N48, N60, N120 = (Fraction(base * 1000, 1001) for base in (24, 30, 48, 60, 120))
DROP, WRAP, NEGATIVE, COUNTER = 1, 2, 4, 8
HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Track:
    """What to write over the description and the sample of a timecode track."""

    sample: int
    scale: int
    duration: int = 1
    nominal: int | None = None
    flags: int = 0
    is_long: bool = False
    media_time: int = 0


def drop_frame_count(hours: int, minutes: int, seconds: int, frames: int, base: int) -> int:
    """SMPTE ST 12-1, minute by minute: the first labels of each minute but each tenth are left out."""
    count = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    return count - sum(base // 15 for minute in range(1, hours * 60 + minutes + 1) if minute % 10)


def write_track(path: Path, track: Track) -> None:
    """Patch the timecode track of a file that the encoder wrote (one sample, one edit)."""
    data = bytearray(path.read_bytes())
    at = _descriptions(data)[0]
    nominal = round(track.scale / track.duration) if track.nominal is None else track.nominal
    data[at + 16 : at + 28] = struct.pack(">III", track.flags, track.scale, track.duration)
    data[at + 28] = nominal
    offset = data.index(b"stco", at) + 12
    where = int.from_bytes(data[offset : offset + 4], "big")
    if track.is_long:
        # Eight bytes do not fit: the sample moves into a box of its own behind the file.
        data[at : at + 4] = b"tc64"
        sizes = data.index(b"stsz", at) + 8
        data[sizes : sizes + 4] = (8).to_bytes(4, "big")
        data[offset : offset + 4] = (len(data) + 8).to_bytes(4, "big")
        data += (16).to_bytes(4, "big") + b"free" + track.sample.to_bytes(8, "big", signed=True)
    else:
        data[where : where + 4] = (track.sample % (1 << 32)).to_bytes(4, "big")
    if track.media_time:
        edit = data.rindex(b"elst", 0, at) + 16
        data[edit : edit + 4] = track.media_time.to_bytes(4, "big")
    path.write_bytes(data)


def _descriptions(data: bytes) -> list[int]:
    """Offsets of the type of each timecode sample description (the boxes of the same name have other lengths)."""
    found, at = [], data.find(b"tmcd")
    while at >= 0:
        if data[at + 4 : at + 10] == bytes(6) and 26 <= int.from_bytes(data[at - 4 : at], "big") <= 90:
            found.append(at)
        at = data.find(b"tmcd", at + 1)
    return found


def _film(
    folder: Path,
    name: str,
    fps: Fraction,
    timecode: str = "",
    options: Sequence[str] = (),
    codec: str = "",
) -> Path:
    codec = codec or ("mpeg2video" if name.endswith(("mxf", "mpg", "ts")) else "libx264")
    film = make_film(
        folder / name, frames=FRAMES, cuts=(6,), fps=fps, width=160, height=90, codec=codec, timecode=timecode,
        bframes=0, options=options,
    )  # fmt: skip
    return film.path


def _patched(folder: Path, fps: Fraction, track: Track) -> Path:
    path = _film(folder, "film.mov", fps, "00:00:00:00")
    write_track(path, track)
    return path


def _two_pictures(folder: Path, codes: Sequence[str], *, swap: bool = False) -> Path:
    """Two picture tracks, each with a timecode track of its own; ``swap`` exchanges their references."""
    path = folder / "film.mov"
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "160x90", "-r", "25", "-i", "pipe:0"]
    tags = [part for at, code in enumerate(codes) for part in (f"-metadata:s:v:{at}", f"timecode={code}")]
    run_ffmpeg(
        [*raw, "-map", "0:v", "-map", "0:v", "-c:v", "mjpeg", *tags, str(path)], draw_frames(FRAMES, (6,), 160, 90)
    )
    if swap:
        data = bytearray(path.read_bytes())
        places = [at + 8 for at in range(len(data)) if data[at : at + 8] == b"\0\0\0\x0ctmcd"]
        assert len(places) == 2
        first, second = (bytes(data[at : at + 4]) for at in places)
        data[places[0] : places[0] + 4], data[places[1] : places[1] + 4] = second, first
        path.write_bytes(data)
    return path


def _mxf(folder: Path, fps: Fraction, timecode: str, base: int, count: int, packages: int) -> Path:
    """An MXF whose first ``packages`` packages (the material package first) count ``count`` frames at ``base``."""
    path = _film(folder, "film.mxf", fps, timecode)
    data = bytearray(path.read_bytes())
    at = 0
    for _ in range(packages):
        at = data.index(bytes.fromhex("15020002"), at + 1)
        data[at + 4 : at + 6] = base.to_bytes(2, "big")
        start = max(
            data.rfind(bytes.fromhex("15010008"), at - 60, at), data.find(bytes.fromhex("15010008"), at, at + 60)
        )
        data[start + 4 : start + 12] = count.to_bytes(8, "big")
    path.write_bytes(data)
    return path


def _camera(folder: Path, fps: Fraction, base: int, value: str) -> Path:
    """An MP4 with the XML document that Sony cameras add; their BCD values have the frames first."""
    path = make_film(folder / "film.mp4", frames=FRAMES, cuts=(6,), fps=fps, width=160, height=90, bframes=0).path
    xml = (
        f'<?xml version="1.0"?><NonRealTimeMeta><LtcChangeTable tcFps="{base}" halfStep="false">'
        f'<LtcChange frameCount="0" value="{value}" status="increment"/></LtcChangeTable></NonRealTimeMeta>'
    ).encode()
    body = bytes(4) + (8 + 4 + len(xml)).to_bytes(4, "big") + b"xml " + bytes(4) + xml
    path.write_bytes(path.read_bytes() + (8 + len(body)).to_bytes(4, "big") + b"meta" + body)
    return path


def _kind(
    name: str, make: Make, fps: Fraction | int, timecode: str, start: StartTimecode | None, *notes: str, reel: str = ""
) -> Kind:
    """``timecode`` counts frames of ``fps``, ``start`` those of its own source."""
    facts = {"fps": Fraction(fps), "start_timecode": timecode, "timecode": start, "reel": reel}
    return Kind(name=f"timecode: {name}", make=make, facts=facts, numbers=range(FRAMES), notes=notes)


def _start(label: str, rate: Fraction | int, count: int, source: str = "stream 1") -> StartTimecode:
    return StartTimecode(label=label, rate=Fraction(rate), start_s=count / Fraction(rate), source=source)


def _row(
    name: str, fps: Fraction | int, track: Track, own: tuple[str, Fraction | int] | None, timecode: str, *notes: str
) -> Kind:
    """A timecode track that is patched in; ``own`` is its first label and its exact rate."""
    wrapped = {"behind midnight": HOUR * 25 + 1, "more than a day": HOUR * 25, "negative": 24 * HOUR * 25 - 25}
    count = wrapped.get(name, track.sample) + (5 if track.media_time else 0)
    start = _start(*own, count) if own else None
    return _kind(name, partial(_patched, fps=Fraction(fps), track=track), fps, timecode, start, *notes)


DF30, DF60 = drop_frame_count(1, 1, 0, 2, 30), drop_frame_count(1, 1, 0, 4, 60)
TRACKS = [
    _row("25 on 25p", 25, Track(sample=HOUR * 25 + 7, scale=25), ("01:00:00:07", 25), "01:00:00:07"),
    _row("25 on 50p", 50, Track(sample=HOUR * 25 + 20, scale=25), ("01:00:00:20", 25), "01:00:00:40"),
    _row("25 on 100p", 100, Track(sample=HOUR * 25 + 24, scale=25), ("01:00:00:24", 25), "01:00:00:96"),
    _row("24 on 48p", 48, Track(sample=HOUR * 24 + 23, scale=24), ("01:00:00:23", 24), "01:00:00:46"),
    _row("30 on 60p", 60, Track(sample=HOUR * 30 + 29, scale=30), ("01:00:00:29", 30), "01:00:00:58"),
    _row("24 on 120p", 120, Track(sample=HOUR * 24 + 1, scale=24), ("01:00:00:01", 24), "01:00:00:005"),
    _row("120 on 120p", 120, Track(sample=HOUR * 120 + 90, scale=120), ("01:00:00:090", 120), "01:00:00:090"),
    _row("23.976 on 47.952p", N48, Track(sample=86_401, scale=24_000, duration=1001), ("01:00:00:01", N24),
          "01:00:00:02"),
    _row("29.97 DF on 59.94p", N60, Track(sample=DF30, scale=30_000, duration=1001, flags=DROP), ("01:01:00;02",
          N30), "01:01:00;04"),
    _row("29.97 DF on 119.88p", N120, Track(sample=DF30, scale=30_000, duration=1001, flags=DROP), ("01:01:00;02",
          N30), "01:01:00;008"),
    _row("59.94 DF on 59.94p", N60, Track(sample=DF60, scale=60_000, duration=1001, flags=DROP), ("01:01:00;04",
          N60), "01:01:00;04"),
    _row("29.97 NDF on 59.94p", N60, Track(sample=108_001, scale=30_000, duration=1001), ("01:00:00:01", N30),
          "01:00:00:02"),
    _row("50 on 25p", 25, Track(sample=HOUR * 50 + 48, scale=50), ("01:00:00:48", 50), "01:00:00:24"),
    _row("between two frames", 25, Track(sample=HOUR * 50 + 1, scale=50), ("01:00:00:01", 50), "01:00:00:00",
          "falls between two frames at 25"),
    _row("DF mark at 24", 24, Track(sample=86_400, scale=24, flags=DROP), ("01:00:00:00", 24), "01:00:00:00",
          "drop-frame, which 24 frames per second do not have"),
    _row("DF mark at 25", 25, Track(sample=HOUR * 25, scale=25, flags=DROP), ("01:00:00:00", 25), "01:00:00:00",
          "drop-frame"),
    _row("DF mark at 23.976", N24, Track(sample=86_400, scale=24_000, duration=1001, flags=DROP), ("01:00:00:00",
          N24), "01:00:00:00", "drop-frame, which 23.976"),
    _row("DF mark at 30.00", 30, Track(sample=107_892, scale=30, flags=DROP), ("00:59:56:12", 30), "00:59:56:12",
          "drop-frame, which 30"),
    _row("DF mark at 60.00", 60, Track(sample=HOUR * 60, scale=60, flags=DROP), ("01:00:00:00", 60), "01:00:00:00",
          "drop-frame, which 60"),
    _row("rounded rate", N30, Track(sample=108_005, scale=2997, duration=100), ("01:00:00:05", N30), "01:00:00:05"),
    _row("nominal rate for an NTSC one", N24, Track(sample=86_400, scale=24), ("01:00:00:00", N24), "01:00:00:00",
          "written down at 24 frames per second; it counts 23.976"),
    _row("time scale of 600", 25, Track(sample=HOUR * 25 + 3, scale=600, duration=24), ("01:00:00:03", 25),
          "01:00:00:03"),
    _row("labels of another rate", 50, Track(sample=HOUR * 50, scale=50, nominal=25), ("01:00:00:00", 50),
          "01:00:00:00", "its labels at 25; the rate is used"),
    _row("no rate but a nominal one", 25, Track(sample=HOUR * 25, scale=0, duration=0, nominal=25), ("01:00:00:00",
          25), "01:00:00:00"),
    _row("no rate at all", 25, Track(sample=HOUR * 25, scale=0, duration=0, nominal=0), None, "00:00:00:00",
          "ignored: it counts 0 frames per second"),
    _row("another rate than the pictures", 24, Track(sample=HOUR * 25, scale=25), ("01:00:00:00", 25), "01:00:00:00",
          "counts 25 frames"),
    _row("64-bit counter", 25, Track(sample=HOUR * 25 + 9, scale=25, is_long=True), ("01:00:00:09", 25), "01:00:00:09"),
    _row("behind midnight", 25, Track(sample=25 * HOUR * 25 + 1, scale=25, flags=WRAP), ("01:00:00:01", 25),
          "01:00:00:01"),
    _row("more than a day", 25, Track(sample=25 * HOUR * 25, scale=25), ("01:00:00:00", 25), "01:00:00:00", "24 hours"),
    _row("negative", 25, Track(sample=-25, scale=25, flags=NEGATIVE), ("23:59:59:00", 25), "23:59:59:00",
          "is negative"),
    _row("a tape counter", 25, Track(sample=4711, scale=25, flags=COUNTER), None, "00:00:00:00",
          "it is a tape counter"),
    _row("behind an edit", 25, Track(sample=HOUR * 25, scale=25, media_time=5 * 512), ("01:00:00:05", 25),
          "01:00:00:05"),
    _row("rate beyond all reason", 25, Track(sample=HOUR * 25, scale=4_000_000_000, nominal=25), None, "00:00:00:00",
         "ignored: it counts 4000000000 frames per second"),
    _row("last frame of the day", 25, Track(sample=24 * HOUR * 25 - 1, scale=25), ("23:59:59:24", 25), "23:59:59:24"),
]  # fmt: skip


def _tags(
    name: str, fps: Fraction | int, tags: Mapping[str, str], own: StartTimecode | None, timecode: str, *notes: str,
    container: str = "mkv", reel: str = "",
) -> Kind:  # fmt: skip
    """A file with tags alone, by the encoder's words for their place: "" is the file, ":s:v:0" the picture track."""
    options = [part for place, tag in tags.items() for part in (f"-metadata{place}", tag)]
    codec = "mjpeg" if container == "avi" else ""
    make = partial(_film, name=f"film.{container}", fps=Fraction(fps), timecode="", options=options, codec=codec)
    return _kind(name, make, fps, timecode, own, *notes, reel=reel)


FILE, PICTURES, MATERIAL = "the tag of the file", "the tag of the picture track", "the material package"
AT_SEVEN = _start("01:00:00:07", 25, HOUR * 25 + 7, FILE)
TAGS = [
    _tags("Matroska tag of the file", 50, {"": "timecode=10:11:12:43"}, _start("10:11:12:43", 50, 1_833_643, FILE),
          "10:11:12:43"),
    _tags("Matroska tag of the track", 25, {":s:v:0": "timecode=02:00:00:01"}, _start("02:00:00:01", 25, 180_001,
          PICTURES), "02:00:00:01"),
    _tags("tags that differ", 25, {":s:v:0": "timecode=02:00:00:01", "": "timecode=03:00:00:00"},
          _start("02:00:00:01", 25, 180_001, PICTURES), "02:00:00:01", "not used: 03:00:00:00 of the tag of the file"),
    _tags("tag with spaces", 25, {"": "timecode= 01:00:00:07 "}, AT_SEVEN, "01:00:00:07"),
    _tags("tag with periods", 25, {"": "timecode=01.00.00.07"}, AT_SEVEN, "01:00:00:07"),
    _tags("tag with milliseconds", 25, {"": "timecode=01:00:00.280"}, AT_SEVEN, "01:00:00:07"),
    _tags("DF tag at 25", 25, {"": "timecode=01:00:00;07"}, AT_SEVEN, "01:00:00:07", "drop-frame, which 25"),
    _tags("tag with one digit for the hour", 25, {"": "timecode=1:00:00:07"}, AT_SEVEN, "01:00:00:07"),
    _tags("tag with a period before the frames", N30, {"": "timecode=01:00:00.07"}, _start("01:00:00;07", N30,
          107_899, FILE), "01:00:00;07"),
    _tags("tag with semicolons", N30, {"": "timecode=01;00;00;07"}, _start("01:00:00;07", N30, 107_899, FILE),
          "01:00:00;07"),
    _tags("tag of half the rate", N60, {"": "timecode=01:01:00;02"}, _start("01:01:00;02", N30, DF30, FILE),
          "01:01:00;04"),
    _tags("tag with frames that the rate does not have", 24, {"": "timecode=01:00:00:25"}, None, "00:00:00:00",
          "'01:00:00:25' has no frame at 24"),
    _tags("tag that is not a timecode", 24, {"": "timecode=one o'clock"}, None, "00:00:00:00", "is not a timecode"),
    _tags("Matroska reel", 25, {"": "reel_name=B002"}, None, "00:00:00:00", reel="B002"),
    _tags("AVI tag", 25, {"": "timecode=09:00:00:05"}, _start("09:00:00:05", 25, 810_005, FILE), "09:00:00:05",
          container="avi"),
]  # fmt: skip


def _plain(name: str, file: str, own: StartTimecode, *options: str, reel: str = "") -> Kind:
    """A file whose timecode the encoder writes itself."""
    make = partial(_film, name=file, fps=own.rate, timecode=own.label, options=options)
    return _kind(name, make, own.rate, own.label, own, reel=reel)


AT_TEN = _start("10:11:12:13", 25, 916_813)
CAMERA = _start("01:12:35:17", 25, (72 * 60 + 35) * 25 + 17, "the camera's document")
WRITTEN = [
    _plain("mp4", "film.mp4", AT_TEN),
    _plain("fragmented mp4", "film.mp4", AT_TEN, "-movflags", "frag_keyframe+empty_moov"),
    _plain("fragmented mov", "film.mov", AT_TEN, "-movflags", "frag_keyframe+empty_moov"),
    _plain("reel in the track", "film.mov", AT_TEN, "-metadata:s:v:0", "reel_name=A001C003", reel="A001C003"),
    _plain("reel that is padded", "film.mov", AT_TEN, "-metadata:s:v:0", "reel_name= A001\n C3 ", reel="A001 C3"),
    _plain("group headers", "film.mpg", _start("10:11:12:13", 25, 916_813, "the pictures")),
    _plain("mxf", "film.mxf", _start("10:11:12:13", 25, 916_813, MATERIAL)),
    _plain("mxf, tape", "film.mxf", _start("10:11:12:13", 25, 916_813, MATERIAL), "-metadata", "reel_name=T1",
          reel="T1"),
]  # fmt: skip
OTHERS = [
    _kind("group headers in a transport stream", partial(_film, name="film.ts", fps=N30, options=("-gop_timecode",
          "10:11:12;13")),
          N30, "10:11:12;13", _start("10:11:12;13", N30, drop_frame_count(10, 11, 12, 13, 30), "the pictures")),
    _kind("group headers that count from zero", partial(_film, name="film.ts", fps=Fraction(25)), 25, "00:00:00:00",
          None),
    _kind("camera document", partial(_camera, fps=Fraction(25), base=25, value="17351201"), 25, "01:12:35:17", CAMERA),
    _kind("camera document at 50p", partial(_camera, fps=Fraction(50), base=25, value="17351201"), 50, "01:12:35:34",
          CAMERA),
    _kind("camera document, DF", partial(_camera, fps=N60, base=30, value="42000101"), N60, "01:01:00;04",
          _start("01:01:00;02", N30, DF30, "the camera's document")),
    _kind("two picture tracks", partial(_two_pictures, codes=("01:00:00:00", "02:00:00:00")), 25, "01:00:00:00",
          _start("01:00:00:00", 25, 90_000, "stream 2")),
    _kind("two picture tracks, references swapped", partial(_two_pictures, codes=("01:00:00:00", "02:00:00:00"),
          swap=True),
          25, "02:00:00:00", _start("02:00:00:00", 25, 180_000, "stream 3")),
    _kind("mxf, 25 on 50p", partial(_mxf, fps=Fraction(50), timecode="10:11:12:13", base=25, count=HOUR * 25 + 20,
          packages=2),
          50, "01:00:00:40", _start("01:00:00:20", 25, HOUR * 25 + 20, MATERIAL)),
    _kind("mxf, 29.97 DF on 59.94p", partial(_mxf, fps=N60, timecode="10:11:12;13", base=30, count=DF30, packages=2),
          N60, "01:01:00;04", _start("01:01:00;02", N30, DF30, MATERIAL)),
    _kind("mxf, packages that differ", partial(_mxf, fps=Fraction(25), timecode="10:11:12:13", base=25,
          count=HOUR * 25, packages=1),
          25, "01:00:00:00", _start("01:00:00:00", 25, HOUR * 25, MATERIAL), "10:11:12:13 of the file package"),
]  # fmt: skip
KINDS = TRACKS + TAGS + WRITTEN + OTHERS
