"""``needle collections``: trays with a name that are kept on the server."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.export import report_export, require_free_target
from ops.cli.main import EXIT_SET_ASIDE, announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.cli.progress import Bars
from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.exports.export import choose_format, export
from ops.exports.registry import export_formats
from ops.videos.catalogue import require_known_version

if TYPE_CHECKING:
    from ops.collections.entries import ResolvedEntry

author_option = click.option("--author", default="me", show_default=True, metavar="NAME", help="Who changes it.")


@click.group(name="collections")
def command() -> None:
    """List, show, export, rename and delete collections: the trays that people saved on the page under a name.

    COLLECTION is a name or an id. Each shot keeps its frames, its note, and who added it. If its video is cut again,
    the shot that holds these frames is shown and exported.

    \b
    Example: needle collections export "Rabbits" -o rabbits.edl
    """


@command.command(name="list")
@add_setting_options()
@json_option
def list_all(as_json: bool, **options: Any) -> int:
    """List the collections, the last changed first.

    \b
    Example: needle collections list --json
    """
    from ops.collections.store import list_collections
    from ops.core.errors import DamagedTableError

    damage: list[DamagedTableError] = []
    settings = load_command_settings(options)
    require_known_version(settings)
    collections = list_collections(settings, damage)
    if as_json:
        print_json({"collections": [each.summarise() for each in collections], "notes": [str(each) for each in damage]})
    for each in () if as_json else collections:
        latest = each.latest
        line = f"{each.collection_id}  {each.name}: {plural(len(each.entries), 'shot')}"
        click.echo(make_printable(f"{line}, {latest.action} by {latest.author} on {latest.created_at:%Y-%m-%d %H:%M}"))
    for error in damage:
        announce(f"set aside {make_printable(str(error))}")
    if not collections and not as_json:
        announce('no collections yet: "Save as a collection" in the tray of the page creates one')
    return EXIT_SET_ASIDE if damage else 0


@command.command(name="show")
@click.argument("collection", metavar="COLLECTION")
@add_setting_options()
@json_option
def show(collection: str, as_json: bool, **options: Any) -> int:
    """Show the shots of COLLECTION in their order, with notes, and who added them.

    \b
    Example: needle collections show "Rabbits"
    """
    from ops.collections.entries import resolve_entries
    from ops.collections.store import find_collection

    settings = load_command_settings(options)
    require_known_version(settings)
    collection_found = find_collection(settings, collection)
    entries = resolve_entries(settings, collection_found.entries)
    missing = [each for each in entries if each.missing_reason]
    if as_json:
        history = [asdict(each) | {"created_at": each.created_at.isoformat()} for each in collection_found.history]
        documents = [_build_document(each) for each in entries]
        print_json(
            {
                **collection_found.summarise(),
                "entries": documents,
                "history": history,
                "notes": list(collection_found.notes),
            }
        )
        return EXIT_SET_ASIDE if missing else 0
    first, latest = collection_found.history[0], collection_found.latest
    click.echo(
        make_printable(f"{collection_found.name} ({collection_found.collection_id}): {plural(len(entries), 'shot')}")
    )
    click.echo(make_printable(f"created by {first.author}, {latest.action} by {latest.author}"))
    for each in entries:
        entry = each.entry
        line = f"  {each.shot_id}  frames {entry.in_frame} to {entry.out_frame}, added by {entry.added_by}"
        line += f"  {entry.note}" if entry.note else ""
        line += "  (cut differently since: its frames are kept)" if each.is_recut else ""
        click.echo(make_printable(line))
    for note in collection_found.notes:
        announce(f"note: {note}")
    for each in missing:
        announce(f"missing {each.shot_id}: {each.missing_reason}")
    return EXIT_SET_ASIDE if missing else 0


@command.command(name="export")
@click.argument("collection", metavar="COLLECTION")
@click.option("-o", "--output", required=True, metavar="FILE", help="The file to write.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(tuple(export_formats())),
    help="Format; guessed from the file's suffix if not given.",
)
@click.option(
    "--handles", default=0, show_default=True, type=click.IntRange(0, 100_000), help="Frames before and after."
)
@click.option("--title", default="", metavar="TEXT", help="Name of the timeline [default: name of the collection].")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@add_setting_options()
@json_option
def export_collection(
    collection: str,
    output: str,
    format_: str | None,
    handles: int,
    title: str,
    force: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Write COLLECTION in its order; notes become markers. `needle export --help` has the formats.

    Shots that are not there any more are named, and the rest is written (exit status 3).

    \b
    Example: needle collections export "Rabbits" -o rabbits.edl
    """
    from ops.collections.store import find_collection
    from ops.exports.clip import select_existing_clips
    from ops.exports.picks import select_collection_picks

    settings = load_command_settings(options)
    require_known_version(settings)
    target = Path(output).expanduser().absolute()
    name = choose_format(target, format_)
    require_free_target(target, force)
    collection_found = find_collection(settings, collection)
    if not collection_found.entries:
        raise UsageError(f"the collection {collection_found.name!r} has no shots: nothing was written")
    clips, missing = select_existing_clips(settings, select_collection_picks(collection_found), handles=handles)
    with Bars() as bars:
        report = export(
            settings, clips, name, target, title=title or collection_found.name, missing=missing, progress=bars
        )
    report_export(report, as_json)
    return EXIT_SET_ASIDE if report.missing else 0


@command.command(name="rename")
@click.argument("collection", metavar="COLLECTION")
@click.argument("name", metavar="NAME")
@author_option
@add_setting_options()
@json_option
def rename(collection: str, name: str, author: str, as_json: bool, **options: Any) -> None:
    """Give COLLECTION another NAME; links to it stay valid.

    \b
    Example: needle collections rename "Rabbits" "Hares"
    """
    from ops.collections.store import change_collection, find_collection

    settings = load_command_settings(options)
    require_known_version(settings)
    old = find_collection(settings, collection)
    renamed_collection = change_collection(
        settings, old.collection_id, old.version, name=name, author=author, now=datetime.now(UTC)
    ).collection
    if as_json:
        print_json(renamed_collection.summarise())
    else:
        click.echo(make_printable(f"{old.name} is now {renamed_collection.name}"))


@command.command(name="delete")
@click.argument("collection", metavar="COLLECTION")
@click.option("--yes", is_flag=True, help="Delete it; without this, only say what would be deleted.")
@author_option
@add_setting_options()
@json_option
def delete(collection: str, yes: bool, author: str, as_json: bool, **options: Any) -> None:
    """Delete COLLECTION; its shots stay in the catalogue.

    \b
    Example: needle collections delete "Rabbits" --yes
    """
    from ops.collections.store import delete_collection, find_collection

    settings = load_command_settings(options)
    require_known_version(settings)
    collection_found = find_collection(settings, collection)
    summary = (
        f"{collection_found.name} ({collection_found.collection_id}), {plural(len(collection_found.entries), 'shot')}"
    )
    if not yes:
        raise UsageError(f"nothing was deleted: add --yes to delete {summary}")
    delete_collection(
        settings, collection_found.collection_id, collection_found.version, author=author, now=datetime.now(UTC)
    )
    if as_json:
        print_json({**collection_found.summarise(), "deleted": True})
    else:
        click.echo(make_printable(f"deleted {summary}"))


def _build_document(each: ResolvedEntry) -> dict[str, object]:
    """The entry as JSON; `shot_id` is the shot of today."""
    return asdict(each.entry) | {
        "shot_id": each.shot_id,
        "video_id": each.entry.video_id,
        "added_at": each.entry.added_at.isoformat(),
        "missing_reason": each.missing_reason,
        "is_recut": each.is_recut,
    }
