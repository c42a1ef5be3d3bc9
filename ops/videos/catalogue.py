"""The register of videos: one row each in the lake's ``videos`` table, from first sight to forgotten.

A row is ``pending`` when its file was seen, ``ready`` or ``set_aside`` when the file was opened (or, for
damage further in, when it was cut), and ``removed`` when the file left the library. What was computed of
a removed video stays, so that a file that comes back costs nothing; a forgotten one leaves a tombstone
with nothing but its id.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ops.core.errors import MediaError, NotFoundError, StorageError
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.core.tables import Lake, digest_of
from ops.core.types import Progress, StepReport, video_id_of
from ops.videos.library import Scan, SourceFile, is_video_name, local_source
from ops.videos.probe import probe

TABLE = "videos"
DESCRIPTIVE = ("path", "show", "title", "season", "episode")


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What a scan changed in the register, as video ids.

    ``new`` were never seen, ``moved`` have another path, show or title, ``returned`` were removed before,
    ``gone`` are no longer in the library, ``forgotten`` were forgotten by a person and stay so.
    """

    seen: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    @property
    def changed(self) -> list[str]:
        return [*self.new, *self.moved, *self.returned, *self.gone]


def videos_of(lake: Lake, partitions: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Rows of the register, as dicts by column name."""
    rows: list[dict[str, Any]] = lake.read(TABLE, partitions).to_pylist()
    return rows


def find_video(lake: Lake, text: str) -> dict[str, Any]:
    """The row of a video named by id, path or file name.

    Raises ``NotFoundError`` where nothing or more than one video matches.
    """
    rows = videos_of(lake)
    absolute = str(Path(text).expanduser().absolute())
    for matches in (
        [row for row in rows if row["video_id"] == text],
        [row for row in rows if row["path"] in (text, absolute)],
        [row for row in rows if row["path"].rsplit("/", 1)[-1] == text],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            paths = ", ".join(sorted(row["path"] for row in matches))
            raise NotFoundError(f"{text!r} names {len(matches)} videos ({paths}): give the path or the video id")
    raise NotFoundError(f"no video {text!r} in the catalogue: `needle status` lists them, `needle ingest` adds one")


def register(settings: Settings, scan: Scan, now: datetime, *, whole_library: str = "") -> Registration:
    """Bring the register up to date with a scan; computes nothing.

    With ``whole_library`` the scan is the complete listing of that root, and videos below it that are
    not in the scan become ``removed``. Raises ``StorageError`` where such a scan is empty although
    videos are registered: an unmounted disk looks just like that, and must not empty the catalogue.
    """
    lake = settings.lake
    rows = {row["video_id"]: row for row in videos_of(lake)}
    tombstones = forgotten_ids(lake.store)
    result = Registration()
    for source in scan.files:
        _register_file(settings, source, rows.get(source.video_id), tombstones, now, result)
    for path, reason in scan.set_aside:
        _register_unreadable(settings, path, reason, rows, now)
    _drop_readable(settings, rows, {source.path for source in scan.files})
    if whole_library:
        _mark_gone(settings, scan, rows, whole_library, now, result)
    return result


def _register_file(
    settings: Settings,
    source: SourceFile,
    row: dict[str, Any] | None,
    tombstones: set[str],
    now: datetime,
    result: Registration,
) -> None:
    if source.video_id in tombstones:
        result.forgotten.append(source.video_id)
        return
    result.seen.append(source.video_id)
    described = {name: getattr(source, name) for name in DESCRIPTIVE}
    if row is None:
        result.new.append(source.video_id)
        fresh = {
            "video_id": source.video_id,
            "content_hash": source.content_hash,
            "bytes": source.bytes,
            "state": "pending",
            "available_at": now,
            "event_timestamp": now,
            "created_timestamp": now,
        }
        _put(settings, fresh | described)
        return
    returned = row["state"] == "removed"
    if not returned and all(row[name] == value for name, value in described.items()):
        return
    (result.returned if returned else result.moved).append(source.video_id)
    # Pending, so that whoever looks next knows that the change has not travelled downstream yet.
    state = "set_aside" if row["reason"] else "pending"
    _put(settings, row | described | {"state": state, "created_timestamp": now})


def _register_unreadable(
    settings: Settings, path: str, reason: str, rows: dict[str, dict[str, Any]], now: datetime
) -> None:
    """A file whose bytes cannot be read has no content to derive an id from: its path serves."""
    if not is_video_name(path) or not ("://" in path or os.path.lexists(path)):
        return  # a folder without footage, a line of a catalogue, a missing path: told, but no video
    video_id = video_id_of(hashlib.sha256(b"unreadable\x00" + path.encode("utf-8", "surrogateescape")).hexdigest())
    row = rows.get(video_id)
    since = row["available_at"] if row else now
    _put(
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


def _drop_readable(settings: Settings, rows: dict[str, dict[str, Any]], readable: set[str]) -> None:
    """Rows of files that could not be read go once the file can be, or is no longer there."""
    for row in rows.values():
        is_gone = "://" not in row["path"] and not os.path.lexists(row["path"])
        if row["content_hash"] is None and (row["path"] in readable or is_gone):
            drop_rows(settings, TABLE, row["video_id"])


def _mark_gone(
    settings: Settings,
    scan: Scan,
    rows: dict[str, dict[str, Any]],
    library: str,
    now: datetime,
    result: Registration,
) -> None:
    root = library.rstrip("/") + "/"
    here = {source.video_id for source in scan.files}
    known = [row for row in rows.values() if row["path"].startswith(root) and row["state"] != "removed"]
    if known and not scan.files:
        raise StorageError(
            f"the library {library} lists no footage, but {len(known)} of its videos are in the catalogue: "
            "nothing was removed. Is the disk mounted? `needle forget VIDEO --yes` removes a video for good"
        )
    # What is being copied, or lies where nothing can be read, is not gone.
    unclear = {path for path, _ in scan.set_aside} | set(scan.unsettled)
    for row in known:
        if row["video_id"] in here or any(path in unclear for path in (row["path"], *_folders_above(row["path"]))):
            continue
        result.gone.append(row["video_id"])
        _put(settings, row | {"state": "removed", "created_timestamp": now})


def _folders_above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        yield path


def describe_videos(settings: Settings, partitions: Sequence[str], now: datetime, progress: Progress) -> StepReport:
    """Open each registered video that was not opened yet and note what it is, or why it is set aside."""
    rows = videos_of(settings.lake, partitions)
    progress.start("videos", len(rows), "videos")
    changed = 0
    described = []
    for row in rows:
        fresh = _describe(settings, row, now) if row["state"] == "pending" else row
        changed += _put(settings, fresh) if fresh is not row else 0
        if fresh["state"] == "set_aside":
            progress.set_aside("videos", fresh["path"], fresh["reason"])
        described.append(fresh)
        progress.advance("videos")
    progress.finish("videos")
    return _report(settings, described, changed)


def _describe(settings: Settings, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    if row["frames"]:  # opened before, and its content is its id: it was only moved or is back
        return row | {"state": "ready", "created_timestamp": now}
    try:
        with local_source(row["path"], settings.scratch) as path:
            info = probe(path)
    except (MediaError, StorageError) as error:
        return row | {"state": "set_aside", "reason": str(error), "created_timestamp": now}
    return row | {
        "fps_num": info.fps.numerator,
        "fps_den": info.fps.denominator,
        "frames": info.frames,
        "width": info.width,
        "height": info.height,
        "codec": info.codec,
        "has_audio": info.has_audio,
        "start_timecode": info.start_timecode,
        "state": "ready",
        "reason": None,
        "created_timestamp": now,
    }


def _report(settings: Settings, rows: list[dict[str, Any]], changed: int) -> StepReport:
    aside = [row for row in rows if row["state"] == "set_aside"]
    by_partition: dict[str, dict[str, Any]] = {}
    for row in rows:
        figures = by_partition.setdefault(settings.partition_of(row["video_id"]), {"videos": 0, "set_aside": 0})
        figures["videos"] += 1
        figures["set_aside"] += row["state"] == "set_aside"
        figures["path"] = row["path"]
    content = ((row["video_id"], json.dumps([row[name] for name in (*DESCRIPTIVE, "state")])) for row in rows)
    return StepReport(
        changed=changed,
        data_version=digest_of(content),
        details={
            "videos": len(rows),
            "set_aside": len(aside),
            "reasons": {row["path"]: row["reason"] for row in aside},
            "footage_seconds": round(sum(footage_seconds(row) for row in rows), 3),
        },
        by_partition=by_partition,
    )


def footage_seconds(row: dict[str, Any]) -> float:
    """Length of a registered video in seconds; 0 where it was not opened."""
    return row["frames"] * row["fps_den"] / row["fps_num"] if row["frames"] else 0.0


def set_aside(settings: Settings, row: dict[str, Any], reason: str, now: datetime) -> None:
    """Note that a video, though it opened well, cannot be used."""
    _put(settings, row | {"state": "set_aside", "reason": reason, "created_timestamp": now})


def retry_set_aside(settings: Settings, video_ids: Iterable[str], now: datetime) -> None:
    """Make set-aside videos pending again, so that the next run opens them anew."""
    wanted = set(video_ids)
    for row in videos_of(settings.lake):
        if row["video_id"] in wanted and row["state"] == "set_aside":
            _put(settings, row | {"state": "pending", "reason": None, "frames": None, "created_timestamp": now})


def set_frames(settings: Settings, row: dict[str, Any], frames: int) -> bool:
    """Replace the container's frame count by the decoded one; true where it differed."""
    return row["frames"] != frames and _put(settings, row | {"frames": frames})


def _put(settings: Settings, row: dict[str, Any]) -> bool:
    return settings.lake.update(TABLE, settings.partition_of(row["video_id"]), row["video_id"], [row])


def leave_tombstone(settings: Settings, video_id: str, now: datetime) -> None:
    """Note that a person had a video forgotten, so that no later run brings it back."""
    stone = json.dumps({"video_id": video_id, "forgotten_at": now.isoformat()})
    settings.store.write_bytes(f"forgotten/{video_id}.json", stone.encode())


def forgotten_ids(store: ObjectStore) -> set[str]:
    """Ids of the videos that a person had forgotten."""
    return {Path(key).stem for key in store.list("forgotten")}


def drop_rows(settings: Settings, table: str, video_id: str) -> None:
    """Take a video's rows out of a table; a partition that holds nothing else goes too."""
    lake, partition = settings.lake, settings.partition_of(video_id)
    if settings.partitions == "video":
        lake.delete(table, partition)
    elif partition in lake.partitions(table):
        lake.update(table, partition, video_id, [])
