"""The cache file of what the home knows of its lake: nothing in it is the only copy of anything.

Stands alone because everything in it belongs to a stamp of the file, or to a hash of all inputs, that it was computed
from. So it is never out of date, and may be deleted at any time. ``needle forget`` takes the traces of a video out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ops.core.cache_files import open_cache

FILE = "cache/lake.db"
"""Its place below the home."""
_TABLES = """
    CREATE TABLE IF NOT EXISTS contents (
        kind TEXT, lake_table TEXT, partition TEXT, stamp TEXT, content TEXT,
        PRIMARY KEY (kind, lake_table, partition)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS checks (
        name TEXT, partition TEXT, inputs TEXT, PRIMARY KEY (name, partition)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS looks (inputs TEXT PRIMARY KEY, summary TEXT) WITHOUT ROWID;
"""
MOST_LOOKS = 8

Contents = Mapping[str, tuple[str, str]]
"""Stamp of the file and content of partitions, by their names."""


class LakeMemory:
    """The cache file of one home. Nothing in it is the only copy of anything."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read_contents(self, kind: str, table: str) -> dict[str, tuple[str, str]]:
        """Return what is kept of a table's files."""
        query = "SELECT partition, stamp, content FROM contents WHERE kind = ? AND lake_table = ?"
        rows = self._select(query, kind, table)
        return {partition: (stamp, content) for partition, stamp, content in rows}

    def put_contents(self, kind: str, table: str, contents: Contents, deleted_partitions: Sequence[str]) -> None:
        """Keep the content of some files; forget that of deleted ones."""
        with self._open() as database:
            rows = [(kind, table, partition, *content) for partition, content in contents.items()]
            database.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?, ?)", rows)
            keys = [(kind, table, partition) for partition in deleted_partitions]
            database.executemany("DELETE FROM contents WHERE kind = ? AND lake_table = ? AND partition = ?", keys)

    def read_checks(self, name: str) -> dict[str, str]:
        """Return the inputs with which each partition passed the check called ``name`` last."""
        return dict(self._select("SELECT partition, inputs FROM checks WHERE name = ?", name))

    def put_checks(self, name: str, inputs: Mapping[str, str]) -> None:
        """Note that partitions passed a check with these inputs."""
        with self._open() as database:
            rows = [(name, *each) for each in inputs.items()]
            database.executemany("INSERT OR REPLACE INTO checks VALUES (?, ?, ?)", rows)

    def forget_checks(self) -> None:
        """Forget all checks and looks, so that everything is checked again."""
        if self.path.exists():
            with self._open() as database:
                database.execute("DELETE FROM checks")
                database.execute("DELETE FROM looks")

    def read_look(self, inputs: str) -> str:
        """Return the summary of the look with these inputs; empty if there was none."""
        return next(
            (str(summary) for (summary,) in self._select("SELECT summary FROM looks WHERE inputs = ?", inputs)), ""
        )

    def put_look(self, inputs: str, summary: str) -> None:
        """Keep the summary of a look, in place of an earlier one if there are many."""
        with self._open() as database:
            database.execute("DELETE FROM looks WHERE inputs NOT IN (SELECT inputs FROM looks LIMIT ?)", [MOST_LOOKS])
            database.execute("INSERT OR REPLACE INTO looks VALUES (?, ?)", [inputs, summary])

    def forget(self, partitions: Sequence[str]) -> None:
        """Delete everything about some partitions, and all summaries, without a trace in the file."""
        if not self.path.exists():
            return
        with self._open() as database:
            database.execute("PRAGMA secure_delete = ON")
            for partition in partitions:
                database.execute("DELETE FROM contents WHERE partition = ?", [partition])
                database.execute("DELETE FROM checks WHERE partition = ?", [partition])
            database.execute("DELETE FROM looks")

    def _select(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        if not self.path.exists():
            return []
        with self._open() as database:
            return database.execute(query, values).fetchall()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with open_cache(self.path, _TABLES, "lake cache") as database:
            yield database
