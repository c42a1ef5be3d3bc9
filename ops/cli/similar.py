"""``needle similar``: the shots that look like a shot."""

from __future__ import annotations

from typing import Any

import click

from ops.cli.options import (
    add_query_options,
    add_setting_options,
    json_option,
    limit_option,
    load_command_settings,
    print_json,
)
from ops.cli.search import print_hits
from ops.search.schema import LikenessBy, Query
from ops.search.searcher import Searcher


@click.command(name="similar")
@click.argument("shot", metavar="SHOT")
@add_query_options("--by", "--show", "--fold", "--exact")
@limit_option
@add_setting_options("encoder")
@json_option
def command(
    shot: str,
    by: LikenessBy,
    shows: tuple[str, ...],
    limit: int,
    fold: bool,
    exact: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find shots that look like SHOT, a shot id or an image file, or that could follow or precede it.

    \b
    Example: needle similar 0123456789abcdef:489 --by ending --limit 5
    """
    settings = load_command_settings(options)
    answer = Searcher(settings).search(Query(like=(shot,), by=by, shows=shows, limit=limit, fold=fold, exact=exact))
    print_json(answer.document()) if as_json else print_hits(answer)
