"""The Postgres database of a catalogue: its address, a connection, and errors that name both without the password.

``NEEDLE_POSTGRES`` moves Dagster's records and Feast's registry and online rows there. Two drivers are needed, because
their adapters import one each: psycopg2 (dagster-postgres 0.29) and psycopg 3 (Feast 0.67, and Needle itself).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from ops.core.errors import DatabaseUnavailableError, SettingsError

if TYPE_CHECKING:
    import psycopg

EXAMPLE = "postgresql://user:password@host:5432/database"
CONNECT_TIMEOUT_S = 10
_DRIVERS = ("psycopg", "psycopg2", "psycopg_pool", "dagster_postgres")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, kw_only=True)
class PostgresAddress:
    """A database on a server. ``host`` may be the folder of a Unix socket. As text it has no password."""

    host: str
    port: int
    database: str
    user: str
    password: str
    sslmode: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"

    def __repr__(self) -> str:
        return f"PostgresAddress({self})"

    def build_url(self, driver: str) -> str:
        """Return the address for SQLAlchemy, with the driver's name: ``psycopg2``, ``psycopg``."""
        user = quote(self.user, safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        query = {"host": self.host, "port": self.port, "sslmode": self.sslmode, "connect_timeout": CONNECT_TIMEOUT_S}
        return f"postgresql+{driver}://{user}@/{quote(self.database, safe='')}?{urlencode(query)}"


def parse_postgres_url(url: str) -> PostgresAddress:
    """Parse a ``postgresql://`` address. Raises ``ValueError`` with a message that does not repeat it."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError(f"write an address such as {EXAMPLE}, special characters as %XX") from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError(f"write an address such as {EXAMPLE}")
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database or parts.fragment:
        raise ValueError(f"name the database behind the host, and write #, / and ? as %XX: {EXAMPLE}")
    if not parts.username:
        raise ValueError(f"name the user before the host: {EXAMPLE}")
    if unknown := sorted(query.keys() - {"host", "port", "sslmode"}):
        raise ValueError(f"the parameters after ? are host, port and sslmode, not {', '.join(unknown)}")
    if query.get("sslmode", "prefer") not in _SSL_MODES:
        raise ValueError(f"sslmode is one of {', '.join(_SSL_MODES)}")
    if not str(query.get("port", "5432")).isdigit():
        raise ValueError("the port is a number")
    return PostgresAddress(
        host=query.get("host") or unquote(host or "") or "localhost",
        port=int(query.get("port") or port or 5432),
        database=database,
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        sslmode=query.get("sslmode", "prefer"),
    )


def connect(address: PostgresAddress) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection in which each statement is its own transaction.

    Raises ``SettingsError`` if a driver is missing, ``DatabaseUnavailableError`` if the server does not answer or
    refuses.
    """
    require_drivers()
    import psycopg

    with report_postgres_errors(address):
        return psycopg.connect(
            host=address.host,
            port=address.port,
            dbname=address.database,
            user=address.user,
            password=address.password or None,
            sslmode=address.sslmode,
            connect_timeout=CONNECT_TIMEOUT_S,
            autocommit=True,
            application_name="needle",
        )


def require_drivers() -> None:
    """Raise ``SettingsError`` if the packages of the extra ``postgres`` are missing."""
    if missing := [name for name in _DRIVERS if find_spec(name) is None]:
        raise SettingsError(
            f"NEEDLE_POSTGRES needs {', '.join(missing)}: `pip install 'needle[postgres]'`, or leave the setting out"
        )


@contextmanager
def report_postgres_errors(address: PostgresAddress) -> Iterator[None]:
    """Raise connection errors of both drivers, bare or through SQLAlchemy, as ``DatabaseUnavailableError``."""
    import psycopg
    import psycopg2
    import sqlalchemy.exc

    try:
        yield
    except (psycopg.OperationalError, psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise _make_error(address, error) from None
    except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError) as error:
        raise _make_error(address, error.orig or error) from None


def _make_error(address: PostgresAddress, error: BaseException) -> DatabaseUnavailableError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if address.password:
        reason = reason.replace(address.password, "(hidden)")
    return DatabaseUnavailableError(
        f"the Postgres database {address} of user {address.user} cannot be used ({reason[:300]}): start the "
        "server, or correct NEEDLE_POSTGRES, then run the same command again"
    )


def claim_database(address: PostgresAddress, storage: str) -> None:
    """Note in the database to which catalogue, that of an object store, it belongs; check that it is this one.

    Two catalogues in one database would mix their runs and features. Raises ``SettingsError`` in that case.
    """
    owner = storage if "://" in storage else f"{socket.gethostname()}:{storage}"
    with connect(address) as database, report_postgres_errors(address):
        if database.execute("SELECT to_regclass('needle_catalogue')").fetchone() == (None,):
            with database.transaction():
                database.execute("SELECT pg_advisory_xact_lock(hashtext('needle_catalogue'))")
                database.execute("CREATE TABLE IF NOT EXISTS needle_catalogue (storage TEXT PRIMARY KEY)")
                database.execute(
                    "INSERT INTO needle_catalogue SELECT %s WHERE NOT EXISTS (SELECT * FROM needle_catalogue)", [owner]
                )
        rows = database.execute("SELECT storage FROM needle_catalogue").fetchall()
    if rows != [(owner,)]:
        names = ", ".join(name for (name,) in rows) or "none"
        raise SettingsError(
            f"the Postgres database {address} belongs to the catalogue in {names}, not to {owner}: create another "
            f"database for this one. If that catalogue was moved here: UPDATE needle_catalogue SET storage = '{owner}'"
        )
