"""Backups: complete or not there, of one moment, and restored only where nothing is overwritten."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.core.backup import MANIFEST, MARKER, Manifest, back_up, restore
from ops.core.errors import NotFoundError, StorageError, UsageError
from ops.core.locks import lock_shared
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress

OBJECTS = {"lake/videos/a.parquet": b"rows", "proxies/a/0-24.mp4": b"film" * 400_000, "posters/a/0 ü.jpg": b""}


def fill(home: Path, storage: str = "") -> Settings:
    settings = load_settings(home=home, storage=storage or None)
    for key, data in OBJECTS.items():
        settings.store.write_bytes(key, data)
    (home / "feast").mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(home / "feast" / "online.db") as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE features (id INTEGER)")
        database.executemany("INSERT INTO features VALUES (?)", [(number,) for number in range(100)])
    database.close()
    (home / "index" / "e" / "versions" / "v1").mkdir(parents=True)
    (home / "index" / "e" / "versions" / "v1" / "points").write_bytes(b"points")
    (home / "index" / "e" / "current").symlink_to("versions/v1")
    (home / "elsewhere").symlink_to("/etc")
    (home / "serve").mkdir()
    (home / "serve" / "tokens.json").write_text("[]")
    (home / "serve" / "tokens.json").chmod(0o600)
    for name in ("cache/big", "locks/work.lock", "ingests/1.json", "scratch/x", "encoder.lock"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text("not kept")
    return settings


def make_backup(settings: Settings, target: Path, on_wait: Callable[[], None] = lambda: None) -> Manifest:
    return back_up(settings, target, SilentProgress(), on_wait)


def read_objects(settings: Settings) -> dict[str, bytes]:
    return {key: settings.store.read_bytes(key) for key in settings.store.list()}


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_a_restored_catalogue_equals_the_first(tmp_path: Path, is_elsewhere: bool) -> None:
    settings = fill(tmp_path / "home", str(tmp_path / "store") if is_elsewhere else "")
    manifest = make_backup(settings, tmp_path / "monday")
    names = {name for name in manifest.files if name.startswith("home/")}
    assert names == {"home/feast/online.db", "home/serve/tokens.json", "home/index/e/versions/v1/points"}
    assert manifest.links == {"index/e/current": "versions/v1"}
    copied = load_settings(home=tmp_path / "copy", storage=str(tmp_path / "store2") if is_elsewhere else None)
    restore(copied, tmp_path / "monday", SilentProgress())
    assert read_objects(copied) == OBJECTS
    with sqlite3.connect(copied.home / "feast" / "online.db") as database:
        assert database.execute("SELECT count(*), sum(id) FROM features").fetchone() == (100, 4950)
    database.close()
    assert (copied.home / "serve" / "tokens.json").stat().st_mode & 0o777 == 0o600
    assert not (copied.home / MARKER).exists()
    assert (copied.home / "index" / "e" / "current" / "points").read_bytes() == b"points"


def test_a_link_that_leads_out_of_the_home_is_refused(tmp_path: Path) -> None:
    backup = tmp_path / "monday"
    make_backup(fill(tmp_path / "home"), backup)
    manifest = (backup / MANIFEST).read_text()
    for target in ("../../../other", "/etc"):
        (backup / MANIFEST).write_text(manifest.replace('"versions/v1"', f'"{target}"'))
        with pytest.raises(StorageError, match=r"index/e/current: .*leads to"):
            restore(load_settings(home=tmp_path / "copy"), backup, SilentProgress())


def test_it_waits_for_computing_steps_and_takes_what_they_wrote(tmp_path: Path) -> None:
    settings = fill(tmp_path / "home")
    is_held, waits = threading.Event(), threading.Event()

    def compute() -> None:
        with lock_shared(settings.work_lock):
            is_held.set()
            waits.wait(10)
            settings.store.write_bytes("lake/videos/a.parquet", b"other rows")
            settings.store.write_bytes("lake/shots/a.parquet", b"shots")
            settings.store.delete("posters/a/0 ü.jpg")

    step = threading.Thread(target=compute)
    step.start()
    is_held.wait(10)
    make_backup(settings, tmp_path / "monday", waits.set)
    step.join()
    store = tmp_path / "monday" / "store"
    assert (store / "lake/videos/a.parquet").read_bytes() == b"other rows"
    assert (store / "lake/shots/a.parquet").exists() and not (store / "posters/a/0 ü.jpg").exists()


def test_a_database_in_use_is_copied_as_of_its_last_commit(tmp_path: Path) -> None:
    settings = fill(tmp_path / "home")
    writer = sqlite3.connect(settings.home / "feast" / "online.db")
    writer.execute("INSERT INTO features VALUES (1000)")  # not committed
    make_backup(settings, tmp_path / "monday")
    writer.close()
    with sqlite3.connect(tmp_path / "monday" / "home" / "feast" / "online.db") as copy:
        assert copy.execute("SELECT count(*) FROM features").fetchone() == (100,)
    copy.close()


def test_a_backup_is_complete_or_not_there(tmp_path: Path) -> None:
    settings = fill(tmp_path / "home")

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_backup(settings, tmp_path / "monday", die)
    assert not (tmp_path / "monday").exists()
    make_backup(settings, tmp_path / "monday")
    assert not (tmp_path / "monday.unfinished").exists()


@pytest.mark.parametrize("fault", ["changed", "missing", "manifest"])
def test_a_damaged_backup_restores_nothing(fault: str, tmp_path: Path) -> None:
    backup = tmp_path / "monday"
    make_backup(fill(tmp_path / "home"), backup)
    poster = backup / "store" / "lake" / "videos" / "a.parquet"
    if fault == "changed":
        poster.write_bytes(b"rowz")
    elif fault == "missing":
        poster.unlink()
    else:
        (backup / MANIFEST).write_text('{"format": 2}')
    with pytest.raises(StorageError, match="monday"):
        restore(load_settings(home=tmp_path / "copy"), backup, SilentProgress())
    assert not (tmp_path / "copy").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    settings = fill(tmp_path / "home")
    backup = tmp_path / "monday"
    make_backup(settings, backup)
    with pytest.raises(UsageError, match="exists"):
        make_backup(settings, backup)
    with pytest.raises(UsageError, match="inside the home"):
        make_backup(settings, settings.home / "backup")
    with pytest.raises(UsageError, match="no home at"):
        make_backup(load_settings(home=tmp_path / "nothing"), tmp_path / "tuesday")
    with pytest.raises(UsageError, match="has files"):
        restore(settings, backup, SilentProgress())
    with pytest.raises(UsageError, match="has objects"):
        restore(load_settings(home=tmp_path / "new", storage=settings.storage_uri), backup, SilentProgress())
    with pytest.raises(NotFoundError, match="is not a backup"):
        restore(load_settings(home=tmp_path / "new"), tmp_path, SilentProgress())
    assert read_objects(settings) == OBJECTS


def test_the_same_command_finishes_a_restore_that_was_killed(tmp_path: Path) -> None:
    class Killed(SilentProgress):
        def advance(self, stage: str, amount: float = 1) -> None:
            raise KeyboardInterrupt

    backup = tmp_path / "monday"
    make_backup(fill(tmp_path / "home"), backup)
    copied = load_settings(home=tmp_path / "copy")
    with pytest.raises(KeyboardInterrupt):
        restore(copied, backup, Killed())
    restore(copied, backup, SilentProgress())
    assert read_objects(copied) == OBJECTS and not (copied.home / MARKER).exists()


@pytest.mark.parametrize("copies", ["copyfileobj", "copy2"])
def test_a_full_disk_is_named_by_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: str) -> None:
    settings = fill(tmp_path / "home")

    def fail(source: object, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source))

    with monkeypatch.context() as full:
        full.setattr(shutil, copies, fail)
        with pytest.raises(StorageError, match=f"the disk of {tmp_path / 'backups'} is full"):
            make_backup(settings, tmp_path / "backups" / "monday")
    make_backup(settings, tmp_path / "backups" / "monday")
    copied = load_settings(home=tmp_path / "copy")
    with monkeypatch.context() as full:
        full.setattr(shutil, "copy2", fail)
        with pytest.raises(StorageError, match=f"the disk of {copied.home} or of .* is full"):
            restore(copied, tmp_path / "backups" / "monday", SilentProgress())
    restore(copied, tmp_path / "backups" / "monday", SilentProgress())
    assert read_objects(copied) == OBJECTS
