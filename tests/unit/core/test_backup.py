"""Backups: complete or not there, of one moment, and restored only where nothing is overwritten."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.resources import Needle
from ops.api.catalogue import open_catalogue
from ops.core.backup import UNFINISHED, back_up
from ops.core.backup_manifest import MANIFEST, Manifest
from ops.core.errors import NotFoundError, SettingsError, StorageError, UsageError
from ops.core.locks import lock_if_free, lock_shared, lock_temporarily
from ops.core.restore import restore
from ops.core.restore_marker import MARKER
from ops.core.settings import Settings, load_settings, load_settings_of_any_home
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
        with pytest.raises(StorageError, match="index/e/current' leads to"):
            restore(load_settings(home=tmp_path / "copy"), backup, SilentProgress())


@pytest.mark.parametrize(
    "name",
    [
        *("/victim", "../victim", "index/../../victim", "", "a//b", "a\x00b", "index/e", MARKER),
        *("serve/tokens.json", "serve/tokens.json/x", "serve/tokens.json/x/y"),
    ],
)
def test_a_link_at_a_wrong_place_is_refused(tmp_path: Path, name: str) -> None:
    name = str(tmp_path / "victim") if name == "/victim" else name
    assert "entry that no backup has" in refuse_changed(tmp_path, lambda list_: list_["links"].update({name: "x"}))


@pytest.mark.parametrize("name", ["cache", "scratch", "media", "locks/x"])
def test_a_link_in_the_place_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    assert name in refuse_changed(tmp_path, lambda list_: list_["links"].update({name: "x"}))


@pytest.mark.parametrize("target", ["", "a\x00b", "..", "x/../../..", "\ud800"])
def test_a_wrong_target_of_a_link_is_refused(tmp_path: Path, target: str) -> None:
    assert "'l' leads to" in refuse_changed(tmp_path, lambda list_: list_["links"].update({"l": target}))


@pytest.mark.parametrize(
    "name",
    [
        *("home/../x", "store/../../x", "/etc/x", "x", MANIFEST, "home", "home/", "home/./x", "home/a\x00b", "other/x"),
        *(f"home/{MARKER}", f"home/{MARKER}/x", "home/\ud800", "store/" + "x" * 256, "home/serve/tokens.json/x"),
    ],
)
def test_a_file_at_a_wrong_place_is_refused(tmp_path: Path, name: str) -> None:
    def change(list_: dict[str, Any]) -> None:
        list_["files"][name] = list_["files"]["home/serve/tokens.json"]

    assert "entry that no backup has" in refuse_changed(tmp_path, change)


@pytest.mark.parametrize("change", [{"size": -1}, {"size": "2"}, {"digest": "A" * 32}, {"digest": "../x"}])
def test_a_wrong_size_or_digest_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    name = "home/serve/tokens.json"
    assert name in refuse_changed(tmp_path, lambda list_: list_["files"][name].update(change))


@pytest.mark.parametrize("text", [b"\xff", b"[" * 100_000, b"1" * 5000, b"{}x"])
def test_a_list_that_is_not_json_is_refused(tmp_path: Path, text: bytes) -> None:
    backup = tmp_path / "monday"
    make_backup(fill(tmp_path / "home"), backup)
    (backup / MANIFEST).write_bytes(text)
    with pytest.raises(StorageError, match=r"backup\.json cannot be read"):
        restore(load_settings(home=tmp_path / "copy"), backup, SilentProgress())


def refuse_changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """Change the list of a backup; return the refusal of its restore, which wrote nothing."""
    backup = folder / "monday"
    make_backup(fill(folder / "home"), backup)
    (folder / "victim").write_text("a user's own")
    document = json.loads((backup / MANIFEST).read_text())
    change(document)
    (backup / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(StorageError) as refusal:
        restore(load_settings(home=folder / "copy"), backup, SilentProgress())
    assert not (folder / "copy").exists() and (folder / "victim").read_text() == "a user's own"
    return str(refusal.value)


def test_names_that_are_not_utf8_come_back(tmp_path: Path) -> None:
    settings = fill(tmp_path / "home")
    name = os.fsdecode(b"caf\xe9.txt")
    (settings.home / name).write_text("a note")
    settings.store.write_bytes(f"posters/{name}", b"a poster")
    (settings.home / "link").symlink_to(name)
    make_backup(settings, tmp_path / "monday")
    copied = load_settings(home=tmp_path / "copy")
    restore(copied, tmp_path / "monday", SilentProgress())
    assert (copied.home / name).read_text() == (copied.home / "link").read_text() == "a note"
    assert copied.store.read_bytes(f"posters/{name}") == b"a poster"


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
    (tmp_path / "same").symlink_to(settings.home)
    with pytest.raises(UsageError, match="inside the home"):
        make_backup(settings, tmp_path / "same" / "backup")
    with pytest.raises(UsageError, match="no home at"):
        make_backup(load_settings(home=tmp_path / "nothing"), tmp_path / "tuesday")
    with pytest.raises(UsageError, match="has files"):
        restore(settings, backup, SilentProgress())
    with pytest.raises(UsageError, match="has objects"):
        restore(load_settings(home=tmp_path / "new", storage=settings.storage_uri), backup, SilentProgress())
    with pytest.raises(NotFoundError, match="is not a backup"):
        restore(load_settings(home=tmp_path / "new"), tmp_path, SilentProgress())
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "feast").symlink_to(tmp_path)
    with pytest.raises(UsageError, match=r"has files \(feast\)"):
        restore(load_settings(home=linked), backup, SilentProgress())
    assert read_objects(settings) == OBJECTS


def test_a_backup_inside_the_store_is_refused(tmp_path: Path) -> None:
    settings = fill(tmp_path / "home", str(tmp_path / "store"))
    (tmp_path / "link").symlink_to(tmp_path / "store")
    for target in (tmp_path / "store" / "backup", tmp_path / "link" / "backup"):
        with pytest.raises(UsageError, match="inside the object store"):
            make_backup(settings, target)
    assert read_objects(settings) == OBJECTS


def test_a_folder_that_no_backup_wrote_is_not_deleted(tmp_path: Path) -> None:
    settings = fill(tmp_path / "home")
    own = tmp_path / "monday.unfinished"
    own.mkdir()
    (own / "novel.txt").write_text("chapter 1")
    (tmp_path / "tuesday.unfinished").symlink_to(own)
    (tmp_path / "friday.unfinished").write_text("a file")
    (tmp_path / "sunday").symlink_to("nowhere")
    for name in ("monday", "tuesday", "friday"):
        with pytest.raises(UsageError, match=f"{name}.unfinished exists, and no `needle backup`"):
            make_backup(settings, tmp_path / name)
    with pytest.raises(UsageError, match="sunday exists"):
        make_backup(settings, tmp_path / "sunday")
    assert (own / "novel.txt").read_text() == "chapter 1" and (tmp_path / "friday.unfinished").is_file()
    (own / "novel.txt").unlink()  # an empty folder holds nothing of a user
    make_backup(settings, tmp_path / "monday")


def test_copies_of_a_killed_backup_are_replaced(tmp_path: Path) -> None:
    settings = fill(tmp_path / "home")
    folder = tmp_path / "monday.unfinished"
    folder.mkdir()
    for name in (UNFINISHED, "old"):
        (folder / name).touch()
    make_backup(settings, tmp_path / "monday")
    assert sorted(path.name for path in (tmp_path / "monday").iterdir()) == [MANIFEST, "home", "store"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "monday"]


def test_a_kill_while_copies_are_deleted_leaves_what_marks_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "monday.unfinished"
    (folder / "home").mkdir(parents=True)
    (folder / UNFINISHED).touch()

    def end(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", end)
        make_backup(fill(tmp_path / "home"), tmp_path / "monday")
    assert (folder / UNFINISHED).exists()
    make_backup(load_settings(home=tmp_path / "home"), tmp_path / "monday")


def test_a_second_backup_to_the_same_folder_is_refused(tmp_path: Path) -> None:
    settings, others = fill(tmp_path / "home"), fill(tmp_path / "other")
    target = tmp_path / "monday"

    def back_up_too() -> None:
        for each in (settings, others):
            with pytest.raises(UsageError, match=r"another `needle backup` is writing .*monday"):
                make_backup(each, target)

    make_backup(settings, target, back_up_too)
    restore(load_settings(home=tmp_path / "copy"), target, SilentProgress())


def test_a_temporary_lock_is_held_once_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with lock_temporarily(path) as is_first, lock_temporarily(path) as is_second:
        assert is_first and not is_second and path.exists()
    assert not path.exists()


class Killed(SilentProgress):
    """Ends a restore after its first file."""

    def advance(self, stage: str, amount: float = 1) -> None:
        raise KeyboardInterrupt


def test_the_same_command_finishes_a_restore_that_was_killed(tmp_path: Path) -> None:
    backup = tmp_path / "monday"
    make_backup(fill(tmp_path / "home"), backup)
    copied = load_settings(home=tmp_path / "copy")
    with pytest.raises(KeyboardInterrupt):
        restore(copied, backup, Killed())
    restore(copied, backup, SilentProgress())
    assert read_objects(copied) == OBJECTS and not (copied.home / MARKER).exists()


def test_a_home_with_an_unfinished_restore_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup, home = tmp_path / "my monday", tmp_path / "copy"
    make_backup(fill(tmp_path / "home"), backup)
    copied = load_settings(home=home, storage=str(tmp_path / "store"))
    with pytest.raises(KeyboardInterrupt):
        restore(copied, backup, Killed())
    command = f"`needle restore '{backup}' --home {home} --storage {tmp_path / 'store'}`"
    monkeypatch.setenv("NEEDLE_HOME", str(home))
    for load in (load_settings, lambda: open_catalogue(home), lambda: Needle().settings):
        with pytest.raises(SettingsError, match=f"is incomplete.*{command} finishes it"):
            load()
    settings = load_settings_of_any_home()  # whose store is in the home
    with pytest.raises(UsageError, match=f"into another object store: {command}"):
        restore(settings, backup, SilentProgress())
    make_backup(fill(tmp_path / "second"), tmp_path / "tuesday")
    with pytest.raises(UsageError, match=f"of another backup.*{command}"):
        restore(copied, tmp_path / "tuesday", SilentProgress())
    restore(copied, backup, SilentProgress())
    assert load_settings().home == home


@pytest.mark.parametrize("end", ["", "\n"])
def test_an_earlier_marker_of_a_restore_is_known(tmp_path: Path, end: str) -> None:
    backup, home = tmp_path / "monday", tmp_path / "copy"
    moment = make_backup(fill(tmp_path / "home"), backup).created_at.isoformat()
    copied = load_settings(home=home)
    home.mkdir()
    (home / MARKER).write_text(moment + end)
    with pytest.raises(SettingsError, match=f"needle restore BACKUP --home {home}` with the backup of .* finishes it"):
        load_settings(home=home)
    restore(copied, backup, SilentProgress())
    assert read_objects(copied) == OBJECTS


def test_two_restores_into_one_home_are_refused(tmp_path: Path) -> None:
    make_backup(fill(tmp_path / "home"), tmp_path / "monday")
    copied = load_settings(home=tmp_path / "copy")
    with (
        lock_if_free(copied.home / "locks" / "restore.lock"),
        pytest.raises(UsageError, match="another `needle restore`"),
    ):
        restore(copied, tmp_path / "monday", SilentProgress())


@pytest.mark.parametrize("copies", ["copyfileobj", "copy2"])
def test_a_full_disk_is_named_by_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: str) -> None:
    settings = fill(tmp_path / "home")

    def fail(source: object, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source))

    with monkeypatch.context() as full:
        full.setattr(shutil, copies, fail)
        with pytest.raises(StorageError, match=f"the disk of {tmp_path / 'backups'} is full"):
            make_backup(settings, tmp_path / "backups" / "monday")
    assert not list((tmp_path / "backups").iterdir())  # the disk has its room back
    make_backup(settings, tmp_path / "backups" / "monday")
    copied = load_settings(home=tmp_path / "copy")
    with monkeypatch.context() as full:
        full.setattr(shutil, "copy2", fail)
        with pytest.raises(StorageError, match=f"the disk of {copied.home} or of .* is full"):
            restore(copied, tmp_path / "backups" / "monday", SilentProgress())
    restore(copied, tmp_path / "backups" / "monday", SilentProgress())
    assert read_objects(copied) == OBJECTS
