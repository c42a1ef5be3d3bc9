"""Collections over HTTP: two editors, roles' names, and exports."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.builders.colours import shot
from tests.builders.served import fill_desk

pytestmark = pytest.mark.home(fill=fill_desk)


def send(client: TestClient, method: str, path: str = "", expect: int = 200, **body: Any) -> dict[str, Any]:
    options = {"json": body} if method in ("POST", "PATCH") else {"params": body}
    answer = client.request(method, f"/api/collections{path}", **options)  # type: ignore[arg-type]
    assert answer.status_code == expect, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_collection_from_its_first_shot_to_its_end(client: TestClient) -> None:
    assert send(client, "GET") == {"collections": [], "notes": []}
    gone = "0000000000000000:7"
    entries = [
        {"shot_id": shot(1, 1), "note": "wide", "query": {"text": "green"}, "matched": ["visual"], "score": 0.5},
        {"shot_id": shot(0, 0), "in_frame": 2, "out_frame": 9},
        {"shot_id": gone},
    ]
    made = send(client, "POST", name="Greens", entries=entries, author="ann")
    path = f"/{made['collection_id']}"
    assert [each["shot_id"] for each in made["set_aside"]] == [gone]
    first = made["entries"][0]
    assert (first["note"], first["query"], first["added_by"], first["shot"]["show"]) == (
        "wide",
        "green",
        "ann",
        "Ünder <the> Sea",
    )
    assert first["shot"]["poster"].startswith(f"/media/shots/{shot(1, 1)}/poster.jpg")
    assert send(client, "GET", path) == made | {"set_aside": []}
    (listed,) = send(client, "GET")["collections"]
    assert (listed["name"], listed["shots"], listed["poster"]) == ("Greens", 2, first["shot"]["poster"])

    kept = [{"shot_id": shot(0, 0), "note": "first"}]
    saved = send(client, "PATCH", path, version=made["version"], entries=kept, author="bob")
    assert saved["changed_by"] == "bob" and saved["entries"][0]["added_by"] == "ann"
    refused = send(client, "PATCH", path, 409, version=made["version"], entries=[], author="eve")
    assert "'Greens' was changed by bob" in refused["detail"]
    assert send(client, "DELETE", path, 409, version=made["version"])["status"] == 409
    assert send(client, "GET", path)["entries"] == saved["entries"]
    assert "already a collection" in send(client, "POST", "", 409, name="greens")["detail"]

    export = client.post("/api/export", json={"format": "edl", "collection": made["collection_id"], "title": "Greens"})
    assert export.status_code == 200 and "note: first" in export.text
    renamed = send(client, "PATCH", path, version=saved["version"], name="Reds")
    assert send(client, "DELETE", path, version=renamed["version"], author="ann")["collections"] == []
    assert "deleted by ann" in send(client, "GET", path, 404)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "two\nlines"},
        {"name": "x" * 121},
        {"name": "x", "entries": [{"shot_id": "nonsense"}]},
        {"name": "x", "entries": [{"shot_id": shot(0, 0), "in_frame": 9, "out_frame": 9}], "author": ""},
        {"name": "x", "unknown": 1},
    ],
)
def test_invalid_collections_are_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/api/collections", json=body).status_code == 422
    assert client.get("/api/collections/..%2F..").status_code in (404, 422)
