"""Tables of writing in the picture: built once, again for changed shots only, and emptied when the setting is off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress, StepReport
from ops.index.screen_text import build_texts, check_texts, has_current_texts, open_texts
from ops.screen_text import build as build_module
from ops.screen_text.build import build_screen_text, find_due
from ops.screen_text.reader import SeenText, explain_problem
from ops.screen_text.sampling import choose_first, choose_more, is_read_in_part
from ops.shots.looking import retry_unread
from ops.shots.segment import make_proxy_key
from tests.builders.films import make_film, read_barcode
from tests.builders.lakes import COMPUTED, shot_rows, video_id
from tests.builders.upgrades import SHOTS, add_film

VIDEO = video_id(0)


class NumberReader:
    """Reads a sign in the first half of the generated film, by the frame number in its picture."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def read(self, frame_HWC: NDArray[np.uint8]) -> list[SeenText]:
        number = read_barcode(frame_HWC)
        self.numbers.append(number)
        return [SeenText(text="Way out", box=(0.1, 0.1, 0.3, 0.2), confidence=0.9)] if number <= 12 else []


class Heard(SilentProgress):
    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.notes: list[str] = []

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        self.reasons.append(f"{thing}: {reason}")

    def note(self, stage: str, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = load_settings(home=tmp_path / "home", screen_text="on")
    add_film(settings, tmp_path, 0, captions=False, proxies=True)
    return settings


def build(settings: Settings, reader: NumberReader | None = None, progress: Any = None) -> StepReport:
    reader = reader or NumberReader()
    return build_screen_text(settings, [VIDEO], COMPUTED, progress or SilentProgress(), make=lambda: reader)


def rows_of(settings: Settings, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = settings.lake.read(table, [VIDEO]).to_pylist()
    return rows


def test_text_is_read_once_with_its_frames(home: Settings) -> None:
    assert find_due(home, [VIDEO]) == {VIDEO}
    reader = NumberReader()
    report = build(home, reader)
    assert report.checks[0].passed and report.details["texts"] == 0, "the same text in every shot is a logo"
    assert "rec" in report.details["model"] and report.by_partition[VIDEO]["model"] == report.details["model"]
    rows = rows_of(home, "screen_text")
    assert [(row["text"], row["kind"], row["script"]) for row in rows] == [("Way out", "constant", "Latn")] * SHOTS
    assert {(row["start_frame"] % 24, row["end_frame"] % 24) for row in rows} == {(0, 16)}, "12 with it, 20 without"
    assert len(reader.numbers) < 4 * SHOTS, "looks are few"
    assert not find_due(home, [VIDEO])
    again = NumberReader()
    assert build(home, again).changed == 0 and not again.numbers


def test_only_changed_shots_are_read_again(home: Settings) -> None:
    build(home)
    rows = shot_rows(0, SHOTS, is_blank=False)
    rows[1]["detector"] = "another"
    home.lake.write("shots", VIDEO, rows)
    assert find_due(home, [VIDEO]) == {VIDEO}
    reader = NumberReader()
    build(home, reader)
    assert 0 < len(reader.numbers) <= 4
    home.lake.write("shots", VIDEO, rows[:2])
    assert find_due(home, [VIDEO]) == {VIDEO}, "rows of shots that are gone"
    report = build(home)
    assert report.details["texts"] == 2, "in two shots it is no logo any more"
    assert {row["text"] for row in rows_of(home, "shot_screen_text")} == {"Way out"}
    assert not find_due(home, [VIDEO])


def test_a_lost_file_of_texts_is_computed_again(home: Settings) -> None:
    home.lake.write("shots", VIDEO, shot_rows(0, 2, is_blank=False))
    build(home)
    home.lake.delete("screen_text", VIDEO)
    assert find_due(home, [VIDEO]) == {VIDEO}
    build(home)
    assert len(rows_of(home, "screen_text")) == 2 and not find_due(home, [VIDEO])


def test_texts_of_a_video_whose_shots_are_lost_are_deleted(home: Settings) -> None:
    build(home)
    home.lake.delete("shots", VIDEO)
    (video,) = home.lake.read("videos").to_pylist()
    home.lake.write("videos", VIDEO, [video | {"state": "set_aside"}])
    assert find_due(home, [VIDEO]) == {VIDEO}
    build(home)
    assert not rows_of(home, "screen_text") and not rows_of(home, "shot_screen_text")
    assert not find_due(home, [VIDEO]) and build(home).changed == 0


def test_off_again_leaves_nothing_behind(home: Settings) -> None:
    home.lake.write("shots", VIDEO, shot_rows(0, 2, is_blank=False))
    build(home)
    build_texts(home, SilentProgress())
    texts = open_texts(home)
    assert texts is not None and texts.count() == 2 and check_texts(home).passed
    texts.close()
    off = home.model_copy(update={"screen_text": "off"})
    assert find_due(off, [VIDEO]) == {VIDEO}
    reader = NumberReader()
    build(off, reader)
    assert not reader.numbers and not rows_of(off, "screen_text")
    assert [(row["texts"], row["text"]) for row in rows_of(off, "shot_screen_text")] == [(None, None)] * 2
    assert not find_due(off, [VIDEO]) and build(off).changed == 0
    assert not has_current_texts(off)
    build_texts(off, SilentProgress())
    assert open_texts(off) is None and has_current_texts(off)
    everything = b"".join(path.read_bytes() for path in off.home.rglob("*") if path.is_file())
    assert b"Way out" not in everything and b"way" not in everything
    assert find_due(home, [VIDEO]) == {VIDEO}, "on again: read again"


def test_a_shot_without_a_readable_proxy_is_set_aside_and_tried_again(home: Settings) -> None:
    key = make_proxy_key(VIDEO, 24, 48)
    proxy = home.store.read_bytes(key)
    home.store.write_bytes(key, b"no film")
    home.store.delete(make_proxy_key(VIDEO, 48, 72))
    heard = Heard()
    report = build(home, progress=heard)
    reasons = [row["reason"] for row in rows_of(home, "shot_screen_text")]
    assert reasons[1] and "cannot be decoded" in reasons[1] and reasons[2] and "is missing" in reasons[2]
    assert len(heard.reasons) == 2 and len(report.details["set_aside"]) == 2
    assert [row["texts"] for row in rows_of(home, "shot_screen_text")][:3] == [0 if SHOTS >= 6 else 1, None, None]
    assert not find_due(home, [VIDEO])
    home.store.write_bytes(key, proxy)
    retry_unread(home, "shot_screen_text", [VIDEO])
    assert find_due(home, [VIDEO]) == {VIDEO}
    build(home)
    assert rows_of(home, "shot_screen_text")[1]["reason"] is None


def test_a_shot_with_endless_credits_is_read_in_part_and_that_is_reported(home: Settings) -> None:
    home.lake.write("shots", VIDEO, [shot_rows(0, 1, is_blank=False)[0] | {"end_s": 100.0}])

    class CreditsReader(NumberReader):
        def read(self, frame_HWC: NDArray[np.uint8]) -> list[SeenText]:
            number = read_barcode(frame_HWC)
            random = np.random.default_rng(number)
            return [
                SeenText(text=random.bytes(8).hex(), box=(0.1, row / 100, 0.5, row / 100 + 0.01), confidence=0.9)
                for row in range(80)
            ]

    heard = Heard()
    report = build_screen_text(home, [VIDEO], COMPUTED, heard, make=CreditsReader)
    assert report.details["texts"] == 240 and "has more writing than is read" in heard.notes[0]
    assert max(row["end_frame"] for row in rows_of(home, "screen_text")) <= 4
    assert not find_due(home, [VIDEO])


@pytest.mark.parametrize(("minutes", "looks"), [(1, 12), (10, 120), (60, 720), (480, 720)])
def test_a_long_shot_with_text_is_looked_at_each_five_seconds_for_an_hour(minutes: float, looks: int) -> None:
    frames, seconds = 24 * 60 * minutes, 60.0 * minutes
    first = choose_first(frames, seconds)
    more = choose_more(frames, seconds, first)
    assert len(first) == min(looks, 32) and looks <= len(first) + len(more) <= looks + 32
    together = sorted({*first, *more})
    gaps = np.diff([0, *together, frames]) / 24
    assert together[-1] < frames and gaps.max() <= max(5.1, 1.1 * seconds / looks)
    assert is_read_in_part(seconds) == (minutes > 60)


def test_slides_of_a_long_shot_are_read_and_what_is_too_long_is_reported(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame for each five seconds, another slide each twenty frames: the first 32 looks would miss some."""
    frames = 720
    cuts = tuple(range(20, frames, 20))
    make_film(home.home / "slides.mp4", cuts=cuts, frames=frames, width=160, height=90, gop=2)
    key = make_proxy_key(VIDEO, 0, frames)
    home.store.write_bytes(key, (home.home / "slides.mp4").read_bytes())
    shot = shot_rows(0, 1, is_blank=False)[0] | {"end_frame": frames, "end_s": 3600.0, "shot_id": f"{VIDEO}:0"}
    home.lake.write("shots", VIDEO, [shot])

    def title(slide: int) -> str:
        return np.random.default_rng(slide).bytes(8).hex()

    class SlideReader(NumberReader):
        def read(self, frame_HWC: NDArray[np.uint8]) -> list[SeenText]:
            return [SeenText(text=title(read_barcode(frame_HWC) // 20), box=(0.1, 0.1, 0.5, 0.2), confidence=0.9)]

    heard = Heard()
    build_screen_text(home, [VIDEO], COMPUTED, heard, make=SlideReader)
    assert {row["text"] for row in rows_of(home, "screen_text")} == {title(slide) for slide in range(frames // 20)}
    assert heard.notes == []
    home.lake.write("shots", VIDEO, [shot | {"end_s": 8 * 3600.0}])
    home.lake.delete("shot_screen_text", VIDEO)
    build_screen_text(home, [VIDEO], COMPUTED, heard, make=SlideReader)
    assert "has writing and 480 minutes: it is looked at" in heard.notes[0]
    monkeypatch.setattr(build_module, "MOST_TEXTS", 34)
    home.lake.write("shots", VIDEO, [shot])
    home.lake.delete("shot_screen_text", VIDEO)
    build_screen_text(home, [VIDEO], COMPUTED, heard, make=SlideReader)
    assert "has more than 34 texts: it is looked at" in heard.notes[1]
    assert {row["text"] for row in rows_of(home, "screen_text")} < {title(slide) for slide in range(frames // 20)}


def test_without_models_the_reason_is_reported_and_the_shots_stay_due(home: Settings, tmp_path: Path) -> None:
    assert "is missing" in explain_problem(tmp_path)

    def fail() -> NumberReader:
        raise MediaError("the models cannot be loaded")

    heard = Heard()
    report = build_screen_text(home, [VIDEO], COMPUTED, heard, make=fail)
    assert report.details["problem"] == "the models cannot be loaded" and len(heard.reasons) == 1
    assert find_due(home, [VIDEO]) == {VIDEO} and json.dumps(report.details)
