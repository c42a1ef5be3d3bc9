"""Vectors of the first and the last sampled frame of each shot: the table ``shot_ends/<encoder_id>``.

A cut matches if the last frames of one shot look like the first frames of the next. The mean vector of a shot cannot
show this: the camera may have moved in between. Both frames are among those that the mean is computed from, so they
cost no further decoding. Rows are written with the vectors; for shots that were embedded before this table existed,
only these two frames are read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from ops.core.rows import LakeShot, LakeShotEnds
from ops.core.settings import Settings
from ops.embeddings.embed import ShotVector, UnusableShot
from ops.embeddings.motion import TABLE as MOTION
from ops.embeddings.motion import read_motion

FAMILY = "shot_ends"


def name_ends_table(encoder_id: str) -> str:
    """Name of the lake table with the vectors of first and last frames by an encoder."""
    return f"{FAMILY}/{encoder_id}"


def read_ends(
    settings: Settings, encoder_id: str, video_id: str, columns: Sequence[str] | None = None
) -> list[LakeShotEnds]:
    """Rows of one video, with these columns (default: all)."""
    table = name_ends_table(encoder_id)
    rows: list[LakeShotEnds] = settings.lake.read(table, [settings.resolve_partition(video_id)], columns).to_pylist()
    return [row for row in rows if row["video_id"] == video_id]


def build_ends_row(shot: LakeShot, result: ShotVector | UnusableShot, inputs: str, now: datetime) -> LakeShotEnds:
    """The row of a shot: both vectors, or the reason for their absence."""
    vectors = (result.first, result.last) if isinstance(result, ShotVector) else (None, None)
    return {
        "shot_id": shot["shot_id"],
        "video_id": shot["video_id"],
        "show": shot["show"],
        "first": vectors[0],
        "last": vectors[1],
        "reason": result.reason if isinstance(result, UnusableShot) else None,
        "input_hash": inputs,
        "event_timestamp": shot["event_timestamp"],
        "created_timestamp": now,
    }


def drop_unusable_ends(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> None:
    """Delete the rows with a reason of these videos, and the motion of these shots: the next run reads them again."""
    for video_id in video_ids:
        rows, partition = read_ends(settings, encoder_id, video_id), settings.resolve_partition(video_id)
        unusable = {row["shot_id"] for row in rows if row["reason"] is not None}
        if unusable:
            usable = [row for row in rows if row["shot_id"] not in unusable]
            settings.lake.update(name_ends_table(encoder_id), partition, video_id, usable)
            motion = [row for row in read_motion(settings, video_id) if row["shot_id"] not in unusable]
            settings.lake.update(MOTION, partition, video_id, motion)
