"""The Dagster daemon of a catalogue on Postgres follows the library; ``test_dagster_daemon.py`` tests the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from ops.cli.dagster_home import open_instance
from ops.core.settings import load_settings
from tests.builders.films import make_film
from tests.builders.homes import CHECKOUT, Home, wait_until
from tests.builders.postgres import PASSWORD, PostgresServer, find_binaries

pytestmark = [
    pytest.mark.skipif(
        find_binaries() is None, reason="no Postgres: `apt-get install postgresql`, see CONTRIBUTING.md"
    ),
    pytest.mark.slow,
    pytest.mark.timeout(1500),  # runs of Dagster beside other tests on two cores
]

PATIENCE = 600


def test_a_film_is_embedded_and_a_dead_run_is_closed(tmp_path: Path) -> None:
    import dagster as dg

    @dg.job
    def empty() -> None: ...

    binaries = find_binaries()
    assert binaries
    library = tmp_path / "library"
    library.mkdir()
    make_film(library / "film.mp4", cuts=(30,), frames=60)
    # not below pytest's folder, which only its own user may enter
    with tempfile.TemporaryDirectory(prefix="needle-postgres-") as folder, (tmp_path / "log").open("w") as log:
        server = PostgresServer(Path(folder), binaries)
        home, url = Home(tmp_path / "home"), server.create_database("watched")
        environment = home.environment(NEEDLE_POSTGRES=url)
        settings = load_settings(home=home.path, encoder="starter", postgres=url)
        with open_instance(settings) as instance:
            dead = instance.create_run_for_job(empty, status=dg.DagsterRunStatus.STARTED)
        command = [sys.executable, "-m", "ops.cli", "dagster", "--part", "daemon", "--library", str(library)]
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log, start_new_session=True
        )

        def is_ready() -> bool:
            rows = settings.lake.read("videos").to_pylist()
            vectors = [table for table in settings.lake.list_tables() if table.startswith("shot_embeddings/")]
            return [row["state"] for row in rows] == ["ready"] and bool(vectors)

        try:
            wait_until(is_ready, PATIENCE, "the film to be embedded", 3)
            with open_instance(settings) as instance:
                wait_until(lambda: _is_closed(instance, dead.run_id), PATIENCE, "the dead run to be closed", 2)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=60)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            server.stop()
    assert PASSWORD not in (tmp_path / "log").read_text()


def _is_closed(instance: object, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)  # type: ignore[attr-defined]
    return run.status.value == "FAILURE"
