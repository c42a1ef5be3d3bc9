"""The seconds until footage is searchable, and the check that names footage that waits for too long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.index import tuning
from ops.index.build import build_index
from ops.index.lag import check_waiting
from tests.builders.lakes import COMPUTED, ENCODER, FILMED, fill, shot_rows, vector_rows, video_id, video_row

DAY = timedelta(days=1)


pytestmark = pytest.mark.home(fill=fill)


def add_film(settings: Settings, number: int, available_s: int) -> None:
    at = FILMED + timedelta(seconds=available_s)
    video = video_id(number)
    settings.lake.write("videos", video, [video_row(number, available_at=at, created_timestamp=at)])
    settings.lake.write("shots", video, shot_rows(number))
    settings.lake.write(f"shot_embeddings/{ENCODER}", video, vector_rows(number))


def publish(settings: Settings, encoder_id: str, after_s: int) -> dict[str, object]:
    report = build_index(settings, encoder_id, SilentProgress(), lambda: FILMED + timedelta(seconds=after_s))
    assert report.rows is not None and report.rows % 4 == 0
    return {name: report.details.get(name) for name in ("new_videos", "lag_seconds", "lag_seconds_median")}


NONE = {"new_videos": None, "lag_seconds": None, "lag_seconds_median": None}


def test_the_lag_is_of_videos_that_are_new_in_the_index(settings: Settings) -> None:
    first = publish(settings, ENCODER, after_s=90)
    assert first["new_videos"] == 3 and first["lag_seconds"] == 90.0
    assert publish(settings, ENCODER, after_s=500) == NONE  # nothing new
    for number, available_s in ((7, 600), (8, 640), (9, 690)):
        add_film(settings, number, available_s)
    assert publish(settings, ENCODER, after_s=700) == {
        "new_videos": 3,
        "lag_seconds": 100.0,
        "lag_seconds_median": 60.0,
    }
    settings.lake.delete("shot_embeddings/" + ENCODER, video_id(7))
    assert publish(settings, ENCODER, after_s=900) == NONE  # a video less is not a new one


def test_the_first_index_of_another_encoder_has_no_lag(settings: Settings) -> None:
    publish(settings, ENCODER, after_s=90)
    settings.lake.write("shot_embeddings/another", video_id(0), vector_rows(0))
    assert publish(settings, "another", after_s=9_000) == NONE


def test_a_rebuild_in_another_layout_has_no_lag(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(settings, ENCODER, after_s=90)
    monkeypatch.setattr(tuning, "RECIPE", tuning.RECIPE + 1)
    assert publish(settings, ENCODER, after_s=9_000) == NONE
    add_film(settings, 7, available_s=9_100)
    assert publish(settings, ENCODER, after_s=9_150)["lag_seconds"] == 50.0


def test_without_a_clock_there_is_no_lag(settings: Settings) -> None:
    assert "lag_seconds" not in build_index(settings, ENCODER, SilentProgress()).details


def test_late_videos_are_named_and_others_are_not(settings: Settings) -> None:
    late = check_waiting(settings, ENCODER, COMPUTED + 2 * DAY)
    assert not late.passed and late.details["late"] == late.details["waiting"] == 3
    assert "film 0.mp4" in late.details["problems"][0]
    early = check_waiting(settings, ENCODER, COMPUTED + DAY / 2)
    assert early.passed and early.details["longest_wait_seconds"] == DAY.total_seconds() / 2
    patient = settings.model_copy(update={"searchable_within": 3 * 86_400})
    assert check_waiting(patient, ENCODER, COMPUTED + 2 * DAY).passed
    build_index(settings, ENCODER, SilentProgress())
    done = check_waiting(settings, ENCODER, COMPUTED + 2 * DAY)
    assert done.passed and done.details["waiting"] == 0


@pytest.mark.parametrize(("state", "waits"), [("pending", 1), ("set_aside", 0), ("removed", 0)])
def test_only_footage_that_can_be_searched_waits(settings: Settings, state: str, waits: int) -> None:
    build_index(settings, ENCODER, SilentProgress())
    settings.lake.write("videos", video_id(5), [video_row(5, state=state, reason="it is text")])
    outcome = check_waiting(settings, ENCODER, COMPUTED + 2 * DAY)
    assert outcome.details["waiting"] == waits and outcome.passed == (not waits)


def test_a_video_without_shots_yet_waits_and_a_broken_index_fails_the_check(settings: Settings) -> None:
    build_index(settings, ENCODER, SilentProgress())
    settings.lake.write("videos", video_id(6), [video_row(6)])
    assert check_waiting(settings, ENCODER, COMPUTED + 2 * DAY).details["waiting"] == 1
    for manifest in settings.home.rglob("manifest.json"):
        manifest.write_text("{")
    outcome = check_waiting(settings, ENCODER, COMPUTED)
    assert not outcome.passed and outcome.details["problems"]
