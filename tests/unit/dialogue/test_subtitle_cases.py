"""Subtitles of the shared cases: whose they are, their language, what is said in them and when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.core.settings import load_settings
from ops.dialogue.lines import DialogueLine, merge_lines
from ops.dialogue.sources import SubtitleRequest, read_sources
from ops.videos.subtitles import find_sidecars, find_unowned_subtitles
from tests.conftest import SHARED

CASES = SHARED / "cases"
NAMES = ["name1", "name2", "name3", "name4", "folder1/film", "enc_cs", "enc_he", "enc_th", "enc_ru", "badbyte_ru"]
NAMES += ["rolling1", "ass1", "entity1", "other1"]

pytestmark = pytest.mark.shared


def lines_of(film: Path, home: Path) -> list[DialogueLine]:
    settings = load_settings(home=home)
    video = {"video_id": film.name, "path": str(film), "fps_num": 10, "fps_den": 1, "content_hash": ""}
    sidecars = find_sidecars(settings, [video])[film.name]
    request = SubtitleRequest(video=video, sidecars=tuple(sidecars), length_s=10.0, scratch=home)
    return merge_lines(source.lines for source in read_sources(request))


def check_of(name: str) -> dict[str, Any]:
    rows = json.loads((CASES / "dialogue" / "expected.json").read_text())
    (check,) = [row["check"] for row in rows if row["file"] == f"dialogue/{name}.mp4"]
    return dict(check)


@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_read(name: str, tmp_path: Path) -> None:
    check = check_of(name)
    lines = lines_of(CASES / "dialogue" / f"{name}.mp4", tmp_path)
    assert {line.text for line in lines} >= set(check.get("texts", []))
    for words, wanted in check.get("say", []):
        found = [line for line in lines if words.casefold() in line.text.casefold()]
        assert len(found) == wanted["lines"]
        assert found[0].start_s == pytest.approx(wanted.get("at", found[0].start_s), abs=0.001)
    if "language" in check:
        assert {line.language.partition("-")[0] for line in lines} == {check["language"]}


def test_rolling_captions_are_spoken_in_the_shots_they_are_spoken_in(tmp_path: Path) -> None:
    """Cuts are at 3 and 6 s; the first row is shown until 3.4 s, and its last word is spoken before 3 s."""
    first, second, third = lines_of(CASES / "dialogue" / "rolling1.mp4", tmp_path)
    assert first.end_s < 3 < second.start_s and second.end_s < 6 < third.start_s


def test_one_bad_byte_costs_one_sign(tmp_path: Path) -> None:
    lines = lines_of(CASES / "dialogue" / "badbyte_ru.mp4", tmp_path)
    assert [line.text for line in lines] == [
        "Здравствуйте, капитан корабля", "Принесите мне карт\ufffd сокровищ", "Спасибо большое",
    ]  # fmt: skip


def test_every_subtitle_file_of_the_cases_belongs_to_a_video() -> None:
    films = [{"video_id": "x", "path": str(path)} for path in (CASES / "dialogue").rglob("*.mp4")]
    assert films and find_unowned_subtitles(films) == []
