"""The table of sound: measured once, again for changed films only, and emptied when the setting is off."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from ops.core.history import list_history_files
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress, StepReport
from ops.shots.looking import retry_unread
from ops.sound import build as build_module
from ops.sound.build import build_sound, explain_setting, find_due
from ops.sound.measure import FilmSound, MeasureRequest, measure_sound
from ops.sound.speech import NO_DETECTOR
from ops.videos.probe import probe
from tests.builders.lakes import COMPUTED, shot_rows, video_id, video_row
from tests.sources.sound import Track, write

VIDEO = video_id(0)
LEVELS = "0.1*gte(t\\,1)+0.1*gte(t\\,2)+0.8*gte(t\\,3)"
STEPS = f"aevalsrc=({LEVELS})*sin(2*PI*1000*t):s=48000"
"""A second each of silence, a tone, one 6 dB louder, and one 14 dB louder than that."""


class Heard(SilentProgress):
    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.notes: list[str] = []

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        self.reasons.append(reason)

    def note(self, stage: str, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("sound") / "film.mkv", [Track(source=STEPS)], seconds=4.0)


@pytest.fixture
def home(tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A film in four shots of a second, on a machine that cannot find speech."""
    monkeypatch.setattr(build_module, "explain_no_speech", lambda: NO_DETECTOR)
    settings = load_settings(home=tmp_path / "home", sound="on")
    register(settings, film)
    return settings


def register(settings: Settings, film: Path, **changes: Any) -> None:
    facts = probe(film)
    row = video_row(0, path=str(film), has_audio=facts.has_audio, facts=facts.to_json(), frames=100)
    settings.lake.write("videos", VIDEO, [row | changes])
    rows = [row | place_shot(number) for number, row in enumerate(shot_rows(0))]
    settings.lake.write("shots", VIDEO, rows)


def place_shot(number: int) -> dict[str, Any]:
    first = 25 * number
    times = {"start_s": float(number), "end_s": float(number + 1)}
    return times | {"shot_id": f"{VIDEO}:{first}", "start_frame": first, "end_frame": first + 25}


def build(settings: Settings, progress: Any = None, measure: Any = measure_sound) -> StepReport:
    return build_sound(settings, [VIDEO], COMPUTED, progress or SilentProgress(), measure=measure)


def rows_of(settings: Settings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = settings.lake.read("shot_sound", [VIDEO]).to_pylist()
    return sorted(rows, key=lambda row: row["index"])


def refuse(request: MeasureRequest) -> FilmSound:
    raise AssertionError("nothing is due")


def crash(request: MeasureRequest) -> FilmSound:
    os.kill(os.getpid(), signal.SIGSEGV)
    signal.pause()
    raise AssertionError(request)


def test_each_shot_has_its_sound_and_nothing_is_measured_twice(home: Settings) -> None:
    assert find_due(home, [VIDEO]) == {VIDEO}
    heard = Heard()
    report = build(home, heard)
    assert report.checks[0].passed and report.changed
    rows = rows_of(home)
    assert [row["kinds"] for row in rows] == ["silent", "quiet", "quiet", ""]
    assert [row["loudness"] for row in rows] == [None, *(pytest.approx(level, abs=0.2) for level in (-20, -14, 0))]
    assert rows[0]["silence_ms"] == [0, 1000] and rows[0]["silence"] == 1
    assert all(row["speech"] is None and row["speech_ms"] is None for row in rows)
    (note,) = heard.notes
    assert "1 film" in note and "speech is unknown" in note and "pip install" in note and report.details["problem"]
    assert (report.details["shots_measured"], report.details["silent"]) == (4, 1)
    assert report.by_partition[VIDEO]["quiet"] == 2
    assert find_due(home, [VIDEO]) == set()
    again = build(home, measure=refuse)
    assert again.changed == 0 and again.data_version == report.data_version


def test_other_cuts_and_other_tracks_are_measured_again(home: Settings, film: Path) -> None:
    build(home)
    shots = home.lake.read("shots", [VIDEO]).to_pylist()
    joined = [shots[0] | {"end_frame": shots[1]["end_frame"], "end_s": 2.0}, *shots[2:]]
    home.lake.write("shots", VIDEO, joined)
    assert find_due(home, [VIDEO]) == {VIDEO} and build(home).changed
    assert [row["shot_id"] for row in rows_of(home)] == [f"{VIDEO}:0", f"{VIDEO}:50", f"{VIDEO}:75"]
    assert rows_of(home)[0]["silence"] == pytest.approx(0.5, abs=0.01)
    (video,) = home.lake.read("videos", [VIDEO]).to_pylist()
    other = video["facts"].replace('"stream":1', '"stream":3').replace('"sound_stream":1', '"sound_stream":3')
    home.lake.write("videos", VIDEO, [video | {"facts": other}])
    assert find_due(home, [VIDEO]) == {VIDEO}


def test_a_new_show_is_written_without_measuring(home: Settings) -> None:
    build(home)
    shots = home.lake.read("shots", [VIDEO]).to_pylist()
    home.lake.write("shots", VIDEO, [shot | {"show": "Renamed"} for shot in shots])
    assert build(home, measure=refuse).changed and {row["show"] for row in rows_of(home)} == {"Renamed"}


def test_speech_is_found_later_if_it_could_not_be(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    build(home)
    monkeypatch.setattr(build_module, "explain_no_speech", lambda: "")
    assert find_due(home, [VIDEO]) == {VIDEO}
    monkeypatch.undo()
    if explain_setting("on"):
        pytest.skip("needs the extra `speech`")
    build(home)
    assert [(row["speech"], row["speech_ms"]) for row in rows_of(home)] == [(0, [])] * 4, "a tone is no voice"
    monkeypatch.setattr(build_module, "explain_no_speech", lambda: NO_DETECTOR)
    assert find_due(home, [VIDEO]) == set(), "a machine without the detector keeps them"


def test_a_film_without_a_track_has_a_note_and_null_rows(home: Settings, tmp_path: Path) -> None:
    register(home, write(tmp_path / "mute.mkv", [], seconds=4.0))
    heard = Heard()
    report = build(home, heard, measure=refuse)
    assert report.checks[0].passed and not heard.reasons and "without a sound track" in heard.notes[0]
    assert [(row["silence"], row["kinds"], row["reason"]) for row in rows_of(home)] == [(None, None, None)] * 4
    assert find_due(home, [VIDEO]) == set() and build(home, Heard(), measure=refuse).changed == 0


@pytest.mark.parametrize("fault", ["crash", "gone"])
def test_a_film_that_cannot_be_measured_is_set_aside_until_a_retry(home: Settings, film: Path, fault: str) -> None:
    if fault == "gone":
        register(home, film, path="/nowhere/film.mkv")
    heard = Heard()
    report = build(home, heard, measure=crash if fault == "crash" else measure_sound)
    (reason,) = heard.reasons
    assert ("crashed" if fault == "crash" else "does not exist") in reason and "its sound is unknown" in reason
    assert len(report.details["set_aside"]) == 4 and rows_of(home)[0]["reason"]
    assert find_due(home, [VIDEO]) == set()
    retry_unread(home, "shot_sound", [VIDEO])
    assert find_due(home, [VIDEO]) == {VIDEO}
    register(home, film)
    build(home)
    assert [row["reason"] for row in rows_of(home)] == [None] * 4


def test_off_deletes_what_was_measured_with_its_history(home: Settings) -> None:
    build(home)
    off = home.model_copy(update={"sound": "off"})
    assert find_due(off, [VIDEO]) == {VIDEO}
    assert build(off, measure=refuse).changed
    assert {(row["loudness"], row["kinds"], row["silence_ms"]) for row in rows_of(off)} == {(None, None, None)}
    assert not [key for key in list_history_files(off.store) if "shot_sound" in key]
    assert find_due(off, [VIDEO]) == set() and build(off, measure=refuse).changed == 0


def test_shots_that_are_gone_leave_no_rows(home: Settings) -> None:
    build(home)
    home.lake.write("shots", VIDEO, [])
    assert find_due(home, [VIDEO]) == {VIDEO}
    build(home, measure=refuse)
    assert rows_of(home) == []


def test_the_setting_is_usable_without_the_detector() -> None:
    assert explain_setting("off") == ""
