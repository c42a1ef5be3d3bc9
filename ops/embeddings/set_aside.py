"""Shots without a vector: one row each, with the reason, in the table ``shots_set_aside/<encoder_id>``.

Stands alone because status, the checks, the index and the next run must agree on the deliberately missing shots. A row
is valid while the inputs of the vector and the proxy are the same objects as when it was written. If a proxy was cut
again or restored, the next run tries the shot again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ops.core.rows import LakeShot, LakeSkippedShot
from ops.core.settings import Settings
from ops.embeddings.embed import UnusableShot
from ops.shots.segment import make_proxy_key

SET_ASIDE = "shots_set_aside"
"""Family of the tables, one per encoder."""


def set_aside_table(encoder_id: str) -> str:
    """Name of the lake table of the shots without a vector of this encoder."""
    return f"{SET_ASIDE}/{encoder_id}"


def set_aside_shots(
    settings: Settings, encoder_id: str, video_ids: Iterable[str] | None = None
) -> list[LakeSkippedShot]:
    """Rows of the skipped shots of these videos, or of all."""
    table = set_aside_table(encoder_id)
    there = settings.lake.list_partitions(table)
    if video_ids is None:
        rows: list[LakeSkippedShot] = settings.lake.read(table, there).to_pylist()
        return rows
    ids = set(video_ids)
    partitions = {settings.resolve_partition(video_id) for video_id in ids} & set(there)
    return [row for row in settings.lake.read(table, sorted(partitions)).to_pylist() if row["video_id"] in ids]


def describe_set_aside(settings: Settings, encoder_id: str, video_ids: Iterable[str] | None) -> dict[str, str]:
    """The states of the proxies of skipped shots, by partition: another proxy makes a shot due again."""
    rows_by_partition: dict[str, list[LakeSkippedShot]] = {}
    for row in set_aside_shots(settings, encoder_id, video_ids):
        rows_by_partition.setdefault(settings.resolve_partition(row["video_id"]), []).append(row)
    states = {}
    for partition, rows in rows_by_partition.items():
        shots = {shot["shot_id"]: shot for shot in settings.lake.read("shots", [partition]).to_pylist()}
        there = [shots[row["shot_id"]] for row in rows if row["shot_id"] in shots]
        states[partition] = " ".join(_describe_state(settings, shot, shot["shot_id"]) for shot in there)
    return states


def read_valid_rows(
    settings: Settings, encoder_id: str, video_id: str, inputs: dict[str, str], shots: Sequence[LakeShot]
) -> dict[str, LakeSkippedShot]:
    """The rows that are still valid for these shots of a video, by shot id; ``inputs`` are input hashes by shot id."""
    if not shots:
        return {}
    stored_rows = {row["shot_id"]: row for row in set_aside_shots(settings, encoder_id, [video_id])}
    return {
        shot["shot_id"]: stored_rows[shot["shot_id"]]
        for shot in shots
        if shot["shot_id"] in stored_rows
        and stored_rows[shot["shot_id"]]["input_hash"] == _describe_state(settings, shot, inputs[shot["shot_id"]])
    }


def put_set_aside(settings: Settings, encoder_id: str, video_id: str, rows: Sequence[LakeSkippedShot]) -> bool:
    """Replace the rows of one video; return true if the table changed. Without rows no file is created."""
    table, partition = set_aside_table(encoder_id), settings.resolve_partition(video_id)
    if not rows and not settings.lake.exists(table, partition):
        return False
    return settings.lake.update(table, partition, video_id, list(rows))


def make_row(settings: Settings, shot: LakeShot, unusable: UnusableShot, inputs: str, now: datetime) -> LakeSkippedShot:
    """The row of a shot that could not be read or embedded."""
    return {
        "shot_id": shot["shot_id"],
        "video_id": shot["video_id"],
        "cause": unusable.cause,
        "reason": unusable.reason,
        "input_hash": _describe_state(settings, shot, inputs),
        "event_timestamp": shot["event_timestamp"],
        "created_timestamp": now,
    }


def retry_shots(settings: Settings, encoder_id: str, video_ids: Iterable[str]) -> None:
    """Delete the skip reasons of these videos' shots, so that the next run tries them again.

    An unusable proxy is deleted, so that it is cut from its video again.
    """
    by_video: dict[str, list[LakeSkippedShot]] = {}
    for row in set_aside_shots(settings, encoder_id, video_ids):
        by_video.setdefault(row["video_id"], []).append(row)
    for video_id, rows in by_video.items():
        damaged_ids = {row["shot_id"] for row in rows if row["cause"] == "proxy"}
        for shot in settings.lake.read("shots", [settings.resolve_partition(video_id)]).to_pylist():
            if shot["shot_id"] in damaged_ids:
                settings.store.delete(_locate_proxy(shot))
        put_set_aside(settings, encoder_id, video_id, [])


def _describe_state(settings: Settings, shot: LakeShot, inputs: str) -> str:
    stat = settings.store.stat(_locate_proxy(shot))
    return f"{inputs} {stat.stamp if stat else 'no proxy'}"


def _locate_proxy(shot: LakeShot) -> str:
    return make_proxy_key(shot["video_id"], shot["start_frame"], shot["end_frame"])
