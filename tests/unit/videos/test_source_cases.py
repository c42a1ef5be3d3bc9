"""Awkward films of the shared cases: their rate, their track, their pictures and times."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ops.videos.probe import probe
from ops.videos.reader import DecodedFrame, read_media
from tests.builders.films import read_barcode
from tests.conftest import SHARED

CASES = SHARED / "cases"

RATE_CASES = [
    ("media/fields.ts", Fraction(25), range(60)),
    ("media/fields.mp4", Fraction(25), range(60)),
    ("media/trim24.mp4", Fraction(24), range(38, 130)),
    ("media/trim60.mov", Fraction(60), range(38, 130)),
    ("media/film2398.vob", Fraction(24000, 1001), range(130)),
    ("media/wrap.ts", Fraction(25), range(130)),
    ("media/thumb_first.mp4", Fraction(25), range(130)),
    ("media/second_default.mkv", Fraction(25), range(130)),
    ("exports/trim24.mov", Fraction(24), range(38, 130)),
    ("exports/fps15.mp4", Fraction(15), range(60)),
]


@pytest.mark.shared
@pytest.mark.parametrize(("name", "fps", "numbers"), RATE_CASES, ids=[name for name, _, _ in RATE_CASES])
def test_rate_and_track(name: str, fps: Fraction, numbers: range) -> None:
    path = CASES / name
    info = probe(path)
    assert (info.fps, info.variable_rate, info.frames) == (fps, False, len(numbers))
    pictures = [item for item in read_media(path) if isinstance(item, DecodedFrame)]
    assert [read_barcode(picture.frame.to_ndarray(format="rgb24")) for picture in pictures] == list(numbers)
    times = [float(picture.time_s * fps) for picture in pictures]
    assert times == pytest.approx(np.arange(len(numbers)), abs=0.05)
    if name in ("media/thumb_first.mp4", "media/second_default.mkv"):
        assert (info.width, info.height, info.video_stream) == (640, 360, 1)
        assert any("video tracks" in note for note in info.notes)


@pytest.mark.shared
def test_dropped_frames_of_an_avi_keep_its_clock() -> None:
    path = CASES / "media/avi_dropped.avi"
    info = probe(path)
    assert (info.fps, info.variable_rate, info.frames) == (25, False, 180)
    assert any("its clock jumps" in note for note in info.notes)
    times = [item.time_s for item in read_media(path) if isinstance(item, DecodedFrame)]
    assert [times[50], times[100]] == [2, Fraction(48, 10)]
