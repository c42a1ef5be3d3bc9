"""Timecode where the rate varies, and structures of timecode that are damaged."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import pytest

from ops.videos.mxf import MxfHeader, read_mxf_header
from ops.videos.probe import probe
from ops.videos.timecode_track import read_camera_timecode, read_timecode_tracks
from tests.builders.films import make_film


@pytest.mark.parametrize("container", ["mov", "mkv"])
def test_the_start_of_a_varying_rate_keeps_its_seconds(tmp_path: Path, container: str) -> None:
    film = make_film(
        tmp_path / f"film.{container}", frames=30, cuts=(15,), fps=25, vfr=True, width=160, height=90,
        timecode="01:02:03:05",
    )  # fmt: skip
    info = probe(film.path)
    assert info.variable_rate and info.start_timecode.startswith("01:02:03:")
    assert info.timecode and int(info.timecode.start_s) == 3723
    assert not [note for note in info.notes if "timecode" in note]


def test_damaged_structures_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    """Random bytes in the index or header: no error, whatever is found."""
    good = make_film(tmp_path / "a.mov", frames=6, cuts=(), fps=25, width=160, height=90, timecode="01:00:00:00").path
    tape = make_film(
        tmp_path / "a.mxf", frames=6, cuts=(), fps=25, width=160, height=90, timecode="01:00:00:00", codec="mpeg2video"
    ).path
    chance, found = random.Random(7), 0
    for source, start, end in ((good, good.read_bytes().index(b"moov"), None), (tape, 0, 6000)):
        whole = source.read_bytes()
        broken = tmp_path / f"broken{source.suffix}"
        for _ in range(200):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(start, end or len(data))] = chance.choice([0, 1, 255, chance.randrange(256)])
            cut = chance.randrange(start + 20, len(data)) if chance.random() < 0.2 else len(data)
            broken.write_bytes(data[:cut])
            found += len(read_timecode_tracks(broken, 0)) + len(read_mxf_header(broken).timecodes)
            read_camera_timecode(broken)
    assert found > 300


def test_other_files_have_no_tracks_and_no_packages(tmp_path: Path) -> None:
    text = tmp_path / "x.txt"
    text.write_bytes(b"moov" * 100)
    assert read_timecode_tracks(text, 0) == [] and read_mxf_header(text) == MxfHeader()
    assert read_camera_timecode(text) is None


def test_a_picture_track_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    film = make_film(tmp_path / "a.mov", frames=6, cuts=(), fps=25, width=160, height=90, timecode="01:00:00:00")
    (track,) = read_timecode_tracks(film.path, 9)
    assert (track.count, track.rate, track.is_chosen) == (90_000, Fraction(25), False)
