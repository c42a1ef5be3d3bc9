"""A damaged file of the lake becomes a reason of the videos whose rows it held, and never stops the others.

The rule, by the ``if_damaged`` of the table (``ops/core/schemas.py``):

=====================================================  ===============================================================
``videos``, ``shots``, ``shots_set_aside``, vectors    its videos are set aside; ``needle ingest --retry`` computes
of the live encoder                                    the missing rows again
lines, subtitles and their timings                     the videos stay searchable by their images; their dialogue is
                                                       set aside, and read again by ``--retry``
``shot_corrections``                                   its videos are set aside; after ``--retry`` they are cut
                                                       without corrections, unless the file is put back
scores of probes, vectors of other encoders, pairs,    computed again at once, with a note: their sources exist
detected cuts
``labels``                                             manual work, which cannot be computed again: the run ends
=====================================================  ===============================================================

The damaged file is moved to the folder ``damaged/`` of the store, so that the lake is whole again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from ops.core.errors import DamagedTableError
from ops.core.rows import LakeVideo, build_video_row
from ops.core.schemas import TABLES, Table
from ops.core.settings import Settings
from ops.core.tables import DAMAGE_FOLDER
from ops.core.types import Progress
from ops.videos import catalogue

logger = logging.getLogger(__name__)

T = TypeVar("T")
Row = LakeVideo

VECTORS = "shot_embeddings"
CORRECTIONS = "shot_corrections"
LOST_DIALOGUE = "damaged table"
"""``content_hash`` of a row of ``subtitles`` that stands for dialogue whose table was damaged."""
FILM = "film"
"""``source`` of a row of ``subtitles`` that stands for a video whose dialogue is unavailable."""
STAGE = "videos"
_HOLD_IDS = ("shots", "dialogue", "subtitles")


def retry_past_damage(
    settings: Settings, live_encoder: str, progress: Progress, step: Callable[[], T], *, now: datetime | None = None
) -> T:
    """Return the result of ``step``; each damaged file of the lake that it meets is put away, and it begins again.

    ``step`` must be safe to begin again, as all steps of the pipeline are. ``now`` defaults to the clock. Raises
    ``DamagedTableError`` for a table that cannot be computed again, or a file that stays damaged.
    """
    damaged_files = set[str]()

    def put_away(error: DamagedTableError) -> None:
        if error.path in damaged_files or _find_family(error).if_damaged == "refuse":
            raise error
        damaged_files.add(error.path)
        logger.warning("%s", error)
        try:
            set_aside_damaged(settings, error, live_encoder, now or datetime.now(UTC), progress)
        except DamagedTableError as other:  # another table of the same video
            put_away(other)
            set_aside_damaged(settings, error, live_encoder, now or datetime.now(UTC), progress)

    while True:
        try:
            return step()
        except DamagedTableError as error:
            with settings.hold_work_lock():
                put_away(error)


def put_away_all(settings: Settings, live_encoder: str, progress: Progress) -> None:
    """Put every damaged file of the lake away that can be computed again. Reads the whole lake."""

    def require_intact() -> None:
        for error in settings.lake.find_damage():
            if _find_family(error).if_damaged != "refuse":
                raise error

    retry_past_damage(settings, live_encoder, progress, require_intact)


def set_aside_damaged(
    settings: Settings, error: DamagedTableError, live_encoder: str, now: datetime, progress: Progress
) -> None:
    """Put one damaged file away and note why by the rule of this module."""
    family = _find_family(error)
    new_path = settings.lake.put_away(error.table, error.partition)
    fault = f"its table {error.table} was damaged ({error.fault}; the file is now {new_path})"
    is_of_another_encoder = family.name == VECTORS and error.table != family.name_for_encoder(live_encoder)
    if family.if_damaged == "compute_again" or is_of_another_encoder:
        progress.note(STAGE, f"{error.partition}: {fault}; it is computed again")
        return
    again = "`needle ingest --retry PATH` computes it again, `needle forget VIDEO --yes` removes the video"
    if family.name == CORRECTIONS:
        again = f"put the file back from a backup, or its cuts are those of the detector after {again}"
    for video in _read_videos(settings, error.partition, new_path, now):
        reason = f"{fault}: {again}"
        if family.if_damaged == "set_aside_dialogue":
            if family.name == "subtitle_timings":
                reason += "; set its shift again by `needle dialogue --shift`"
            _set_dialogue_aside(settings, video, reason, now)
        elif video["state"] != "removed":
            catalogue.set_aside(settings, video, reason, now)
        progress.set_aside(STAGE, video["path"], reason)


def has_lost_path(settings: Settings, video: LakeVideo) -> bool:
    """Whether the register lost the address of a video's file: the row has that of the damaged table instead."""
    return video["path"].startswith(f"{settings.store.path(DAMAGE_FOLDER)}/")


def _find_family(error: DamagedTableError) -> Table:
    return TABLES[error.table.split("/")[0]]


def _read_videos(settings: Settings, partition: str, new_path: str, now: datetime) -> list[Row]:
    """Return the rows of a partition's videos. Ids without a row, because the register was damaged, get a new path."""
    rows = catalogue.read_videos(settings.lake, [partition])
    known_ids = {row["video_id"] for row in catalogue.read_videos(settings.lake, [partition], with_forgotten=True)}
    since: dict[str, datetime] = {}
    shows: dict[str, str] = {}
    for table in _HOLD_IDS:
        try:
            old_rows = settings.lake.read(table, [partition]).to_pylist()
        except DamagedTableError:
            continue  # met and put away by itself
        for row in old_rows:
            since.setdefault(row["video_id"], row["event_timestamp"])
            if row.get("show"):
                shows.setdefault(row["video_id"], row["show"])
    ids = {*since, *([partition] if settings.partitions == "video" else [])} - known_ids
    for video_id in sorted(ids):
        at = since.get(video_id, now)
        show = shows.get(video_id, video_id)
        names = {"video_id": video_id, "path": new_path, "show": show, "title": show, "state": "set_aside"}
        stamps = {"available_at": at, "event_timestamp": at, "created_timestamp": now}
        rows.append(build_video_row({**names, **stamps}))
    return rows


def _set_dialogue_aside(settings: Settings, video: Row, reason: str, now: datetime) -> None:
    """Note that a video's dialogue is set aside; the step of dialogue completes its tables."""
    lost_row = {
        "subtitle_id": f"{video['video_id']}:{FILM}",
        "video_id": video["video_id"],
        "path": video["path"],
        "source": FILM,
        "language": "",
        "content_hash": LOST_DIALOGUE,
        "lines": 0,
        "reason": reason,
        "notes": [],
        "event_timestamp": video["available_at"],
        "created_timestamp": now,
    }
    partition, video_id = settings.resolve_partition(video["video_id"]), video["video_id"]
    other_rows = [
        row for row in settings.lake.read("subtitles", [partition]).to_pylist() if row["video_id"] == video_id
    ]
    other_rows = [row for row in other_rows if row["source"] != FILM]
    settings.lake.update("subtitles", partition, video_id, [*other_rows, lost_row])
    settings.lake.update("shot_dialogue", partition, video_id, [])  # so that the step of dialogue is due
