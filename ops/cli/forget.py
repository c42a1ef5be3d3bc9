"""``needle forget``: remove videos from the whole catalogue, permanently."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import click

from ops.cli.dagster_home import find_dagster_home, report_record_errors
from ops.cli.main import EXIT_FAILED, announce, make_printable
from ops.cli.options import add_setting_options, load_command_settings
from ops.collections.store import forget_video_entries
from ops.core.errors import DamagedTableError, UsageError
from ops.core.history import forget_versions
from ops.core.known_rows import count_rows
from ops.core.locks import lock_exclusively
from ops.core.plural import plural
from ops.core.rows import LakePerson
from ops.core.schemas import find_family
from ops.core.settings import Settings
from ops.core.tables import DAMAGE_FOLDER
from ops.core.types import SilentProgress
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.registry import EncoderRegistry
from ops.features import forget_features
from ops.features.online import find_online_videos
from ops.index.build import build_index
from ops.index.dialogue import build_lines
from ops.index.index import read_current_version
from ops.index.line_publishing import drop_old_lines
from ops.index.lines import SCREEN_TEXT
from ops.index.publishing import drop_old_versions
from ops.index.screen_text import build_texts
from ops.people.forget import forget_videos as forget_video_people
from ops.pipeline import list_steps
from ops.search.saved_searches import forget_video_matches
from ops.shots.build import read_shots
from ops.shots.sheet import make_sheet_key
from ops.videos import catalogue
from ops.videos.damaged_tables import put_away_all
from ops.videos.division import delete_copies
from ops.videos.forgotten import read_forgotten_ids, write_tombstone


@click.command(name="forget")
@click.argument("videos", metavar="VIDEO...", nargs=-1)
@click.option("--person", metavar="NAME", help="Remove a person by name or id instead, from all videos.")
@click.option("--yes", is_flag=True, help="Remove them; without this, only list what would be removed.")
@add_setting_options("encoder")
def command(videos: tuple[str, ...], person: str | None, yes: bool, **options: Any) -> int:
    """Remove each VIDEO (path, file name or id) from storage, lake, features and index; never the source file.

    No later run brings it back. Several videos at once cost little more than one: indexes and feature store are
    rewritten once.

    A person is removed with name, faces and vectors; the footage stays, so faces that are looked for again, in new
    footage or by another model, may form a person without a name.

    \b
    Example: needle forget film.mp4 --yes
             needle forget --person Thom --yes
    """
    settings = load_command_settings(options)
    catalogue.require_layout(settings)
    if bool(videos) == (person is not None):
        raise UsageError("name what to forget: one or more VIDEOs, or --person NAME")
    if person is not None:
        return _forget_person(settings, person, yes)
    rows = {row["video_id"]: row for row in (catalogue.find_video(settings.lake, video) for video in videos)}
    shots = {video_id: _list_shots(settings, video_id) for video_id in rows}
    for video_id, row in rows.items():
        lost_shots = plural(len(shots[video_id]), "shot and all made of it", "shots and all made of them")
        click.echo(f"{make_printable(row['path'])} ({video_id}): {lost_shots}")
    if not yes:
        announce("nothing was removed: add --yes to remove for good")
        return EXIT_FAILED
    lost_entries = _forget(settings, shots)
    collections_note = f", and {plural(lost_entries, 'shot')} removed from collections" if lost_entries else ""
    click.echo(f"forgotten{collections_note}")
    return 0


def _forget_person(settings: Settings, name: str, yes: bool) -> int:
    from ops.cli.forget_people import delete_people
    from ops.people.forget import find_stored_person

    person = find_stored_person(settings, name)
    name = make_printable(person["name"] or person["person_id"])
    click.echo(f"{name} ({person['person_id']}): {_describe_lost_faces(settings, person)}")
    if not yes:
        announce("nothing was removed: add --yes to remove for good")
        return EXIT_FAILED
    delete_people(settings, person)
    click.echo("forgotten")
    return 0


def _describe_lost_faces(settings: Settings, person: LakePerson) -> str:
    """Return how many faces go; only those that the person is known by, if a table is damaged."""
    from ops.people.forget import count_lost_faces

    try:
        lost = count_lost_faces(settings, person)
    except DamagedTableError:
        return f"{plural(person['faces'], 'face')} in {plural(person['shots'], 'shot')}"
    counts = f"{plural(lost.faces, 'face')} in {plural(lost.shots, 'shot')}"
    return counts + (f", {lost.unknown} of them without a person, which may be theirs" if lost.unknown else "")


def forget_here_too(settings: Settings) -> list[str]:
    """Remove what is left of videos that another home on the same store forgot; return their ids.

    That home cannot reach the index and the online features of this one, nor stop a step that was computing here.
    """
    forgotten_ids = read_forgotten_ids(settings.store) if settings.storage else set()
    if not forgotten_ids:
        return []
    catalogue.require_layout(settings)
    left = find_online_videos(settings, forgotten_ids)
    left |= forgotten_ids & {row["video_id"] for row in catalogue.read_videos(settings.lake, with_forgotten=True)}
    left |= forgotten_ids & count_rows(settings.lake, "shots").keys()
    if left:
        _forget(settings, {video_id: _list_shots(settings, video_id) for video_id in left})
    return sorted(left)


def _list_shots(settings: Settings, video_id: str) -> list[str]:
    """Return ids of a video's shots.

    None if their table is damaged, because their data are stored by the video's id.
    """
    try:
        return [shot["shot_id"] for shot in read_shots(settings, video_id)]
    except DamagedTableError:
        return []


def _forget(settings: Settings, shots: dict[str, list[str]]) -> int:
    """Forget videos, given with their shots.

    Tombstones are written first and the register last, so that a kill leaves something to run again.
    Return the number of shots that were removed from collections.
    """
    # The rows of a video cannot be removed from unreadable files. This comes before the lock, because each of these
    # calls holds it.
    put_away_all(settings, resolve_encoder(settings).encoder_id, SilentProgress())
    announce("waiting until nothing is being computed")
    with lock_exclusively(settings.work_lock):
        delete_copies(settings)
        for video_id in shots:
            write_tombstone(settings, video_id, datetime.now(UTC))
            forget_video_matches(settings, video_id)
        lost_entries = sum(forget_video_entries(settings, video_id, datetime.now(UTC)) for video_id in shots)
        encoders = {
            table.split("/")[1] for table in settings.lake.list_tables() if table.startswith("shot_embeddings/")
        }
        encoders |= set(EncoderRegistry(settings.home).list_ids())
        for table in settings.lake.list_tables():
            family = find_family(table)
            # Labels, which are not per video, stay: they are people's work, and only name the shot.
            if table != catalogue.TABLE and (family is None or family.per_video):
                for video_id in shots:
                    catalogue.drop_rows(settings, table, video_id, keep_versions=False)
        forget_video_people(settings, list(shots), datetime.now(UTC))
        forget_versions(settings.store, {video_id: settings.resolve_partition(video_id) for video_id in shots})
        for encoder_id in encoders:
            if read_current_version(settings, encoder_id):
                build_index(settings, encoder_id, SilentProgress())
                drop_old_versions(settings, encoder_id)
        build_lines(settings, SilentProgress())
        drop_old_lines(settings)
        build_texts(settings, SilentProgress())
        drop_old_lines(settings, SCREEN_TEXT)
        forget_features(settings, list(shots), [shot_id for shot_ids in shots.values() for shot_id in shot_ids])
        for video_id in shots:
            _delete_objects(settings, video_id)
        shutil.rmtree(settings.home / "reports", ignore_errors=True)  # they show posters; the next run creates new ones
        for cache in ("training", "vectors"):  # features and vectors of its frames
            shutil.rmtree(settings.home / "cache" / cache, ignore_errors=True)
        if settings.partitions == "video":
            _forget_partitions(settings, shots)
        settings.lake_memory.forget(sorted(map(settings.resolve_partition, shots)))
        for video_id in shots:
            catalogue.drop_rows(settings, catalogue.TABLE, video_id, keep_versions=False)
    return lost_entries


def _delete_objects(settings: Settings, video_id: str) -> None:
    """Delete the objects of a video: its contact sheet, damaged files of the lake, proxies and posters."""
    settings.store.delete(make_sheet_key(video_id))
    for key in settings.store.list(DAMAGE_FOLDER):  # damaged files of the lake may hold rows of it
        if key.endswith(f"/{settings.resolve_partition(video_id)}.parquet"):
            settings.store.delete(key)
    for folder in (folder for step in list_steps() for folder in step.folders):
        settings.store.delete_tree(f"{folder}/{video_id}")


def _forget_partitions(settings: Settings, video_ids: Iterable[str]) -> None:
    os.environ["DAGSTER_HOME"] = str(find_dagster_home(settings))
    import dagster as dg

    from assets.partitions import PARTITIONS_NAME

    with report_record_errors(settings), dg.DagsterInstance.get() as instance:
        for video_id in video_ids:
            if instance.has_dynamic_partition(PARTITIONS_NAME, video_id):
                instance.delete_dynamic_partition(PARTITIONS_NAME, video_id)
