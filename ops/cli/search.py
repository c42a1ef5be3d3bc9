"""``needle search``: the shots that match a description, an example, or both."""

from __future__ import annotations

from typing import Any

import click

from ops.cli.main import printable
from ops.cli.options import json_option, print_json, setting_options, settings_from
from ops.core.errors import UsageError
from ops.search.search import Query, Searcher


@click.command(name="search")
@click.argument("text", required=False, default="")
@click.option("--show", "shows", multiple=True, metavar="SHOW", help="Only this show (repeatable).")
@click.option("--like", multiple=True, metavar="SHOT|IMAGE", help="More like this shot or image file (repeatable).")
@click.option("--unlike", multiple=True, metavar="SHOT|IMAGE", help="Less like this shot or image (repeatable).")
@click.option("--where", multiple=True, metavar="PROBE>=0.5", help="Only shots that a probe scores so.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Hits at the most.")
@click.option("--exact", is_flag=True, help="Compare with every shot instead of using the index's graph.")
@setting_options("encoder")
@json_option
def command(
    text: str,
    shows: tuple[str, ...],
    like: tuple[str, ...],
    unlike: tuple[str, ...],
    where: tuple[str, ...],
    limit: int,
    exact: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find shots by describing them.

    Score is the cosine between query and shot; relevance (0-1) says how far the shot stands out from the
    rest of the catalogue for this query.

    \b
    Example: needle search "a rabbit in a meadow" --show "Big Buck Bunny" --limit 5
    """
    if where:
        raise UsageError("--where needs a probe, and this catalogue has none")
    settings = settings_from(options)
    query = Query(text=text, shows=shows, like=like, unlike=unlike, limit=limit, exact=exact)
    answer = Searcher(settings).search(query)
    print_json(answer) if as_json else print_hits(answer)


def print_hits(answer: dict[str, Any]) -> None:
    """One line a hit: rank, relevance, score, show, timecode, frames, shot id."""
    for hit in answer["hits"]:
        click.echo(
            f"{hit['rank']:>3}  {hit['relevance']:4.2f}  {hit['score']:6.3f}  {printable(hit['show']):<24.24}  "
            f"{hit['start_timecode']}  {hit['start_frame']:>7} - {hit['end_frame']:<7}  {hit['shot_id']}"
        )
    if not answer["hits"]:
        click.echo("no shots: is there footage in the catalogue? `needle status` tells", err=True)
    click.echo(f"{len(answer['hits'])} shots in {answer['took_ms']:.0f} ms ({answer['encoder_id']})", err=True)
