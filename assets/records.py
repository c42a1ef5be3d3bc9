"""Dagster's records, opened once in a run of the command line.

For each statement, Dagster 1.13 makes a new SQLAlchemy engine and opens the SQLite database; closing it again moves the
write-ahead log into it and waits for the disk. Alembic reads its migration scripts again for each database.
With this module, an ingest of one short video in a running process takes 2.2 CPU seconds; with shared engines only,
3.6 (2026-11-28). On Postgres it opens a connection for each statement: 685 for an ingest of two short videos, which
took 63 s instead of 17 (2026-11-29).
May go when Dagster keeps its engines and connections.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import QueuePool

_engines: dict[str, Engine] = {}
_open_engines = ExitStack()


@contextmanager
def keep_records_open(*, on_postgres: bool = False) -> Iterator[None]:
    """Keep a connection to each of Dagster's databases of this process until the block ends."""
    _share_engines()
    if on_postgres:
        _share_postgres_engines()
    with _open_engines:
        yield


@lru_cache(maxsize=1)
def _share_engines() -> None:
    """Let Dagster's SQLite records of this process share engines and migration scripts."""
    sqlite_event_log.create_engine = _get_engine  # type: ignore[attr-defined, assignment]
    sqlite_run_storage.create_engine = _get_engine  # type: ignore[attr-defined, assignment]
    sqlite_schedule_storage.create_engine = _get_engine  # type: ignore[attr-defined, assignment]
    ScriptDirectory.from_config = lru_cache(ScriptDirectory.from_config)  # type: ignore[method-assign]


@lru_cache(maxsize=1)
def _share_postgres_engines() -> None:
    from dagster_postgres import utils

    utils.create_engine = _get_engine  # type: ignore[attr-defined, assignment]


def _get_engine(url: str, connect_args: dict[str, Any] | None = None, **options: Any) -> Engine:
    if url not in _engines:
        # pre_ping: a server may have been started again meanwhile
        pool_options = {**options, "poolclass": QueuePool, "pool_size": 1, "max_overflow": -1, "pool_pre_ping": True}
        engine = create_engine(url, connect_args=connect_args or {}, **pool_options)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _wait_less_for_the_disk)
        engine.dispose = _keep_connections  # type: ignore[method-assign]  # Dagster calls it after each statement
        _engines[url] = engine
        _open_engines.callback(_engines.pop, url)
        _open_engines.callback(Engine.dispose, engine)
    return _engines[url]


def _keep_connections(*_: Any, **__: Any) -> None:
    """Leave the engine's connections open."""


def _wait_less_for_the_disk(connection: Any, _: Any) -> None:
    """Let a power cut lose the last records, but damage none: SQLite's advice for a write-ahead log."""
    connection.execute("PRAGMA synchronous=NORMAL").close()
