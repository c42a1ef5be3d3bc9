"""The database of the online rows: Feast's SQLite file, or the Postgres database of ``NEEDLE_POSTGRES``.

Feast can neither delete rows nor tell when they were computed, so Needle reads and writes in its database, next to two
tables of its own. Both engines understand the same statements but for their placeholders and the search in a blob.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from ops.core.errors import FeatureStoreError
from ops.core.postgres import PostgresAddress, claim_database, connect, report_postgres_errors

if TYPE_CHECKING:
    import psycopg

_OUR_TABLES = (
    """CREATE TABLE IF NOT EXISTS row_stamps (
        view TEXT, entity_id TEXT, event_us BIGINT, created_us BIGINT, content TEXT, PRIMARY KEY (view, entity_id)
    )""",
    "CREATE TABLE IF NOT EXISTS applied (fingerprint TEXT)",
    "CREATE TABLE IF NOT EXISTS applied_lake (lake TEXT)",
    "CREATE TABLE IF NOT EXISTS store_name (name TEXT)",
)

_HOLDS_TRACES = 1
"""SQLite's ``user_version`` of a database with removed rows whose earlier versions may still be in its pages."""


class Database(Protocol):
    """The statements that this package needs, with ``?`` for each value."""

    def fetch(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Execute a statement; return the number of rows that it changed."""

    def change_each(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Execute a statement once for each sequence of values."""

    def commit_together(self) -> AbstractContextManager[object]:
        """Let all changes of a block be made, or none."""

    def list_columns(self) -> dict[str, set[str]]:
        """Return the names of the columns of each table."""

    def delete_containing(self, table: str, column: str, part: str) -> int:
        """Delete the rows whose column, a text or blob, has ``part`` in it; return their number."""

    def note_traces(self) -> None:
        """Note that rows were deleted whose earlier versions may be in the file."""

    def clear_traces(self) -> None:
        """Overwrite what deleted rows left in the file, if anything was noted."""


class SqliteDatabase:
    """Feast's file of online rows. Deleted rows are overwritten."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def fetch(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(statement, values).rowcount

    def change_each(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, values)

    def commit_together(self) -> AbstractContextManager[object]:
        return self._connection

    def list_columns(self) -> dict[str, set[str]]:
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        names = [name for (name,) in self._connection.execute(query).fetchall()]
        return {name: {row[1] for row in self._connection.execute(f'PRAGMA table_info("{name}")')} for name in names}

    def delete_containing(self, table: str, column: str, part: str) -> int:
        statement = f'DELETE FROM "{table}" WHERE instr(CAST("{column}" AS BLOB), CAST(? AS BLOB)) > 0'
        return self.change(statement, [part])

    def note_traces(self) -> None:
        self._connection.execute(f"PRAGMA user_version = {_HOLDS_TRACES}")

    def clear_traces(self) -> None:
        if self.fetch("PRAGMA user_version") == [(_HOLDS_TRACES,)]:
            # Old versions of a row remain in the free space of pages; a rewrite drops them.
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA user_version = 0")


class PostgresDatabase:
    """The database of ``NEEDLE_POSTGRES``. Its server overwrites deleted rows when it vacuums."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def fetch(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(_replace_marks(query), values).fetchall()

    def change(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(_replace_marks(statement), values).rowcount

    def change_each(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        self._connection.cursor().executemany(_replace_marks(statement), values)

    @contextmanager
    def commit_together(self) -> Iterator[None]:
        with self._connection.transaction():
            yield
            # A file has a time of change; here it is counted, and seen together with the changes.
            self._connection.execute("UPDATE store_changes SET changes = changes + 1")

    def list_columns(self) -> dict[str, set[str]]:
        query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        columns: dict[str, set[str]] = {}
        for table, column in self.fetch(query):
            columns.setdefault(table, set()).add(column)
        return columns

    def delete_containing(self, table: str, column: str, part: str) -> int:
        is_blob = column == "entity_key"
        place = f'position(?::bytea in "{column}")' if is_blob else f'position(? in "{column}")'
        return self.change(f'DELETE FROM "{table}" WHERE {place} > 0', [part.encode() if is_blob else part])

    def note_traces(self) -> None: ...

    def clear_traces(self) -> None:
        for table, columns in self.list_columns().items():
            if "entity_key" in columns or table == "row_stamps":
                self._connection.execute(f'VACUUM "{table}"'.encode())


def _replace_marks(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()  # psycopg takes bytes for statements that are not literals


class _OpenConnection(threading.local):
    """The connection to Postgres that a thread opened last."""

    key: tuple[int, str] = (0, "")
    connection: psycopg.Connection[tuple[Any, ...]] | None = None


_OPEN = _OpenConnection()


@contextmanager
def open_postgres(address: PostgresAddress, storage: str) -> Iterator[PostgresDatabase]:
    """Open a connection, or use the one of this thread. Raises ``DatabaseUnavailableError``, ``SettingsError``."""
    import psycopg

    key = (os.getpid(), address.build_url(""))
    if _OPEN.key != key or _OPEN.connection is None or not _answers(_OPEN.connection):
        if _OPEN.connection is not None:
            _OPEN.connection.close()
        claim_database(address, storage)
        _OPEN.key, _OPEN.connection = key, connect(address)
        with report_postgres_errors(address):
            _create_counter(_OPEN.connection)
    with report_postgres_errors(address):
        try:
            yield PostgresDatabase(_OPEN.connection)
        except psycopg.OperationalError:
            _OPEN.connection.close()
            _OPEN.connection = None
            raise


def _create_counter(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    if connection.execute("SELECT to_regclass('store_changes')").fetchone() == (None,):
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('needle catalogue'))")
            connection.execute("CREATE TABLE IF NOT EXISTS store_changes (changes BIGINT)")
            connection.execute("INSERT INTO store_changes SELECT 0 WHERE NOT EXISTS (SELECT * FROM store_changes)")


def _answers(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    """Whether the server is still there: it may have been started again meanwhile."""
    import psycopg

    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        connection.close()
        return False
    return True


@contextmanager
def open_sqlite(path: Path) -> Iterator[SqliteDatabase]:
    """Open a connection to the file. Raises ``FeatureStoreError`` for every error of it."""
    with report_file_errors(path), closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        yield SqliteDatabase(connection)


@contextmanager
def report_file_errors(path: Path) -> Iterator[None]:
    """Raise errors of the file, Needle's or Feast's, as ``FeatureStoreError`` with the file and a solution."""
    try:
        yield
    except sqlite3.Error as error:
        raise FeatureStoreError(
            f"the online features cannot be used: {error}; if {path} is damaged, delete it and `needle ingest` all "
            "your footage again: this only writes its features"
        ) from error


def create_tables(database: Database) -> None:
    """Create Needle's own tables if they are missing."""
    for statement in _OUR_TABLES:
        database.change(statement)
    with database.commit_together():
        database.change("INSERT INTO store_name SELECT ? WHERE NOT EXISTS (SELECT 1 FROM store_name)", [uuid4().hex])
