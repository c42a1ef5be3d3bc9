"""``needle backup``: the whole catalogue as one folder, while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ops.cli.main import announce
from ops.cli.options import add_setting_options, load_command_settings
from ops.cli.progress import Bars
from ops.core.backup import back_up
from ops.core.backup_manifest import describe_backup


@click.command(name="backup")
@click.argument("target", type=click.Path(path_type=Path))
@add_setting_options()
def command(target: Path, **options: Any) -> int:
    """Copy home and object store into the new folder TARGET, with a digest of each file.

    Searches go on. Ingests and other computations wait while tables and databases are copied, and the backup waits for
    a step that runs. Not in it: the footage itself, caches, records on Postgres, and Qdrant's indexes, which the next
    `needle ingest` publishes again.

    \b
    Example: needle backup /backups/monday
    """
    settings = load_command_settings(options, follows_live=False)
    with Bars() as bars:
        manifest = back_up(
            settings, target.absolute(), bars, lambda: announce("waiting until nothing is being computed")
        )
    announce(f"{target}: {describe_backup(manifest)}")
    return 0
