"""``needle compact``: merge small files of the object store, without a loss."""

from __future__ import annotations

from typing import Any

import click

from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.history import compact_history
from ops.core.locks import lock_exclusively
from ops.core.plural import plural
from ops.videos import catalogue


@click.command(name="compact")
@add_setting_options("partitions")
@json_option
def command(as_json: bool, **options: Any) -> None:
    """Merge the small files that recomputations leave in the history of features.

    Every version of every row is kept; `needle forget` is what removes rows. Waits until nothing is being computed.

    \b
    Example: needle compact
    """
    settings = load_command_settings(options)
    catalogue.require_layout(settings)
    click.echo("waiting until nothing is being computed", err=True)
    with lock_exclusively(settings.work_lock):
        before, after = compact_history(settings.store)
    if as_json:
        print_json({"history": {"files_before": before, "files": after}})
    else:
        click.echo(f"history of features: {plural(before, 'file')}, now {after}")
