"""Films are opened in a process of its own: one that crashes or hangs it is set aside, and the others are opened."""

from __future__ import annotations

import logging
import multiprocessing
import re
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ops.core.child_processes import get_child_context
from ops.core.process_limits import ProcessLimits
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.videos.catalogue import read_videos
from ops.videos.describe import describe_videos
from ops.videos.library import HashCache, scan
from ops.videos.probe import probe
from ops.videos.probe_process import OpenFilm, ProbeProcess
from ops.videos.register import register
from tests.builders.crashes import crash_in_b, fail_in_b, hang_in_b, kill_once_in_b
from tests.builders.films import make_film

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for seed, name in enumerate("abc"):
        make_film(folder / f"{name}.mp4", cuts=(), frames=12, seed=seed, width=160, height=90)
    return folder


def describe(tmp_path: Path, folder: Path, open_film: OpenFilm, **options: int) -> dict[str, dict[str, object]]:
    """Rows of the register by name, after one run of the step; a second one changes nothing."""
    settings: Settings = load_settings(home=str(tmp_path / "home"), **options)
    register(settings, scan([str(folder)], hashes=HashCache(tmp_path / "hashes.db")), NOW)
    partitions = settings.lake.list_partitions("videos")
    assert describe_videos(settings, partitions, NOW, SilentProgress(), open_film=open_film).changed == 3
    assert not describe_videos(settings, partitions, NOW, SilentProgress(), open_film=open_film).changed
    return {Path(row["path"]).stem: row for row in read_videos(settings.lake)}


@pytest.mark.parametrize(
    ("open_film", "reason"),
    [
        (crash_in_b, r"the process that opened it crashed \(SIGSEGV\), twice"),
        (hang_in_b, "took longer than 15 seconds"),
    ],
    ids=["crash", "hang"],
)
def test_a_film_that_crashes_or_hangs_while_it_is_opened_is_set_aside(
    tmp_path: Path, folder: Path, open_film: OpenFilm, reason: str
) -> None:
    rows = describe(tmp_path, folder, open_film, open_seconds=15)
    assert {name: row["state"] for name, row in rows.items()} == {"a": "ready", "b": "set_aside", "c": "ready"}
    assert re.search(reason, str(rows["b"]["reason"]))
    assert rows["a"]["frames"] == rows["c"]["frames"] == 12
    assert not multiprocessing.active_children()


def test_a_process_that_is_killed_once_costs_no_film(tmp_path: Path, folder: Path) -> None:
    rows = describe(tmp_path, folder, kill_once_in_b)
    assert {row["state"] for row in rows.values()} == {"ready"}


def test_an_internal_error_is_logged_here_with_its_traceback(tmp_path: Path, folder: Path) -> None:
    logger = logging.getLogger("ops.videos.film_errors")
    records: list[logging.LogRecord] = []
    logger.addFilter(lambda record: bool(records.append(record)))
    try:
        rows = describe(tmp_path, folder, fail_in_b)
    finally:
        logger.filters.clear()
    assert rows["b"]["state"] == "set_aside" and "internal error of Needle (KeyError" in str(rows["b"]["reason"])
    assert [record.levelname for record in records] == ["ERROR"] and "Traceback" in records[0].getMessage()
    assert {rows["a"]["state"], rows["c"]["state"]} == {"ready"}


def test_the_facts_are_those_of_this_process(folder: Path) -> None:
    with ProbeProcess(ProcessLimits(pause_s=60)) as prober:
        infos = [prober.probe(path, str(path)) for path in sorted(folder.glob("*.mp4"))]
    assert infos == [probe(path) for path in sorted(folder.glob("*.mp4"))]


@pytest.mark.parametrize("is_started", [False, True])
def test_an_interrupt_while_the_process_starts_stays_an_interrupt(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_started: bool
) -> None:
    """Another thread may take the signal: then the process is interrupted although its main thread blocks SIGINT."""
    process_class = get_child_context().Process
    start = process_class.start

    def interrupt(process: BaseProcess) -> None:
        if is_started:
            start(process)
        raise KeyboardInterrupt

    path = folder / "a.mp4"
    with (
        pytest.raises(KeyboardInterrupt),
        ProbeProcess(ProcessLimits(pause_s=60)) as prober,
        monkeypatch.context() as one,
    ):
        one.setattr(process_class, "start", interrupt)
        prober.probe(path, str(path))
    for child in multiprocessing.active_children():
        child.join(20)
    assert not multiprocessing.active_children(), "its connection is closed, so it ends"
