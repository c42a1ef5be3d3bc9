"""Text on contact sheets: a font for every script, lines that fit, characters that no font has."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ops.core.settings import Settings
from ops.exports.clip import Pick, select_clips
from ops.exports.export import export
from ops.exports.lettering import Lettering, choose_cjk_face
from tests.builders.timelines import fill_lake

TITLES = {
    "Latin": ("Zürich", "Zörich"),
    "Vietnamese": ("tiếng Việt", "tiêng Viêt"),
    "Cyrillic": ("Ночь", "День"),
    "Greek": ("νύχτα", "ημέρα"),
    "Japanese": ("東京", "大阪"),
    "kana": ("すし", "そば"),
    "Chinese": ("北京", "上海"),
    "Korean": ("서울", "부산"),
    "Arabic": ("ليل", "نهار"),
    "Hebrew": ("לילה", "יום"),
    "Hindi": ("दिन", "दीन"),
    "Bengali": ("রাত", "দিন"),
    "Tamil": ("இரவு", "பகல்"),
    "Telugu": ("రాత్రి", "పగలు"),
    "Thai": ("กลางคืน", "กลางวัน"),
    "Georgian": ("ღამე", "დღე"),
    "Armenian": ("գիշեր", "օր"),
    "Amharic": ("ሌሊት", "ቀን"),
    "Khmer": ("យប់", "ថ្ងៃ"),
    "Burmese": ("ည", "နေ့"),
    "emoji": ("🎬", "🎞"),
    "runes, which no font has": ("ᚠ", "ᚢ"),
}


def drawn(text: str, width: int = 600) -> tuple[np.ndarray, set[str]]:
    """The picture of a text, cut to its ink, and what no font has."""
    picture = Image.new("RGB", (700, 80))
    lettering = Lettering(24)
    lettering.draw(ImageDraw.Draw(picture), (10, 50), text, (255, 255, 255), width)
    box = picture.getbbox()
    assert box is not None and box[2] <= 10 + width + 3, text
    return np.asarray(picture.crop(box).convert("L")), lettering.unknown


@pytest.mark.parametrize("script", TITLES)
def test_other_titles_look_different(script: str) -> None:
    one, other = (drawn(text)[0] for text in TITLES[script])
    assert one.shape != other.shape or np.abs(one.astype(int) - other).max() > 100


@pytest.mark.parametrize("script", TITLES)
def test_a_character_that_no_font_has_is_named(script: str) -> None:
    unknown = set[str]().union(*(drawn(text)[1] for text in TITLES[script]))
    assert unknown == (set("ᚠᚢ") if script.startswith("runes") else set())


@pytest.mark.parametrize(
    ("text", "face"), [("東京", 0), ("すし", 0), ("서울", 1), ("简体", 2), ("她們妳們", 3), ("film", 0)]
)
def test_han_characters_have_the_shapes_of_their_language(text: str, face: int) -> None:
    assert choose_cjk_face(text) == face


@pytest.mark.parametrize("text", ["word " * 60, "題名" * 80, "فيلم " * 60, "e\u0301" * 150, "🎬" * 100])
def test_long_titles_end_in_dots_and_fit(text: str) -> None:
    short = drawn(text, 200)[0]
    assert short.shape[1] <= 205
    assert not np.array_equal(short, drawn(text[:3], 200)[0])


def test_text_from_right_to_left_begins_at_the_right() -> None:
    """The Latin word between two Arabic ones is in the middle, with a space on both sides."""
    picture = drawn("مرحبا Film عالم")[0]
    ink = picture.max(axis=0) > 60
    gaps = [len(list(run)) for is_ink, run in itertools.groupby(ink) if not is_ink]
    assert sum(gap > 5 for gap in gaps) == 2
    first, last = drawn("مرحبا")[0].shape[1], drawn("عالم")[0].shape[1]
    assert ink.size == pytest.approx(first + last + drawn("Film")[0].shape[1] + 12, abs=8)


@pytest.mark.parametrize("script", ["Latin", "Cyrillic", "Japanese", "runes, which no font has"])
def test_sheets_with_other_titles_differ(settings: Settings, tmp_path: Path, script: str) -> None:
    pictures = []
    for number, title in enumerate(TITLES[script], start=1):
        shot = fill_lake(settings, number, Fraction(25), title=title)[0]
        clips = select_clips(settings, [Pick(shot_id=shot)])
        for name, heading in ((f"{number}-clip.png", "Selection"), (f"{number}-title.png", title)):
            report = export(settings, clips, "sheet", tmp_path / name, title=heading)
            assert bool(report.warnings) == script.startswith("runes")
            with Image.open(tmp_path / name) as picture:
                pictures.append(np.asarray(picture.convert("L")).astype(int))
    one, headed, other, other_headed = pictures
    assert np.abs(one - other).max() > 100
    assert np.abs(headed[:40] - other_headed[:40]).max() > 100
    assert np.array_equal(one[:40], other[:40])
