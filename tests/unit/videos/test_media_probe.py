"""What is said of a file is exact: rate, size as shown, length, codec, sound, timecode, rotation."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.core.media import MediaInfo
from ops.videos.probe import probe
from ops.videos.timing import STANDARD_RATES, RateClaim, find_rate
from tests.builders.films import make_film

SHORT: dict[str, Any] = {"frames": 60, "cuts": (30,), "width": 160, "height": 90}


def probed(path: Path, **options: Any) -> MediaInfo:
    return probe(make_film(path, **(SHORT | options)).path)


@pytest.mark.parametrize("fps", ["24000/1001", "24", "25", "30000/1001", "50", "60000/1001", "120", "15"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts"])
def test_constant_rates_are_exact(tmp_path: Path, name: str, fps: str) -> None:
    info = probed(tmp_path / name, fps=Fraction(fps))
    assert info.fps == Fraction(fps)
    assert not info.variable_rate
    assert info.frames == 60
    assert info.duration_s == pytest.approx(60 / Fraction(fps), abs=0.002)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.ts"])
def test_a_varying_rate_is_seen(tmp_path: Path, name: str) -> None:
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    info = probed(tmp_path / name, vfr=True, codec=codec)
    assert info.variable_rate
    # 60 frames last 20 * 7 frame times.
    assert float(info.fps) == pytest.approx(24 * 60 / 140, rel=0.03)


def test_one_frame_is_a_film(tmp_path: Path) -> None:
    info = probed(tmp_path / "a.mp4", frames=1, cuts=())
    assert (info.frames, info.fps, info.variable_rate) == (1, 24, False)
    assert info.duration_s == pytest.approx(1 / 24, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "size", "quarter_turns"),
    [
        ({}, (160, 90), 0),
        ({"rotation": 90}, (90, 160), 1),
        ({"rotation": 180}, (160, 90), 2),
        ({"rotation": 270}, (90, 160), 3),
        ({"sar": "4:3"}, (213, 90), 0),
        ({"sar": "3:4"}, (120, 90), 0),
        ({"sar": "4:3", "rotation": 90}, (90, 213), 1),
        ({"width": 161, "height": 91, "pix_fmt": "yuv444p"}, (161, 91), 0),
    ],
)
def test_size_is_as_shown(tmp_path: Path, options: dict[str, Any], size: tuple[int, int], quarter_turns: int) -> None:
    info = probed(tmp_path / "a.mp4", **options)
    assert (info.width, info.height) == size
    assert info.orientation.quarter_turns == quarter_turns


def test_rotation_turns_as_a_player_does(tmp_path: Path) -> None:
    """OpenCV applies the display matrix: turning the stored picture clockwise must give what it shows."""
    import cv2
    import numpy as np

    from ops.videos.reader import DecodedFrame, read_media

    for degrees in (90, 180, 270):
        film = make_film(tmp_path / f"{degrees}.mp4", rotation=degrees, **SHORT)
        capture = cv2.VideoCapture(str(film.path))
        shown = capture.read()[1][..., ::-1]
        capture.release()
        first = next(read_media(film.path))
        assert isinstance(first, DecodedFrame)
        turned = np.rot90(first.frame.to_ndarray(format="rgb24"), -probe(film.path).orientation.quarter_turns)
        assert turned.shape == shown.shape
        assert np.abs(turned.astype(int) - shown).mean() < 8


@pytest.mark.parametrize(
    ("name", "codec", "plain"),
    [
        ("a.mp4", "libx264", "h264"),
        ("a.mkv", "libx265", "hevc"),
        ("a.webm", "libsvtav1", "av1"),
        ("b.webm", "libvpx-vp9", "vp9"),
        ("a.avi", "mpeg4", "mpeg4"),
        ("a.ts", "mpeg2video", "mpeg2video"),
    ],
)
def test_codecs_have_plain_names(tmp_path: Path, name: str, codec: str, plain: str) -> None:
    info = probed(tmp_path / name, codec=codec, fps=25)
    assert info.codec == plain
    assert not info.has_audio
    assert probed(tmp_path / f"sound-{name}", codec=codec, fps=25, audio=True).has_audio


@pytest.mark.parametrize(
    ("name", "fps", "timecode", "told"),
    [
        ("a.mov", Fraction(25), "01:00:00:00", "01:00:00:00"),
        ("a.mp4", Fraction(30000, 1001), "00:59:59;28", "00:59:59;28"),
        ("a.mkv", Fraction(24), "10:20:30:05", "10:20:30:05"),
        ("a.mp4", Fraction(24), "", "00:00:00:00"),
    ],
)
def test_start_timecode(tmp_path: Path, name: str, fps: Fraction, timecode: str, told: str) -> None:
    options: dict[str, Any] = {"timecode": timecode}
    if name.endswith("mkv"):
        options = {"options": ("-metadata:s:v:0", f"TIMECODE={timecode}")}
    assert probed(tmp_path / name, fps=fps, **options).start_timecode == told


@pytest.mark.parametrize("timecode", ["25:99:00:00", "00:00:00:77", "rubbish", "01:00:00"])
def test_a_timecode_that_is_none_is_not_believed(tmp_path: Path, timecode: str) -> None:
    options = ("-metadata:s:v:0", f"timecode={timecode}")
    assert probed(tmp_path / "a.mkv", options=options).start_timecode == "00:00:00:00"


def test_frames_hidden_by_an_edit_list_are_not_counted(tmp_path: Path) -> None:
    assert probed(tmp_path / "a.mp4", preroll=10).frames == 60


@given(
    rate=st.sampled_from(STANDARD_RATES),
    tick=st.sampled_from([Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 600), Fraction(1, 12288)]),
    start=st.integers(-10_000, 10_000),
    frames=st.integers(400, 1200),
)
def test_rates_survive_rounding_of_times(rate: Fraction, tick: Fraction, start: int, frames: int) -> None:
    """No claim helps: over a few hundred frames only one production rate explains all times."""
    times = [start + round(n / (rate * tick)) for n in range(frames)]
    if rate * tick < Fraction(1, 4):
        found = find_rate(times, tick, [])
        assert (found.fps, found.is_variable) == (rate, False)


def test_a_false_claim_is_not_believed() -> None:
    times = [round(n * 1000 / 25) for n in range(300)]
    claim = RateClaim(rate=Fraction(24), source="container", is_written=True)
    found = find_rate(times, Fraction(1, 1000), [claim])
    assert (found.fps, found.is_variable, found.contradictions) == (25, False, ("container: 24",))
    jittered = [n * 3000 + (700 if n % 7 == 0 else 0) for n in range(300)]
    claim = RateClaim(rate=Fraction(30), source="", is_written=True)
    assert find_rate(jittered, Fraction(1, 90000), [claim]).is_variable


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "fps", "frames", "size"),
    [
        ("bbb_full_360p.mp4", "30", 19038, (640, 360)),
        ("bikes_272p.mp4", "25", 250, (640, 272)),
        ("cityCC0.mkv", "25", 190, (720, 405)),
        ("gotland_ad_360p.mp4", "24", 240, (640, 360)),
        ("nasa_13013.mp4", "25", 325, (320, 180)),
        ("psd_testvideo_720p.mp4", "30000/1001", 720, (1280, 720)),
        ("sintel_trailer_204p.mp4", "24", 1252, (480, 204)),
    ],
)
def test_real_films(footage: Path, name: str, fps: str, frames: int, size: tuple[int, int]) -> None:
    info = probe(footage / name)
    assert (info.fps, info.frames, (info.width, info.height)) == (Fraction(fps), frames, size)
    assert not info.variable_rate
