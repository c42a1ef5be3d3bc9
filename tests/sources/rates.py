"""Rates and clocks: rounding, wrong headers, edits, jitter, dropped frames, telecine, wraps, few pictures."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av

from tests.builders.films import draw_frames, make_film, run_ffmpeg
from tests.sources.kind import Kind

FILM, NTSC, NTSC60 = (Fraction(base * 1000, 1001) for base in (24, 30, 60))
NTSC120, HALF_PAL, HIGH_FILM = Fraction(120000, 1001), Fraction(25, 2), Fraction(48000, 1001)
FRAMES = 40


def _film(folder: Path, name: str, **options: Any) -> Path:
    usual: dict[str, Any] = {"frames": FRAMES, "cuts": (20,), "width": 160, "height": 90}
    if options.get("codec") == "libvpx":
        usual["options"] = ("-deadline", "realtime", "-cpu-used", "8")
    return make_film(folder / name, **(usual | options)).path


def _copy(source: Path, target: str, *options: str, before: Sequence[str] = ()) -> Path:
    run_ffmpeg([*before, "-i", str(source), "-c", "copy", *options, str(source.with_name(target))])
    return source.with_name(target)


def _trimmed(folder: Path, name: str, fps: Fraction, first: int) -> Path:
    source = _film(folder, "source.mp4", fps=fps, frames=60, bframes=3, audio=True)
    return _copy(source, name, before=["-ss", f"{float(first / fps):.5f}"])


def _chain(folder: Path, *names: str, fps: Fraction) -> Path:
    """A Matroska file, whose times are milliseconds, copied on into other containers."""
    path = _film(folder, "source.mkv", fps=fps)
    for name in names:
        path = _copy(path, name)
    return path


def write_times(folder: Path, name: str, times: Sequence[int], tick: Fraction, rate: int = 25, last: int = 0) -> Path:
    """A film whose frames are shown at ``times`` ticks; the last one for ``last`` ticks. ``rate`` is what it claims."""
    with av.open(str(folder / name), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 160, 90, "yuv420p", tick
        stream.codec_context.time_base, stream.codec_context.max_b_frames = tick, 0
        stream.options = {"preset": "veryfast", "x264-params": "force-cfr=0"}
        packets = []
        for picture, time in zip(draw_frames(len(times), (len(times) // 2,), 160, 90), times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, tick
            packets += stream.encode(frame)
        ends = [*times[1:], times[-1] + (last or times[-1] - times[-2])]
        for packet, time, end in zip([*packets, *stream.encode(None)], times, ends, strict=True):
            packet.duration = end - time
            container.mux(packet)
    return folder / name


def _default_duration(folder: Path, name: str, fps: Fraction, claim: int, **options: Any) -> Path:
    """A Matroska file whose header claims another rate."""
    path = _film(folder, name, fps=fps, **options)
    data = bytearray(path.read_bytes())
    at = data.find(bytes.fromhex("23e383")) + 3
    size = data[at] & 0x7F
    data[at + 1 : at + 1 + size] = (10**9 // claim).to_bytes(size, "big")
    path.write_bytes(data)
    return path


def _without_chunks(folder: Path, is_dropped: Callable[[int], bool], **options: Any) -> Path:
    """An AVI some of whose frames were dropped: their chunks hold nothing."""
    path = _film(folder, "film.avi", frames=60, codec="mjpeg", pix_fmt="yuvj420p", **options)
    data = path.read_bytes()
    movi = data.find(b"movi")
    end, at, chunks = movi + int.from_bytes(data[movi - 4 : movi], "little"), movi + 4, []
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        chunks.append((data[at : at + 4], data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    body, index = b"movi", b""
    for number, (kind, content) in enumerate(chunks):
        content = b"" if is_dropped(number) else content
        flags = (16 if content else 0).to_bytes(4, "little")
        index += kind + flags + len(body).to_bytes(4, "little") + len(content).to_bytes(4, "little")
        body += kind + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)
    lists = b"LIST" + len(body).to_bytes(4, "little") + body + b"idx1" + len(index).to_bytes(4, "little") + index
    data = data[: movi - 8] + lists
    path.write_bytes(b"RIFF" + (len(data) - 8).to_bytes(4, "little") + data[8:])
    return path


def _telecined(folder: Path, name: str, bframes: int) -> Path:
    """Film at 24000/1001 as 29.97 by flags (top field first, repeat first field): 3, 2, 3, 2 fields a picture."""
    source = _film(folder, "film.m2v", fps=24, codec="mpeg2video", bframes=bframes, height=96)
    data = bytearray(source.read_bytes())
    pictures: list[tuple[tuple[int, int], int]] = []
    at = group = number = 0
    while (at := data.find(b"\0\0\1", at)) >= 0:
        code, kind = data[at + 3], data[at + 4] >> 4
        if code == 0xB3:  # sequence header: 29.97
            data[at + 7] = data[at + 7] & 0xF0 | 4
        elif code == 0xB8:
            group += 1
        elif code == 0:
            number = data[at + 4] << 2 | data[at + 5] >> 6
        elif code == 0xB5 and kind == 1:  # sequence extension: not progressive
            data[at + 5] &= 0xF7
        elif code == 0xB5 and kind == 8:
            pictures.append(((group, number), at))
        at += 4
    for n, (_, at) in enumerate(sorted(pictures)):
        top, repeat = ((1, 1), (0, 0), (0, 1), (1, 0))[n % 4]
        data[at + 7] = data[at + 7] & 0x7D | top << 7 | repeat << 1
        data[at + 8] |= 0x80
    source.write_bytes(data)
    return _copy(source, name, before=["-fflags", "+genpts"])


def _shifted(folder: Path, seconds: str, **options: Any) -> Path:
    """A transport stream whose clock of 33 bits (95443.7 s) wraps within it."""
    source = _film(folder, "source.ts", **options)
    return _copy(source, "film.ts", "-output_ts_offset", seconds, "-muxdelay", "0")


def _random_walk(rate: tuple[float, float], tick: int, frames: int = 60) -> list[int]:
    chance, time, times = random.Random(7), 0.0, []
    for _ in range(frames):
        times.append(round(time * tick))
        time += 1 / chance.uniform(*rate)
    return times


def _jittered(frames: int = 60) -> list[int]:
    chance = random.Random(8)
    return [0] + [round(90_000 * (n / 30 + chance.uniform(-0.0015, 0.0015))) for n in range(1, frames)]


def _screen(tick: int) -> list[int]:
    chance, times = random.Random(9), [0]
    for _ in range(39):
        times.append(times[-1] + chance.choice([1, 1, 2, 3, 5, 9]))
    return [round(time * tick / 60) for time in times]


def _constant(name: str, make: Callable[[Path], Path], fps: Fraction | int, frames: int = FRAMES, **more: Any) -> Kind:
    facts = {"fps": Fraction(fps), "variable_rate": False, "frames": frames}
    more.setdefault("numbers", range(frames))
    return Kind(name=name, make=make, facts=facts, **more)


def _varying(name: str, make: Callable[[Path], Path]) -> Kind:
    return Kind(name=name, make=make, facts={"variable_rate": True}, notes=("frame rate varies",))


ROUNDED = [
    _constant(f"{name} at {float(fps):.3f}", partial(_film, name=name, fps=fps, codec=codec), fps)
    for fps in (FILM, NTSC60, NTSC120, HALF_PAL, HIGH_FILM)
    for name, codec in (("film.mkv", "libx264"), ("film.flv", "libx264"), ("film.webm", "libvpx"))
] + [
    _constant("wmv at 29.970", partial(_film, name="film.wmv", fps=NTSC, codec="wmv2"), NTSC),
    _constant("asf at 23.976", partial(_film, name="film.asf", fps=FILM, codec="mpeg4"), FILM),
    _constant("ogg at 25", partial(_film, name="film.ogv", fps=25, codec="libtheora"), 25),
    _constant("3gp at 12.5", partial(_film, name="film.3gp", fps=HALF_PAL), HALF_PAL),
    _constant("mxf at 29.970", partial(_film, name="film.mxf", fps=NTSC, codec="mpeg2video"), NTSC),
    _constant("mkv to mp4 at 23.976", lambda f: _chain(f, "a.mp4", fps=FILM), FILM),
    _constant("mkv to mp4 to ts at 59.940", lambda f: _chain(f, "a.mp4", "b.ts", fps=NTSC60), NTSC60),
    _constant("mkv to mp4 at 119.880", lambda f: _chain(f, "a.mp4", fps=NTSC120), NTSC120),
]

PROGRAM = [
    _constant(
        f"{name} at {float(fps):.3f} with {bframes} B-frames",
        partial(_film, name=name, fps=fps, codec="mpeg2video", bframes=bframes),
        fps,
    )
    for fps, bframes in ((FILM, 2), (Fraction(24), 0), (Fraction(25), 2), (NTSC, 0), (Fraction(50), 0), (NTSC60, 2))
    for name in ("film.mpg", "film.vob")
] + [
    _constant(f"soft telecine in {name}", partial(_telecined, name=name, bframes=bframes), FILM, notes=("telecine",))
    for name, bframes in (("film.mpg", 2), ("film.vob", 0), ("film.ts", 2), ("film.mkv", 0))
]

ODD = [
    _constant(f"{name} at {rate}", partial(_film, name=name, fps=Fraction(rate)), Fraction(rate))
    for rate in ("1", "5", "1497/50", "100/3", "15000/1001", "18", "100")
    for name in ("film.mp4", "film.mkv")
] + [
    _constant(f"{frames} pictures in {name}", partial(_film, name=name, fps=24, frames=frames, cuts=()), 24, frames)
    for frames in (1, 2, 3)
    for name in ("film.mp4", "film.mkv", "film.avi")
]

EDITED = (
    [
        _constant(
            f"{name} trimmed at {first} of {float(fps):.3f}",
            partial(_trimmed, name=name, fps=fps, first=first),
            fps,
            60 - first,
            numbers=range(first, 60),
        )
        for fps, first in ((FILM, 38), (NTSC, 17), (Fraction(50), 7), (HALF_PAL, 33))
        for name in ("film.mp4", "film.mov")
    ]
    + [
        _constant(
            "an empty edit before the film", partial(_film, name="film.mp4", fps=25, delay_s=0.7, audio=True), 25
        ),
        _constant(
            "negative composition offsets",
            lambda f: _copy(_film(f, "a.mp4", fps=FILM, bframes=3), "film.mp4", "-movflags", "negative_cts_offsets"),
            FILM,
        ),
    ]
    + [
        _constant(
            f"fragments ({flags})", partial(_film, name="film.mp4", fps=NTSC60, options=("-movflags", flags)), NTSC60
        )
        for flags in ("frag_keyframe+empty_moov", "frag_every_frame+empty_moov", "cmaf", "frag_keyframe")
    ]
)

STEADY = [n * 512 for n in range(FRAMES)]
FINE, COARSE = Fraction(1, 12_800), Fraction(1, 1000)
HEADERS = [
    _constant(
        "a last picture of a second", partial(write_times, name="a.mp4", times=STEADY, tick=FINE, last=12800), 25
    ),
    _constant("a last picture of a tick", partial(write_times, name="a.mp4", times=STEADY, tick=FINE, last=1), 25),
    _constant(
        "a first picture of five frames",
        partial(write_times, name="a.mp4", times=[0, *(time + 2560 for time in STEADY[:-1])], tick=FINE),
        25,
        times=[0, *(0.2 + n / 25 for n in range(FRAMES - 1))],
        notes=("its clock jumps",),
    ),
    _constant(
        "a claim of 90000",
        partial(write_times, name="a.mp4", times=[n * 3000 for n in range(40)], tick=Fraction(1, 90000), rate=90000),
        30,
    ),
    _constant(
        "mkv that claims 30 and is 23.976",
        partial(_default_duration, name="film.mkv", fps=FILM, claim=30),
        FILM,
        notes=("not as it claims (container: 30",),
    ),
    _constant(
        "webm that claims 24 and is 25",
        partial(_default_duration, name="film.webm", fps=Fraction(25), claim=24, codec="libvpx"),
        25,
        notes=("not as it claims (container: 24)",),
    ),
]

DROPS = {
    "a run": range(20, 30),
    "each fifth": range(4, 60, 5),
    "the end": range(50, 60),
    "the second to tenth": range(1, 10),
}
DROPPED = [
    _constant(
        f"avi without {name}",
        partial(_without_chunks, fps=fps, is_dropped=gone.__contains__),
        fps,
        60 - len(gone),
        numbers=[n for n in range(60) if n not in gone],
        times=[float(n / fps) for n in range(60) if n not in gone],
    )
    for (name, gone), fps in zip(DROPS.items(), (Fraction(25), NTSC, FILM, HALF_PAL), strict=True)
]

WRAPPED = [
    _constant(f"a clock that wraps {where}", partial(_shifted, seconds=seconds, fps=25), 25)
    for where, seconds in (("at once", "95443.70"), ("in the middle", "95443.0"), ("at the end", "95442.2"))
] + [
    _constant("MPEG-2 whose clock wraps", partial(_shifted, seconds="95443.0", fps=NTSC, codec="mpeg2video"), NTSC),
    _constant("a slow clock that wraps", partial(_shifted, seconds="95424.2", fps=1), 1),
]

TRUE_VARYING = (
    [
        _varying(
            f"a phone that drifts in {name}",
            partial(write_times, name=name, times=_random_walk((29.8, 30.1), tick), tick=Fraction(1, tick), rate=30),
        )
        for name, tick in (("a.mp4", 90_000), ("a.mov", 600), ("a.mkv", 1000), ("a.ts", 90_000))
    ]
    + [
        _varying(
            f"a recorded screen in {name}",
            partial(write_times, name=name, times=_screen(tick), tick=Fraction(1, tick), rate=60),
        )
        for name, tick in (("a.mp4", 90_000), ("a.mkv", 1000))
    ]
    + [
        _varying(
            "a rate that changes after the first pictures",
            partial(
                write_times,
                name="a.mp4",
                times=[n * 3600 for n in range(402)] + [402 * 3600 + n * 7000 + n % 3 * 900 for n in range(120)],
                tick=Fraction(1, 90_000),
            ),
        ),
        _constant(
            "jitter that does not accumulate",
            partial(write_times, name="a.mp4", times=_jittered(), tick=Fraction(1, 90_000), rate=30),
            30,
            60,
        ),
    ]
)

KINDS = [*ROUNDED, *PROGRAM, *ODD, *EDITED, *HEADERS, *DROPPED, *WRAPPED, *TRUE_VARYING]
