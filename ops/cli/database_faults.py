"""Damaged databases of a home, and how `needle doctor --repair` replaces them.

Stands alone because the packages that use a database open it with foreign libraries, and would meet its damage in the
middle of their work: Feast's registry and online rows, and Dagster's records. All of them can be created again, but for
the history of Dagster's runs.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from ops.core.errors import StorageError
from ops.core.settings import Settings
from ops.features.config import locate_file, locate_registry
from ops.features.store import explain_registry_damage


def find_damaged_databases(settings: Settings) -> dict[Path, str]:
    """Return why each damaged database cannot be read, by the path of its file. Reads all of them whole.

    Databases on Postgres are not looked at. Raises ``StorageError`` for a file that cannot be read for another reason.
    """
    reasons = {path: _explain_damage(path) for path in _list_databases(settings)}
    registry = locate_registry(settings)
    if registry and registry.is_file():
        reasons[registry] = explain_registry_damage(registry)
    return {path: reason for path, reason in reasons.items() if reason}


def describe_damage(settings: Settings, path: Path, reason: str) -> str:
    """Return a line about a damaged database, with what is lost if it is created again."""
    lost = "nothing is lost"
    if _holds_records(settings, path):
        lost = "the record of this run is lost" if _is_of_one_run(path) else "the records of all earlier runs are lost"
    return f"{path} is damaged ({reason}): `needle doctor --repair` replaces it by a new one; {lost}"


def drop_databases(settings: Settings, paths: Iterable[Path]) -> None:
    """Delete damaged databases, so that the next run creates them. The caller must exclude all writers.

    Dagster's databases refer to each other, and it creates them only together; but that of one run stands alone.
    """
    damaged = list(paths)
    if any(_holds_records(settings, path) and not _is_of_one_run(path) for path in damaged):
        shutil.rmtree(_locate_records(settings))
    for path in damaged:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _list_databases(settings: Settings) -> Iterator[Path]:
    online_rows = locate_file(settings)
    if online_rows is None:
        return
    if online_rows.is_file():
        yield online_rows
    yield from sorted(_locate_records(settings).rglob("*.db"))


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
        raise StorageError(f"{path} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        return str(error)
    if findings != ["ok"]:
        return findings[0]
    return "" if tables else "it is empty"
