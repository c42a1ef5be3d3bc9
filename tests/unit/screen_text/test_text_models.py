"""The real models of RapidOCR: they read drawn words, nothing in pictures without any, and report a damaged file."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ops.core.errors import MediaError
from ops.screen_text.reader import DETECTOR, RECOGNISER, RapidTextReader, find_model_folder
from ops.screen_text.tracking import follow_texts, measure_alike

pytestmark = pytest.mark.slow


def draw(text: str, size: int = 40) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = Image.new("RGB", (640, 360), (30, 40, 50))
    ImageDraw.Draw(picture).text((60, 180), text, (240, 240, 240), ImageFont.load_default(size))
    return np.asarray(picture, np.uint8)


def test_the_models_read_words_and_report_damage(tmp_path: Path) -> None:
    reader = RapidTextReader(find_model_folder())
    (text,) = reader.read(draw("Emergency exit"))
    left, top, right, bottom = text.box
    assert text.text == "Emergency exit" and text.confidence > 0.9
    assert 0.05 < left < 0.12 < 0.4 < right < 0.7 and 0.45 < top < 0.55 < bottom < 0.7
    assert reader.read(np.zeros((360, 640, 3), np.uint8)) == []
    assert reader.read(np.full((2, 2, 3), 200, np.uint8)) == []
    noise = np.random.default_rng(0).integers(0, 255, (360, 640, 3), np.uint8)
    assert not [text for text in reader.read(noise) if len(text.text) > 3]
    shutil.copy(find_model_folder() / RECOGNISER, tmp_path)
    (tmp_path / DETECTOR).write_bytes(b"no model")
    with pytest.raises(MediaError, match="install rapidocr again"):
        RapidTextReader(tmp_path)


def test_text_in_mirror_writing_is_not_read_as_something_else() -> None:
    """Letters that are the same in a mirror are read; whole words are not, and nothing fails."""
    reader = RapidTextReader(find_model_folder())
    texts = reader.read(np.ascontiguousarray(draw("Emergency exit")[:, ::-1]))
    assert all(measure_alike(text.text, "Emergency exit") < 0.6 for text in texts), texts
    assert [text.text for text in reader.read(np.ascontiguousarray(draw("MAXIM TOO")[:, ::-1]))] in (["OOT MIXAM"], [])


@pytest.mark.shared
def test_the_clock_in_a_real_advertisement_is_a_timecode_and_its_signs_are_not(footage: Path) -> None:
    """Its clock of seconds and frames, "9:13", is read as "9;13"."""
    reader = RapidTextReader(find_model_folder())
    with av.open(str(footage / "gotland_ad_360p.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    samples = [(number, reader.read(frames[number])) for number in range(169, 240, 20)]
    runs = follow_texts(samples, 169, 240, 24)
    assert [run.kind for run in runs if run.text[1:2] in ":;"] == ["timecode"]
    assert {"SWEDEN", "Baltic Sea", "24 fps"} <= {run.text for run in runs if run.kind == "text"}
