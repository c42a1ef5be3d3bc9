"""Cache files of the home: SQLite databases that may be deleted at any time.

Stands alone so that every cache treats other processes, a full disk and a damaged file in the same way.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.core.errors import StorageError, make_home_error

logger = logging.getLogger(__name__)

WAIT_S = 60.0
_UNWRITABLE = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
_LOCK_ERRORS = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@contextmanager
def open_cache(path: Path, tables: str, name: str) -> Iterator[sqlite3.Connection]:
    """Open the cache file ``path`` for one short transaction, which waits up to a minute for another process's.

    ``tables`` are the statements that create its tables, ``name`` is that of the cache in messages. A file that SQLite
    cannot read is deleted and begun again.

    Raises ``StorageError`` if the file or its folder cannot be read or written.
    """
    try:
        connection = _connect(path, tables, name)
        try:
            with connection:
                yield connection
        finally:
            connection.close()
    except OSError as error:
        raise make_home_error(path, error) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the other bits give details
        if code in _UNWRITABLE and path.is_dir():
            raise make_home_error(path, IsADirectoryError()) from error
        if code in _UNWRITABLE:
            raise make_home_error(path, error) from error
        if code in _LOCK_ERRORS:
            raise StorageError(f"{name} {path} is in use ({error}): run again") from error
        raise StorageError(f"{name} {path} cannot be used: {error}; delete it and run again") from error


def _connect(path: Path, tables: str, name: str) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=WAIT_S)
    try:
        connection.executescript(tables)
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        logger.warning("the %s %s is damaged (%s): starting a new one", name, path, error)
        path.unlink(missing_ok=True)
        connection = sqlite3.connect(path, timeout=WAIT_S)
        connection.executescript(tables)
    return connection
