"""Backups of a catalogue: its home and its object store as one folder, with a digest of each file.

Stands alone because a copy of a running home is wrong in three ways: tables of different moments, databases in the
middle of a transaction, and files that vanish while they are copied. So large objects, which never change, are copied
first; then everything that changed is copied while no step computes, and databases through SQLite.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from ops.core.backup_manifest import FORMAT, Manifest, describe_file, leads_inside, list_files, write_manifest
from ops.core.errors import StorageError, UsageError
from ops.core.locks import lock_exclusively, lock_temporarily
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.core.types import Progress

UNFINISHED = "backup.unfinished"
"""File in the folder of a backup that is being written: only such a folder is deleted after a killed backup."""
NOT_KEPT = ("cache", "ingests", "locks", "scratch", "serve/exports")
"""Folders of a home that are computed again, or belong to processes that run."""
HOME_ID = "home_id"
"""File with the id of a home. A backup has none: what is restored from it is another home."""
STAGE = "backup"
_SQLITE = b"SQLite format 3\x00"
_PIECE = 1 << 20


def back_up(settings: Settings, target: Path, progress: Progress, on_wait: Callable[[], None]) -> Manifest:
    """Copy home and store into the new folder ``target``, which appears when it is complete.

    Computing steps of other processes wait while tables and databases are copied; ``on_wait`` is called before that,
    because this waits for a step that runs. A backup that fails deletes its copies; those of a killed one are deleted
    by the next backup to ``target``.

    Raises ``UsageError`` if ``target`` exists, is inside the home or the store, or is being written by another backup,
    and ``StorageError`` if its disk is full.
    """
    _require_place(settings, target)
    partial_folder = target.with_name(f"{target.name}.unfinished")
    with (
        report_full_disk(f"{target.parent}", " (the unfinished copy was deleted)"),
        lock_temporarily(target.with_name(f"{target.name}.unfinished.lock")) as is_free,
    ):
        if not is_free:
            raise UsageError(f"another `needle backup` is writing {target}: wait until it has ended, or name another")
        _require_place(settings, target)  # again: another backup may have completed it
        _prepare_folder(partial_folder)
        try:
            manifest = _copy_all(settings, partial_folder, progress, on_wait)
            partial_folder.rename(target)
        finally:
            _delete_copies(partial_folder)
        (target / UNFINISHED).unlink()
    progress.finish(STAGE)
    return manifest


def _copy_all(settings: Settings, folder: Path, progress: Progress, on_wait: Callable[[], None]) -> Manifest:
    store = settings.store
    stamps: dict[str, str] = {}
    progress.start(STAGE, 0, "files")
    _copy_store(store, folder / "store", stamps, progress)
    on_wait()
    with lock_exclusively(settings.work_lock):
        _copy_store(store, folder / "store", stamps, progress)
        for path in list_home_files(settings):
            _copy_home_file(path, folder / "home" / path.relative_to(settings.home), progress)
        links = {str(path.relative_to(settings.home)): os.readlink(path) for path in _list_links(settings)}
    paths = [path for path in list_files(folder) if path != folder / UNFINISHED]
    manifest = Manifest(
        format=FORMAT,
        needle=version("needle"),
        created_at=datetime.now(UTC),
        files={str(path.relative_to(folder)): describe_file(path) for path in paths},
        links=links,
    )
    write_manifest(folder, manifest)
    return manifest


def _prepare_folder(folder: Path) -> None:
    """Make an empty folder with the marker of a backup, in the place of one of a backup that was killed.

    Raises ``UsageError`` if anything else has this name.
    """
    if os.path.lexists(folder):
        is_folder = folder.is_dir() and not folder.is_symlink()
        # A backup that was killed at once left a folder without a file.
        if not is_folder or not ((folder / UNFINISHED).exists() or next(folder.iterdir(), None) is None):
            raise UsageError(
                f"{folder} exists, and no `needle backup` of this version wrote it: move or delete it, or name another "
                "folder for the backup"
            )
        _delete_copies(folder)
    folder.mkdir(parents=True)
    (folder / UNFINISHED).touch()


def _delete_copies(folder: Path) -> None:
    """Delete the folder of an unfinished backup, its marker last: the next backup knows by it what it may delete."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != UNFINISHED:
            path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def report_full_disk(place: str, remark: str = "") -> Iterator[None]:
    """Raise the error of a full disk as ``StorageError`` with the place that is written, and a remark.

    The error itself names the file that was read, or none.
    """
    try:
        yield
    except (OSError, StorageError) as error:
        cause = error.__cause__ if isinstance(error, StorageError) else error
        is_full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
        if is_full or (isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode == sqlite3.SQLITE_FULL):
            raise StorageError(
                f"the disk of {place} is full{remark}: free some space, then run the same command again"
            ) from error
        raise


def list_home_files(settings: Settings) -> Iterator[Path]:
    """Yield the files of a home that a backup keeps, without the store."""
    left_out = list_left_out(settings)
    for path in list_files(settings.home):
        is_journal = path.name.endswith(("-wal", "-shm", "-journal"))  # of a database, which is copied through SQLite
        is_ours = path.suffix != ".lock" and path.name != ".lock" and path != settings.home / HOME_ID
        if left_out.isdisjoint(path.parents) and is_ours and not is_journal:
            yield path


def _list_links(settings: Settings) -> Iterator[Path]:
    left_out = list_left_out(settings)
    links = (path for path in sorted(settings.home.rglob("*")) if path.is_symlink())
    for path in links:
        is_kept = left_out.isdisjoint((path, *path.parents))
        if is_kept and leads_inside(os.readlink(path)):  # a link to another place is not Needle's
            yield path


def list_left_out(settings: Settings) -> set[Path]:
    """Return the folders of a home that no backup has, and the folder of a local store."""
    left_out = {settings.home / name for name in NOT_KEPT}
    return left_out | {Path(settings.store.path(""))} if settings.store.is_local else left_out


def _require_place(settings: Settings, target: Path) -> None:
    if os.path.lexists(target):
        raise UsageError(f"{target} exists: name a new folder for the backup")
    if not settings.home.is_dir():
        raise UsageError(f"there is no home at {settings.home}: nothing to back up")
    place = Path(os.path.realpath(target))
    if place.is_relative_to(os.path.realpath(settings.home)):
        raise UsageError(f"{target} is inside the home that is backed up: choose another place")
    if settings.store.is_local and place.is_relative_to(os.path.realpath(settings.store.path(""))):
        raise UsageError(
            f"{target} is inside the object store {settings.storage_uri}, which is backed up: choose another place"
        )


def _copy_store(store: ObjectStore, target: Path, stamps: dict[str, str], progress: Progress) -> None:
    """Copy every object that is new or changed since ``stamps``, and delete copies of objects that are gone."""
    stats = store.stats("")
    for key in stamps.keys() - stats.keys():
        (target / key).unlink(missing_ok=True)
        del stamps[key]
    for key, stat in stats.items():
        if stamps.get(key) == str(stat):
            continue
        (target / key).parent.mkdir(parents=True, exist_ok=True)
        try:
            with store.open(key) as source, (target / key).open("wb") as copy:
                shutil.copyfileobj(source, copy, _PIECE)
        except StorageError:
            if store.exists(key):
                raise
            (target / key).unlink(missing_ok=True)  # deleted meanwhile
            continue
        stamps[key] = str(stat)
        progress.advance(STAGE)


def _copy_home_file(path: Path, target: Path, progress: Progress) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("rb") as file:
            is_database = file.read(len(_SQLITE)) == _SQLITE
        if is_database:
            with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(target)) as copy:
                database.backup(copy)
            shutil.copymode(path, target)
        else:
            shutil.copy2(path, target)
    except FileNotFoundError:  # deleted meanwhile, such as a report
        target.unlink(missing_ok=True)
        return
    except sqlite3.Error as error:
        raise StorageError(f"the database {path} cannot be copied: {error}") from error
    progress.advance(STAGE)
