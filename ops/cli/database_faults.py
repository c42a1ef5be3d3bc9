"""Damaged databases of a home and folders in the place of files, and how `needle doctor --repair` replaces them.

Stands alone because the packages that use a database open it with foreign libraries, and would meet its damage in the
middle of their work: Feast's registry and online rows, and Dagster's records. All of them can be created again, but for
the history of Dagster's runs.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from ops.cli.main import announce, make_printable
from ops.core.errors import StorageError, make_home_error
from ops.core.settings import Settings
from ops.embeddings.registry import EncoderRegistry
from ops.features.config import locate_file, locate_registry
from ops.features.store import explain_registry_damage

IS_FOLDER = "it is a folder where a file is expected"
_NO_LINK = "it is not a link to a version"
_AWAY = "damaged"
_PROBE_BYTES = 1 << 16
"""More than SQLite's index of a write-ahead log, 32 kB, which reading such a database needs."""


def find_damaged_databases(settings: Settings) -> dict[Path, str]:
    """Return why each damaged database cannot be read, by the path of its file. Reads all of them whole.

    Folders where other files of the home are expected count too. Databases on Postgres are not looked at.
    Raises ``StorageError`` for a file that cannot be read for another reason, such as a disk without room.
    """
    databases = list(_list_databases(settings))
    registry = locate_registry(settings)
    places = [*databases, *([registry] if registry else []), *_list_other_files(settings)]
    reasons = {path: IS_FOLDER for path in places if path.is_dir()}
    current_versions = sorted((settings.home / "index").glob("*/current"))
    reasons |= {path: IS_FOLDER if path.is_dir() else _NO_LINK for path in current_versions if not path.is_symlink()}
    reasons |= {path: _explain_damage(path) for path in databases if path not in reasons}
    if registry and registry.is_file():
        reasons[registry] = explain_registry_damage(registry)
    return {path: reason for path, reason in reasons.items() if reason}


def describe_damage(settings: Settings, path: Path, reason: str) -> str:
    """Return a line about a damaged database, with what is lost if it is created again."""
    lost = "nothing is lost"
    if _holds_records(settings, path):
        lost = "the record of this run is lost" if _is_of_one_run(path) else "the records of all earlier runs are lost"
    elif path == EncoderRegistry(settings.home).path:
        lost = "the encoder is chosen again"
    if reason == IS_FOLDER:
        return (
            f"{path} is a folder where a file is expected: `needle doctor --repair` deletes it if it is empty, and "
            f"moves it to {settings.home / _AWAY} if not; {lost}"
        )
    return f"{path} is damaged ({reason}): `needle doctor --repair` replaces it by a new one; {lost}"


def free_locks(settings: Settings, paths: Iterable[Path]) -> None:
    """Put away the folders among ``paths`` that are in the place of a lock, so that it can be taken."""
    for path in paths:
        if path.parent == settings.work_lock.parent:
            _move_away(settings, path)


def drop_databases(settings: Settings, paths: Iterable[Path]) -> None:
    """Delete damaged databases, so that the next run creates them. The caller must exclude all writers.

    A folder in the place of a file is deleted only if it is empty, and otherwise moved away. Dagster's databases refer
    to each other, and it creates them only together; but that of one run stands alone.
    """
    damaged = list(paths)
    folders = [path for path in damaged if path.is_dir()]
    for path in folders:
        _move_away(settings, path)
    if any(_holds_records(settings, path) and not _is_of_one_run(path) for path in damaged):
        shutil.rmtree(_locate_records(settings))
    for path in (each for each in damaged if each not in folders):
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _list_databases(settings: Settings) -> Iterator[Path]:
    online_rows = locate_file(settings)
    if online_rows is None:
        return
    if online_rows.exists():
        yield online_rows
    yield from sorted(_locate_records(settings).rglob("*.db"))


def _list_other_files(settings: Settings) -> Iterator[Path]:
    encoders = EncoderRegistry(settings.home).path
    yield from (encoders, encoders.with_suffix(".lock"))
    yield from sorted((settings.home / "cache").glob("*.db"))
    yield from sorted((settings.home / "index").glob("*/locks/*"))
    yield from sorted(settings.work_lock.parent.glob("*"))
    yield settings.home / "feast" / ".lock"


def _move_away(settings: Settings, folder: Path) -> None:
    """Delete a folder that is empty; move another one into a folder of the home, below which it keeps its path."""
    if not folder.is_dir():  # it was in another one, which is moved away
        return
    if not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
        return
    place = settings.home / _AWAY / folder.relative_to(settings.home)
    number = 1
    while place.exists():
        number += 1
        place = place.with_name(f"{folder.name}-{number}")
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    announce(make_printable(f"moved {folder} to {place}"))


def _locate_records(settings: Settings) -> Path:
    return settings.home / "dagster" / "storage"


def _holds_records(settings: Settings, path: Path) -> bool:
    return path.is_relative_to(_locate_records(settings))


def _is_of_one_run(path: Path) -> bool:
    return path.parent.name == "runs" and path.name != "index.db"


def _explain_damage(path: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as database:
            findings = [str(row[0]) for row in database.execute("PRAGMA quick_check(1)")]
            tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.OperationalError as error:  # locked, not permitted, a fault of the disk
        raise _make_read_error(path, error) from error
    except sqlite3.DatabaseError as error:
        return str(error)
    if findings != ["ok"]:
        return findings[0]
    return "" if tables else "it is empty"


def _make_read_error(path: Path, error: sqlite3.OperationalError) -> StorageError:
    """The error to raise if SQLite could not read a database for a reason that may be that of its disk or its owner.

    SQLite reports "unable to open database file" or "disk I/O error" if it cannot write beside the file, so this tries.
    """
    try:
        with path.open("rb"), tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as cause:
        return make_home_error(path, cause)
    return StorageError(f"{path} cannot be read: {error}")
