"""Every frame number is right, in each codec and container; damage is in ``test_media_damage.py``."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ops.videos.reader import DecodedFrame, Sound, read_media
from tests.builders.films import Film, make_film, read_barcode, run_ffmpeg

SHORT: dict[str, Any] = {"frames": 64, "cuts": (21, 40), "gop": 12, "width": 192, "height": 108}

FILMS: dict[str, dict[str, Any]] = {
    "h264 closed.mp4": {},
    "h264 open.mp4": {"open_gop": True, "bframes": 3},
    "h264 open.mkv": {"open_gop": True, "bframes": 3},
    "h264 open.mov": {"open_gop": True, "audio": True, "timecode": "01:00:00:00"},
    "h264 open.ts": {"open_gop": True, "audio": True},
    "h264 intra.mp4": {"gop": 1, "bframes": 0},
    "h264 444.mp4": {"width": 321, "height": 181, "pix_fmt": "yuv444p"},
    "h264 fragmented.mp4": {"audio": True, "options": ("-movflags", "frag_keyframe+empty_moov")},
    "h264 faststart.mp4": {"audio": True, "options": ("-movflags", "faststart"), "fps": Fraction(24000, 1001)},
    "hevc closed.mp4": {"codec": "libx265"},
    "hevc open.mp4": {"codec": "libx265", "open_gop": True, "bframes": 3},
    "hevc open.ts": {"codec": "libx265", "open_gop": True, "bframes": 3},
    "hevc ten bits.mkv": {"codec": "libx265", "pix_fmt": "yuv420p10le", "open_gop": True},
    "av1.mp4": {"codec": "libsvtav1"},
    "av1 open.mkv": {"codec": "libsvtav1", "open_gop": True},
    "av1 ten bits.webm": {"codec": "libsvtav1", "pix_fmt": "yuv420p10le"},
    "vp9.webm": {"codec": "libvpx-vp9", "audio": True},
    "vp9 odd.mkv": {"codec": "libvpx-vp9", "width": 323, "height": 179},
    "vp8.webm": {"codec": "libvpx", "options": ("-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "1M")},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4 open.mkv": {"codec": "mpeg4", "open_gop": True},
    "mpeg2 open.ts": {"codec": "mpeg2video", "fps": 25, "open_gop": True},
    "mpeg2.mpg": {"codec": "mpeg2video", "fps": Fraction(30000, 1001)},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "edit list.mp4": {"preroll": 10},
    "edit list open.mov": {"preroll": 31, "open_gop": True},
    "edit list hevc.mp4": {"preroll": 7, "codec": "libx265", "open_gop": True},
    "edit list delay.mp4": {"delay_s": 0.5, "audio": True},
    "variable.mp4": {"vfr": True},
    "variable.mkv": {"vfr": True, "audio": True},
    "rotated.mp4": {"rotation": 90},
    "rotated.mov": {"rotation": 270, "audio": True},
    "interlaced.mp4": {"options": ("-flags", "+ildct+ilme", "-x264-params", "tff=1:keyint=12")},
    "one frame.mp4": {"frames": 1, "cuts": ()},
    "one frame hevc.mkv": {"frames": 1, "cuts": (), "codec": "libx265"},
    "names with 'quotes', ünï 漢字 and\nnewline.mp4": {},
    "concat:a|b.mp4": {},
}


@pytest.fixture(scope="module", params=FILMS, ids=ascii)
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Film:
    return make_film(tmp_path_factory.mktemp("films") / request.param, **(SHORT | FILMS[request.param]))


def pictures(path: Path, **options: Any) -> list[tuple[int, int, Fraction]]:
    """``(index, barcode, time)`` of each picture."""
    return [
        (item.index, read_barcode(item.frame.to_ndarray(format="gray")), item.time_s)
        for item in read_media(path, **options)
        if isinstance(item, DecodedFrame)
    ]


def test_every_frame_number_is_right(film: Film) -> None:
    read = pictures(film.path)
    assert [index for index, _, _ in read] == list(range(film.frames))
    assert [number for _, number, _ in read] == list(range(film.frames))
    times = film.times or [n / film.fps for n in range(film.frames)]
    # Matroska rounds times to milliseconds, MPEG to 1/90000 s.
    tolerance = {".mkv": 1e-3, ".webm": 1e-3, ".ts": 2e-5, ".mpg": 2e-5}.get(film.path.suffix, 0)
    assert all(abs(time - due) <= tolerance for (_, _, time), due in zip(read, times, strict=True))


def test_threads_and_sound_change_no_number(film: Film) -> None:
    assert pictures(film.path, threads=2, audio=True) == pictures(film.path)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mov"])
def test_sound_is_whole_and_in_time(tmp_path: Path, suffix: str) -> None:
    film = make_film(tmp_path / f"sound{suffix}", audio=True, **SHORT)
    sounds = [item for item in read_media(film.path, audio=True) if isinstance(item, Sound)]
    samples = sum(sound.frame.samples for sound in sounds)
    assert abs(samples / sounds[0].frame.sample_rate - film.frames / film.fps) < 0.1
    assert abs(sounds[0].time_s) < 0.03
    ends = sounds[-1].time_s + Fraction(sounds[-1].frame.samples, sounds[-1].frame.sample_rate)
    assert abs(ends - film.frames / film.fps) < 0.1


def test_sound_before_the_first_picture_has_negative_time(tmp_path: Path) -> None:
    film = make_film(tmp_path / "late.mp4", audio=True, delay_s=0.5, **SHORT)
    items = list(read_media(film.path, audio=True))
    sound = next(item for item in items if isinstance(item, Sound))
    assert abs(sound.time_s + Fraction(1, 2)) < 0.03
    assert next(item for item in items if isinstance(item, DecodedFrame)).time_s == 0


def test_pictures_after_the_sound_track_are_flushed(tmp_path: Path) -> None:
    """The packet that flushes the decoder carries no stream index: with sound first it was taken for sound."""
    film = make_film(tmp_path / "a.mp4", audio=True, options=("-map", "1:a", "-map", "0:v"), **SHORT)
    assert [number for _, number, _ in pictures(film.path, threads=3, audio=True)] == list(range(film.frames))


def test_a_recording_that_starts_between_key_pictures_is_read_from_its_first_whole_picture(tmp_path: Path) -> None:
    film = make_film(tmp_path / "whole.ts", open_gop=True, **SHORT)
    data = film.path.read_bytes()
    path = tmp_path / "cut.ts"
    path.write_bytes(data[len(data) // 3 // 188 * 188 + 50 :])
    numbers = [number for _, number, _ in pictures(path)]
    assert 10 < len(numbers) < film.frames
    assert numbers == list(range(numbers[0], film.frames))


def test_pictures_are_released_and_the_file_is_closed_when_reading_stops(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mp4", **SHORT)

    def times_open() -> int:
        return sum(os.path.realpath(one.path) == str(film.path) for one in os.scandir("/proc/self/fd"))

    reading = read_media(film.path)
    next(reading)
    assert times_open() == 1
    reading.close()  # type: ignore[attr-defined]
    assert times_open() == 0


def test_a_live_recording_without_a_length_may_end_anywhere(tmp_path: Path) -> None:
    film = make_film(tmp_path / "live.webm", codec="libvpx-vp9", **(SHORT | {"options": ("-live", "1")}))
    data = film.path.read_bytes()
    assert [number for _, number, _ in pictures(film.path)] == list(range(film.frames))
    film.path.write_bytes(data[: int(len(data) * 0.7)])
    numbers = [number for _, number, _ in pictures(film.path)]
    assert 10 < len(numbers) < film.frames
    assert numbers == list(range(len(numbers)))


def test_a_cover_picture_is_not_the_film(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", **SHORT)
    run_ffmpeg(["-f", "lavfi", "-i", "color=red:s=64x64:d=0.04", "-frames:v", "1", str(tmp_path / "cover.png")])
    both = tmp_path / "both.mp4"
    inputs = ["-i", str(tmp_path / "cover.png"), "-i", str(film.path)]
    run_ffmpeg([*inputs, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", str(both)])
    assert [number for _, number, _ in pictures(both)] == list(range(film.frames))


@pytest.mark.shared
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("bikes_272p.mp4", 250),
        ("cityCC0.mkv", 190),
        ("gotland_ad_360p.mp4", 240),
        ("nasa_13013.mp4", 325),
        ("psd_testvideo_720p.mp4", 720),
        ("sintel_trailer_204p.mp4", 1252),
    ],
)
def test_real_films_read_whole(footage: Path, name: str, frames: int, threads: int) -> None:
    items = read_media(footage / name, threads=threads, audio=True)
    assert sum(isinstance(item, DecodedFrame) for item in items) == frames
