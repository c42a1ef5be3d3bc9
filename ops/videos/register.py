"""Update the register from a scan: which videos are new, moved, back or gone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ops.core.errors import StorageError
from ops.core.rows import LakeVideo
from ops.core.settings import Settings
from ops.core.types import make_video_id
from ops.videos.catalogue import TABLE, drop_rows, put_video, read_videos, require_layout
from ops.videos.forgotten import read_forgotten_ids
from ops.videos.hashes import HashCache, compute_fresh_hash, make_key
from ops.videos.library import Scan, SourceFile, is_video_name
from ops.videos.objects import is_remote
from ops.videos.shows import normalise_path

DESCRIPTIVE = ("path", "show", "title", "season", "episode")


@dataclass(frozen=True, kw_only=True)
class Registration:
    """The changes of one scan in the register, as video ids.

    ``new`` were not in the register, ``moved`` have another path, show or title, ``returned`` were removed before.
    ``gone`` no longer exist. ``forgotten`` were forgotten by a user and stay so. ``replaced`` are all removed videos
    whose path now has other content, even if an earlier scan found that. ``copies`` are ``(path, path of the
    original)`` of files whose original is still at its path, outside of the scan.
    """

    seen: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    copies: list[tuple[str, str]] = field(default_factory=list)


def register(settings: Settings, scan: Scan, now: datetime, *, whole_library: str = "") -> Registration:
    """Update the register from a scan; computes nothing.

    If the scan found other content at the path of a video, the video becomes ``removed``, unless the scan has it
    elsewhere. With ``whole_library`` the scan is the complete listing of that root. Videos below it that are not in the
    scan become ``removed``. Raises ``StorageError`` if such a scan is empty although videos are registered: an
    unmounted disk looks just like that, and must not empty the catalogue.
    """
    require_layout(settings)
    rows = {row["video_id"]: row for row in read_videos(settings.lake)}
    tombstones = read_forgotten_ids(settings.store)
    result, paths = Registration(), scan.found
    unknown_ids = {source.video_id for source in scan.files} - rows.keys() - tombstones
    cut_since = _find_cut_videos(settings, unknown_ids) if unknown_ids else {}
    for source in scan.files:
        row = rows.get(source.video_id)
        if source.video_id not in tombstones and row and _is_copy(settings, source, row, paths):
            result.seen.append(source.video_id)
            result.copies.append((source.path, row["path"]))
        else:
            since = cut_since.get(source.video_id, now)
            _register_file(settings, source, row, tombstones, since, now, result)
    for path, reason in scan.set_aside:
        _register_unreadable(settings, path, reason, rows, tombstones, now)
    _drop_readable(settings, rows, {source.path for source in scan.files})
    _mark_replaced(settings, scan, rows, now, result)
    if whole_library:
        _mark_gone(settings, scan, rows, whole_library, now, result)
    return result


def _find_cut_videos(settings: Settings, video_ids: Collection[str]) -> dict[str, datetime]:
    """Return since when videos with shots are available, by id: their row in the register was lost, the shots were not.

    Feast orders the versions of a row by this time, so a new row must not be younger than the shots.
    """
    partitions = set(map(settings.resolve_partition, video_ids)) & set(settings.lake.list_partitions("shots"))
    rows = settings.lake.read("shots", sorted(partitions), ["video_id", "event_timestamp"]).to_pylist()
    return {row["video_id"]: row["event_timestamp"] for row in rows if row["video_id"] in video_ids}


def _register_file(
    settings: Settings,
    source: SourceFile,
    row: LakeVideo | None,
    tombstones: set[str],
    since: datetime,
    now: datetime,
    result: Registration,
) -> None:
    if source.video_id in tombstones:
        result.forgotten.append(source.video_id)
        return
    result.seen.append(source.video_id)
    description = {name: getattr(source, name) for name in DESCRIPTIVE}
    if row and row["content_hash"] is None:  # was written for a damaged file
        description |= {"content_hash": source.content_hash, "bytes": source.bytes}
    if row is None:
        result.new.append(source.video_id)
        fresh = {
            "video_id": source.video_id,
            "content_hash": source.content_hash,
            "bytes": source.bytes,
            "state": "pending",
            "available_at": since,
            "event_timestamp": since,
            "created_timestamp": now,
        }
        put_video(settings, fresh | description)
        return
    is_return = row["state"] == "removed"
    if not is_return and all(row.get(name) == value for name, value in description.items()):
        return
    (result.returned if is_return else result.moved).append(source.video_id)
    # Pending marks a change that has not travelled downstream yet.
    state = "set_aside" if row["reason"] and row["state"] != "pending" else "pending"
    put_video(settings, row | description | {"state": state, "created_timestamp": now})


def _is_copy(settings: Settings, source: SourceFile, row: LakeVideo, paths: set[str]) -> bool:
    """Return whether the content of ``source`` is still at the path of ``row``, so that the file was not moved.

    The scan chooses between two paths of its own, and the library comes before other places. Objects in a store are not
    checked: they count as moved.
    """
    old, new = row["path"], source.path
    library = settings.library.rstrip("/") + "/"
    if old in paths or row["state"] == "removed" or is_remote(old):
        return False
    if settings.library and new.startswith(library) and not old.startswith(library):
        return False
    try:
        key = make_key(old)
        if key[1] != row["bytes"] or not os.access(old, os.R_OK):
            return False
        if normalise_path(old).casefold() == normalise_path(new).casefold() and os.path.samefile(old, new):
            return False  # renamed; the file system finds a name in any spelling
        hashes = HashCache(settings.home / "cache" / "hashes.db")
        content_hash = hashes.read_known([key]).get(key)
        if content_hash is None and (content_hash := compute_fresh_hash(key)):
            hashes.remember(key, content_hash)
    except OSError:
        return False
    return bool(content_hash == row["content_hash"])


def _register_unreadable(
    settings: Settings,
    path: str,
    reason: str,
    rows: dict[str, LakeVideo],
    tombstones: set[str],
    now: datetime,
) -> None:
    """Register a file whose bytes cannot be read; its id comes from its path, because its content is unknown."""
    if not is_video_name(path) or not ("://" in path or os.path.lexists(path)):
        return  # a folder without footage, a line of a catalogue, a missing path: reported, but not a video
    video_id = make_video_id(hashlib.sha256(b"unreadable\x00" + path.encode("utf-8", "surrogateescape")).hexdigest())
    if video_id in tombstones:
        return
    row = rows.get(video_id)
    since = row["available_at"] if row else now
    put_video(
        settings,
        {
            "video_id": video_id,
            "path": path,
            "show": Path(path).stem,
            "title": Path(path).stem,
            "state": "set_aside",
            "reason": reason,
            "available_at": since,
            "event_timestamp": since,
            "created_timestamp": now,
        },
    )


def _drop_readable(settings: Settings, rows: dict[str, LakeVideo], readable: set[str]) -> None:
    """Drop the rows of unreadable files that are readable now or no longer exist."""
    for row in rows.values():
        is_gone = "://" not in row["path"] and not os.path.lexists(row["path"])
        if row["content_hash"] is None and (row["path"] in readable or is_gone):
            drop_rows(settings, TABLE, row["video_id"])


def _mark_replaced(
    settings: Settings, scan: Scan, rows: dict[str, LakeVideo], now: datetime, result: Registration
) -> None:
    here, paths = {source.video_id for source in scan.files}, scan.found
    for row in rows.values():
        if row["path"] not in paths or row["video_id"] in here or row["content_hash"] is None:
            continue
        result.replaced.append(row["video_id"])
        if row["state"] != "removed":
            result.gone.append(row["video_id"])
            put_video(settings, row | {"state": "removed", "created_timestamp": now})


def _mark_gone(
    settings: Settings,
    scan: Scan,
    rows: dict[str, LakeVideo],
    library: str,
    now: datetime,
    result: Registration,
) -> None:
    root = library.rstrip("/") + "/"
    here = {source.video_id for source in scan.files} | set(result.gone)
    registered_rows = [row for row in rows.values() if row["path"].startswith(root) and row["state"] != "removed"]
    if registered_rows and not scan.files:
        raise StorageError(
            f"the library {library} lists no footage, but {len(registered_rows)} of its videos are in the catalogue: "
            "nothing was removed. Is the disk mounted? `needle forget VIDEO --yes` removes a video for good"
        )
    # A video is not gone if its file is being copied, or if its folder cannot be read.
    unclear = {path for path, _ in scan.set_aside} | set(scan.unsettled)
    for row in registered_rows:
        if row["video_id"] in here or any(path in unclear for path in (row["path"], *_list_folders_above(row["path"]))):
            continue
        result.gone.append(row["video_id"])
        put_video(settings, row | {"state": "removed", "created_timestamp": now})


def _list_folders_above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        yield path
