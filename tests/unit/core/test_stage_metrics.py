"""Metrics of stages: counted over processes, served, pushed, and never the end of a run."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from ops.core.settings import Settings, load_settings
from ops.core.stage_metrics import collect_stages, locate_records, measure_stage, read_records, record_figures
from tests.builders.homes import CHECKOUT


class _Stages:
    def __init__(self, home: Path) -> None:
        self._home = home

    def collect(self) -> Iterator[Metric]:
        yield from collect_stages(self._home)


def render(settings: Settings) -> list[str]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Stages(settings.home))
    return generate_latest(registry).decode().splitlines()


@contextmanager
def receive_pushes(status: int = 200) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A Pushgateway: its address, and path and body of each push."""
    pushes: list[tuple[str, str]] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            pushes.append((self.path, body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", pushes
    server.shutdown()
    thread.join()
    server.server_close()


def test_runs_and_figures_of_stages_are_metrics(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    assert [line for line in render(settings) if not line.startswith("#")] == [
        "needle_encoder_busy_seconds_total 0.0",
        "needle_encoder_waiting_seconds_total 0.0",
        "needle_videos_published_total 0.0",
    ]
    with measure_stage(settings, "shot_embeddings"):
        pass
    record_figures(settings, "shot_embeddings", {"encoder_seconds": 1.5, "embedded": 9, "videos": 4}, changed=2)
    record_figures(settings, "shot_embeddings", {"encoder_seconds": 0.25}, changed=1)
    record_figures(settings, "search_index", {"lag_seconds": 12.5, "new_videos": 2})
    record_figures(settings, "library", {"videos": 7, "waiting": 0})
    with pytest.raises(ZeroDivisionError), measure_stage(settings, "shots"):
        1 / 0  # noqa: B018
    lines = render(settings)
    for line in (
        'needle_stage_runs_total{outcome="done",stage="shot_embeddings"} 1.0',
        'needle_stage_runs_total{outcome="failed",stage="shots"} 1.0',
        'needle_stage_changed_total{stage="shot_embeddings"} 3.0',
        "needle_encoder_busy_seconds_total 1.75",
        "needle_videos_published_total 2.0",
        "needle_searchable_lag_seconds 12.5",
        "needle_library_videos 7.0",
        "needle_library_waiting 0.0",
    ):
        assert line in lines
    assert not [line for line in lines if line.startswith(("needle_dagster", "needle_library_set_aside"))]
    assert not [line for line in lines if line.startswith('needle_stage_success_timestamp_seconds{stage="shots"}')]


def test_processes_at_once_lose_no_count(tmp_path: Path) -> None:
    code = f"""
from ops.core.settings import load_settings
from ops.core.stage_metrics import measure_stage
for _ in range(20):
    with measure_stage(load_settings(home={str(tmp_path)!r}), "shots"):
        pass
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert read_records(tmp_path)["shots"].done == 60


def test_a_damaged_file_is_reported_and_begins_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = load_settings(home=tmp_path)
    for content in (b"", b"{", b'{"stages": {"shots": {"done": -1}}}', b"\xff\xfe"):
        locate_records(tmp_path).parent.mkdir(exist_ok=True)
        locate_records(tmp_path).write_bytes(content)
        caplog.clear()
        with measure_stage(settings, "shots"):
            pass
        assert read_records(tmp_path)["shots"].done == 1
        assert "stages.json is damaged" in caplog.text


def test_a_home_that_cannot_be_written_stops_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "metrics").write_text("a file where a folder should be")
    with measure_stage(load_settings(home=tmp_path), "shots"):
        done = True
    assert done and "the metrics of shots are not counted" in caplog.text


def test_metrics_are_pushed_after_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.core.stage_metrics.PUSH_TIMEOUT_S", 60)  # on a busy machine
    with receive_pushes() as (address, pushes):
        settings = load_settings(home=tmp_path, metrics_push=address)
        with measure_stage(settings, "shots"):
            pass
        record_figures(settings, "shots", {}, changed=1)
        with pytest.raises(OSError, match="full"), measure_stage(settings, "shots"):
            raise OSError("disk full")
    assert [path for path, _ in pushes] == ["/metrics/job/needle"] * 2
    assert 'needle_stage_runs_total{outcome="failed",stage="shots"} 1.0' in pushes[-1][1]


def test_a_gateway_that_refuses_or_is_away_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with receive_pushes(status=503) as (address, _):
        record_figures(load_settings(home=tmp_path, metrics_push=address), "shots", {})
        assert "not pushed to NEEDLE_METRICS_PUSH: HTTP Error 503" in caplog.text
    caplog.clear()
    record_figures(load_settings(home=tmp_path, metrics_push=address), "shots", {})
    assert "not pushed to NEEDLE_METRICS_PUSH" in caplog.text
