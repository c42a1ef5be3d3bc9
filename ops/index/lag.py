"""How long new footage takes to become searchable, and which videos still wait.

Stands alone because Dagster asks at two moments: when an index is published, and when the library sensor looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from statistics import median

from ops.core.errors import DamagedTableError, VectorIndexError
from ops.core.plural import plural
from ops.core.rows import LakeVideo
from ops.core.settings import Settings
from ops.core.types import CheckOutcome
from ops.embeddings.build import load_vectors
from ops.index.index import list_videos, read_current_version
from ops.videos import catalogue

CHECK = "searchable_in_time"
MOST_NAMED = 5
VECTORS = "shot_embeddings"


def measure_lag(
    settings: Settings, encoder_id: str, before: str | None, version: str, now: datetime
) -> Mapping[str, float]:
    """Return how many videos are new in ``version`` of the index, and the seconds since they were first seen.

    ``before`` is the version that it replaced. Empty if no video is new, if ``before`` is broken, and for the first
    index of another encoder, which only repeats videos.
    """
    if before is None and settings.lake.list_tables_below(VECTORS) != [encoder_id]:
        return {}
    try:
        known_ids = list_videos(settings, encoder_id, before) if before else set()
    except VectorIndexError:
        return {}
    new_ids = list_videos(settings, encoder_id, version) - known_ids
    seconds = [
        _count_seconds(row["available_at"], now)
        for row in catalogue.read_videos(settings.lake)
        if row["video_id"] in new_ids
    ]
    if not seconds:
        return {}
    return {"new_videos": len(seconds), "lag_seconds": max(seconds), "lag_seconds_median": round(median(seconds), 3)}


def check_waiting(settings: Settings, encoder_id: str, now: datetime) -> CheckOutcome:
    """Check that no video waits longer than ``NEEDLE_SEARCHABLE_WITHIN`` to be searchable. Writes nothing.

    The wait begins with the last change of the video's row: when it was found, moved, or opened.
    """
    try:
        rows = _list_unindexed(settings, encoder_id)
    except (DamagedTableError, VectorIndexError) as error:
        return CheckOutcome(name=CHECK, passed=False, details={"problems": [str(error)]}, blocking=False)
    waiting = {row["path"]: _count_seconds(row["created_timestamp"], now) for row in rows}
    late = sorted(path for path, seconds in waiting.items() if seconds > settings.searchable_within)
    details = {
        "waiting": len(waiting),
        "late": len(late),
        "longest_wait_seconds": max(waiting.values(), default=0.0),
        "limit_seconds": settings.searchable_within,
        "problems": [_explain(late, settings.searchable_within)] if late else [],
    }
    return CheckOutcome(name=CHECK, passed=not late, details=details, blocking=False)


def _list_unindexed(settings: Settings, encoder_id: str) -> list[LakeVideo]:
    """Return rows of videos that should be searchable and are not."""
    rows = [row for row in catalogue.read_videos(settings.lake) if row["state"] in ("pending", "ready")]
    version = read_current_version(settings, encoder_id)
    indexed_ids = list_videos(settings, encoder_id, version) if version else set()
    return [
        row for row in rows if row["video_id"] not in indexed_ids and not _is_without_vectors(settings, encoder_id, row)
    ]


def _is_without_vectors(settings: Settings, encoder_id: str, row: LakeVideo) -> bool:
    """Return whether every shot of a video was skipped, each with its reason: it never gets into the index."""
    if row["state"] != "ready":
        return False
    video = load_vectors(settings, encoder_id, row["video_id"])
    return bool(video.shots) and not video.to_embed and not video.vectors


def _explain(late: list[str], limit: int) -> str:
    names = ", ".join(late[:MOST_NAMED]) + (f" and {len(late) - MOST_NAMED} more" if len(late) > MOST_NAMED else "")
    return (
        f"{plural(len(late), 'video is', 'videos are')} not searchable {limit} seconds after the last change: {names}; "
        "look for failed and queued runs, or run `needle ingest` on the library"
    )


def _count_seconds(since: datetime, now: datetime) -> float:
    return round(max(0.0, (now - since).total_seconds()), 3)
