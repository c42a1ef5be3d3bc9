"""Writing in the picture and unsure speech over HTTP: search, figures of the facet, shot, transcript, export."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.index.screen_text import build_texts, check_texts
from tests.builders.colours import shot
from tests.builders.lakes import COMPUTED, FILMED, video_id
from tests.builders.served import fill_desk

STAMPS = {"video_id": video_id(0), "show": "Red Dawn", "event_timestamp": FILMED, "created_timestamp": COMPUTED}


def make_text(index: int, text: str, kind: str = "text", top: int = 100) -> dict[str, Any]:
    start = 24 * index
    return STAMPS | {
        "text_id": f"{shot(0, index)}:text{top}",
        "shot_id": shot(0, index),
        "index": index,
        "start_frame": start + 6,
        "end_frame": start + 18,
        "start_s": (start + 6) * 1001 / 24000,
        "end_s": 600 + 567.1624173323535 + index,
        "box": [100, top, 300, top + 50],
        "text": text,
        "script": "Latn",
        "language": "",
        "confidence": 0.9,
        "kind": kind,
        "input_hash": "0" * 16,
    }


def make_line(second: float, text: str, certainty: float | None) -> dict[str, Any]:
    return STAMPS | {
        "line_id": f"{video_id(0)}:en:{text}",
        "index": round(second),
        "shot_ids": [shot(0, 0)],
        "start_frame": round(second * 24),
        "end_frame": round(second * 24) + 5,
        "start_s": second,
        "end_s": second + 0.2,
        "text": text,
        "language": "en",
        "language_tag": "en",
        "source": "asr",
        "certainty": certainty,
    }


def fill(settings: Settings) -> None:
    fill_desk(settings)
    texts = [
        make_text(0, "second row", top=500),
        make_text(0, "Way out"),
        make_text(1, "10:00:01:02", "timecode"),
        make_text(1, "way out to the stairs and the street"),
    ]
    texts[2]["text_id"] += "x"
    settings.lake.write("screen_text", video_id(0), texts)
    lines = [make_line(0.1, "sure", 0.9), make_line(0.3, "hardly", 0.5), make_line(0.6, "subtitle", None)]
    settings.lake.write("dialogue", video_id(0), lines)
    build_texts(settings, SilentProgress())
    assert check_texts(settings).passed, "times with 17 digits"


pytestmark = pytest.mark.home(fill=fill)


def test_search_finds_writing_and_the_catalogue_counts_it(client: TestClient) -> None:
    shows = client.get("/api/shows").json()
    assert (shows["texts"], shows["shots_with_text"]) == (3, 2)
    answer = client.post("/api/search", json={"text": 'text:"way out"'}).json()
    assert {hit["shot_id"] for hit in answer["hits"]} == {shot(0, 0), shot(0, 1)}
    hit = next(hit for hit in answer["hits"] if hit["shot_id"] == shot(0, 0))
    assert hit["matched"] == ["written"] and hit["match"] == {"start_frame": 6, "end_frame": 18}
    assert [(text["text"], text["start_timecode"]) for text in hit["texts"]] == [("Way out", "01:00:00:06")]
    by_condition = client.post("/api/search", json={"all": [{"written": "*"}]}).json()
    assert {hit["shot_id"] for hit in by_condition["hits"]} == {shot(0, 0), shot(0, 1)}
    assert not client.post("/api/search", json={"text": "text:10:00:01:02"}).json()["hits"], "a timecode"


def test_a_shot_lists_its_writing_and_marks_unsure_lines(client: TestClient) -> None:
    answer = client.get(f"/api/shots/{shot(0, 0)}").json()
    assert [text["text"] for text in answer["texts"]] == ["Way out", "second row"], "from top to bottom"
    unsure = [("sure", False), ("hardly", True), ("subtitle", False)]
    assert [(line["text"], line["is_unsure"]) for line in answer["lines"]] == unsure
    transcript = client.get(f"/api/videos/{video_id(0)}/dialogue").json()
    assert [(line["text"], line["is_unsure"]) for line in transcript["lines"]] == unsure
    assert [text["text"] for text in client.get(f"/api/shots/{shot(0, 1)}").json()["texts"]] == [
        "way out to the stairs and the street"
    ]


def test_an_export_names_what_found_its_clips(client: TestClient) -> None:
    body = {"format": "json", "search": {"text": "text:stairs"}}
    (clip,) = client.post("/api/export", json=body).json()["clips"]
    assert (clip["matched"], clip["in_frame"], clip["out_frame"]) == ("written", 30, 42)
