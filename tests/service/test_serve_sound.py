"""The filter sound: over HTTP, its figures, its errors, and an export of what it finds."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from ops.core.settings import Settings
from tests.builders.colours import shot
from tests.builders.served import fill_desk
from tests.builders.sounds import write_sound


def fill(settings: Settings) -> None:
    fill_desk(settings)
    write_sound(settings, {shot(0, 0): "quiet,speech", shot(0, 1): "speech", shot(0, 2): "silent", shot(0, 3): None})


pytestmark = pytest.mark.home(fill=fill)


def test_search_finds_sound_and_the_catalogue_counts_it(client: TestClient) -> None:
    assert client.get("/api/shows").json()["shots_by_sound"] == {"quiet": 1, "silent": 1, "speech": 2}
    body = {"text": "sound:speech", "include_blank": True}
    answer = client.post("/api/search", json=body).json()
    assert {hit["shot_id"] for hit in answer["hits"]} == {shot(0, 0), shot(0, 1)}
    assert answer["reading"]["parts"][0]["label"] == "with audible speech"
    by_condition = client.post("/api/search", json={"any": [{"sound": "silent"}, {"sound": "quiet"}]}).json()
    assert {hit["shot_id"] for hit in by_condition["hits"]} == {shot(0, 0), shot(0, 2)}


def test_another_kind_is_refused_with_all_kinds(client: TestClient) -> None:
    answer = client.post("/api/search", json={"text": "sound:noisy"})
    assert answer.status_code == 422 and "quiet, loud, silent or speech" in answer.text
    assert client.post("/api/search", json={"any": [{"sound": "noisy"}]}).status_code == 422


def test_a_search_by_sound_is_saved_and_exported(client: TestClient) -> None:
    saved = client.post("/api/searches", json={"name": "Talk", "search": {"text": "sound:speech"}}).json()
    assert "problem" not in saved or not saved["problem"], saved
    body = {"format": "json", "search": {"all": [{"sound": "silent"}]}}
    clips = client.post("/api/export", json=body).json()["clips"]
    assert [clip["shot_id"] for clip in clips] == [shot(0, 2)]
