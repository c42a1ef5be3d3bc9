"""Labels over HTTP: what the command line writes, and the same rules."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from ops.core.settings import Settings
from ops.probes.labels import read_annotations
from tests.builders.served import fill_desk

pytestmark = pytest.mark.home(fill=fill_desk)


@pytest.fixture(scope="module")
def shots(client: TestClient) -> list[str]:
    hits = client.post("/api/search", json={"text": "anything", "limit": 3, "include_titles": True}).json()["hits"]
    assert len(hits) == 3
    return [hit["shot_id"] for hit in hits]


def label(client: TestClient, expect: int = 200, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/labels", json=body)
    assert answer.status_code == expect, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_labels_are_appended_and_the_latest_counts(
    client: TestClient, module_settings: Settings, shots: list[str]
) -> None:
    assert client.get("/api/labels").json() == {"labels": []}
    first = label(client, label="closeup", shots=shots[:2], value=True, annotator="ann")
    assert (first["written"], first["yes"], first["no"]) == (2, 2, 0)
    assert label(client, label="closeup", shots=shots[:2], value=True, annotator="ann")["unchanged"] == 2
    other = label(client, label="closeup", shots=shots[:1], value=False, annotator="bob")
    assert (other["yes"], other["no"]) == (1, 1)
    assert client.get("/api/labels").json()["labels"] == [
        {"label": "closeup", "yes": 1, "no": 1, "conflicts": 1, "gone": 0}
    ]
    said = [(each.shot_id, each.value, each.annotator, each.origin) for each in read_annotations(module_settings)]
    assert said == [
        (shots[0], True, "ann", "page"),
        (shots[1], True, "ann", "page"),
        (shots[0], False, "bob", "page"),
    ]


def test_what_cannot_be_taken_is_named_and_the_rest_goes_on(client: TestClient, shots: list[str]) -> None:
    gone = "0000000000000000:7"
    done = label(client, label="other", shots=[shots[2], gone], value=False)
    assert done["written"] == 1 and [each["shot_id"] for each in done["set_aside"]] == [gone]
    assert gone in label(client, 404, label="other", shots=[gone], value=True)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"label": "Close Up", "shots": ["0000000000000000:7"], "value": True},
        {"label": "../../etc", "shots": ["0000000000000000:7"], "value": True},
        {"label": "closeup", "shots": [], "value": True},
        {"label": "closeup", "shots": ["nonsense"], "value": True},
        {"label": "closeup", "shots": ["0000000000000000:7"], "value": "yes"},
        {"label": "closeup", "shots": ["0000000000000000:7"]},
    ],
)
def test_bad_labels_are_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/api/labels", json=body).status_code == 422
