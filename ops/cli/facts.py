"""Print the record of facts about a source: ``needle doctor FILE`` and ``needle shots VIDEO --facts``."""

from __future__ import annotations

import json
import os

import click

from ops.cli.main import announce, make_printable
from ops.cli.options import print_json
from ops.core.errors import MediaError, NotFoundError
from ops.core.media import MediaInfo
from ops.core.rows import LakeVideo
from ops.core.settings import Settings
from ops.videos.catalogue import find_video
from ops.videos.describe import has_current_facts
from ops.videos.library import open_local_source
from ops.videos.probe_process import ProbeProcess


def print_facts(settings: Settings, text: str, *, as_json: bool) -> None:
    """Print the facts about a file, by path, file name or video id; nothing is ingested.

    An existing file is opened now. If the file of a registered video is missing, the record from its ingest is printed.
    Raises ``NotFoundError`` if there is neither, ``MediaError`` with the path if the file cannot be used.
    """
    row: LakeVideo | None = None
    path = text
    if not os.path.exists(text):
        row = _find(settings, text)
        path = row["path"]
    info = _read(settings, path, row)
    document = {"path": path, "video_id": row["video_id"] if row else None, **json.loads(info.to_json())}
    if as_json:
        print_json(document)
        return
    click.echo(make_printable(path))
    for name, value in document.items():
        if name not in ("path", "facts", "notes"):
            click.echo(f"  {name:<16} {make_printable(_format_value(value))}")
    click.echo("facts and their evidence")
    for fact in info.facts:
        click.echo(f"  {fact.name:<16} {make_printable(fact.value)}: {make_printable(fact.evidence)}")
        for other in fact.contradictions:
            click.echo(f"  {'':<16} but {make_printable(other)}")
    click.echo("notes" if info.notes else "no notes: nothing is unusual")
    for note in info.notes:
        click.echo(f"  {make_printable(note)}")


def _find(settings: Settings, text: str) -> LakeVideo:
    try:
        return find_video(settings.lake, text)
    except NotFoundError as error:
        raise NotFoundError(f"there is no file {text!r}, and {error}") from error


def _read(settings: Settings, path: str, row: LakeVideo | None) -> MediaInfo:
    try:
        with open_local_source(path, settings.scratch) as local, ProbeProcess(settings.film_limits) as prober:
            return prober.probe(local, path)
    except MediaError as error:
        if row and row["facts"] and has_current_facts(row):
            announce(f"{make_printable(path)}: {make_printable(str(error))}; this is the record from its ingest")
            return MediaInfo.from_json(row["facts"])
        raise MediaError(f"{path}: {error}") from error


def _format_value(value: object) -> str:
    """Format a value of the record as text: nested ones as ``name value, name value``."""
    match value:
        case None | "" | []:
            return "-"
        case dict():
            return ", ".join(f"{name} {_format_value(part)}" for name, part in value.items())
        case list():
            return "; ".join(_format_value(part) for part in value)
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3f}"
        case _:
            return str(value)
