"""Dagster's own records: SQLite databases below the home that are created whole, or the Postgres database.

Stands alone because of Dagster 1.13, which creates its SQLite databases table by table and later asks only if the file
exists. A process killed within that half second left a home in which no run could ever start.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies

from ops.core.errors import StorageError
from ops.core.locks import lock_exclusively
from ops.core.postgres import claim_database, report_postgres_errors
from ops.core.settings import CHECKOUT, Settings
from ops.core.storage import write_atomically

if TYPE_CHECKING:
    import dagster as dg

URL_VARIABLE = "NEEDLE_DAGSTER_POSTGRES_URL"
"""Environment variable of the database for Dagster's processes: the password is in no file."""

HOME_TAG = "needle/home"
"""Tag of the runs of the command line in a Postgres database: the machine and home whose markers tell if they live."""

_BY_HAND = "by_hand.yaml"  # the configuration for runs of the command line

_NOT_CAUGHT = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}


def find_dagster_home(settings: Settings) -> Path:
    """Return the folder of Dagster's own records below the home; create what is missing of it.

    It contains the checkout's ``dagster.yaml``, a second configuration for runs of the command line, and the databases
    if they are not on Postgres. Raises ``DatabaseUnavailableError`` or ``SettingsError`` if Postgres cannot be used.
    """
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    configuration = yaml.safe_load((CHECKOUT / "assets" / "dagster.yaml").read_text())
    address = settings.postgres_address
    if address:
        claim_database(address, settings.storage_uri)
        # SQLAlchemy 2.1 would take psycopg 3, whose server-side parameters Dagster 1.13 does not support
        os.environ[URL_VARIABLE] = address.build_url("psycopg2")
        configuration["storage"] = {"postgres": {"postgres_url": {"env": URL_VARIABLE}}}
    else:
        configuration["storage"]["sqlite"]["base_dir"] = str(folder / "storage")
    configuration["compute_logs"]["config"]["base_dir"] = str(folder / "logs")
    for name, content in (("dagster.yaml", configuration), (_BY_HAND, {**configuration, "compute_logs": _NOT_CAUGHT})):
        _write_if_changed(folder / name, content)
    if not address:
        _create_databases(folder)
    return folder


def has_records(settings: Settings) -> bool:
    """Whether Dagster may have records; on Postgres other homes write them too."""
    return settings.postgres_address is not None or (settings.home / "dagster" / "storage").is_dir()


def tag_home(settings: Settings) -> dict[str, str]:
    """Return the tag of runs that this home starts in a database that several homes may use."""
    return {HOME_TAG: f"{socket.gethostname()}:{settings.home}"} if settings.postgres_address else {}


@contextmanager
def report_record_errors(settings: Settings) -> Iterator[None]:
    """Raise errors of Dagster's records as ``DatabaseUnavailableError`` on Postgres, as ``StorageError`` in files."""
    if settings.postgres_address is None:
        with _report_file_errors(settings.home / "dagster"):
            yield
        return
    from dagster_postgres.utils import DagsterPostgresException

    with report_postgres_errors(settings.postgres_address):
        try:
            yield
        except DagsterPostgresException as error:  # after retries
            raise error.__cause__ or error from None


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open Dagster's records for runs in this process. Their output goes to the terminal and is not captured.

    Dagster captures output with processes of its own, and a Ctrl-C ends each of these with a traceback.
    """
    import dagster as dg

    from assets.records import keep_records_open

    folder = str(find_dagster_home(settings))
    with (
        keep_records_open(on_postgres=settings.postgres_address is not None),
        report_record_errors(settings),
        dg.DagsterInstance.from_config(folder, _BY_HAND) as instance,
    ):
        yield instance


@contextmanager
def _report_file_errors(folder: Path) -> Iterator[None]:
    """Raise errors of SQLite, such as a full disk or a damaged file, as ``StorageError`` with the folder."""
    from sqlalchemy.exc import DatabaseError

    try:
        yield
    except DatabaseError as error:
        raise StorageError(
            f"Dagster's records in {folder} cannot be read or written: {error.orig}. If the disk is full, free some "
            "space; if a file is damaged, delete the folder, which has only the history of runs; then run the same "
            "command again"
        ) from error


def _write_if_changed(path: Path, content: dict[str, Any]) -> None:
    text = yaml.safe_dump(content)
    if not path.exists() or path.read_text() != text:
        with write_atomically(path) as temporary:
            temporary.write_text(text)


def _create_databases(folder: Path) -> None:
    """Let Dagster create its databases in a folder of their own, then rename that into place."""
    storage = folder / "storage"
    if storage.exists():
        return
    import dagster as dg

    from assets.records import keep_records_open

    with lock_exclusively(folder / "storage.lock"):
        if storage.exists():  # another process was faster
            return
        partial_folder = folder / "unfinished"
        shutil.rmtree(partial_folder, ignore_errors=True)
        partial_folder.mkdir()
        _write_if_changed(
            partial_folder / "dagster.yaml",
            {
                "storage": {"sqlite": {"base_dir": str(partial_folder / "storage")}},
                "compute_logs": _NOT_CAUGHT,
                "telemetry": {"enabled": False},
            },
        )
        with (
            _report_file_errors(folder),
            keep_records_open(),
            dg.DagsterInstance.from_config(str(partial_folder)) as instance,
        ):
            instance.get_runs(limit=1)
        (partial_folder / "storage").rename(storage)
        shutil.rmtree(partial_folder)
