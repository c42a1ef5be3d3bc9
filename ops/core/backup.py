"""Backups of a catalogue: its home and its object store as one folder, with a digest of each file.

Stands alone because a copy of a running home is wrong in three ways: tables of different moments, databases in the
middle of a transaction, and files that vanish while they are copied. So large objects, which never change, are copied
first; then everything that changed is copied while no step computes, and databases through SQLite.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from ops.core.errors import NotFoundError, StorageError, UsageError
from ops.core.locks import lock_exclusively
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.storage import ObjectStore, write_atomically
from ops.core.types import Progress

FORMAT: Literal[1] = 1
MANIFEST = "backup.json"
MARKER = "restore.unfinished"
"""File of a home in which a restore was begun: the moment of its backup."""
NOT_KEPT = ("cache", "ingests", "locks", "scratch", "serve/exports")
"""Folders of a home that are computed again, or belong to processes that run."""
HOME_ID = "home_id"
"""File with the id of a home. A backup has none: what is restored from it is another home."""
MOST_NAMED = 5
STAGE = "backup"
_SQLITE = b"SQLite format 3\x00"
_PIECE = 1 << 20


def _require_inner(target: str) -> str:
    """Return the target of a link. Raises ``ValueError`` if it leads out of the folder of the link."""
    if not _leads_inside(target):
        raise ValueError(f"a link leads to {target}")
    return target


def _leads_inside(target: str) -> bool:
    return not os.path.isabs(target) and ".." not in Path(target).parts


class BackupFile(BaseModel):
    """Size and BLAKE2b (32 hex digits) of a file of a backup."""

    size: int = Field(ge=0)
    digest: str = Field(pattern="^[0-9a-f]{32}$")


class Manifest(BaseModel):
    """Files of a backup by their path below it: ``home/...`` and ``store/...``; links of the home, with their targets.

    A link names the current version of an index. Earlier backups have none: `needle doctor --repair` after a restore
    publishes the indexes again.
    """

    format: Literal[1]
    needle: str
    created_at: datetime
    files: dict[str, BackupFile]
    links: dict[str, Annotated[str, AfterValidator(_require_inner)]] = {}


def back_up(settings: Settings, target: Path, progress: Progress, on_wait: Callable[[], None]) -> Manifest:
    """Copy home and store into the new folder ``target``, which appears when it is complete.

    Computing steps of other processes wait while tables and databases are copied; ``on_wait`` is called before that,
    because this waits for a step that runs. Raises ``UsageError`` if ``target`` exists or is inside the home, and
    ``StorageError`` if its disk is full.
    """
    _require_place(settings, target)
    with _report_full_disk(str(target.parent)):
        return _back_up(settings, target, progress, on_wait)


def _back_up(settings: Settings, target: Path, progress: Progress, on_wait: Callable[[], None]) -> Manifest:
    partial_folder = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(partial_folder, ignore_errors=True)  # of a backup that was killed
    store = settings.store
    stamps: dict[str, str] = {}
    progress.start(STAGE, 0, "files")
    _copy_store(store, partial_folder / "store", stamps, progress)
    on_wait()
    with lock_exclusively(settings.work_lock):
        _copy_store(store, partial_folder / "store", stamps, progress)
        for path in list_home_files(settings):
            _copy_home_file(path, partial_folder / "home" / path.relative_to(settings.home), progress)
        links = {str(path.relative_to(settings.home)): os.readlink(path) for path in _list_links(settings)}
    manifest = Manifest(
        format=FORMAT,
        needle=version("needle"),
        created_at=datetime.now(UTC),
        files={str(path.relative_to(partial_folder)): _describe(path) for path in _list_files(partial_folder)},
        links=links,
    )
    with write_atomically(partial_folder / MANIFEST) as temporary:
        temporary.write_text(manifest.model_dump_json(indent=1))
    partial_folder.rename(target)
    progress.finish(STAGE)
    return manifest


def restore(settings: Settings, source: Path, progress: Progress) -> Manifest:
    """Copy a backup into an empty home and an empty store, after its files were compared with their digests.

    A restore that was killed is begun again by the same command, which knows it by a file in the home. Raises
    ``NotFoundError`` if the folder has no backup, ``StorageError`` if files of it are missing or damaged or the disk is
    full, and ``UsageError`` if the home or the store is in use.
    """
    manifest = read_manifest(source)
    if damage := find_damage(source, manifest):
        more = f" and {len(damage) - MOST_NAMED} more" if len(damage) > MOST_NAMED else ""
        names = ", ".join(damage[:MOST_NAMED]) + more
        raise StorageError(f"the backup {source} is incomplete or damaged: {names}; nothing was restored")
    marker = settings.home / MARKER
    if not marker.exists() or marker.read_text() != manifest.created_at.isoformat():
        _require_empty(settings)
    with _report_full_disk(f"{settings.home} or of {settings.storage_uri}"):
        _copy_back(settings, source, manifest, progress)
    return manifest


def _copy_back(settings: Settings, source: Path, manifest: Manifest, progress: Progress) -> None:
    marker = settings.home / MARKER
    with write_atomically(marker) as temporary:
        temporary.write_text(manifest.created_at.isoformat())
    progress.start(STAGE, len(manifest.files), "files")
    store, copy = settings.store, settings.scratch / "restored"
    for name in manifest.files:
        place, _, rest = name.partition("/")
        target = copy if place == "store" else settings.home / rest
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target)
        if place == "store":
            store.put_file(copy, rest)
        progress.advance(STAGE)
    for name, link_target in manifest.links.items():
        link = settings.home / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # of a restore that was killed
        link.symlink_to(link_target)
    marker.unlink()
    progress.finish(STAGE)


@contextmanager
def _report_full_disk(place: str) -> Iterator[None]:
    """Raise the error of a full disk as ``StorageError`` with the place that is written.

    The error itself names the file that was read, or none.
    """
    try:
        yield
    except (OSError, StorageError) as error:
        cause = error.__cause__ if isinstance(error, StorageError) else error
        is_full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
        if is_full or (isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode == sqlite3.SQLITE_FULL):
            raise StorageError(
                f"the disk of {place} is full: free some space, then run the same command again"
            ) from error
        raise


def read_manifest(source: Path) -> Manifest:
    """Return the list of a backup's files. Raises ``NotFoundError``, or ``StorageError`` if it cannot be read."""
    try:
        return Manifest.model_validate_json((source / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"{source} is not a backup: it has no {MANIFEST}") from None
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise StorageError(
            f"{source / MANIFEST} cannot be read ({where}: {fault['msg']}): use another backup"
        ) from None


def find_damage(source: Path, manifest: Manifest) -> list[str]:
    """Return the files of a backup that are missing or have another content, sorted."""
    present = {str(path.relative_to(source)) for path in _list_files(source)}
    return sorted(
        name for name, file in manifest.files.items() if name not in present or _describe(source / name) != file
    )


def list_home_files(settings: Settings) -> Iterator[Path]:
    """Yield the files of a home that a backup keeps, without the store."""
    left_out = _list_left_out(settings)
    for path in _list_files(settings.home):
        is_journal = path.name.endswith(("-wal", "-shm", "-journal"))  # of a database, which is copied through SQLite
        is_ours = path.suffix != ".lock" and path.name != ".lock" and path != settings.home / HOME_ID
        if left_out.isdisjoint(path.parents) and is_ours and not is_journal:
            yield path


def _list_links(settings: Settings) -> Iterator[Path]:
    left_out = _list_left_out(settings)
    links = (path for path in sorted(settings.home.rglob("*")) if path.is_symlink())
    # A link to another place is not Needle's.
    yield from (path for path in links if left_out.isdisjoint(path.parents) and _leads_inside(os.readlink(path)))


def _list_left_out(settings: Settings) -> set[Path]:
    left_out = {settings.home / name for name in NOT_KEPT}
    return left_out | {Path(settings.store.path(""))} if settings.store.is_local else left_out


def _require_place(settings: Settings, target: Path) -> None:
    if target.exists():
        raise UsageError(f"{target} exists: name a new folder for the backup")
    if settings.home in target.absolute().parents:
        raise UsageError(f"{target} is inside the home that is backed up: choose another place")
    if not settings.home.is_dir():
        raise UsageError(f"there is no home at {settings.home}: nothing to back up")


def _require_empty(settings: Settings) -> None:
    if settings.home.exists() and (first_file := next(list_home_files(settings), None)):
        raise UsageError(
            f"the home {settings.home} has files ({first_file.name}): name a new one by --home or NEEDLE_HOME"
        )
    if keys := settings.store.list():
        raise UsageError(
            f"the object store {settings.storage_uri} has objects ({keys[0]}): name another one by --storage or "
            "NEEDLE_STORAGE"
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


def _list_files(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _describe(path: Path) -> BackupFile:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return BackupFile(size=path.stat().st_size, digest=digest.hexdigest())


def describe_backup(manifest: Manifest) -> str:
    """Return one line: number of files, bytes, and the moment."""
    size = sum(file.size for file in manifest.files.values())
    return f"{plural(len(manifest.files), 'file')}, {size / 1e6:.1f} MB, of {manifest.created_at:%Y-%m-%d %H:%M} UTC"
