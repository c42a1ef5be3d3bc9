"""Every frame number is right, in each codec and container; a damaged film is an error, not a shorter film."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from ops.core.errors import MediaError
from ops.videos.reader import Picture, Sound, read_media
from tests.films import Film, make_film, read_barcode, run_ffmpeg

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
        if isinstance(item, Picture)
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
    assert next(item for item in items if isinstance(item, Picture)).time_s == 0


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


def spoil(path: Path, *, at: float = 0.5, count: int = 300) -> Path:
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + count] = bytes(byte ^ 0x5A for byte in data[start : start + count])
    spoiled = path.with_name(f"spoiled-{path.name}")
    spoiled.write_bytes(data)
    return spoiled


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mov", {"open_gop": True}),
        ("a.mkv", {}),
        ("a.ts", {"codec": "mpeg2video"}),
        ("av1.mp4", {"codec": "libsvtav1"}),
        ("av1.mkv", {"codec": "libsvtav1"}),
        ("a.avi", {"codec": "mpeg4"}),
        ("mpeg4.mp4", {"codec": "mpeg4"}),
    ],
)
def test_damage_in_the_middle_is_told_with_its_place(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    film = make_film(tmp_path / name, **(SHORT | {"gop": 25} | options))
    # Small pictures: spoil enough to reach the picture data whatever lies at the place.
    path = spoil(film.path, count=film.path.stat().st_size // 12)
    with pytest.raises(MediaError, match=r"damaged (after frame \d+ \(\d+\.\d s\)|at byte|: only)"):
        list(read_media(path))


@pytest.mark.parametrize(("shift", "reason"), [(-4, "damaged at byte"), (0, "tracks that it does not name")])
@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
def test_damage_between_two_blocks_of_matroska_is_told(tmp_path: Path, codec: str, shift: int, reason: str) -> None:
    """The library searches for the next cluster and goes on, with all numbers after it too low."""
    film = make_film(tmp_path / "a.mkv", codec=codec, **SHORT)
    with av.open(str(film.path)) as container:
        at = [packet.pos for packet in container.demux(video=0) if packet.size][30]
    data = bytearray(film.path.read_bytes())
    data[at + shift : at + shift + 4] = b"\0\0\0\0"
    film.path.write_bytes(data)
    with pytest.raises(MediaError, match=reason):
        next(read_media(film.path))


@pytest.mark.parametrize("codec", ["libx265", "libvpx-vp9"])
def test_damage_that_the_decoder_cannot_see_moves_no_frame(tmp_path: Path, codec: str) -> None:
    """HEVC and VP9 decoders turn damaged bits into damaged pictures; the numbering must hold all the same."""
    film = make_film(tmp_path / "a.mp4", codec=codec, **SHORT)
    for at in (0.3, 0.5, 0.7):
        try:
            count = sum(isinstance(item, Picture) for item in read_media(spoil(film.path, at=at, count=3)))
        except MediaError:
            continue
        assert count == film.frames


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi", "fragmented.mp4", "front.mp4"])
def test_a_file_that_ends_early_is_no_shorter_film(tmp_path: Path, name: str) -> None:
    flags = {"fragmented.mp4": "frag_keyframe+empty_moov", "front.mp4": "faststart"}.get(name)
    codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(name, "libx264")
    film = make_film(tmp_path / name, codec=codec, options=("-movflags", flags) if flags else (), **SHORT)
    data = film.path.read_bytes()
    for part in (0.6, 0.9):
        film.path.write_bytes(data[: int(len(data) * part)])
        with pytest.raises(MediaError, match="cut short"):
            next(read_media(film.path))


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
@pytest.mark.parametrize("lost", [1, 20])
def test_a_lost_stretch_of_a_broadcast_is_damage(tmp_path: Path, codec: str, lost: int) -> None:
    film = make_film(tmp_path / "a.ts", codec=codec, fps=25, **SHORT)
    packets = [film.path.read_bytes()[at : at + 188] for at in range(0, film.path.stat().st_size, 188)]
    pictures_pid = 0x100
    ours = [n for n, packet in enumerate(packets) if int.from_bytes(packet[1:3], "big") & 0x1FFF == pictures_pid]
    gone = set(ours[len(ours) // 2 :][:lost])
    film.path.write_bytes(b"".join(packet for n, packet in enumerate(packets) if n not in gone))
    with pytest.raises(MediaError, match=r"damaged after frame \d+"):
        list(read_media(film.path))


@pytest.mark.parametrize(("which", "reason"), [(30, "a picture is missing"), (63, "the last 1 pictures")])
def test_a_picture_that_the_decoder_leaves_out_is_missed(tmp_path: Path, which: int, reason: str) -> None:
    """A sample that holds nothing but metadata is no error to the HEVC decoder: it gives no picture and goes on."""
    film = make_film(tmp_path / "a.mp4", codec="libx265", **(SHORT | {"bframes": 0}))
    with av.open(str(film.path)) as container:
        entry = container.streams.video[0].index_entries[which]
    sample = (entry.size - 4).to_bytes(4, "big") + b"\x4c\x01"
    data = bytearray(film.path.read_bytes())
    data[entry.pos : entry.pos + entry.size] = sample + b"\xff" * (entry.size - len(sample) - 1) + b"\x80"
    film.path.write_bytes(data)
    with pytest.raises(MediaError, match=reason):
        list(read_media(film.path))


def test_pictures_that_the_file_announces_and_does_not_give_are_missed(tmp_path: Path) -> None:
    avi = make_film(tmp_path / "a.avi", codec="mjpeg", pix_fmt="yuvj420p", **SHORT)
    with av.open(str(avi.path)) as container:
        at = container.streams.video[0].index_entries[30].pos
    data = bytearray(avi.path.read_bytes())
    data[at : at + 8] = bytes(8)
    avi.path.write_bytes(data)
    with pytest.raises(MediaError, match="only 63 of 64 pictures"):
        list(read_media(avi.path))
    mkv = make_film(tmp_path / "a.mkv", codec="libvpx-vp9", **SHORT)
    with av.open(str(mkv.path)) as container:
        at = [packet.pos for packet in container.demux(video=0) if packet.size][30]
    data = bytearray(mkv.path.read_bytes())
    data[at + 3] |= 0x06  # the flags now say that several frames lie in the block
    mkv.path.write_bytes(data)
    with pytest.raises(MediaError, match="damaged"):
        list(read_media(mkv.path))


def test_damaged_sound_does_not_cost_the_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    film = make_film(tmp_path / "a.mp4", audio=True, **SHORT)
    with av.open(str(film.path)) as container:
        entries = list(container.streams.audio[0].index_entries)
    data = bytearray(film.path.read_bytes())
    for entry in entries[30:60]:
        data[entry.pos : entry.pos + entry.size] = b"\xff" * entry.size
    film.path.write_bytes(data)
    assert [number for _, number, _ in pictures(film.path, audio=True)] == list(range(film.frames))
    assert "left out" in caplog.text


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
    assert sum(isinstance(item, Picture) for item in items) == frames
