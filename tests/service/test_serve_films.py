"""A whole film over HTTP, and corrections of its cuts: what the command line writes, and the same rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from ops.core.settings import Settings
from ops.shots.corrections import read_history
from ops.videos.forgotten import write_tombstone
from tests.builders.lakes import FILMED, video_id
from tests.builders.served import client_of, desk_home, fill_desk

FILM = f"/api/videos/{video_id(0)}"
SAID = f"{FILM}/corrections"


pytestmark = pytest.mark.home(fill=fill_desk)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with client_of(settings) as client:
        yield client


def say(client: TestClient, action: str, frame: int, expect: int = 200, **more: Any) -> dict[str, Any]:
    answer = client.post(SAID, json={"action": action, "frame": frame, **more})
    assert answer.status_code == expect, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_film_has_all_its_shots_in_order(client: TestClient) -> None:
    film = client.get(FILM).json()
    assert (film["show"], film["frames"], film["fps"], film["shots"]) == ("Red Dawn", 96, "24000/1001", 4)
    assert [(one["start_frame"], one["end_frame"]) for one in film["film_shots"]] == [
        (n, n + 24) for n in (0, 24, 48, 72)
    ]
    first = film["film_shots"][0]
    assert first["start_timecode"] == "01:00:00:00" and first["transition"] == "start"
    assert client.get(first["poster"]).status_code == 200
    assert (film["corrections"], film["to_cut"], film["to_merge"]) == ([], [], [])


def test_what_is_said_waits_and_is_taken_back(client: TestClient, settings: Settings) -> None:
    shots = [one["shot_id"] for one in client.get(FILM).json()["film_shots"]]
    client.post("/api/labels", json={"label": "sky", "shots": shots[1:3], "value": True})
    merged = say(client, "no_cut", 24, author="ann", note="a flash")
    assert (merged["to_merge"], merged["to_cut"]) == ([24], [])
    assert [(one["shot_id"], one["effect"]) for one in merged["labels"]] == [(shots[1], "unused")]
    split = say(client, "cut", 60, author="bob")
    assert (split["to_merge"], split["to_cut"]) == ([24], [60])
    assert [(one["shot_id"], one["effect"]) for one in split["labels"]] == [(shots[1], "unused"), (shots[2], "shorter")]
    assert [one["state"] for one in client.get(SAID).json()["corrections"]] == ["waiting", "waiting"]
    undone = say(client, "withdrawn", 24, author="bob")
    assert (undone["to_merge"], undone["to_cut"]) == ([], [60])
    history = [(each.action, each.frame, each.author, each.note) for each in read_history(settings)]
    assert history == [("no_cut", 24, "ann", "a flash"), ("cut", 60, "bob", ""), ("withdrawn", 24, "bob", "")]


@pytest.mark.parametrize(
    ("action", "frame", "words"),
    [
        ("no_cut", 25, "no shot of film 0.mp4 begins at frame 25"),
        ("cut", 24, "already"),
        ("cut", 25, "would leave a shot of 1 frame,"),
        ("cut", 96, "its frames are 0 to 95"),
        ("cut", 0, "frame 0 begins"),
        ("withdrawn", 50, "no correction at frame 50"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    client: TestClient, settings: Settings, action: str, frame: int, words: str
) -> None:
    assert words in say(client, action, frame, 422)["detail"]
    assert not read_history(settings)


@pytest.mark.parametrize(
    "body",
    [
        {"action": "cut"},
        {"action": "merge", "frame": 24},
        {"action": "cut", "frame": -1},
        {"action": "cut", "frame": "30"},
        {"action": "cut", "frame": 30.5},
        {"action": "cut", "frame": 30, "author": ""},
        {"action": "cut", "frame": 30, "author": "   "},
        {"action": "cut", "frame": 30, "author": "x" * 101},
        {"action": "cut", "frame": 30, "note": "two\nlines"},
        {"action": "cut", "frame": 30, "note": "x" * 501},
        {"action": "cut", "frame": 30, "video": "other"},
    ],
)
def test_bad_bodies_are_refused(client: TestClient, settings: Settings, body: dict[str, Any]) -> None:
    assert client.post(SAID, json=body).status_code == 422
    assert not read_history(settings)


def test_unknown_and_forgotten_films_are_not_there(client: TestClient, settings: Settings) -> None:
    for path in ("/api/videos/ffffffffffffffff", "/api/videos/ffffffffffffffff/corrections"):
        assert client.get(path).status_code == 404
    assert client.get("/api/videos/nonsense").status_code == 422
    write_tombstone(settings, video_id(1), FILMED)
    forgotten = f"/api/videos/{video_id(1)}"
    assert client.get(forgotten).status_code == 404
    assert client.post(f"{forgotten}/corrections", json={"action": "cut", "frame": 30}).status_code == 404


def test_pages_of_others_and_people_without_a_token_cannot_correct(tmp_path: Any) -> None:
    settings = desk_home(tmp_path / "home", tokens=["secret-token-of-the-desk"])
    body = {"action": "no_cut", "frame": 24}
    allowed = {"authorization": "Bearer secret-token-of-the-desk"}
    with client_of(settings) as client:
        assert client.get(FILM).status_code == 401
        assert client.post(SAID, json=body).status_code == 401
        assert client.post(SAID, json=body, headers={**allowed, "sec-fetch-site": "cross-site"}).status_code == 403
        assert client.post(SAID, json=body, headers={**allowed, "origin": "http://evil.example"}).status_code == 403
        assert not read_history(settings)
        assert client.post(SAID, json=body, headers=allowed).status_code == 200
