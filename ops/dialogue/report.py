"""What people are told of dialogue that could not be had."""

from __future__ import annotations

from collections.abc import Collection

from ops.core.settings import Settings


def unusable_subtitles(settings: Settings, video_ids: Collection[str]) -> list[dict[str, str]]:
    """``{"path", "reason"}`` of each subtitle file of these videos that holds no dialogue, sorted by path."""
    there = set(settings.lake.partitions("subtitles"))
    partitions = sorted({settings.partition_of(video_id) for video_id in video_ids} & there)
    rows = settings.lake.read("subtitles", partitions).to_pylist()
    refused = [row for row in rows if row["video_id"] in video_ids and row["source"] == "sidecar" and row["reason"]]
    return sorted(({"path": row["path"], "reason": row["reason"]} for row in refused), key=lambda row: row["path"])
