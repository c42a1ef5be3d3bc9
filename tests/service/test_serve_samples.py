"""Searches that the catalogue answers: each one finds what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ops.serve.sample_routes import DESCRIPTIONS, Samples
from tests.builders.served import client_of, desk_home, fill_desk

KINDS = ("seen", "said", "show", "without", "similar", "label")

pytestmark = pytest.mark.home(fill=fill_desk)


def test_every_sample_finds_the_shots_that_it_shows(client: TestClient) -> None:
    described = ("something red", "green grass", "a blue sky", "a zebra", "red and green")
    samples = Samples(client.app.state.service, described).read().samples  # type: ignore[attr-defined]
    kinds = [each.kind for each in samples]
    assert kinds == sorted(kinds, key=KINDS.index) and {"seen", "show", "without"} <= set(kinds)
    assert {each.text for each in samples if each.kind == "seen"} >= {"something red", "green grass", "a blue sky"}
    assert "a zebra" not in {each.text for each in samples}, "the catalogue has none"
    for each in samples:
        assert each.shots, each
        body: dict[str, Any] = {"text": each.text, "like": each.like, "limit": 12, "fold": True}
        answer = client.post("/api/search", json=body).json()
        assert [hit["shot_id"] for hit in answer["hits"][: len(each.shots)]] == [one.shot_id for one in each.shots]
    narrow = next(each for each in samples if each.kind == "show")
    assert f"show:{narrow.shots[0].show}" in narrow.text.replace('"', "")
    assert len({one.show for one in narrow.shots}) == 1


def test_the_route_answers_with_general_descriptions(client: TestClient) -> None:
    document = client.get("/api/samples").json()
    assert all(each["text"] in DESCRIPTIONS for each in document["samples"] if each["kind"] == "seen")


def test_samples_are_computed_once_for_each_version(client: TestClient) -> None:
    samples = Samples(client.app.state.service, ("red",))  # type: ignore[attr-defined]
    assert samples.read() is samples.read()


def test_an_empty_home_has_no_samples(tmp_path: Path) -> None:
    settings = desk_home(tmp_path / "full").model_copy(update={"home": tmp_path / "empty"})
    with client_of(settings) as client:
        assert client.get("/api/samples").json() == {"samples": []}
