"""Cache the content hashes of footage, so that a second scan of unchanged footage reads no file."""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ops.core.errors import StorageError, make_home_error
from ops.videos.objects import hash_object, is_remote

logger = logging.getLogger(__name__)

Key = tuple[str, int, str]
"""``(path or uri, bytes, stamp)``: modification time in nanoseconds, or etag. Without a stamp nothing is cached."""

WAIT_S = 60.0
_TABLE = "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, bytes INTEGER, stamp TEXT, hash TEXT) WITHOUT ROWID"


_UNWRITABLE = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
_HELD = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class HashCache:
    """SHA-256 of whole files by path, size and modification stamp, in one SQLite file.

    Safe for several processes: each call is one short transaction and waits up to a minute for another's. A path has
    one row, so the file does not grow when footage changes. A cache file that SQLite cannot read is deleted and built
    again. Raises ``StorageError`` if the file or its folder cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read_known(self, keys: Iterable[Key]) -> dict[Key, str]:
        """Return the cached hashes of those ``keys`` that have one."""
        candidates = [key for key in keys if key[2]]
        if not candidates or not self.path.exists():
            return {}
        hashes: dict[Key, str] = {}
        with self._connect() as connection:
            for key in candidates:
                query = "SELECT hash FROM hashes WHERE path = ? AND bytes = ? AND stamp = ?"
                row = connection.execute(query, key).fetchone()
                if row:
                    hashes[key] = row[0]
        return hashes

    def remember(self, key: Key, content_hash: str) -> None:
        """Store the hash of one file; replaces an earlier hash of its path."""
        if not key[2]:
            return
        with self._connect() as connection:
            connection.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", (*key, content_hash))

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._open()
            try:
                with connection:
                    yield connection
            finally:
                connection.close()
        except OSError as error:
            raise make_home_error(self.path, error) from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the other bits give details
            if code in _UNWRITABLE:
                raise make_home_error(self.path, error) from error
            if code in _HELD:
                raise StorageError(f"hash cache {self.path} is in use ({error}): run again") from error
            raise StorageError(f"hash cache {self.path} cannot be used: {error}; delete it and run again") from error

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=WAIT_S)
        try:
            connection.execute(_TABLE)
        except sqlite3.OperationalError:
            connection.close()
            raise
        except sqlite3.DatabaseError as error:
            connection.close()
            logger.warning("the hash cache %s is damaged (%s): starting a new one", self.path, error)
            self.path.unlink(missing_ok=True)
            connection = sqlite3.connect(self.path, timeout=WAIT_S)
            connection.execute(_TABLE)
        return connection


def make_key(path: str) -> Key:
    """Return the key of a local file as it is now. Raises ``OSError``."""
    status = os.stat(path)
    return path, status.st_size, str(status.st_mtime_ns)


def compute_hash(file: BinaryIO) -> str:
    """Return SHA-256 of the bytes of an open file, as hex."""
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def compute_fresh_hash(key: Key) -> str:
    """Return SHA-256 of the file or object of ``key``, as hex; empty if a file changed since, or changes meanwhile.

    Raises ``OSError`` if a file, ``StorageError`` if an object cannot be read.
    """
    path, size, stamp = key
    if is_remote(path):
        return hash_object(path)
    with open(path, "rb") as file:
        content_hash = compute_hash(file)
        after = os.fstat(file.fileno())
    return content_hash if (after.st_size, str(after.st_mtime_ns)) == (size, stamp) else ""
