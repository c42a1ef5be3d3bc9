"""Whole files, read line by line against the formats' rules when they were made, and kept.

To make them anew after a change that is meant: delete ``golden/`` and run these tests twice; then read them again.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ops.core.settings import Settings
from ops.exports.clip import Pick, select_clips
from ops.exports.export import export
from ops.exports.registry import find_format
from tests.builders.timelines import fill_lake

GOLDEN = Path(__file__).parent / "golden"
TOLD = {"query": "a car & <b>", "score": 0.25, "relevance": 0.875, "encoder_id": "enc.v1", "index_version": "v1-8-ab"}
FILMS = {
    "dropframe": (Fraction(30000, 1001), "00:59:30;00", True),
    "film": (Fraction(24000, 1001), "01:00:00:00", False),
}


@pytest.mark.parametrize("film", FILMS)
@pytest.mark.parametrize("name", ["edl", "otio", "fcpxml", "xmeml", "markers", "ale", "csv", "json"])
def test_the_file_is_the_one_that_was_read(settings: Settings, tmp_path: Path, name: str, film: str) -> None:
    fps, start, has_audio = FILMS[film]
    shots = fill_lake(settings, 1, fps, start_timecode=start, has_audio=has_audio, path="/footage/A 1/Köln #2.mov")
    picks = [Pick(shot_id=shots[1]), Pick(shot_id=shots[0], in_frame=900, out_frame=930)]
    clips = select_clips(settings, picks, {shots[1]: TOLD}, handles=24)
    target = tmp_path / f"{film}{find_format(name).suffix}"
    export(settings, clips, name, target, title="Selects & more")
    golden = GOLDEN / target.name
    if not golden.exists():
        golden.parent.mkdir(exist_ok=True)
        golden.write_bytes(target.read_bytes())
        pytest.fail(f"{golden} was not there and was made: read it before you keep it")
    assert target.read_bytes() == golden.read_bytes()
