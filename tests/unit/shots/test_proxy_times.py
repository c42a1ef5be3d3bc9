"""Frame times of proxies, and where there is nothing to tell."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ops.core.storage import ObjectStore
from ops.shots.proxy_times import read_proxy_times
from ops.shots.segment import make_proxy_key, segment_video
from ops.videos.probe import probe
from tests.builders.films import make_film

VIDEO = "0123456789abcdef"


@pytest.mark.parametrize(("name", "close"), [("a.mp4", 1e-5), ("a.mkv", 1.1e-3)])
def test_a_varying_rate_is_told_frame_by_frame(tmp_path: Path, name: str, close: float) -> None:
    film = make_film(tmp_path / name, frames=75, cuts=(31,), vfr=True)
    store, info = ObjectStore(str(tmp_path / "store")), probe(film.path)
    shots = segment_video(film.path, VIDEO, info, store, detector="content", scratch=tmp_path / "scratch")
    assert [(shot.start_frame, shot.end_frame) for shot in shots] == film.shots
    for start, end in film.shots:
        times = read_proxy_times(store, VIDEO, start, end, info.fps)
        assert times == pytest.approx([float(at - film.times[start]) for at in film.times[start:end]], abs=close)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_constant_rate_needs_no_table(tmp_path: Path, name: str) -> None:
    film = make_film(tmp_path / name, frames=60, cuts=(25,), fps=Fraction(24000, 1001))
    store, info = ObjectStore(str(tmp_path / "store")), probe(film.path)
    segment_video(film.path, VIDEO, info, store, detector="content", scratch=tmp_path / "scratch")
    assert [read_proxy_times(store, VIDEO, start, end, info.fps) for start, end in film.shots] == [None, None]
    assert read_proxy_times(store, VIDEO, 0, 25, Fraction(12)) is not None, "at another rate the same times need one"


def test_a_proxy_that_is_gone_or_no_film_tells_nothing(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    assert read_proxy_times(store, VIDEO, 0, 24, Fraction(24)) is None
    store.write_bytes(make_proxy_key(VIDEO, 0, 24), b"no film" * 1000)
    assert read_proxy_times(store, VIDEO, 0, 24, Fraction(24)) is None
