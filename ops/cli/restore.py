"""``needle restore``: a backup into an empty home and an empty store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ops.cli.main import announce
from ops.cli.options import add_setting_options, load_command_settings
from ops.cli.progress import Bars
from ops.core.backup_manifest import describe_backup
from ops.core.restore import restore
from ops.embeddings.shared_choice import forget_all_homes


@click.command(name="restore")
@click.argument("source", type=click.Path(path_type=Path))
@add_setting_options()
def command(source: Path, **options: Any) -> int:
    """Copy the backup SOURCE into the home and the object store of the settings, which must be empty.

    Every file is compared with its digest first. Videos that were forgotten after the backup come back: forget them
    again. Until a restore is complete, no other command accepts its home; the same command finishes one that was
    interrupted.

    \b
    Example: needle restore /backups/monday --home ~/restored
    """
    settings = load_command_settings(options, follows_live=False, is_restore=True)
    with Bars() as bars:
        manifest = restore(settings, source.absolute(), bars)
    forget_all_homes(settings.store)
    announce(f"{settings.home}: {describe_backup(manifest)}; next: needle doctor")
    return 0
