"""Open registered videos, and record their facts or why they are set aside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from ops.core.errors import MediaError, StorageError
from ops.core.media import FACTS_REVISION, MediaInfo
from ops.core.rows import LakeVideo
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import Progress, StepReport
from ops.videos.catalogue import put_video, read_footage_seconds, read_videos
from ops.videos.library import open_local_source
from ops.videos.probe import probe
from ops.videos.probe_process import OpenFilm, ProbeProcess, Prober
from ops.videos.register import DESCRIPTIVE


def describe_videos(
    settings: Settings, partitions: Sequence[str], now: datetime, progress: Progress, *, open_film: OpenFilm = probe
) -> StepReport:
    """Open each registered video that was not opened yet and record its facts, or why it is set aside.

    Files are opened by ``open_film`` in another process, so that one that crashes the decoder is set aside too.
    """
    with settings.hold_work_lock(), ProbeProcess(settings.film_limits, open_film) as prober:
        return _describe_all(settings, read_videos(settings.lake, partitions), prober, now, progress)


def has_current_facts(row: LakeVideo) -> bool:
    """Return whether the facts about a registered video are up to date, so that its file need not be opened.

    True if they have the present revision, and for a video that was not opened yet, which has none. False if they are
    not a record, because a disk or a person changed them.
    """
    if not row["frames"]:
        return True
    try:
        return row["facts"] is not None and MediaInfo.from_json(row["facts"]).revision == FACTS_REVISION
    except ValidationError:
        return False


def _describe_all(
    settings: Settings, rows: list[LakeVideo], prober: Prober, now: datetime, progress: Progress
) -> StepReport:
    progress.start("videos", sum(map(_is_due, rows)), "videos")
    changes = 0
    new_rows = []
    for row in rows:
        fresh = row
        if _is_due(row):
            fresh = _describe(settings, row, prober, now, progress)
            changes += put_video(settings, fresh)
            progress.advance("videos")
        if fresh["state"] == "set_aside":
            progress.set_aside("videos", fresh["path"], fresh["reason"] or "")
        new_rows.append(fresh)
    progress.finish("videos")
    return _report(settings, new_rows, changes)


def _is_due(row: LakeVideo) -> bool:
    return row["state"] == "pending" or (row["state"] == "ready" and not has_current_facts(row))


def _describe(settings: Settings, row: LakeVideo, prober: Prober, now: datetime, progress: Progress) -> LakeVideo:
    # Opened before, and its content is its id: it was only moved or is back.
    if row["frames"] and has_current_facts(row):
        return row | {"state": "ready", "created_timestamp": now}
    try:
        with open_local_source(row["path"], settings.scratch) as path:
            info = prober.probe(path, row["path"])
    except (StorageError, OSError) as error:  # of the store, not of the footage: it stays pending and is tried again
        reason = f"{error}; it is tried again at the next run"
        progress.set_aside("videos", row["path"], reason)
        return row | {"reason": reason, "created_timestamp": now}
    except MediaError as error:
        return row | {"state": "set_aside", "reason": str(error), "created_timestamp": now}
    for note in info.notes:
        progress.note("videos", f"{row['path']}: {note}")
    return row | {
        "fps_num": info.fps.numerator,
        "fps_den": info.fps.denominator,
        "frames": info.frames,
        "width": info.width,
        "height": info.height,
        "codec": info.codec,
        "has_audio": info.has_audio,
        "start_timecode": info.start_timecode,
        "facts": info.to_json(),
        "notes": list(info.notes),
        "state": "ready",
        "reason": None,
        "created_timestamp": now,
    }


def _report(settings: Settings, rows: list[LakeVideo], changes: int) -> StepReport:
    skipped = [row for row in rows if row["state"] == "set_aside"]
    by_partition: dict[str, dict[str, Any]] = {}
    for row in rows:
        figures = by_partition.setdefault(settings.resolve_partition(row["video_id"]), {"videos": 0, "set_aside": 0})
        figures["videos"] += 1
        figures["set_aside"] += row["state"] == "set_aside"
        figures["path"] = row["path"]
    content = ((row["video_id"], json.dumps([row.get(name) for name in (*DESCRIPTIVE, "state")])) for row in rows)
    return StepReport(
        changed=changes,
        data_version=compute_digest(content),
        details={
            "videos": len(rows),
            "set_aside": len(skipped),
            "reasons": {row["path"]: row["reason"] for row in skipped},
            "footage_seconds": round(sum(read_footage_seconds(row) for row in rows), 3),
        },
        by_partition=by_partition,
    )
