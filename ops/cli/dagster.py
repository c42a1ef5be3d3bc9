"""``needle dagster``: the Dagster page and daemon on this home."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from ops.cli.options import setting_options, settings_from
from ops.cli.runs import dagster_home
from ops.core.settings import CHECKOUT

QUIET = "ignore:Parameter `backfill_policy`"
"""Dagster warns at each start of each process that this parameter is in beta."""


@click.command(name="dagster")
@setting_options("library", "encoder", "detector", "workers", "partitions")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=3000, show_default=True, help="Port of the page.")
def command(host: str, port: int, **options: Any) -> None:
    """Open the Dagster page: lineage, runs, and the sensor that watches the library.

    \b
    Example: needle dagster --library ~/footage
    """
    settings = settings_from(options)
    environment = {**os.environ, "DAGSTER_HOME": str(dagster_home(settings)), "PYTHONWARNINGS": QUIET}
    click.echo(f"Dagster: http://{host}:{port} (home {settings.home}, library {settings.library or 'none'})", err=True)
    arguments = [sys.executable, "-m", "dagster", "dev", "-w", str(CHECKOUT / "workspace.yaml")]
    os.execve(sys.executable, [*arguments, "-h", host, "-p", str(port)], environment)
