"""The shared cases of timecode, reels and rates, from the file to what an editing system reads; and clips of a zip."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ops.core.settings import Settings
from ops.exports.clip import Clip, Pick, select_clips
from ops.exports.export import export
from ops.videos.probe import probe
from tests.builders.films import Film
from tests.builders.timelines import film_rows, read_edl
from tests.sources import timecode

CASES = [
    # file, first frame of the second shot, frames, start in seconds, its label in an EDL, rate of the format
    ("tc25_on_50p.mov", 30, 60, Fraction(18004, 5), "01:00:00:40", Fraction(50)),
    ("tc30df_on_5994p.mov", 30, 60, Fraction(9150141, 2500), "01:01:00;04", Fraction(60000, 1001)),
    ("tc24_dropflag.mov", 30, 60, Fraction(3600), "01:00:00:00", Fraction(24)),
    ("tc120.mov", 30, 60, Fraction(14403, 4), "", Fraction(120)),
    ("df2997.mov", 60, 130, Fraction(53994941, 15000), "00:59:59;20", Fraction(30000, 1001)),
    ("reel.mov", 30, 60, Fraction(36000), "10:00:00:00", Fraction(25)),
    ("trim24.mov", 12, 92, Fraction(3600), "01:00:00:00", Fraction(24)),
]


def clips_of_file(settings: Settings, path: Path, cut: int, frames: int) -> list[Clip]:
    info = probe(path)
    shots = film_rows(settings, Film(path, frames, (cut,), info.fps))
    return select_clips(settings, [Pick(shot_id=shot) for shot in shots])


@pytest.mark.shared
@pytest.mark.parametrize(("name", "cut", "frames", "start_s", "label", "rate"), CASES, ids=[case[0] for case in CASES])
def test_a_timeline_begins_with_the_timecode_of_the_source(
    settings: Settings, tmp_path: Path, cases: Path, name: str, cut: int, frames: int, start_s: Fraction, label: str,
    rate: Fraction,
) -> None:  # fmt: skip
    clips = clips_of_file(settings, cases / "exports" / name, cut, frames)
    report = export(settings, clips, "fcpxml", tmp_path / "x.fcpxml", title="x")
    assert not report.warnings
    resources = ElementTree.parse(tmp_path / "x.fcpxml").getroot().find("resources")
    assert resources is not None
    asset, form = resources.find("asset"), resources.find("format")
    assert asset is not None and form is not None
    assert Fraction(asset.get("start", "").rstrip("s")) == start_s
    assert Fraction(form.get("frameDuration", "").rstrip("s")) == 1 / rate
    if label:
        export(settings, clips, "edl", tmp_path / "x.edl", title="x")
        text = (tmp_path / "x.edl").read_text()
        assert f" {label} " in text
        assert (" A001C003 " in text) == (name == "reel.mov")


@pytest.mark.shared
def test_a_rate_and_films_that_an_edl_cannot_hold_are_reported(settings: Settings, tmp_path: Path, cases: Path) -> None:
    slow = clips_of_file(settings, cases / "exports/fps15.mp4", 25, 60)
    report = export(settings, slow, "edl", tmp_path / "x.edl", title="x")
    assert "no editing system runs 15 frames per second" in report.warnings[0]
    assert " 00:00:01:20 " in (tmp_path / "x.edl").read_text()
    both = clips_of_file(settings, cases / "exports/mirror.mp4", 30, 60)
    both += clips_of_file(settings, cases / "exports/soundbite.mp4", 75, 200)
    report = export(settings, both, "edl", tmp_path / "y.edl", title="x")
    assert len(report.warnings) == 1 and "cannot be distinguished by timecode" in report.warnings[0]
    assert len(read_edl(tmp_path / "y.edl", Fraction(25))) == 4


@pytest.mark.parametrize("name", ["25 on 50p", "120 on 120p", "29.97 DF on 59.94p", "reel in the track"])
def test_clips_of_a_zip_go_on_counting(settings: Settings, tmp_path: Path, name: str) -> None:
    kind = next(kind for kind in timecode.KINDS if kind.name == f"timecode: {name}")
    folder = tmp_path / "source"
    folder.mkdir()
    path = kind.make(folder)
    clips = clips_of_file(settings, path, 6, timecode.FRAMES)
    export(settings, clips, "zip", tmp_path / "x.zip", title="x")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        archive.extractall(tmp_path / "clips")
    found = [probe(each) for each in sorted((tmp_path / "clips").glob("*.mov"))]
    starts = [each.timecode.start_s for each in found if each.timecode]
    start_s, fps = kind.facts["timecode"].start_s, kind.facts["fps"]
    assert starts == [start_s, start_s + 6 / fps]
    assert {each.reel for each in found} == {kind.facts["reel"]}
