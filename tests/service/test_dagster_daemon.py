"""`needle dagster` on a watched folder: footage comes, moves and goes, and nobody touches a button."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.builders.films import make_film
from tests.builders.homes import CHECKOUT, Home, wait_until

pytestmark = pytest.mark.slow

PATIENCE = 600
PAUSE_S = 2.0  # each question costs the CPU time that the daemon needs


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Home, Path, int]]:
    library = tmp_path / "library"
    (library / "Show").mkdir(parents=True)
    home = Home(tmp_path / "home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path / "dagster.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "dagster", "--library", str(library), "--port", str(port)],
        cwd=CHECKOUT,
        env=home.environment(),
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as a script starts it in the background
    )
    try:
        yield home, library, port
        process.terminate()
        process.wait(timeout=180)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def states(home: Home) -> dict[str, str]:
    return {Path(video["path"]).name: video["state"] for video in home.json("status")["videos"]}


def ask(port: int, query: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["data"]


@pytest.mark.timeout(3000)  # seven runs beside other tests on two cores
def test_the_library_is_followed(watched: tuple[Home, Path, int], tmp_path: Path) -> None:
    home, library, port = watched
    make_film(library / "Show" / "first.mp4", cuts=(30,), frames=60)
    wait_until(lambda: states(home).get("first.mp4") == "ready", PATIENCE, "the first film to be searchable", PAUSE_S)

    # An ingest by hand while the daemon runs is safe.
    other = make_film(tmp_path / "second.mp4", cuts=(20,), frames=50, seed=3)
    home.start("ingest", str(other.path))
    assert states(home) == {"first.mp4": "ready", "second.mp4": "ready"}
    assert len(home.json("search", "anything")["hits"]) == 4

    # A correction, a new film and one that is gone, all at once: each phase of its own would be five runs more.
    home.run("shots", str(other.path), "--merge", "20")
    (library / "Show" / "third.mp4").symlink_to(make_film(tmp_path / "3.mp4", cuts=(), frames=40, seed=4).path)
    (library / "Show" / "first.mp4").rename(tmp_path / "gone.mp4")
    wait_until(
        lambda: states(home).get("third.mp4") == "ready" and states(home)["first.mp4"] == "removed",
        PATIENCE,
        "the third film to be searchable and the first to be out",
        PAUSE_S,
    )
    wait_until(
        lambda: len(home.json("shots", str(other.path))) == 1, PATIENCE, "the corrected film to be cut again", PAUSE_S
    )
    wait_until(
        lambda: len(home.json("search", "anything")["hits"]) == 2, PATIENCE, "the first film to leave the index", 3.0
    )

    # Quiet only once all that looks for work has looked twice since the last run and found none; and so it stays.
    wait_until(lambda: at_rest(port, looks=2), PATIENCE, "the runs to end and nothing more to be asked for", PAUSE_S)
    count, then = len(runs(port)), time.time()
    wait_until(lambda: looked(port, since=then, times=2), PATIENCE, "each sensor to look again", PAUSE_S)
    assert len(runs(port)) == count, "runs are started for nothing"


def runs(port: int) -> list[dict[str, Any]]:
    answer = ask(port, "{ runsOrError { ... on Runs { results { status endTime } } } }")
    found: list[dict[str, Any]] = answer["runsOrError"]["results"]
    assert not {"FAILURE", "CANCELED"} & {run["status"] for run in found}
    return found


def sensor_ticks(port: int) -> dict[str, list[dict[str, Any]]]:
    """The last looks of each sensor, latest first."""
    answer = ask(
        port,
        """{ repositoriesOrError { ... on RepositoryConnection { nodes { sensors {
            name sensorState { ticks(limit: 20) { status timestamp } } } } } } }""",
    )
    (repository,) = answer["repositoriesOrError"]["nodes"]
    found = {sensor["name"]: sensor["sensorState"]["ticks"] for sensor in repository["sensors"]}
    assert set(found) == {"automation", "automation_of_reports", "corrections", "failures", "labels", "library"}
    return found


def at_rest(port: int, looks: int) -> bool:
    """Whether every run has ended well, and each sensor has since looked so many times and asked for nothing."""
    made = runs(port)
    if {run["status"] for run in made} != {"SUCCESS"}:
        return False
    end = max(run["endTime"] for run in made)
    latest = [[tick for tick in ticks if tick["timestamp"] > end] for ticks in sensor_ticks(port).values()]
    return all([tick["status"] for tick in ticks[:looks]] == ["SKIPPED"] * looks for ticks in latest)


def looked(port: int, since: float, times: int) -> bool:
    """Whether each sensor has begun and ended so many looks since then."""
    ended = ("SKIPPED", "SUCCESS", "FAILURE")
    return all(
        sum(tick["timestamp"] > since and tick["status"] in ended for tick in ticks) >= times
        for ticks in sensor_ticks(port).values()
    )
