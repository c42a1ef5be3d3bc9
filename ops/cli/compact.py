"""``needle compact``: merge small files of the object store and segments of the index, without a loss."""

from __future__ import annotations

from typing import Any

import click

from ops.cli.main import announce
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.history import compact_history
from ops.core.locks import lock_exclusively
from ops.core.plural import plural
from ops.core.types import SilentProgress
from ops.videos import catalogue
from ops.videos.division import divide_lake


@click.command(name="compact")
@add_setting_options("partitions")
@click.option(
    "--divide", metavar="bucket:COUNT", help="Also divide the lake into COUNT buckets of videos, or by video."
)
@json_option
def command(as_json: bool, divide: str | None, **options: Any) -> None:
    """Merge the small files that recomputations leave in the history of features, and the segments of the index.

    Every version of every row is kept; `needle forget` is what removes rows. Waits until nothing is being computed.
    Searches go on; the index keeps its version. The daemon of `needle dagster` merges its segments at night.

    With --divide, also put the rows of several videos into one file of each table: with a quarter as many buckets as
    videos, the lake has at most three files a video. Stop the service and other homes before, and set
    NEEDLE_PARTITIONS to the same value afterwards.

    \b
    Example: needle compact
    """
    from ops.embeddings.encoder import resolve_encoder
    from ops.index.build import merge_segments

    settings = load_command_settings(options)
    if divide:
        load_command_settings({"partitions": divide})  # an invalid value is refused
        catalogue.require_known_version(settings)
    else:
        catalogue.require_layout(settings)
    announce("waiting until nothing is being computed")
    with lock_exclusively(settings.work_lock):
        before, after = compact_history(settings.store)
        lake = divide_lake(settings, divide) if divide else None
    is_merged = bool(merge_segments(settings, resolve_encoder(settings).encoder_id, SilentProgress()).changed)
    if as_json:
        division_figures = {"lake": {"files_before": lake[0], "files": lake[1]}} if lake else {}
        print_json(
            {"history": {"files_before": before, "files": after}, "index": {"merged": is_merged}} | division_figures
        )
        return
    click.echo(f"history of features: {plural(before, 'file')}, now {after}")
    if is_merged:
        click.echo("index: its segments are merged")
    if lake:
        click.echo(f"lake: {plural(lake[0], 'file')}, now {lake[1]}; set NEEDLE_PARTITIONS={divide} from now on")
