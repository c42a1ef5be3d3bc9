"""A killed ingest is completed by the next one, and ends with the digest of an undisturbed one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata, SqlEventLogStorageTable

from ops.cli.dagster_home import find_dagster_home, open_instance
from ops.core.settings import load_settings
from tests.builders.films import Film, make_film
from tests.builders.homes import CHECKOUT, Home, wait_until

KILLS = 10


@pytest.mark.slow
def test_ten_kills_lose_and_double_nothing(
    library: tuple[Path, dict[str, Film]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = str(library[0])
    calm = Home(tmp_path_factory.mktemp("calm"))
    begun = time.monotonic()
    calm.fork("ingest", folder, expect=3)
    latest = time.monotonic() - begun
    chance = random.Random(20261122)
    disturbed = Home(tmp_path_factory.mktemp("disturbed"))
    kills = 0
    while kills < KILLS:
        status = disturbed.killed("ingest", folder, after=chance.uniform(0.3, latest))
        kills += status == -9
        if status == 3:  # it was faster: from the start again, and killed earlier
            shutil.rmtree(disturbed.path)
            latest = max(latest * 0.7, 1)
    disturbed.run("ingest", folder, expect=3)

    assert disturbed.json("status")["index_version"] == calm.json("status")["index_version"]
    for table, key in (("videos", "video_id"), ("shots", "shot_id")):
        ours, theirs = (pq.read_table(home.path / "media" / "lake" / table).to_pandas() for home in (disturbed, calm))
        assert sorted(ours[key]) == sorted(theirs[key])
    proxies = [
        sorted(name for name in home.files() if name.startswith(("media/p", "scratch"))) for home in (disturbed, calm)
    ]
    assert proxies[0] == proxies[1]
    assert not list((disturbed.path / "ingests").glob("*"))
    before = disturbed.files()
    disturbed.run("ingest", folder, expect=3)
    assert disturbed.files() == before


def test_a_kill_while_dagster_creates_its_databases_leaves_a_home_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(home=str(tmp_path))

    def create_one_table(engine: Any) -> None:
        SqlEventLogStorageTable.create(engine)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SqlEventLogStorageMetadata, "create_all", create_one_table)
        find_dagster_home(settings)
    with open_instance(settings) as instance:
        instance.add_dynamic_partitions("videos", ["one"])
        assert instance.get_dynamic_partitions("videos") == ["one"]
    assert not (tmp_path / "dagster" / "unfinished").exists()


def test_a_stopped_ingest_says_how_to_go_on(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for number in range(4):
        make_film(films / f"{number}.mp4", cuts=range(50, 1000, 50), frames=1000, seed=number)
    home = Home(tmp_path / "home")
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "ingest", str(films)],
        cwd=CHECKOUT,
        env=home.environment(NEEDLE_WORKERS="2"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: any(home.path.glob("scratch/*")), 120, "a film to be cut", 0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, which asks all that belongs to it
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.splitlines()[-1] == "needle: stopped; run the same command again to go on"
    assert "Traceback" not in told and "Dagster" not in told
    assert home.json("status")["totals"]["shots"] < 80, "the films were cut all the same"
    assert home.json("ingest", str(films))["shots"] == 80


def test_a_crash_of_native_code_is_reported_with_its_place(tmp_path: Path) -> None:
    """As it ends a command whose SQLite has mapped memory into a file that then exceeds a quota (`make faults`)."""
    script = "import os, signal; from ops.cli import main, status; {}; main.main(['status'])".format(
        "status.command.callback = lambda **_: os.kill(os.getpid(), signal.SIGBUS)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        env=Home(tmp_path / "home").environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGBUS
    assert "Fatal Python error: Bus error" in ended.stderr and "in main" in ended.stderr
