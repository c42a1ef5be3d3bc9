"""What orchestrators and Prometheus read: probes, ids of requests, and metrics of the catalogue and of stages."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ops.core.logs import JsonFormatter
from ops.core.settings import Settings, load_settings
from ops.core.stage_metrics import record_figures
from ops.serve import warmup
from tests.builders.homes import wait_until
from tests.builders.served import client_of, desk_home, fill_desk

pytestmark = pytest.mark.home(fill=fill_desk)


def test_probes_answer_without_a_token_and_without_footage(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, tokens="secret-1")
    with client_of(settings) as client:
        assert client.get("/livez").json() == {"status": "ok"}
        answer = client.get("/readyz")
        assert answer.status_code == 200 and answer.json() == {"status": "empty"}
        assert client.get("/metrics").status_code == 401


def test_a_service_that_cannot_answer_is_alive_and_not_ready(tmp_path: Path) -> None:
    settings = desk_home(tmp_path)
    with client_of(settings) as client:
        client.app.state.service._warmth.has_failed = True  # type: ignore[attr-defined]
        assert client.get("/livez").status_code == 200
        answer = client.get("/readyz")
        assert answer.status_code == 503 and answer.json() == {"status": "failed"}


def test_records_that_cannot_be_read_do_not_stop_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: object) -> list[object]:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "dagster.yaml")

    monkeypatch.setattr(warmup, "REFRESH_S", 0.1)
    settings = desk_home(tmp_path)
    with client_of(settings) as client:
        client.app.state.service.runs = refuse  # type: ignore[attr-defined]
        wait_until(lambda: "runs of this home cannot be read" in caplog.text, 30, "the records to be read", 0.1)
        for _ in range(5):
            assert client.get("/readyz").json() == {"status": "ok"}
            time.sleep(0.1)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_service_starts_on_a_disk_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    settings = desk_home(tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)
    with client_of(settings) as client:
        monkeypatch.undo()
        wait_until(lambda: client.get("/readyz").json() == {"status": "ok"}, 30, "the service to be ready", 0.1)
    assert f"{os.strerror(number)}): set NEEDLE_HOME" in caplog.text


@pytest.mark.parametrize("lost", ["index", "media", ""])
def test_a_service_that_lost_its_index_its_store_or_all_is_not_ready_until_it_is_back(
    tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmup, "REFRESH_S", 0.2)
    monkeypatch.setattr("ops.serve.service.return_free_memory", lambda: None)  # that of the tests is large
    settings = desk_home(tmp_path / "home")
    folder, away = settings.home / lost, tmp_path / "away"
    with client_of(settings) as client:

        def wait_for(status: str) -> None:
            wait_until(lambda: client.get("/readyz").json() == {"status": status}, 30, f"status {status}", 0.1)

        wait_for("ok")
        folder.rename(away)
        wait_for("failed")
        assert client.get("/readyz").status_code == 503 and "needle_ready 0.0" in client.get("/metrics").text
        answer = client.post("/api/search", json={"text": "red"})
        assert answer.status_code == 503
        assert ("cannot be read now" if lost == "media" else "needle ingest") in answer.json()["detail"]
        if not lost:
            shutil.rmtree(folder, ignore_errors=True)  # what the service has written meanwhile
        away.rename(folder)
        wait_for("ok")


@pytest.mark.parametrize(
    ("sent", "is_kept"), [("a-b_c.9", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("", False)]
)
def test_a_request_keeps_its_id_or_gets_one(client: TestClient, sent: str, is_kept: bool) -> None:
    answer = client.get("/livez", headers={"x-request-id": sent})
    assert (answer.headers["x-request-id"] == sent) == is_kept and answer.headers["x-request-id"]


def test_records_of_a_request_have_its_id_and_never_its_words(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    written: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(JsonFormatter().format(record))

    logger, handler = logging.getLogger("ops.serve"), Kept()
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, logger="ops.serve"):
            client.get("/api/nothing?text=hidden-words", headers={"x-request-id": "r-7"})
            client.post("/api/search", json={"text": "hidden-words"}, headers={"x-request-id": "r-8"})
    finally:
        logger.removeHandler(handler)
    records = [json.loads(line) for line in written]
    assert [record["request_id"] for record in records] == ["r-7", "r-8"]
    assert "POST /api/search answered 200" in records[-1]["message"]
    assert "hidden-words" not in "".join(written)


def test_an_error_of_the_store_is_logged_without_the_address(
    client: TestClient, module_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = Path(module_settings.lake.path("labels")) / "hidden_words.parquet"
    damaged.parent.mkdir(exist_ok=True)
    damaged.write_bytes(b"damaged")
    answer = client.get("/api/labels/hidden_words")
    damaged.unlink()
    assert answer.status_code == 503
    assert "GET /api/labels/{label}: " in caplog.text and "/api/labels/hidden_words" not in caplog.text


def test_metrics_show_the_catalogue_the_queues_and_the_stages(tmp_path: Path) -> None:
    settings = desk_home(tmp_path)
    record_figures(settings, "search_index", {"lag_seconds": 7.5, "new_videos": 3}, changed=1)
    with client_of(settings) as client:
        lines = client.get("/metrics").text.splitlines()
    for line in (
        "needle_ready 1.0",
        "needle_catalogue_readable 1.0",
        'needle_videos{state="removed"} 0.0',
        "needle_videos_waiting 0.0",
        'needle_queue_waiting{queue="search"} 0.0',
        "needle_searchable_lag_seconds 7.5",
        'needle_stage_changed_total{stage="search_index"} 1.0',
    ):
        assert line in lines


def test_a_catalogue_that_cannot_be_read_is_reported_and_is_not_0(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings: Settings = desk_home(tmp_path)
    with client_of(settings) as client:
        videos = Path(settings.lake.path("videos"))
        shutil.copytree(videos, tmp_path / "kept")
        for path in videos.glob("*.parquet"):
            path.write_bytes(b"damaged")
        text = client.get("/metrics").text
        shutil.copytree(tmp_path / "kept", videos, dirs_exist_ok=True)
    assert "needle_catalogue_readable 0.0" in text and "needle_videos_waiting" not in text
    assert "cannot be read for /metrics" in caplog.text
