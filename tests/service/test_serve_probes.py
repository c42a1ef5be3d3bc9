"""Probes over HTTP: what a label is worth, what to label next, and a fit that begins when somebody asks for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from ops.core.settings import CHECKOUT, Settings, load_settings
from ops.core.types import SilentProgress
from ops.probes.build import build_probe
from ops.probes.definitions import define
from ops.probes.labels import read_annotations
from ops.probes.scores import build_scores
from ops.videos.forgotten import write_tombstone
from tests.builders.colours import shot
from tests.builders.labelled import direction, fill_told_apart, judge, shot_ids
from tests.builders.lakes import COMPUTED, ENCODER, video_id
from tests.builders.served import client_of, fill_desk

# What `needle probe fit LABEL` does, for a home whose encoder knows colours only.
FITTER = f"""
import sys
from datetime import UTC, datetime
sys.path.insert(0, {str(CHECKOUT)!r})
from ops.core.settings import load_settings
from ops.core.types import SilentProgress
from ops.probes.build import build_probe
from ops.probes.scores import build_scores
from tests.builders.colours import ColourEncoder
from tests.builders.lakes import ENCODER

home, label = sys.argv[1:]
settings = load_settings(home=home)
if label == "broken":
    sys.exit("needle: the disk is full: make room and fit again")
if label == "slow":
    import time
    time.sleep(600)
now = datetime.now(UTC)
build_probe(settings, ENCODER, label, now, SilentProgress(), ColourEncoder().encode_text)
build_scores(settings, label, now, SilentProgress())
"""
RED = [shot(number, 0) for number in range(3)]
OTHERS = [shot(number, index) for number in range(3) for index in (1, 3)]


pytestmark = pytest.mark.home(fill=fill_desk)


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> Iterator[TestClient]:
    (tmp_path / "fit.py").write_text(FITTER)
    fit = (sys.executable, str(tmp_path / "fit.py"), str(settings.home))
    with client_of(settings, fit=fit) as client:
        yield client


def say(client: TestClient, shots: list[str], value: bool | None, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/labels", json={"label": "red", "shots": shots, "value": value, **more})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def read(client: TestClient, path: str, expect: int = 200, **query: Any) -> dict[str, Any]:
    answer = client.get(path, params=query)
    assert answer.status_code == expect, answer.text
    document: dict[str, Any] = answer.json()
    return document


def fitted(client: TestClient, label: str = "red", **body: Any) -> dict[str, Any]:
    """The probe after a fit that was asked for over HTTP."""
    started = client.post(f"/api/probes/{label}/fit", json=body)
    assert started.status_code == 202, started.text
    until = time.monotonic() + 60
    while (document := read(client, f"/api/probes/{label}"))["fit"]["state"] == "running":
        assert time.monotonic() < until
        time.sleep(0.05)
    return document


def test_a_label_that_nobody_gave_is_named_with_the_way_out(client: TestClient) -> None:
    assert read(client, "/api/probes") == {"probes": []}
    for path in ("/api/probes/red", "/api/probes/red/feeds"):
        told = read(client, path, 404)["detail"]
        assert "'red'" in told and "saying that a shot is red begins it" in told
    say(client, RED[:1], True)
    assert "there are red" in read(client, "/api/probes/blue", 404)["detail"]
    assert read(client, "/api/labels/blue")["total"] == 0


@pytest.mark.parametrize("name", ["Close Up", "%3Cimg%20src%3Dx%3E", "..", "1st", "a" * 64])
def test_what_cannot_be_a_label_is_refused(client: TestClient, name: str) -> None:
    for path in (f"/api/probes/{name}", f"/api/probes/{name}/feeds", f"/api/labels/{name}"):
        answer = client.get(path)
        assert answer.status_code in (404, 422) and answer.headers["content-type"] == "application/problem+json"


def test_the_loop_label_fit_filter(client: TestClient) -> None:
    warm = [*RED, *OTHERS[::2]]  # red and green
    cold = [*OTHERS[1::2], *(shot(3, index) for index in range(3, 12))]  # blue and grey
    say(client, RED[:1], True)
    before = read(client, "/api/probes/red/feeds", count=5)
    assert before["version"] == "" and {feed for feed, shots in before["feeds"].items() if shots} == {"random"}
    assert RED[0] not in [each["shot_id"] for each in before["feeds"]["random"]]
    words = fitted(client, queries=["a red wall"], description="Mostly red")
    assert (words["kind"], words["policy"], words["queries"]) == ("zero_shot", "f1", ["a red wall"])
    assert words["labels"]["since"] == 1 and words["scored_by"] == words["promoted"]
    say(client, warm[1:], True, annotator="ann", origin="top_positive")
    say(client, cold, False, annotator="bob", origin="random")
    probe = fitted(client)
    assert (probe["kind"], probe["yes"], probe["no"], probe["labels"]["since"]) == ("logistic", 6, 12, 0)
    assert probe["promoted"] == probe["scored_by"] != words["promoted"] and probe["fit"]["state"] == "idle"
    assert probe["labels"]["people"][0] == {"annotator": "bob", "yes": 0, "no": 12}
    where = f"red>={int(probe['threshold'] * 100) / 100}"
    hits = client.post("/api/search", json={"text": "red", "where": [where], "limit": 100}).json()["hits"]
    assert set(warm) <= {hit["shot_id"] for hit in hits} and not set(cold) & {hit["shot_id"] for hit in hits}


def test_figures_come_with_their_intervals_and_a_refusal_with_its_reason(tmp_path: Path) -> None:
    settings = load_settings(home=str(tmp_path / "home"))
    fill_told_apart(settings)
    define(settings, "red", "", (), "")
    encode = lambda texts: np.tile(direction(), (len(texts), 1))  # noqa: E731

    def fit() -> None:
        build_probe(settings, ENCODER, "red", COMPUTED, SilentProgress(), encode)
        build_scores(settings, "red", COMPUTED, SilentProgress())

    judge(settings, shot_ids()[:60], label="red")
    fit()
    with client_of(settings) as client:
        probe = read(client, "/api/probes/red")
        assert probe["kind"] == "logistic" and probe["scored"] == 120 and probe["refused"] == ""
        for name in ("average_precision", "text_average_precision", "roc_auc", "calibration_error"):
            figure = probe["metrics"][name]
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
        judge(settings, [(each, not truth) for each, truth in shot_ids()[:40]], label="red", later_s=1)
        since = read(client, "/api/probes/red")["labels"]
        assert (since["since"], since["since_fit"]) == (40, 40)
        fit()
        worse = read(client, "/api/probes/red")
        assert worse["promoted"] == probe["promoted"] != worse["latest"] and "ROC area" in worse["refused"]
        assert (worse["labels"]["since"], worse["labels"]["since_fit"]) == (40, 0)
        fill_told_apart(settings, videos=7)  # embedded, and not scored yet
        judge(settings, [(f"{video_id(6)}:24", True)], label="red", later_s=2)
        new = read(client, "/api/probes/red")
        assert new["labels"]["since_fit"] == 1 and not any("not embedded" in note for note in new["notes"])


def test_a_fit_of_another_definition_is_told(client: TestClient, settings: Settings) -> None:
    assert say(client, RED[:1], True) and not read(client, "/api/probes/red")["redefined"]
    assert not fitted(client, queries=["a red wall"])["redefined"]
    path = settings.home / "probes.yaml"
    before = path.read_text()
    for now in (before.replace("a red wall", "a red door"), before.replace("f1", "0.7"), ""):
        path.write_text(now)
        assert now != before and read(client, "/api/probes/red")["redefined"]
    path.write_text(before)
    assert not read(client, "/api/probes/red")["redefined"]


def test_the_counts_are_those_of_the_filter(client: TestClient) -> None:
    say(client, RED[:1], True)
    probe = fitted(client)
    assert probe["at_least"][0] == probe["scored"] == 42 and len(probe["at_least"]) == 101
    for percent in (1, 10, 50, 90, 100):
        body = {"all": [{"probe": f"red>={percent / 100}"}], "limit": 100}
        found = client.post("/api/search", json=body | {"include_blank": True, "include_titles": True})
        assert len(found.json()["hits"]) == probe["at_least"][percent]


def test_feeds_offer_each_shot_once_and_none_that_was_judged_or_skipped(client: TestClient) -> None:
    say(client, [*RED, *OTHERS], True)
    fitted(client)
    found = read(client, "/api/probes/red/feeds", count=4, seed=7)
    offered = [each["shot_id"] for shots in found["feeds"].values() for each in shots]
    assert len(offered) == 16 == len(set(offered))
    assert not set(offered) & {*RED, *OTHERS, *(shot(number, 2) for number in range(3))}, "judged, or blank"
    first = found["feeds"]["top_positive"][0]
    assert first["poster"].startswith("/media/shots/") and 0 <= first["score"] <= 1 and first["start_timecode"]
    again = read(client, "/api/probes/red/feeds", count=4, seed=7, skip=offered[:2])
    assert not set(offered[:2]) & {each["shot_id"] for shots in again["feeds"].values() for each in shots}
    assert read(client, "/api/probes/red/feeds", 422, skip="nonsense")["detail"].startswith("skip")


def test_answers_can_be_taken_back_and_conflicts_settled(client: TestClient) -> None:
    assert say(client, RED[:1], None)["written"] == 0
    say(client, RED[:2], True, annotator="ann")
    differ = say(client, RED[:1], False, annotator="bob")
    assert differ["conflicts"] == 1 and differ["shots"][0]["conflict"]
    assert [(vote["annotator"], vote["value"]) for vote in differ["shots"][0]["votes"]] == [
        ("ann", True),
        ("bob", False),
    ]
    listed = read(client, "/api/labels/red", which="conflicts")
    assert [(each["shot_id"], each["shot"]["shot_id"]) for each in listed["shots"]] == [(RED[0], RED[0])]
    settled = say(client, RED[:1], True, annotator="cy", origin="settled")
    assert (settled["conflicts"], settled["yes"]) == (0, 2)
    back = say(client, RED[1:2], None, annotator="ann")
    assert (back["yes"], back["no"], back["shots"][0]["value"]) == (1, 0, None)
    asked = read(client, "/api/labels/red", shot=[RED[2], RED[0]])
    assert [(each["shot_id"], each["value"]) for each in asked["shots"]] == [(RED[2], None), (RED[0], True)]


def test_labels_of_a_forgotten_shot_are_kept_told_and_not_used(client: TestClient, settings: Settings) -> None:
    say(client, [RED[0], *OTHERS], True)
    write_tombstone(settings, video_id(0), COMPUTED)
    counts = read(client, "/api/labels")["labels"][0]
    assert (counts["yes"], counts["gone"]) == (4, 3)
    listed = read(client, "/api/labels/red", which="gone")
    assert {each["gone"] for each in listed["shots"]} == {"its video was forgotten"}
    assert all(each["shot"] is None for each in listed["shots"])
    assert read(client, "/api/probes")["probes"][0]["labels"]["since"] == 4


def test_two_who_label_at_once_lose_nothing(client: TestClient, settings: Settings) -> None:
    shots = [shot(3, index) for index in range(30) if index != 2]

    def work(who: str) -> None:
        for one in shots:
            say(client, [one], who == "ann", annotator=who)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ["ann", "bob"]))
    said = read_annotations(settings, ["red"])
    assert {(each.annotator, each.shot_id) for each in said} >= {(who, one) for who in ("ann", "bob") for one in shots}
    counts = read(client, "/api/labels/red", which="conflicts", limit=100)
    assert counts["total"] == len(shots) == counts["conflicts"] == counts["yes"] + counts["no"]


def test_one_fit_runs_at_a_time_and_ends_with_the_service(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "fit.py").write_text(FITTER)
    fit = (sys.executable, str(tmp_path / "fit.py"), str(settings.home))
    with client_of(settings, fit=fit) as client:
        first = client.post("/api/probes/slow/fit", json={})
        assert (first.status_code, first.json()["fit"]["state"]) == (202, "running")
        second = client.post("/api/probes/red/fit", json={})
        assert second.status_code == 409 and "slow is being fitted" in second.json()["detail"]
        service = client.app.state.service  # type: ignore[attr-defined]  # Starlette types it as any ASGI application
    ended = time.monotonic()
    while service.fits.read_state("slow").state == "running":
        assert time.monotonic() - ended < 20, "the fit goes on after its service"
        time.sleep(0.05)


def test_a_fit_that_fails_says_why(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    probe = fitted(client, "broken")
    assert probe["fit"]["state"] == "failed"
    assert probe["fit"]["told"] == "the disk is full: make room and fit again"
    assert "fit of broken ended with status 1" in caplog.text


def test_bad_definitions_are_refused_before_anything_starts(client: TestClient) -> None:
    fitted(client, queries=["a red wall"])
    again = client.post("/api/probes/red/fit", json={"queries": ["something else"]})
    assert again.status_code == 422 and "change it there" in again.json()["detail"]
    for body in ({"queries": [" "]}, {"queries": ["a\nb"]}, {"description": "\u0007"}, {"words": ["a"]}):
        assert client.post("/api/probes/blue/fit", json=body).status_code == 422
    assert [each["label"] for each in read(client, "/api/probes")["probes"]] == ["red"]


def test_a_service_that_starts_no_fits_says_what_to_run(settings: Settings) -> None:
    with client_of(settings) as client:
        say(client, RED, True)
        assert read(client, "/api/probes/red")["fit"]["state"] == "off"
        refused = client.post("/api/probes/red/fit", json={})
        assert refused.status_code == 409 and "needle probe fit red" in refused.json()["detail"]
        assert not (settings.home / "probes.yaml").exists()
