"""Saved searches over HTTP."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.search.saved_matches import build_matches
from ops.search.searcher import Searcher
from tests.builders.colours import ColourEncoder, fill_with_colours, index_lake, lean, shot, write_video
from tests.builders.lakes import ENCODER
from tests.builders.served import jpeg

pytestmark = pytest.mark.home(fill=fill_with_colours)


def test_a_saved_search_from_its_first_match_to_its_end(client: TestClient, module_settings: Settings) -> None:
    body = {"name": "Reds", "search": {"text": "red", "limit": 3}, "author": "ann"}
    (saved,) = client.post("/api/searches", json=body).json()["searches"]
    assert (saved["name"], saved["author"], saved["search"]["text"], saved["new_matches"]) == ("Reds", "ann", "red", 0)
    assert client.post("/api/searches", json=body).status_code == 409
    picture = client.post("/api/searches", json={"name": "x", "search": {"like": ["image:" + "0" * 32]}})
    assert picture.status_code == 404 and "upload it again" in picture.json()["detail"]

    write_video(module_settings, 9, [lean((1, 0, 0), 0.05)], show="New")
    index_lake(module_settings)
    searcher = Searcher(module_settings, ColourEncoder())
    build_matches(module_settings, ENCODER, SilentProgress(), searcher)
    searcher.close()
    listed = client.get("/api/searches").json()
    assert listed["new_matches"] == 1
    assert listed["searches"][0]["matches"][0]["shot"]["shot_id"] == shot(9, 0)
    path = f"/api/searches/{saved['search_id']}"
    assert client.post(f"{path}/seen").json()["new_matches"] == 0
    assert client.delete(path).json() == {"searches": [], "new_matches": 0}
    assert client.delete(path).status_code == 404
    elsewhere = {"name": "Elsewhere", "search": {"text": "text:exit"}}
    (broken,) = client.post("/api/searches", json=elsewhere).json()["searches"]
    assert "NEEDLE_SCREEN_TEXT=on" in broken["problem"]
    assert client.delete(f"/api/searches/{broken['search_id']}").status_code == 200


def test_a_search_with_a_picture_is_saved_and_outlives_the_upload(
    client: TestClient, module_settings: Settings
) -> None:
    uploaded = client.post("/api/images", files={"file": ("red.jpg", jpeg("red"), "image/jpeg")}).json()["image"]
    body = {"name": "Like this", "search": {"like": [uploaded]}}
    (saved,) = client.post("/api/searches", json=body).json()["searches"]
    for file in (module_settings.home / "serve" / "images").glob("*.jpg"):
        file.unlink()
    (name,) = saved["search"]["like"]
    assert client.get(f"/media/images/{name.removeprefix('image:')}.jpg").headers["content-type"] == "image/jpeg"
    found = client.post("/api/search", json={"like": [name], "limit": 3})
    assert found.status_code == 200 and len(found.json()["hits"]) == 3
    assert client.delete(f"/api/searches/{saved['search_id']}").json()["searches"] == []
    assert client.post("/api/search", json={"like": [name]}).status_code == 404
