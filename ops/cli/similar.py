"""``needle similar``: the shots that look like a shot."""

from __future__ import annotations

from typing import Any

import click

from ops.cli.options import json_option, print_json, setting_options, settings_from
from ops.cli.search import print_hits
from ops.search.search import Query, Searcher


@click.command(name="similar")
@click.argument("shot", metavar="SHOT")
@click.option("--show", "shows", multiple=True, metavar="SHOW", help="Only this show (repeatable).")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Hits at the most.")
@click.option("--fold", is_flag=True, help="Put near-duplicates under the best of them.")
@click.option("--exact", is_flag=True, help="Compare with every shot instead of using the index's graph.")
@setting_options("encoder")
@json_option
def command(
    shot: str, shows: tuple[str, ...], limit: int, fold: bool, exact: bool, as_json: bool, **options: Any
) -> None:
    """Find shots that look like SHOT, a shot id or an image file.

    \b
    Example: needle similar 0123456789abcdef:489 --limit 5
    """
    settings = settings_from(options)
    answer = Searcher(settings).search(Query(like=(shot,), shows=shows, limit=limit, fold=fold, exact=exact))
    print_json(answer) if as_json else print_hits(answer)
