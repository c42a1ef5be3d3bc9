"""The register of videos: one row each in the lake's ``videos`` table, from the first scan to ``forget``.

A row is ``pending`` after a scan found its file. It is ``ready`` or ``set_aside`` after the file was opened (or, for
damage further in, after it was cut). It is ``removed`` when the file left the library or other content took its place.
The results of a removed video stay, so that a file that comes back costs nothing. A forgotten one leaves a tombstone
with nothing but its id.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import cast

from ops.core.errors import NotFoundError, SettingsError, StorageError
from ops.core.known_rows import LEAST_KEPT, read_rows
from ops.core.media import MediaInfo
from ops.core.plural import plural
from ops.core.rows import LakeVideo
from ops.core.settings import Settings
from ops.core.storage import ObjectStore, resolve_local_path
from ops.core.tables import Lake
from ops.videos.forgotten import read_forgotten_ids
from ops.videos.objects import is_remote

TABLE = "videos"
LAYOUT = "lake/layout.json"
DIVIDING = "dividing"
"""Key of the layout while the lake is being divided in another way: the new one."""
VERSION = 1
"""Version of what is stored, in the layout: lake, history, people's work and records. A change that an earlier release
would misread raises it, and `require_layout` then brings older stores up to it. Stores without one are from before
versions: all they have is read as it is. Indexes, caches and the feature store are derived, and built again."""


def read_videos(
    lake: Lake,
    partitions: Iterable[str] | None = None,
    *,
    with_forgotten: bool = False,
    least: int = LEAST_KEPT,
) -> list[LakeVideo]:
    """Return rows of the register, as dicts by column name.

    A video with a tombstone is left out even if its row is still there, because a ``forget`` was killed half way:
    nothing may be computed for it again. ``least`` as in ``known_rows.py``.
    """
    rows = cast(list[LakeVideo], read_rows(lake, TABLE, partitions, least=least))
    if with_forgotten or not rows:
        return rows
    forgotten_ids = read_forgotten_ids(lake.store)
    return [row for row in rows if row["video_id"] not in forgotten_ids]


def read_usable_videos(settings: Settings, video_ids: Collection[str]) -> list[LakeVideo]:
    """Return the rows of those of these videos that are ``ready`` or ``pending``."""
    ids = set(video_ids)
    partitions = sorted({settings.resolve_partition(video_id) for video_id in ids})
    rows = read_videos(settings.lake, partitions)
    return [row for row in rows if row["video_id"] in ids and row["state"] in ("ready", "pending")]


def has_source(video: LakeVideo) -> bool:
    """Return whether the file of a video exists; that of a remote store is not looked for."""
    return is_remote(video["path"]) or not os.path.isabs(video["path"]) or os.path.exists(video["path"])


def find_video(lake: Lake, text: str) -> LakeVideo:
    """Return the row of a video named by id, path or file name, also of one that is half forgotten.

    A removed video is found by its path only if no other has that path. Raises ``NotFoundError`` if no video or more
    than one matches.
    """
    rows = read_videos(lake, with_forgotten=True)
    absolute = resolve_local_path(text)
    for candidate in (
        [row for row in rows if row["video_id"] == text],
        [row for row in rows if row["path"] in (text, absolute)],
        [row for row in rows if row["path"].rsplit("/", 1)[-1] == text],
    ):
        matches = [row for row in candidate if row["state"] != "removed"] or candidate
        if len(matches) == 1:
            return matches[0]
        if matches:
            paths = ", ".join(sorted(f"{row['path']} = {row['video_id']}" for row in matches))
            way = "the path or " if len({row["path"] for row in matches}) > 1 else ""
            raise NotFoundError(f"{text!r} names {plural(len(matches), 'video')} ({paths}): give {way}the video id")
    raise NotFoundError(
        f"no video {text!r} in the catalogue: give a path, a file name or a video id; `needle status` lists them, "
        "`needle ingest` adds one"
    )


def read_footage_seconds(row: LakeVideo) -> float:
    """Return the length of a registered video in seconds; 0 if it was not opened."""
    return row["frames"] * row["fps_den"] / row["fps_num"] if row["frames"] else 0.0


def set_aside(settings: Settings, row: LakeVideo, reason: str, now: datetime) -> None:
    """Note that a video cannot be used, although it could be opened."""
    put_video(settings, row | {"state": "set_aside", "reason": reason, "created_timestamp": now})


def retry_set_aside(settings: Settings, video_ids: Iterable[str], now: datetime) -> None:
    """Make set-aside videos pending again, so that the next run opens them again."""
    ids = set(video_ids)
    for row in read_videos(settings.lake):
        if row["video_id"] in ids and row["state"] == "set_aside":
            put_video(settings, row | {"state": "pending", "reason": None, "frames": None, "created_timestamp": now})


def set_frames(settings: Settings, row: LakeVideo, frames: int) -> bool:
    """Replace the container's frame count by the decoded one; return true if it differed."""
    return row["frames"] != frames and put_video(settings, row | {"frames": frames})


def set_decoded(settings: Settings, row: LakeVideo, frames: int, notes: list[str]) -> bool:
    """Write the results of decoding the whole video: its frame count, and notes behind those of its facts.

    Replaces the notes of an earlier decoding. Returns true if the row changed.
    """
    old_notes = list(MediaInfo.from_json(row["facts"]).notes) if row["facts"] else []
    fresh = row | {"frames": frames, "notes": [*old_notes, *(note for note in notes if note not in old_notes)]}
    return fresh != row and put_video(settings, fresh)


def replace_notes(settings: Settings, row: LakeVideo, prefix: str, notes: list[str]) -> bool:
    """Put ``notes`` in the place of those that begin with ``prefix``; return true if the row changed."""
    others = [note for note in row["notes"] or [] if not note.startswith(prefix)]
    return [*others, *notes] != (row["notes"] or []) and put_video(settings, row | {"notes": [*others, *notes]})


def put_video(settings: Settings, row: Mapping[str, object]) -> bool:
    """Write the row of one video, in which missing columns are null; return true if it changed."""
    video_id = str(row["video_id"])
    return settings.lake.update(TABLE, settings.resolve_partition(video_id), video_id, [dict(row)])


def drop_rows(settings: Settings, table: str, video_id: str, *, keep_versions: bool = True) -> None:
    """Take a video's rows out of a table; a partition that holds nothing else goes too.

    Without ``keep_versions`` the rows do not stay in the history of the table.
    """
    lake, partition = settings.lake, settings.resolve_partition(video_id)
    if settings.partitions == "video":
        lake.delete(table, partition, keep_versions=keep_versions)
    elif partition in lake.list_partitions(table):
        lake.update(table, partition, video_id, [], keep_versions=keep_versions)


def read_layout(settings: Settings) -> dict[str, str]:
    """Return how the lake is divided: ``partitions``, and ``DIVIDING`` while that changes; and its ``version``.

    Pins them at first use.
    """
    store = settings.store
    with suppress(FileNotFoundError):
        return _load_layout(settings)
    layout = {"partitions": settings.partitions, "version": str(VERSION)}
    if store.write_if(LAYOUT, json.dumps(layout).encode(), None):
        return layout
    return _load_layout(settings)  # another home was first


def _load_layout(settings: Settings) -> dict[str, str]:
    """Return the stored layout. Raises ``FileNotFoundError``, or ``StorageError`` if it is damaged."""
    text = settings.store.read_bytes(LAYOUT)
    try:
        layout = json.loads(text)
        if isinstance(layout, dict) and isinstance(layout["partitions"], str) and int(layout.get("version", 0)) >= 0:
            return layout
        fault = "it is not a layout"
    except (ValueError, TypeError, KeyError) as error:
        fault = str(error)
    raise StorageError(
        f"{LAYOUT} in {settings.storage_uri} is damaged ({fault}): restore it from a backup; or, if "
        "NEEDLE_PARTITIONS is as before and no `needle compact --divide` was interrupted, delete it: `needle ingest` "
        "writes it again"
    )


def write_layout(store: ObjectStore, layout: Mapping[str, str]) -> None:
    """Replace the layout."""
    store.write_bytes(LAYOUT, json.dumps(layout).encode())


def require_known_version(settings: Settings) -> None:
    """Raise ``SettingsError`` if a newer release wrote this store: this one could misread it. Writes nothing."""
    try:
        layout = _load_layout(settings)
    except FileNotFoundError:
        return
    if (version := int(layout.get("version", 0))) > VERSION:
        raise SettingsError(
            f"{settings.storage_uri} was written by a newer version of Needle (stored version {version}, this one "
            f"knows up to {VERSION}): update Needle, or use another NEEDLE_HOME and NEEDLE_STORAGE"
        )


def require_layout(settings: Settings) -> None:
    """Pin at first use how the lake is divided, and refuse another ``NEEDLE_PARTITIONS`` afterwards.

    Under another division the same video would be in two files. A store of an earlier version gets the present one.
    Raises ``SettingsError``, or ``StorageError`` if the layout is damaged.
    """
    require_known_version(settings)
    layout = read_layout(settings)
    _check_division(settings, layout)
    if "version" not in layout:
        write_layout(settings.store, {**layout, "version": str(VERSION)})


def require_same_division(settings: Settings) -> None:
    """Raise ``SettingsError`` if the lake is divided otherwise than by ``NEEDLE_PARTITIONS``, or is being divided.

    A reader would look for rows in files that do not have them. Writes nothing.
    """
    with suppress(FileNotFoundError):
        _check_division(settings, _load_layout(settings))


def _check_division(settings: Settings, layout: Mapping[str, str]) -> None:
    if division := layout.get(DIVIDING):
        raise SettingsError(
            f"the lake in {settings.storage_uri} is being divided by {division!r}: run `needle compact --divide "
            f"{division}` to finish that"
        )
    if layout["partitions"] != settings.partitions:
        raise SettingsError(
            f"NEEDLE_PARTITIONS = {settings.partitions!r}, but the lake in {settings.storage_uri} is divided by "
            f"{layout['partitions']!r}: set NEEDLE_PARTITIONS={layout['partitions']}, divide the lake (`needle compact "
            "--divide`), or ingest into another NEEDLE_HOME and NEEDLE_STORAGE"
        )
