"""Clips hold exactly the frames that were asked for, proven by the barcode, on every kind of source."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from ops.core.errors import MediaError, UsageError
from ops.videos.clips import ClipSpan, cut_clips, open_unchanged_source
from ops.videos.hashes import HashCache
from ops.videos.probe import probe
from ops.videos.seeking import build_frame_table
from tests.builders.films import Film, make_film, read_barcode
from tests.sources.rates import DROPPED

KINDS: dict[str, dict[str, Any]] = {
    "closed.mp4": {},
    "open.mp4": {"open_gop": True, "gop": 12},
    "open-hevc.mkv": {"codec": "libx265", "open_gop": True, "gop": 12},
    "edit-list.mp4": {"preroll": 10, "audio": True},
    "late-pictures.mp4": {"delay_s": 0.5, "audio": True},
    "broadcast.ts": {"audio": True},
    "mpeg2.mpg": {"codec": "mpeg2video", "fps": 25},
    "vp9.webm": {"codec": "libvpx-vp9", "audio": True},
    "vfr.mkv": {"vfr": True},
    "vfr.mp4": {"vfr": True, "audio": True},
    "23976.mov": {"fps": Fraction(24000, 1001), "audio": True},
    "5994.mp4": {"fps": Fraction(60000, 1001), "audio": True},
    "tenbit.mkv": {"pix_fmt": "yuv420p10le"},
    "422.mkv": {"pix_fmt": "yuv422p"},
}


def numbers_of(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [read_barcode(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def decoded(path: Path) -> tuple[list[bytes], np.ndarray]:
    """Pictures of a clip, and its samples as int32 (samples,)."""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
        if not container.streams.audio:
            return pictures, np.zeros(0, np.int32)
    with av.open(str(path)) as container:
        return pictures, np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def cut(film: Film, tmp_path: Path, *ranges: tuple[int, int]) -> list[Path]:
    spans = [
        ClipSpan(start_frame=start, end_frame=end, target=tmp_path / f"clip-{at}.mov")
        for at, (start, end) in enumerate(ranges)
    ]
    assert sorted(map(repr, cut_clips(film.path, spans))) == sorted(map(repr, spans))
    return [span.target for span in spans]


@pytest.mark.parametrize("name", KINDS)
def test_a_clip_has_exactly_its_frames(tmp_path: Path, name: str) -> None:
    film = make_film(tmp_path / name, frames=75, cuts=(30,), **KINDS[name])
    ranges = [(13, 37), (30, 31), (0, 5), (60, 75), (33, 40)]
    clips = cut(film, tmp_path, *ranges)
    for clip, (start, end) in zip(clips, ranges, strict=True):
        assert numbers_of(clip) == list(range(start, end))


SOUGHT = {
    "closed.mp4",
    "open.mp4",
    "open-hevc.mkv",
    "edit-list.mp4",
    "late-pictures.mp4",
    "vp9.webm",
    "vfr.mkv",
    "vfr.mp4",
    "23976.mov",
    "5994.mp4",
    "tenbit.mkv",
    "422.mkv",
}


@pytest.mark.parametrize("name", KINDS)
def test_what_lies_far_in_is_sought_and_is_still_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setattr("ops.videos.clips.MIN_SKIP", 60)
    film = make_film(tmp_path / name, frames=400, cuts=(100,), **KINDS[name] | {"width": 160, "height": 96})
    table = build_frame_table(film.path, film.frames)
    assert (table is not None) == (name in SOUGHT)
    if table is not None:
        assert table.start_before(399) is not None
    ranges = [(5, 9), (131, 160), (150, 170), (333, 340), (399, 400)]
    spans = [ClipSpan(start_frame=start, end_frame=end, target=tmp_path / f"clip-{start}.mov") for start, end in ranges]
    done = list(cut_clips(film.path, spans, frames=film.frames))
    assert len(done) == len(spans)
    for span in spans:
        assert numbers_of(span.target) == list(range(span.start_frame, span.end_frame))
    assert "cutting by counting" not in caplog.text
    counted = next(iter(cut_clips(film.path, [replace(spans[3], target=tmp_path / "counted.mov")])))
    pictures, samples = decoded(spans[3].target)
    all_pictures, all_samples = decoded(counted.target)
    assert pictures == all_pictures
    if name != "vp9.webm":  # an Opus decoder settles for 80 ms after a seek; others differ by a last bit at most
        np.testing.assert_allclose(samples, all_samples, atol=2**16)


def test_a_table_that_does_not_fit_the_film_is_not_trusted(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", frames=60, cuts=())
    assert build_frame_table(film.path, 60) is not None
    assert build_frame_table(film.path, 59) is None


@pytest.mark.parametrize("name", ["23976.mov", "5994.mp4", "closed.mp4"])
def test_a_clip_keeps_rate_size_and_timecode(tmp_path: Path, name: str) -> None:
    film = make_film(tmp_path / name, frames=40, cuts=(20,), timecode="01:00:00:00", **KINDS[name])
    clip = cut(film, tmp_path, (12, 30))[0]
    info = probe(clip)
    assert (info.fps, info.variable_rate, info.frames) == (film.fps, False, 18)
    assert (info.width, info.height, info.codec) == (320, 180, "h264")
    assert info.start_timecode == "01:00:00:12"
    assert info.has_audio is KINDS[name].get("audio", False)


def test_drop_frame_timecode_goes_on_in_the_clip(tmp_path: Path) -> None:
    film = make_film(tmp_path / "df.mov", fps=Fraction(30000, 1001), frames=40, cuts=(), timecode="00:00:59;20")
    assert probe(cut(film, tmp_path, (12, 30))[0]).start_timecode == "00:01:00;04"


def test_the_timecode_of_a_clip_follows_the_clock_behind_missing_pictures(tmp_path: Path) -> None:
    """Pictures 20 to 29 were dropped: picture 30 of the file is shown as number 40."""
    film = DROPPED[0].make(tmp_path)
    target = tmp_path / "clip.mov"
    assert list(cut_clips(film, [ClipSpan(start_frame=30, end_frame=40, target=target)]))
    assert probe(target).start_timecode == "00:00:01:15"


def test_frames_of_a_variable_rate_keep_their_times(tmp_path: Path) -> None:
    film = make_film(tmp_path / "vfr.mp4", frames=60, cuts=(), vfr=True)
    clip = cut(film, tmp_path, (10, 40))[0]
    with av.open(str(clip)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    steps = np.diff(times)
    expected = [float(b - a) for a, b in itertools.pairwise(film.times[10:40])]
    np.testing.assert_allclose(steps, expected, atol=1e-4)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_film_becomes_an_upright_clip(tmp_path: Path, rotation: int) -> None:
    film = make_film(tmp_path / "turned.mp4", frames=30, cuts=(), rotation=rotation)
    clip = cut(film, tmp_path, (5, 15))[0]
    assert probe(clip).orientation.quarter_turns == 0
    with av.open(str(clip)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert pictures[0].shape == ((320, 180, 3) if rotation % 180 else (180, 320, 3))
    # np.rot90 turns counter-clockwise: back to how the pixels were stored.
    back = [np.ascontiguousarray(np.rot90(picture, rotation // 90)) for picture in pictures]
    assert list(map(read_barcode, back)) == list(range(5, 15))


def test_pixels_that_are_not_square_stay_so_and_odd_sizes_stay_odd(tmp_path: Path) -> None:
    wide = make_film(tmp_path / "wide.mkv", frames=12, cuts=(), sar="4:3")
    odd = make_film(tmp_path / "odd.mkv", frames=12, cuts=(), width=321, height=181, pix_fmt="yuv444p")
    assert probe(cut(wide, tmp_path, (2, 8))[0]).width == probe(wide.path).width == 427
    info = probe(cut(odd, tmp_path, (2, 8))[0])
    assert (info.width, info.height) == (321, 181)


def test_bit_depth_and_chroma_are_kept(tmp_path: Path) -> None:
    for pix_fmt in ("yuv420p10le", "yuv422p", "yuv444p"):
        film = make_film(tmp_path / f"{pix_fmt}.mkv", frames=12, cuts=(), pix_fmt=pix_fmt)
        with av.open(str(cut(film, tmp_path, (2, 8))[0])) as container:
            assert container.streams.video[0].codec_context.pix_fmt == pix_fmt


def test_a_clip_looks_like_its_source(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", frames=30, cuts=(), crf=5)

    def frames(path: Path) -> list[Any]:
        with av.open(str(path)) as container:
            return [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]

    pairs = zip(frames(cut(film, tmp_path, (10, 20))[0]), frames(film.path)[10:20], strict=True)
    errors = [float(np.mean((ours - theirs) ** 2)) for ours, theirs in pairs]
    assert max(errors) < 255**2 / 10**4  # PSNR of 40 dB


def test_sound_is_cut_with_the_pictures(tmp_path: Path) -> None:
    """A tone whose pitch rises tells from its frequency where in the film a sample was."""
    film = make_film(
        tmp_path / "sweep.mkv",
        frames=120,
        cuts=(),
        audio=True,
        options=["-af", "aeval='sin(2*PI*(200*t+100*t*t))':c=mono", "-c:a", "pcm_s16le"],
    )
    assert [(track.channels, track.sample_rate) for track in probe(film.path).sound_tracks] == [(1, 48_000)]
    clip = cut(film, tmp_path, (48, 96))[0]
    with av.open(str(clip)) as container:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        assert container.streams.audio[0].codec_context.name == "pcm_s24le"
    assert len(samples) == 2 * 48_000
    times = np.arange(2 * 48_000) / 48_000 + 2
    expected = np.sin(2 * np.pi * (200 * times + 100 * times * times))
    found = samples / 2**31
    assert float(np.corrcoef(found, expected)[0, 1]) > 0.999


def test_what_cannot_be_cut_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", frames=40, cuts=())
    with pytest.raises(MediaError, match="it has 40 frames"):
        cut(film, tmp_path, (10, 20), (30, 41))
    assert numbers_of(tmp_path / "clip-0.mov") == list(range(10, 20))
    assert not (tmp_path / "clip-1.mov").exists()
    with pytest.raises(UsageError, match="20 to 20"):
        cut(film, tmp_path, (20, 20))


def test_a_source_that_is_gone_or_changed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "film.mov"
    path.write_bytes(b"one")
    content = hashlib.sha256(b"one").hexdigest()
    hashes = HashCache(tmp_path / "hashes.db")

    def check(size: int = 3) -> None:
        with open_unchanged_source(str(path), content, size, hashes=hashes, scratch=tmp_path) as local:
            assert local == path

    check()
    path.write_bytes(b"two")
    with pytest.raises(MediaError, match=r"film\.mov: it changed .* same size"):
        check()
    path.write_bytes(b"longer")
    with pytest.raises(MediaError, match=r"film\.mov: it changed .* had 3 bytes and has 6"):
        check()
    path.unlink()
    with pytest.raises(MediaError, match=r"film\.mov: it does not exist"):
        check()
