"""``needle export``: a selection or a query as a timeline, a table, clips or a contact sheet."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.main import EXIT_SET_ASIDE, announce, make_printable
from ops.cli.options import (
    add_query_options,
    add_setting_options,
    json_option,
    limit_option,
    load_command_settings,
    print_json,
    query_from,
)
from ops.cli.progress import Bars
from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.time import MAX_PADDING_S, SPOKEN_PADDING_S
from ops.exports.export import ExportReport, choose_format, export
from ops.exports.registry import export_formats

if TYPE_CHECKING:
    from ops.exports.clip import Pick
    from ops.search.schema import Query

SEARCHES = ("shows", "videos", "like", "unlike", "where", "all", "any", "then", "then_like")
"""Options of a search; with one of them, a search needs no text."""
QUERY_HELP = (
    "The hits of a search for TEXT, best first; the options below narrow it, and some of them work without TEXT."
)
HANDLES_HELP = "Frames before and after: cut into clips of a zip, noted in timelines, which have the whole film anyway."
PADDING_HELP = "Before and after spoken words: of a hit in dialogue these are exported, not whole shots."

HELP = """Write shots to FILE for an editing system, as a table, as clips or as a contact sheet:

\b
{formats}

Of hits in dialogue the spoken range is written, with --padding on both sides: a line over a cut is one clip.
Timelines hold the shots as they are and refer to the whole film, so that there is always something to trim
into; with --handles they say so in their notes, and their ranges stay. A zip holds clips cut from the source at
full resolution, longer by their handles. Shots that are not there any more are named, and the rest is written
(exit status 3).

\b
Example: needle export -o rabbit.otio --query "a rabbit in a meadow" --limit 10 --handles 12
"""


def _list_formats() -> str:
    """Format a line for each export format: its name and its label."""
    formats = export_formats()
    width = max(map(len, formats))
    return "\n".join(f"  {name:<{width}}  {each.label} ({each.suffix})" for name, each in formats.items())


@click.command(name="export", help=HELP.format(formats=_list_formats()))
@click.argument("more", nargs=-1, metavar="[SHOT]...")
@click.option("-o", "--output", required=True, metavar="FILE", help="The file to write.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(tuple(export_formats())),
    help="Format; guessed from the file's suffix if not given.",
)
@click.option("--shots", multiple=True, metavar="SHOT...", help="These shots, in this order.")
@click.option("--query", metavar="TEXT", help=QUERY_HELP)
@add_query_options()
@limit_option
@click.option("--handles", default=0, show_default=True, type=click.IntRange(0, 100_000), help=HANDLES_HELP)
@click.option(
    "--padding",
    default=SPOKEN_PADDING_S,
    show_default=True,
    type=click.FloatRange(0, MAX_PADDING_S),
    metavar="SECONDS",
    help=PADDING_HELP,
)
@click.option("--note", default="", metavar="TEXT", help="A note for every clip, which its marker carries.")
@click.option("--title", default="", metavar="TEXT", help="Name of the timeline [default: query or file name].")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@add_setting_options("encoder")
@json_option
def command(
    more: tuple[str, ...],
    output: str,
    format_: str | None,
    shots: tuple[str, ...],
    query: str | None,
    handles: int,
    padding: float,
    note: str,
    title: str,
    force: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Find the shots, choose the format, write the file, and report what is in it."""
    from ops.exports.clip import Pick, select_existing_clips

    settings = load_command_settings(options)
    shot_ids = (*shots, *more)
    if output == "-":
        raise UsageError("-o -: an export cannot be written to standard output; name a file")
    target = Path(output).expanduser().absolute()
    name = choose_format(target, format_)
    is_search = query is not None or any(options[each] for each in SEARCHES)
    if bool(shot_ids) == is_search:
        raise UsageError(
            "name what to export: --shots SHOT..., or a search (--query TEXT, --like, --all, --any), not both"
        )
    require_free_target(target, force)
    picks = [Pick(shot_id=shot) for shot in shot_ids]
    if is_search:
        picks = _search_picks(settings, query_from(query or "", options), padding)
    picks_with_notes = [replace(pick, note=note) for pick in picks]
    clips, missing = select_existing_clips(settings, picks_with_notes, handles=handles)
    with Bars() as bars:
        report = export(
            settings, clips, name, target, title=title or query or target.stem, missing=missing, progress=bars
        )
    report_export(report, as_json)
    return EXIT_SET_ASIDE if report.missing else 0


def require_free_target(target: Path, force: bool) -> None:
    """Raise ``UsageError`` if the file exists and is not to be replaced."""
    if target.is_dir():
        raise UsageError(f"{target} is a folder: name a file in it")
    if target.exists() and not force:
        raise UsageError(f"{target} is there already: choose another name, or add --force to replace it")


def _search_picks(settings: Settings, query: Query, padding_s: float) -> list[Pick]:
    """Search, print the interpretation of the query, and return the clips with their provenance.

    Raises ``UsageError`` if it finds none.
    """
    from ops.cli.search import print_reading
    from ops.exports.picks import describe_query, select_picks
    from ops.search.searcher import Searcher

    answer = Searcher(settings).search(query)
    print_reading(answer)
    question = repr(query.text or describe_query(answer.query))
    if not answer.hits:
        raise UsageError(f"nothing matches {question}: nothing was written")
    picks = select_picks(answer, padding_s=padding_s)
    if not picks:
        raise UsageError(f"only title cards match {question}: nothing was written; --titles exports them")
    if not answer.stands_out:
        announce(f"nothing clearly matches {question}: these are the nearest")
    return picks


def report_export(report: ExportReport, as_json: bool) -> None:
    """Print what the file holds, with warnings and missing shots."""
    if as_json:
        print_json(asdict(report) | {"path": str(report.path)})
    else:
        size = f"{plural(report.clips, 'clip')}, {report.format}, {plural(report.bytes, 'byte')}"
        click.echo(f"{make_printable(str(report.path))}: {size}")
    for warning in report.warnings:
        announce(f"note: {make_printable(warning)}")
    for missing in report.missing:
        announce(f"missing {missing.shot_id}: {make_printable(missing.reason)}")
