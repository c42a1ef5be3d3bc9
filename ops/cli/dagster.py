"""``needle dagster``: the Dagster page and daemon on this home."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import signal
import sys
from typing import Any

import click

from ops.cli.dagster_home import find_dagster_home
from ops.cli.main import announce
from ops.cli.options import add_setting_options, load_command_settings
from ops.cli.runs import close_orphaned_runs
from ops.core.errors import NeedleError, UsageError
from ops.core.postgres import PostgresAddress, connect
from ops.core.settings import CHECKOUT, Settings

QUIET = "ignore:Parameter `backfill_policy`"
"""Dagster warns at each start of each process that this parameter is in beta."""

PARTS = {"webserver": ("dagster_webserver",), "daemon": ("dagster._daemon", "run")}
"""Modules and arguments of Dagster's page and daemon, for deployments that start them one by one."""

_LOCKS: list[object] = []
"""Connections that hold a lock for as long as this process lives."""


@click.command(name="dagster")
@add_setting_options("library", "encoder", "detector", "workers", "partitions")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(0, 65535), help="Port of the page.")
@click.option("--open-to-all", is_flag=True, help="Allow an address that others can reach.")
@click.option(
    "--part",
    default="all",
    show_default=True,
    type=click.Choice(["all", *PARTS]),
    help="Start only the page or only the daemon, each as a container of its own.",
)
def command(host: str, port: int, open_to_all: bool, part: str, **options: Any) -> None:
    """Open the Dagster page: lineage, runs, and the sensor that watches the library.

    \b
    Example: needle dagster --library ~/footage
    """
    settings = load_command_settings(options)
    if part != "daemon":
        require_free_address(host, port, open_to_all=open_to_all)
    if part != "webserver":
        hold_daemon_lock(settings)
        close_orphaned_runs(settings)
    home = str(find_dagster_home(settings))  # it may add a variable to the environment
    environment = {**os.environ, "DAGSTER_HOME": home, "PYTHONWARNINGS": QUIET}
    place = "daemon" if part == "daemon" else f"http://{host}:{port}"
    announce(f"Dagster: {place} (home {settings.home}, library {settings.library or 'none'})")
    # Dagster ends its child processes by this signal. Background processes of a script inherit it as ignored: then a
    # SIGTERM would never end it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    arguments = [
        sys.executable,
        "-m",
        *PARTS.get(part, ("dagster", "dev")),
        "-w",
        str(CHECKOUT / "assets" / "workspace.yaml"),
    ]
    if settings.log == "json":
        arguments += ["--log-format", "json"]
    if part != "daemon":
        arguments += ["-h", host, "-p", str(port)]
    os.execve(sys.executable, arguments, environment)


def require_free_address(host: str, port: int, *, open_to_all: bool) -> None:
    """Raise ``UsageError`` if others can reach the address, and ``NeedleError`` if its port is in use.

    Dagster would report a port in use only after all of it has started.
    """
    from ops.serve.server import listen

    if not is_loopback(host) and not open_to_all:
        raise UsageError(
            f"--host {host} would let everybody who reaches this address start runs: Dagster's page asks nobody "
            "who they are. Put it behind a proxy that does, or add --open-to-all"
        )
    listen(host, port).close()


def is_loopback(host: str) -> bool:
    """Return True if only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hold_daemon_lock(settings: Settings) -> None:
    """Lock this home for one daemon; the program that replaces this process inherits the lock."""
    path = settings.home / "locks" / "daemon.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise NeedleError(f"`needle dagster` runs on {settings.home} already: use it, or stop it first") from error
    os.set_inheritable(descriptor, True)
    if settings.postgres_address:
        hold_database_lock(settings.postgres_address)


def hold_database_lock(address: PostgresAddress) -> None:
    """Lock the database for one daemon on any machine; the program that replaces this process inherits the lock.

    The server holds it until the connection ends, and that is inherited as an open socket.
    """
    database = connect(address)
    if database.execute("SELECT pg_try_advisory_lock(hashtext('needle dagster'))").fetchone() != (True,):
        raise NeedleError(f"`needle dagster` runs on the Postgres database {address} already, perhaps elsewhere")
    os.set_inheritable(database.fileno(), True)
    _LOCKS.append(database)  # closing it would end the lock
