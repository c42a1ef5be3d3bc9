"""Find the partitions that are due for the library sensor, and the reason if none is.

Stands alone so that every misleading state of a watched folder is tested as a plain function, without Dagster: empty
because it is not mounted, half-copied files, touched but unchanged files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ops.core.errors import StorageError
from ops.core.plural import plural
from ops.core.rows import LakeVideo
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import SilentProgress
from ops.videos import catalogue
from ops.videos.damaged_tables import retry_past_damage
from ops.videos.library import HashCache, Scan, scan
from ops.videos.register import register
from ops.videos.subtitles import find_changed_sidecars

SETTLED_SECONDS = 10
"""A file is read after its size and time have rested that long: a copy in progress keeps changing them."""

MOST_PER_LOOK = 64
"""Most videos that become due in one check, so that no single run holds a whole archive."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Outcome of one check: partitions that are ``due``, a ``message`` for users, the next ``cursor``.

    ``fingerprint`` is the same for the same due work within an hour: a second check starts no second run, and a run
    that failed is tried again. ``figures`` count files of the library, by name; empty if it could not be read.
    """

    due: list[str]
    message: str
    cursor: str
    fingerprint: str = ""
    figures: dict[str, int] = field(default_factory=dict)


def watch_library(settings: Settings, now: datetime, cursor: str | None) -> Watch:
    """Scan the library, register the changes, and return the partitions of ``videos`` that are due.

    Due are pending videos, videos removed since ``cursor`` (an ISO time), and videos whose subtitle files changed since
    they were read. A crash in between loses nothing: pending videos stay pending, and the cursor moves only with the
    request.
    """
    if not settings.library:
        return Watch(due=[], message="no library: set NEEDLE_LIBRARY to a folder or an s3:// prefix", cursor="")
    scan_result = scan(
        [settings.library],
        library=settings.library,
        hashes=HashCache(settings.home / "cache" / "hashes.db"),
        settled_seconds=SETTLED_SECONDS,
    )
    try:
        changes = retry_past_damage(
            settings,
            "",
            SilentProgress(),
            lambda: register(settings, scan_result, now, whole_library=settings.library),
            now=now,
        )
        video_rows = sorted(
            catalogue.read_videos(settings.lake), key=lambda row: (row["available_at"], row["video_id"])
        )
        subtitle_changes = find_changed_sidecars(settings, (row for row in video_rows if row["state"] == "ready"))
    except StorageError as error:
        return Watch(due=[], message=str(error), cursor=cursor or "")
    since = cursor or ""
    pending = [row for row in video_rows if row["state"] == "pending"][:MOST_PER_LOOK]
    removals = [row for row in video_rows if row["state"] == "removed" and row["created_timestamp"].isoformat() > since]
    # A removed video is cheap to check, so all of them go at once; so do those with other subtitles.
    rows = pending + removals + [row for row in video_rows if row["video_id"] in subtitle_changes]
    files = {
        video_id: " ".join(file.content_hash for file in sidecars) for video_id, sidecars in subtitle_changes.items()
    }
    message = f"{plural(len(changes.seen), 'video')} in {settings.library}, nothing new"
    if scan_result.unsettled:
        message += f"; {len(scan_result.unsettled)} still being copied"
    if scan_result.left_out:
        counts = ", ".join(f"{len(paths)} {kind}" for kind, paths in scan_result.group_left_out().items())
        message += f"; left out: {counts}"
    if scan_result.set_aside:
        path, reason = scan_result.set_aside[0]
        message += f"; {len(scan_result.set_aside)} set aside, such as {path}: {reason}"
    return Watch(
        figures=_count_files(scan_result, len(changes.seen), video_rows),
        due=sorted({settings.resolve_partition(row["video_id"]) for row in rows}),
        message=message,
        cursor=max([since, *(row["created_timestamp"].isoformat() for row in removals)]),
        fingerprint=f"{now:%Y%m%d%H}-"
        + compute_digest(
            (row["video_id"], f"{row['state']} {row['created_timestamp']} {files.get(row['video_id'], '')}")
            for row in rows
        ),
    )


def _count_files(scan_result: Scan, videos: int, rows: Sequence[LakeVideo]) -> dict[str, int]:
    """Count files of the library by what becomes of them."""
    return {
        "videos": videos,
        "bytes": sum(source.bytes for source in scan_result.files),
        "waiting": sum(row["state"] == "pending" for row in rows),
        "being_copied": len(scan_result.unsettled),
        "left_out": len(scan_result.left_out),
        "set_aside": len(scan_result.set_aside),
    }
