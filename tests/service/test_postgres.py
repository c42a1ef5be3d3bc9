"""A catalogue whose Dagster records and Feast rows are on Postgres, with a real server."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from ops import features
from ops.cli.dagster_home import open_instance
from ops.cli.runs import find_runs
from ops.core.errors import DatabaseUnavailableError, FeatureStoreError, SettingsError
from ops.core.schemas import find_schema
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.serve.app import create_app
from tests.builders.films import make_film
from tests.builders.homes import CHECKOUT, Home, wait_until
from tests.builders.lakes import COMPUTED, DIM, ENCODER, fill, shot_rows, video_id
from tests.builders.postgres import PASSWORD, QUOTED, PostgresServer, find_binaries

pytestmark = pytest.mark.skipif(
    find_binaries() is None, reason="no Postgres: `apt-get install postgresql`, see CONTRIBUTING.md"
)


@dataclass(frozen=True)
class PostgresHome(Home):
    """A home with a database."""

    url: str = ""

    def environment(self, **extra: str) -> dict[str, str]:
        return super().environment(**{"NEEDLE_POSTGRES": self.url, **extra})

    @property
    def settings(self) -> Settings:
        return load_settings(home=self.path, encoder="starter", postgres=self.url)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    binaries = find_binaries()
    assert binaries
    # not below pytest's folder, which only its own user may enter
    with tempfile.TemporaryDirectory(prefix="needle-postgres-") as folder:
        running = PostgresServer(Path(folder), binaries)
        yield running
        running.stop()


@pytest.fixture(scope="module")
def home(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> PostgresHome:
    """Two films, ingested."""
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "films").mkdir()
    make_film(folder / "films" / "one.mp4", cuts=(30,), frames=60)
    make_film(folder / "films" / "two.mp4", cuts=(20,), frames=50, seed=1)
    home = PostgresHome(folder / "home", url=server.create_database("a catalogue"))
    home.run("ingest", str(folder / "films"))
    return home


@pytest.fixture
def registered(server: PostgresServer, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """A small lake with registered features, in a database of its own."""
    url = server.create_database(request.node.name)
    settings = load_settings(home=tmp_path / "home", postgres=url)
    fill(settings)
    assert features.apply_features(settings, ENCODER, DIM)
    return settings


def table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, find_schema("shots"))


def count_rows(server: PostgresServer, database: str) -> dict[str, int]:
    """The number of rows of each table with online rows."""
    query = "SELECT table_name FROM information_schema.columns WHERE column_name IN ('entity_key', 'entity_id')"
    with server.connect(database) as connection:
        names = [str(name) for (name,) in connection.execute(query.encode()).fetchall()]
        counts = {name: connection.execute(f'SELECT count(*) FROM "{name}"'.encode()).fetchone() for name in names}
    return {name: int(str(row[0])) for name, row in counts.items() if row}


def test_footage_is_searchable_and_nothing_is_done_twice(home: PostgresHome) -> None:
    status = home.json("status")
    assert [(video["state"], video["shots"], video["indexed"]) for video in status["videos"]] == [("ready", 2, 2)] * 2
    again = home.run("ingest", str(home.path.parent / "films"))
    assert "nothing to do" in again.stdout + again.stderr
    assert len(home.json("search", "a picture")["hits"]) > 0
    databases = {path.name for folder in ("dagster", "feast") for path in (home.path / folder).rglob("*.db")}
    assert not databases and not (home.path / "dagster" / "storage").exists()
    shot = features.online_features(home.settings, [_a_shot(home)], "shot_facets_v1")
    assert shot[0]["end_frame"] in (30, 60, 20, 50)


def test_the_password_is_nowhere(home: PostgresHome) -> None:
    for path in home.path.rglob("*"):
        if path.is_file() and path.stat().st_size < 10_000_000:
            content = path.read_bytes()
            assert PASSWORD.encode() not in content and QUOTED.encode() not in content, path
    doctor = home.run("doctor")
    assert "ok   postgres   127.0.0.1:" in doctor.stdout
    shown = doctor.stdout + doctor.stderr + repr(home.settings) + repr(home.settings.postgres_address)
    assert PASSWORD not in shown and QUOTED not in shown


def test_a_shot_names_the_runs_behind_it(home: PostgresHome, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = home.settings
    app = create_app(settings, runs=partial(find_runs, settings))
    with TestClient(app, base_url="http://localhost") as client:
        runs = client.get(f"/api/shots/{_a_shot(home)}").json()["provenance"]["runs"]
        assert {"videos", "shots", "shot_embeddings", "media_features"} <= {run["asset"] for run in runs}
        (show, *_) = client.get("/api/shows").json()["shows"]
        assert datetime.fromisoformat(show["searchable_since"]) > datetime.now(UTC) - timedelta(hours=1)
        run = find_runs(settings, [("search_index", "", time.time() - 3600)])[0]
        assert show["searchable_since"].startswith(str(run["at"])[:19])


def _a_shot(home: PostgresHome) -> str:
    return str(home.settings.lake.read("shots")["shot_id"][0].as_py())


def test_another_catalogue_is_refused_the_database(home: PostgresHome, tmp_path: Path) -> None:
    other = PostgresHome(tmp_path / "other", url=home.url)
    make_film(tmp_path / "film.mp4", cuts=(30,), frames=60)
    done = other.run("ingest", str(tmp_path / "film.mp4"), expect=2)
    assert "belongs to the catalogue in" in done.stderr and str(home.path) in done.stderr


def test_online_rows_are_written_once_and_never_replaced_by_older_ones(registered: Settings) -> None:
    newer = table(shot_rows(0, show="newer", created_timestamp=COMPUTED + timedelta(days=5)))
    older = table(shot_rows(0, show="older", created_timestamp=COMPUTED + timedelta(days=2)))
    written = [features.write_online(registered, "shot_metadata", rows) for rows in (newer, newer, older)]
    assert written == [4, 0, 0]
    (shot, *_) = shot_rows(0)
    online = features.online_features(registered, [shot["shot_id"]], ["shot_metadata:show", "shot_metadata:start_s"])
    assert online == [{"shot_id": shot["shot_id"], "show": "newer", "start_s": 0.0}]
    assert not features.apply_features(registered, ENCODER, DIM)
    assert features.apply_features(registered, "another", 4)
    assert not features.apply_features(registered, "another", 4)
    with pytest.raises(FeatureStoreError, match="too long for a table of Postgres"):
        registered.lake.write(f"probe_scores/{'x' * 50}", video_id(0), [])
        features.apply_features(registered, ENCODER, DIM)


def test_a_new_cut_and_forget_leave_no_row(registered: Settings, server: PostgresServer) -> None:
    partitions = registered.lake.list_partitions("shots")
    features.build_features(registered, ENCODER, partitions, SilentProgress())
    assert features.has_current_features(registered, partitions)
    registered.lake.write("shots", video_id(0), shot_rows(0, 2))
    assert not features.has_current_features(registered, partitions)
    features.build_features(registered, ENCODER, partitions, SilentProgress())
    ids = [row["shot_id"] for row in shot_rows(0)]
    online = features.online_features(registered, ids, ["shot_metadata:index"])
    assert [row["index"] for row in online] == [0, 1, None, None]
    database = "test_a_new_cut_and_forget_leave_no_row"
    before = count_rows(server, database)
    assert before["needle_shot_metadata"] == 10 * 13 and before["row_stamps"] == 3 + 10
    for number in range(3):
        features.forget_features(registered, [video_id(number)])
    assert set(count_rows(server, database).values()) == {0}


def test_a_server_that_goes_away_and_comes_back(registered: Settings, server: PostgresServer) -> None:
    rows = table(shot_rows(0))
    assert features.write_online(registered, "shot_metadata", rows) == 4
    (shot, *_) = shot_rows(0)
    server.stop()
    try:
        for act in (
            lambda: features.online_features(registered, [shot["shot_id"]], ["shot_metadata:show"]),
            lambda: features.has_current_features(registered, [video_id(0)]),
            lambda: features.apply_features(registered, "another", DIM),
            lambda: find_runs(registered, [("shots", "", 0.0)]),
        ):
            with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1.* cannot be used .*: start the server"):
                act()
    finally:
        server.start()
    assert features.online_features(registered, [shot["shot_id"]], ["shot_metadata:show"])[0]["show"] == "show 0"
    server.stop()
    server.start()  # unnoticed
    assert features.write_online(registered, "shot_metadata", table(shot_rows(1))) == 4
    assert find_runs(registered, [("shots", "", 0.0)]) == []


def test_a_missing_driver_is_named(registered: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import ops.core.postgres

    monkeypatch.setattr(ops.core.postgres, "find_spec", lambda name: None if name == "psycopg2" else True)
    with pytest.raises(SettingsError, match=r"needs psycopg2: `pip install 'needle\[postgres\]'`"):
        find_runs(registered, [("shots", "", 0.0)])


@pytest.mark.slow
def test_an_ingest_that_loses_the_server_is_finished_by_the_next(server: PostgresServer, tmp_path: Path) -> None:
    make_film(tmp_path / "film.mp4", cuts=(30,), frames=60)
    home = PostgresHome(tmp_path / "home", url=server.create_database("lost"))
    command = [sys.executable, "-m", "ops.cli", "ingest", str(tmp_path / "film.mp4")]
    process = subprocess.Popen(command, cwd=CHECKOUT, env=home.environment(), stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: _has_events(server, "lost"), 120, "the run to begin", 0.05)
        server.stop()
        _, messages = process.communicate(timeout=120)
    finally:
        server.start()
        if process.poll() is None:
            process.kill()
    assert process.returncode == 1
    assert "cannot be used" in messages and "Traceback" not in messages and PASSWORD not in messages
    home.run("ingest", str(tmp_path / "film.mp4"))
    assert [video["state"] for video in home.json("status")["videos"]] == ["ready"]
    with open_instance(home.settings) as instance:
        assert sorted(run.status.value for run in instance.get_runs()) == ["FAILURE", "SUCCESS"]


def _has_events(server: PostgresServer, database: str) -> bool:
    with server.connect(database) as connection:
        if connection.execute("SELECT to_regclass('event_logs')").fetchone() == (None,):
            return False
        return (connection.execute("SELECT count(*) FROM event_logs").fetchone() or (0,))[0] > 5  # type: ignore[operator]
