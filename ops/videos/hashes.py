"""Cache the content hashes of footage, so that a second scan of unchanged footage reads no file."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ops.core.cache_files import open_cache
from ops.videos.objects import hash_object, is_remote

Key = tuple[str, int, str]
"""``(path or uri, bytes, stamp)``: modification time in nanoseconds, or etag. Without a stamp nothing is cached."""

_TABLE = "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, bytes INTEGER, stamp TEXT, hash TEXT) WITHOUT ROWID"


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
        with open_cache(self.path, _TABLE, "hash cache") as connection:
            yield connection


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


def compute_text_hash(texts: Iterable[str]) -> str:
    """Return a hash of texts in their order, as hex."""
    return hashlib.blake2b("\x00".join(texts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
