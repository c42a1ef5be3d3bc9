"""Feast's configuration of a home: its registry and online rows, in files or on Postgres. Needs no Feast.

Feast takes seconds to import; a second run over the same footage reads only this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any

from ops.core.locks import lock_exclusively
from ops.core.postgres import connect, report_postgres_errors
from ops.core.settings import CHECKOUT, Settings
from ops.features.database import Database, open_postgres, open_sqlite, report_file_errors

REPO = CHECKOUT / "feature_repo"
_REGISTRY_TABLES = ("entities", "data_sources", "feature_views", "feature_services")


def locate_lake(settings: Settings) -> str:
    """Return the root of the lake as it is registered.

    It is relative to the home if it is below it, so that a copied or moved home reads its own lake.
    """
    lake, home = settings.lake.path("").rstrip("/"), f"{settings.home}/"
    return lake.removeprefix(home)


def project_name(settings: Settings) -> str:
    """Return Feast's name of the project, with which its table names begin."""
    return str(read_config(settings)["project"])


def read_config(settings: Settings) -> dict[str, Any]:
    """Read Feast's configuration and fill it in after parsing, so that no character in a path can break it."""
    address = settings.postgres_address
    values = {"NEEDLE_HOME": str(settings.home)}
    if address:
        values |= {"PGHOST": address.host, "PGPORT": str(address.port), "PGDATABASE": address.database}
        values |= {"PGUSER": address.user, "PGPASSWORD": address.password, "PGSSLMODE": address.sslmode}

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fill(inner) for name, inner in value.items()}
        return Template(value).safe_substitute(values) if isinstance(value, str) else value

    path = REPO / ("feature_store.postgres.yaml" if address else "feature_store.yaml")
    config: dict[str, Any] = fill(_parse(path, path.stat().st_mtime_ns))
    if address:
        config["registry"]["path"] = address.build_url("psycopg")
    return config


@lru_cache(maxsize=2)
def _parse(path: Path, changed_ns: int) -> Any:
    """Parse a version of the file once: an ingest asks for it forty times, at 11 ms each."""
    import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies

    return yaml.safe_load(path.read_text(encoding="utf-8"))


@contextmanager
def lock_writers(settings: Settings) -> Iterator[None]:
    """Exclude all other writers of the registry and the online rows, on Postgres those of other homes too."""
    with lock_exclusively(settings.home / "feast" / ".lock"):
        address = settings.postgres_address
        if address is None:
            yield
            return
        with connect(address) as database, report_postgres_errors(address):
            database.execute("SELECT pg_advisory_lock(hashtext('needle features'))")
            yield


def locate_registry(settings: Settings) -> Path | None:
    """Return the file of the registry; ``None`` if it is on Postgres."""
    return None if settings.postgres_address else Path(read_config(settings)["registry"]["path"])


def locate_file(settings: Settings) -> Path | None:
    """Return the file of the online rows; ``None`` if they are on Postgres."""
    return None if settings.postgres_address else Path(read_config(settings)["online_store"]["path"])


def has_database(settings: Settings) -> bool:
    """Whether there may be online rows."""
    path = locate_file(settings)
    return path is None or path.exists()


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """Open a connection to the online rows.

    Raises ``FeatureStoreError`` for every error of the file, ``DatabaseUnavailableError`` if Postgres does not answer.
    """
    path = locate_file(settings)
    if path is not None:
        with open_sqlite(path) as file:
            yield file
    elif settings.postgres_address is not None:
        with open_postgres(settings.postgres_address, settings.storage_uri) as server:
            yield server


@contextmanager
def report_database_errors(settings: Settings) -> Iterator[None]:
    """Raise errors of a file of online rows as ``FeatureStoreError``; see :func:`report_file_errors`."""
    path = locate_file(settings)
    with report_file_errors(path) if path is not None else nullcontext():
        yield


def read_registry_state(settings: Settings) -> tuple[int | str, ...] | None:
    """Return what changes with registry and database; ``None`` if nothing is registered."""
    registry, path = locate_registry(settings), locate_file(settings)
    if registry is not None and path is not None:
        if not registry.exists():
            return None
        stat = registry.stat()
        # The registry is replaced by a new file, and so is a database that was deleted because it was damaged.
        return str(registry), stat.st_mtime_ns, stat.st_ino, path.stat().st_ino if path.exists() else 0
    with open_database(settings) as database:
        if not {"applied_lake", *_REGISTRY_TABLES} <= database.list_columns().keys():
            return None
        if not database.fetch("SELECT lake FROM applied_lake"):
            return None
        # After a restart of the server, Feast's own connection is dead.
        state: list[int | str] = [str(database.fetch("SELECT pg_postmaster_start_time()"))]
        for table in _REGISTRY_TABLES:
            state += database.fetch(f"SELECT count(*), coalesce(max(last_updated_timestamp), 0) FROM {table}")[0]
    return tuple(state)
