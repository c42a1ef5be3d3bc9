"""Sources with several sound tracks, silent ones, tracks that nothing decodes, and channels without names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.builders.films import run_ffmpeg
from tests.sources.kind import Kind

RATE = 48_000
SILENCE = f"anullsrc=r={RATE}:cl=stereo"
MONO_SILENCE = f"anullsrc=r={RATE}:cl=mono"


@dataclass(frozen=True, kw_only=True)
class Track:
    """A sound track to write: an lavfi ``source``, its encoder, and what its header says."""

    source: str
    codec: str = "pcm_s16le"
    language: str = ""
    title: str = ""
    disposition: str = ""
    options: tuple[str, ...] = ()


def tone(frequency: int, *, level: float = 0.2, rate: int = RATE, channels: int = 1, begins_s: float = 0) -> str:
    """A tone with the peak ``level`` in each channel; silence before ``begins_s``."""
    expression = f"{level}*sin(2*PI*{frequency}*t)*gte(t\\,{begins_s})"
    return f"aevalsrc={'|'.join([expression] * channels)}:s={rate}"


def click(at_s: float, *, rate: int = RATE, channels: int = 1) -> str:
    """Silence with one loud burst of 20 ms at 1 kHz, which begins at ``at_s`` with its full height."""
    expression = f"0.8*cos(2*PI*1000*(t-{at_s}))*between(t\\,{at_s}\\,{at_s + 0.02})"
    return f"aevalsrc={'|'.join([expression] * channels)}:s={rate}"


def write(path: Path, tracks: Sequence[Track], *, seconds: float = 1.0, options: Sequence[str] = ()) -> Path:
    """A film of plain pictures at 25 fps with ``tracks``, each as long as the pictures unless its source ends."""
    command = ["-f", "lavfi", "-t", f"{seconds}", "-i", "testsrc2=s=160x90:r=25"]
    for track in tracks:
        command += ["-f", "lavfi", "-t", f"{seconds}", "-i", track.source]
    command += ["-map", "0:v", *(part for at in range(len(tracks)) for part in ("-map", f"{at + 1}:a"))]
    video = ["mpeg2video", "-q:v", "4"] if path.suffix in (".mxf", ".mpg") else ["libx264", "-preset", "ultrafast"]
    command += ["-c:v", *video, "-pix_fmt", "yuv420p"]
    for at, track in enumerate(tracks):
        command += [f"-c:a:{at}", track.codec, *track.options]
        command += [f"-metadata:s:a:{at}", f"language={track.language}"] if track.language else []
        command += [f"-metadata:s:a:{at}", f"title={track.title}"] if track.title else []
        command += [f"-disposition:a:{at}", track.disposition] if track.disposition else []
    run_ffmpeg([*command, *options, str(path.absolute())])
    return path


def write_unknown(path: Path, tracks: Sequence[Track], codes: tuple[bytes, bytes]) -> Path:
    """As :func:`write`, with the code of the first sound codec replaced by one that nothing decodes."""
    data = write(path, tracks).read_bytes()
    path.write_bytes(data.replace(codes[0], codes[1], 1))
    return path


LOUD, QUIET = tone(440), tone(440, level=0.0003)
"""-17 and -73 dBFS."""


def _kind(
    name: str, tracks: Sequence[Track], *, suffix: str = "mkv", notes: tuple[str, ...] = (), **facts: Any
) -> Kind:
    path = f"film.{suffix}"
    return Kind(
        name=f"sound: {name}",
        make=lambda folder: write(folder / path, tracks),
        facts={"has_audio": True, **facts},
        notes=tuple(notes),
    )


def _tones(count: int, **changes: Any) -> list[Track]:
    return [Track(source=tone(300 * (at + 1)), **changes) for at in range(count)]


def _aac(source: str, **changes: Any) -> Track:
    return Track(source=source, codec="aac", **changes)


CHOICES = [
    _kind("one track", [Track(source=LOUD)], sound_stream=1, mixed_streams=(), notes=()),
    _kind("no track", [], has_audio=False, sound_stream=None, sound_tracks=()),
    _kind("four mono in mov", _tones(4), suffix="mov", sound_stream=1, mixed_streams=(1, 2, 3, 4)),
    _kind("eight mono in mxf", _tones(8), suffix="mxf", sound_stream=1, mixed_streams=tuple(range(1, 9))),
    _kind(
        "eight mono in mxf, six silent",
        [*_tones(2), *[Track(source=MONO_SILENCE)] * 6],
        suffix="mxf",
        sound_stream=1,
        mixed_streams=(1, 2),
        notes=("mix of the mono tracks 1 and 2; tracks 3, 4, 5, 6, 7 and 8 are silent",),
    ),
    _kind(
        "mono, the first silent",
        [Track(source=MONO_SILENCE), *_tones(2)],
        suffix="mov",
        sound_stream=2,
        mixed_streams=(2, 3),
        notes=("track 1 is silent",),
    ),
    _kind("mono, one with sound", [Track(source=MONO_SILENCE), Track(source=LOUD)], sound_stream=2, mixed_streams=()),
    _kind(
        "silent default, aac",
        [_aac(SILENCE, disposition="default"), _aac(LOUD)],
        sound_stream=2,
        notes=("use track 2 (aac, mono); track 1 is silent",),
    ),
    _kind("silent default, mp4", [_aac(SILENCE), _aac(LOUD)], suffix="mp4", sound_stream=2),
    _kind("silent first in ts", [_aac(SILENCE), _aac(LOUD)], suffix="ts", sound_stream=2),
    _kind("silent first in avi", [Track(source=SILENCE), Track(source=LOUD)], suffix="avi", sound_stream=2),
    _kind("silent at first, sound later", [_aac(tone(440, begins_s=0.9, channels=2)), _aac(SILENCE)], sound_stream=1),
    _kind("hiss, then a tone", [Track(source=QUIET), Track(source=tone(440, channels=2))], sound_stream=2),
    _kind("digital silence, then hiss", [Track(source=SILENCE), Track(source=QUIET)], sound_stream=2),
    _kind(
        "all silent",
        [Track(source=SILENCE), Track(source=SILENCE)],
        sound_stream=1,
        notes=("all 2 sound tracks are silent",),
    ),
    _kind(
        "second is the default",
        [_aac(tone(440, channels=2), disposition="0"), _aac(tone(880, channels=2), disposition="default")],
        sound_stream=2,
    ),
    _kind(
        "commentary is the default",
        [_aac(tone(440, channels=2), disposition="default+comment"), _aac(tone(880, channels=2), disposition="0")],
        sound_stream=2,
        notes=("use track 2",),
    ),
    _kind(
        "commentary by its title",
        [_aac(LOUD, title="Director's Commentary"), _aac(LOUD, disposition="0")],
        sound_stream=2,
    ),
    _kind(
        "audio description first",
        [_aac(LOUD, disposition="visual_impaired"), _aac(LOUD, disposition="0")],
        sound_stream=2,
    ),
    _kind(
        "for the hard of hearing first",
        [_aac(LOUD, disposition="hearing_impaired"), _aac(LOUD, disposition="0")],
        sound_stream=2,
    ),
    _kind(
        "commentary is all that is heard",
        [_aac(SILENCE), _aac(LOUD, disposition="comment")],
        sound_stream=2,
        notes=("commentary); track 1 is silent",),
    ),
    _kind(
        "dub before original",
        [_aac(LOUD, disposition="dub"), _aac(LOUD, disposition="original")],
        sound_stream=2,
        mixed_streams=(),
    ),
    _kind(
        "two languages, mono",
        [_aac(LOUD, language="eng"), _aac(LOUD, language="fra", disposition="0")],
        sound_stream=1,
        mixed_streams=(),
    ),
    _kind(
        "two languages in ts",
        [_aac(tone(440, channels=2), language="eng"), _aac(tone(880, channels=2), language="deu")],
        suffix="ts",
        sound_stream=1,
        notes=("track 1 (aac, stereo, eng)",),
    ),
    _kind(
        "5.1 and stereo",
        [_aac(tone(440, channels=6)), _aac(tone(440, channels=2))],
        sound_stream=1,
        mixed_streams=(),
        notes=("5.1",),
    ),
    _kind("mono and stereo", [Track(source=LOUD), Track(source=tone(880, channels=2))], sound_stream=1),
    _kind(
        "other rates",
        [Track(source=tone(440, rate=44_100)), Track(source=tone(880, rate=96_000))],
        suffix="mov",
        sound_stream=1,
        mixed_streams=(1, 2),
    ),
    _kind(
        "other codecs",
        [
            Track(source=SILENCE, codec="pcm_s24le"),
            Track(source=SILENCE, codec="ac3"),
            Track(source=LOUD, codec="flac"),
        ],
        sound_stream=3,
    ),
    _kind(
        "float beside integers",
        [Track(source=LOUD, codec="pcm_f32le"), Track(source=LOUD)],
        suffix="mov",
        mixed_streams=(1, 2),
    ),
]

CONTAINERS = [
    _kind(
        f"silent first in {suffix}",
        [Track(source=SILENCE, codec=codec), Track(source=tone(440, channels=2), codec=codec)],
        suffix=suffix,
        sound_stream=2,
        mixed_streams=(),
    )
    for suffix, codec in (("wmv", "wmav2"), ("3gp", "aac"), ("nut", "pcm_s16le"), ("mpg", "mp2"), ("flv", "aac"))
]

LEVELS = [
    _kind("an offset is not heard", [Track(source=f"aevalsrc=0.1:s={RATE}"), Track(source=LOUD)], sound_stream=2),
    _kind(
        "eight channels with names",
        [Track(source=tone(440, channels=8), codec="flac"), Track(source=SILENCE)],
        sound_stream=1,
        notes=("7.1); track 2 is silent",),
    ),
    _kind("sound for a moment", [_aac(SILENCE), _aac(tone(440, begins_s=0.85))], sound_stream=2),
]

UNKNOWN = [
    Kind(
        name="sound: unknown codec first in mov",
        make=lambda folder: write_unknown(folder / "film.mov", _tones(3), (b"sowt", b"QXYZ")),
        facts={"has_audio": True, "sound_stream": 2, "mixed_streams": (2, 3)},
        notes=("sound track 1 is in a codec that Needle cannot decode",),
    ),
    Kind(
        name="sound: unknown codec first in mkv",
        make=lambda folder: write_unknown(folder / "film.mkv", [_aac(LOUD), _aac(LOUD)], (b"A_AAC", b"A_QQQ")),
        facts={"has_audio": True, "sound_stream": 2, "mixed_streams": ()},
        notes=("sound track 1 is in a codec that Needle cannot decode",),
    ),
    Kind(
        name="sound: unknown codec alone",
        make=lambda folder: write_unknown(folder / "film.mov", _tones(1), (b"sowt", b"QXYZ")),
        facts={"has_audio": False, "sound_stream": None, "sound_tracks": ()},
        notes=("sound track 1 is in a codec that Needle cannot decode",),
    ),
]

KINDS = [*CHOICES, *CONTAINERS, *LEVELS, *UNKNOWN]
