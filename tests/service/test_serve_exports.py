"""Exports over HTTP: clients that go away stop their work, a timeline waits for no clips, what is gone is named."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.core.settings import Settings
from ops.exports.registry import export_formats
from ops.index.line_publishing import publish_lines
from ops.serve.app import create_app
from ops.serve.work import WorkQueue
from tests.builders.colours import ColourEncoder, shot
from tests.builders.films import make_film
from tests.builders.lakes import COMPUTED, FILMED, video_id
from tests.builders.served import client_of, desk_home, fill_desk, listening
from tests.builders.subtitles import line_row
from tests.builders.timelines import film_rows

FORGOTTEN = "0123456789abcdef:116"


def posted(body: dict[str, Any]) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST /api/export HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n"
    return f"{head}Content-Type: application/json\r\n\r\n".encode() + data


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether it holds within that time."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def test_an_export_whose_client_went_away_stops_and_blocks_nobody(tmp_path: Path) -> None:
    settings = desk_home(tmp_path / "home", workers=1)
    long_shot, *_ = film_rows(settings, make_film(tmp_path / "long.mp4", frames=900, cuts=(600,)))
    many: dict[str, Any] = {"format": "zip", "picks": [{"shot_id": long_shot}] * 40}  # half a minute of cutting
    keys = [f"export-{number}" for number in range(3)]
    app = create_app(settings, encoder=ColourEncoder())
    lane: WorkQueue = app.state.service.queues.heavy_export
    with listening(app) as client:
        connections = [socket.create_connection(("127.0.0.1", client.base_url.port or 0)) for _ in range(3)]
        for connection, key in zip(connections, keys, strict=True):
            connection.sendall(posted(many | {"key": key}))
        assert until(lambda: lane.waiting == 2 and any(settings.scratch.glob("clips-*/*.mov")), 60)
        edl = client.post("/api/export", json={"format": "edl", "picks": [{"shot_id": long_shot}]})
        assert edl.status_code == 200
        assert lane.running == 1 and lane.waiting == 2, "a timeline waits for no clips"
        told = [client.get(f"/api/exports/{key}").json() for key in keys]
        assert sorted(each["total"] for each in told) == [0, 0, 40] and all(each["running"] for each in told)
        for connection in connections:
            connection.close()
        assert until(lambda: not lane.waiting and not lane.running, 20), "no client waits for it, and it goes on"
        assert until(lambda: not any(client.get(f"/api/exports/{key}").json()["running"] for key in keys), 20)
        assert not list(settings.scratch.glob("clips-*"))
        assert not list((settings.home / "serve" / "exports").iterdir())
        short = {"format": "zip", "picks": [{"shot_id": long_shot, "in_frame": 0, "out_frame": 5}]}
        assert client.post("/api/export", json=short).status_code == 200


pytestmark = pytest.mark.home(fill=fill_desk)


@pytest.mark.parametrize("name", [name for name in export_formats() if name != "zip"])
def test_picks_that_are_gone_are_named_and_the_rest_is_exported(module_settings: Settings, name: str) -> None:
    picks: list[dict[str, Any]] = [{"shot_id": FORGOTTEN}, {"shot_id": shot(0, 1)}]
    picks += [{"shot_id": shot(1, 0), "out_frame": 450_097}, {"shot_id": shot(0, 0)}]
    with client_of(module_settings) as client:
        answer = client.post("/api/export", json={"format": name, "picks": picks})
        assert answer.status_code == 200, answer.text
        told = json.loads(answer.headers["needle-export"])
        lost = {each["shot_id"]: each["reason"] for each in told["missing"]}
        assert f"no shot '{FORGOTTEN}' in the catalogue" in lost[FORGOTTEN]
        assert "450097 are not a clip of" in lost[shot(1, 0)]
        if name == "json":
            assert [clip["shot_id"] for clip in answer.json()["clips"]] == [shot(0, 1), shot(0, 0)]
            assert told["clips"] == 2 and told["missing_count"] == 2
        nothing = client.post("/api/export", json={"format": name, "picks": picks[:1]})
        assert nothing.status_code == 404 and FORGOTTEN in nothing.json()["detail"]


def test_the_note_of_a_pick_and_its_search_are_its_marker(module_settings: Settings) -> None:
    picks: list[dict[str, Any]] = [
        {"shot_id": shot(0, 1), "note": "wide, for Anna", "query": "a red sky", "score": 0.25, "relevance": 0.75},
        {"shot_id": shot(0, 0)},
    ]
    with client_of(module_settings) as client:
        answer = client.post("/api/export", json={"format": "edl", "picks": picks})
        marker = "score 0.25; relevance 0.75; note: wide, for Anna; shot "
        assert f"\n{marker}{shot(0, 1)} |C:ResolveColorBlue |M:a red sky |D:" in answer.text
        assert answer.text.count(" |C:ResolveColorBlue |M:") == 2
        searched = client.post("/api/export", json={"format": "edl", "search": {"text": "red"}})
        assert searched.text.count(" |M:red |D:") == searched.text.count("* FROM CLIP NAME") > 0
        assert client.post("/api/export", json={"format": "edl", "picks": [picks[0] | {"note": "x" * 501}]}).is_error


def test_a_zip_names_what_is_gone_too(tmp_path: Path) -> None:
    settings = desk_home(tmp_path / "home")
    there, _ = film_rows(settings, make_film(tmp_path / "film.mp4", frames=30, cuts=(12,)))
    with client_of(settings) as client:
        picks = [{"shot_id": FORGOTTEN}, {"shot_id": there}, {"shot_id": f"{video_id(0)}:7"}]
        answer = client.post("/api/export", json={"format": "zip", "picks": picks})
    told = json.loads(answer.headers["needle-export"])
    assert told["clips"] == 1
    assert [each["shot_id"] for each in told["missing"]] == [FORGOTTEN, f"{video_id(0)}:7"]
    assert answer.content.startswith(b"PK")


def test_a_shot_and_its_exports_tell_where_their_dialogue_came_from(tmp_path: Path) -> None:
    settings, video, asked = desk_home(tmp_path / "home"), video_id(0), list[Any]()
    stamps = {"video_id": video, "event_timestamp": FILMED, "created_timestamp": COMPUTED}
    line = line_row(7, "Where are the bicycles?", show="Red Dawn")
    told = {name: getattr(line, name) for name in ("line_id", "show", "shot_ids", "text", "language", "source")}
    told |= {name: getattr(line, name) for name in ("start_frame", "end_frame", "start_s", "end_s")}
    settings.lake.write("dialogue", video, [stamps | told | {"index": 0}])
    source = {
        "path": "/footage/film 0.en.srt",
        "source": "sidecar",
        "language": "en",
        "language_tag": "en",
        "content_hash": "ab" * 32,
    }
    source |= {"lines": 1, "reason": None}
    settings.lake.write("subtitles", video, [stamps | source | {"subtitle_id": "x", "notes": []}])
    said = {"shot_id": shot(0, 0), "show": "Red Dawn", "index": 0, "lines": 1, "text": line.text, "language": "en"}
    settings.lake.write("shot_dialogue", video, [stamps | said | {"source": "sidecar", "input_hash": "1"}])
    version = publish_lines(settings, [line])

    def runs(made: Any) -> list[dict[str, Any]]:
        asked.extend(made)
        return [{"asset": "dialogue", "partition": video, "run_id": "r-7", "at": "2026-01-02T12:00:01+00:00"}]

    with client_of(settings, runs=runs) as client:
        from_ = client.get(f"/api/shots/{shot(0, 0)}").json()["provenance"]
        assert from_["dialogue"] == {
            "dialogue_version": version, "read_at": COMPUTED.isoformat(timespec="seconds"), "sources": [source]
        }  # fmt: skip
        read_at = COMPUTED.timestamp()
        assert {("dialogue", video, read_at), ("dialogue_index", "", read_at)} <= set(asked)
        assert from_["runs"][0]["run_id"] == "r-7"
        silent = client.get(f"/api/shots/{shot(1, 0)}").json()["provenance"]["dialogue"]
        assert silent == {"dialogue_version": version, "read_at": None, "sources": []}

        for text, warned in (('"the bicycles"', False), ('"the motorcycles" red', True)):
            answer = client.post("/api/export", json={"format": "csv", "search": {"text": text}})
            warnings = " ".join(json.loads(answer.headers["needle-export"])["warnings"])
            assert ("nobody says 'the motorcycles'" in warnings) is warned and "is said in" not in warnings
        hit = client.post("/api/search", json={"text": '"the bicycles"'}).json()["hits"][0]
        pick = {name: hit[name] for name in ("shot_id", "score", "matched")} | {"dialogue_version": version}
        pick["line_ids"] = [each["line_id"] for each in hit["lines"]]
        for body in ({"picks": [pick]}, {"search": {"text": '"the bicycles"'}}):
            clip = client.post("/api/export", json={"format": "json", **body}).json()["clips"][0]
            assert clip["score"] is None and clip["score_is"].startswith("none: found by its words")
            assert clip["matched"] == "dialogue" and clip["dialogue_version"] == version
            assert clip["dialogue"] == '01:00:00:00 - 01:00:01:00 "Where are the bicycles?" (sidecar, en)'
            edl = client.post("/api/export", json={"format": "edl", **body}).text
            assert '* NEEDLE DIALOGUE: 01:00:00:00 - 01:00:01:00 "Where are the bicycles?" (sidecar, en)' in edl
