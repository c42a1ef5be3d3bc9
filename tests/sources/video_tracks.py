"""Several video tracks: the film is not the cover, the thumbnails, the proxy, an empty track or what is not default."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tests.builders.films import make_film, run_ffmpeg
from tests.sources.kind import Kind

FRAMES = 24


def _film(folder: Path, name: str, width: int, height: int, **options: Any) -> Path:
    return make_film(folder / name, frames=FRAMES, cuts=(12,), fps=25, width=width, height=height, **options).path


def _main(folder: Path) -> Path:
    return _film(folder, "main.mp4", 160, 90)


def _other(folder: Path) -> Path:
    """Nearly as large, with other pictures."""
    return _film(folder, "other.mp4", 144, 80, seed=3)


def _proxy(folder: Path) -> Path:
    return _film(folder, "proxy.mp4", 64, 36, seed=4)


def _still(folder: Path) -> Path:
    run_ffmpeg(["-f", "lavfi", "-i", "testsrc2=s=640x360:d=0.04:r=25", "-frames:v", "1", str(folder / "still.jpg")])
    return folder / "still.jpg"


def _thumbnails(folder: Path) -> Path:
    options = ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", str(folder / "thumbs.mov")]
    run_ffmpeg(["-f", "lavfi", "-i", "testsrc2=s=320x180:d=1:r=2", *options])
    return folder / "thumbs.mov"


MAKERS = {"main": _main, "other": _other, "proxy": _proxy, "still": _still, "thumbnails": _thumbnails}


def _tracks(folder: Path, container: str, first: str, second: str, flags: tuple[str, str] | None = None) -> Path:
    options = ["-c", "copy", "-map", "0:v", "-map", "1:v"]
    for number, flag in enumerate(flags or ()):
        options += [f"-disposition:v:{number}", flag]
    target = folder / f"film.{container}"
    sources = [MAKERS[first](folder), MAKERS[second](folder)]
    run_ffmpeg(["-i", str(sources[0]), "-i", str(sources[1]), *options, str(target)])
    return target


def _two_programs(folder: Path, first: str, second: str) -> Path:
    options = ["-c", "copy", "-map", "0:v", "-map", "1:v", "-program", "program_num=1:st=0"]
    sources = ["-i", str(MAKERS[first](folder)), "-i", str(MAKERS[second](folder))]
    run_ffmpeg([*sources, *options, "-program", "program_num=2:st=1", str(folder / "film.ts")])
    return folder / "film.ts"


def _empty_track(folder: Path, kept: int) -> Path:
    """A transport stream that announces two tracks; of the first one only ``kept`` packets are there."""
    path = _tracks(folder, "ts", "other", "main")
    data, packets = path.read_bytes(), list[bytes]()
    for at in range(0, len(data), 188):
        packet = data[at : at + 188]
        if int.from_bytes(packet[1:3], "big") & 0x1FFF == 0x100:
            kept -= 1
            if kept < 0:
                continue
        packets.append(packet)
    path.write_bytes(b"".join(packets))
    return path


def _kind(name: str, make: Any, stream: int, note: str = "several video tracks", width: int = 160) -> Kind:
    facts = {"video_stream": stream, "width": width, "frames": FRAMES, "fps": 25, "variable_rate": False}
    return Kind(name=name, make=make, facts=facts, numbers=range(FRAMES), notes=(note,) if note else ())


NONE, SECOND = ("0", "0"), ("0", "default")
KINDS = (
    [
        _kind(
            f"a still without a flag before the film in {name}",
            partial(_tracks, container=name, first="still", second="main"),
            1,
        )
        for name in ("mp4", "mov", "mkv")
    ]
    + [
        _kind(
            f"thumbnails before the film in {name}",
            partial(_tracks, container=name, first="thumbnails", second="main"),
            1,
        )
        for name in ("mp4", "mkv")
    ]
    + [
        _kind(
            f"the second track is default in {name}",
            partial(_tracks, container=name, first="other", second="main", flags=SECOND),
            1,
        )
        for name in ("mp4", "mov", "mkv")
    ]
    + [
        _kind(
            f"no track is default in {name}",
            partial(_tracks, container=name, first="main", second="other", flags=NONE),
            0,
        )
        for name in ("mkv", "ts")
    ]
    + [
        _kind(
            f"a proxy before the film in {name}",
            partial(_tracks, container=name, first="proxy", second="main", flags=NONE),
            1,
        )
        for name in ("mkv", "ts")
    ]
    + [
        _kind(
            "a small default track in mkv",
            partial(_tracks, container="mkv", first="main", second="proxy", flags=SECOND),
            1,
            width=64,
        ),
        _kind(
            "a cover that is marked",
            partial(_tracks, container="mp4", first="still", second="main", flags=("attached_pic", "default")),
            0,
            note="",
        ),
        _kind(
            "thumbnails that are marked",
            partial(_tracks, container="mp4", first="thumbnails", second="main", flags=("timed_thumbnails", "default")),
            1,
        ),
        _kind("two programs", partial(_two_programs, first="main", second="other"), 0),
        _kind("a small program first", partial(_two_programs, first="proxy", second="main"), 1),
        _kind("an empty track first", partial(_empty_track, kept=0), 1),
        _kind("a track that ends at once first", partial(_empty_track, kept=3), 1),
    ]
)
