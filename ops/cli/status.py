"""``needle status``: the contents of the catalogue, and the searchable part of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ops.cli.catalogue_status import build_status
from ops.cli.main import make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.plural import plural
from ops.core.schemas import TABLES
from ops.embeddings.encoder import resolve_encoder


@click.command(name="status")
@add_setting_options("encoder")
@json_option
def command(as_json: bool, **options: Any) -> None:
    """List every video with its state: ready, pending, set_aside (and why) or removed; and notes on footage.

    \b
    Example: needle status --json
    """
    settings = load_command_settings(options)
    status = build_status(settings, resolve_encoder(settings).encoder_id)
    if as_json:
        print_json(status)
        return
    listing = Table(box=None, pad_edge=False)
    counts = ("shots", "indexed", *(table.counted_as for table in TABLES.values() if table.listed))
    for name in ("video", "show", "state", *counts, "path"):
        listing.add_column(name, justify="right" if name in counts else "left", overflow="fold")
    for video in status["videos"]:
        state = video["state"] if not video["reason"] else f"{video['state']}: {video['reason']}"
        columns: Mapping[str, object] = {**video}
        texts = (video["video_id"], video["show"], state, *(columns[name] for name in counts), video["path"])
        listing.add_row(*(make_printable(str(text)) for text in texts))
    console = Console(highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
    if status["videos"]:
        console.print(listing)
    for video in status["videos"]:
        for note in video["notes"] if video["state"] in ("ready", "pending") else ():
            console.print(make_printable(f"note: {video['path']}: {note}"))
    totals = status["totals"]
    skipped_note = f" ({totals['shots_set_aside']} set aside)" if totals["shots_set_aside"] else ""
    console.print(
        f"{plural(totals['videos'], 'video')}, {totals['set_aside']} set aside, "
        f"{plural(totals['shots'], 'shot')}{skipped_note}, "
        f"{totals['footage_s']:.0f} s of footage; encoder {status['encoder_id']}, "
        f"index {status['index_version'] or 'not built yet: run `needle ingest PATH`'}"
    )
