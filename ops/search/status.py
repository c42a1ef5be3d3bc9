"""What is in the catalogue and what is searchable: the answer of ``needle status``.

Stands alone because "is there anything to do" is decided here for the command line, and must agree
with what the assets themselves would do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from ops.core.settings import Settings
from ops.dialogue.build import due_dialogue
from ops.embeddings.build import embeddings_are_current, table_of
from ops.features import features_are_current
from ops.index.build import wanted_rows
from ops.index.index import IndexRow, current_version, open_index, version_of
from ops.index.lines import current_lines
from ops.shots.build import shots_are_current
from ops.shots.segment import detector_version
from ops.videos import catalogue
from ops.videos.describe import facts_are_current


def due_partitions(settings: Settings, encoder_id: str, video_ids: Iterable[str]) -> set[str]:
    """Partitions of those of the videos whose shots, vectors or lines are missing or out of date."""
    wanted = set(video_ids)
    version = detector_version(settings.detector)
    partitions = {settings.partition_of(video_id) for video_id in wanted}
    unread = (video["video_id"] for video, _, _ in due_dialogue(settings, partitions))
    due = {settings.partition_of(video_id) for video_id in unread if video_id in wanted}
    for partition in partitions:
        shots = settings.lake.read("shots", [partition]).to_pylist()
        vectors = settings.lake.read(table_of(encoder_id), [partition], None).to_pylist()
        for video in catalogue.videos_of(settings.lake, [partition]):
            if video["video_id"] not in wanted or video["state"] in ("set_aside", "removed"):
                continue
            own = [row for row in shots if row["video_id"] == video["video_id"]]
            stored = {row["shot_id"]: row for row in vectors if row["video_id"] == video["video_id"]}
            if (
                video["state"] == "pending"
                or not facts_are_current(video)
                or not shots_are_current(settings, video["video_id"], own, version)
                or not embeddings_are_current(settings, own, stored)
            ):
                due.add(partition)
        if not features_are_current(settings, [partition]):
            due.add(partition)
    return due


def catalogue_status(settings: Settings, encoder_id: str) -> dict[str, Any]:
    """The document of ``needle status --json`` (CONTRACT): home, index version, videos with states, totals."""
    lake = settings.lake
    version, indexed = _indexed(settings, encoder_id)
    shots = Counter(lake.read("shots", columns=["video_id"])["video_id"].to_pylist())
    embedded = Counter(lake.read(table_of(encoder_id), columns=["video_id"])["video_id"].to_pylist())
    lines = Counter(lake.read("dialogue", columns=["video_id"])["video_id"].to_pylist())
    videos = []
    for row in sorted(catalogue.videos_of(lake), key=lambda row: (row["path"], row["video_id"])):
        counts = {"shots": shots, "embedded": embedded, "indexed": indexed}
        figures = {name: count[row["video_id"]] for name, count in counts.items()}
        whole = row["state"] == "ready" and 0 < figures["shots"] == figures["embedded"] == figures["indexed"]
        videos.append(
            {name: row[name] for name in ("video_id", "path", "show")}
            | {"state": row["state"] if whole or row["state"] != "ready" else "pending", "reason": row["reason"]}
            | {"notes": row["notes"] or []}
            | figures
            | {"lines": lines[row["video_id"]], "notes": row["notes"] or []}
            | {"footage_s": round(catalogue.footage_seconds(row), 3)}
        )
    return {
        "home": str(settings.home),
        "storage": settings.storage_uri,
        "encoder_id": encoder_id,
        "index_version": version,
        "dialogue_version": current_lines(settings),
        "videos": videos,
        "totals": {
            "videos": len(videos),
            "set_aside": sum(video["state"] == "set_aside" for video in videos),
            "shots": sum(video["shots"] for video in videos if video["state"] in ("ready", "pending")),
            "lines": sum(video["lines"] for video in videos if video["state"] in ("ready", "pending")),
            "footage_s": round(
                sum(video["footage_s"] for video in videos if video["state"] in ("ready", "pending")), 3
            ),
        },
    }


def _indexed(settings: Settings, encoder_id: str) -> tuple[str | None, Counter[str]]:
    """Version of the index and its shots by video.

    A version's name is made of its content: where the lake's rows give the same name they are counted
    instead, for opening an index makes the engine touch its files, and looking should write nothing.
    """
    version = current_version(settings, encoder_id)
    if version is None:
        return None, Counter()
    rows = Counter[str]()

    def counted() -> Iterator[IndexRow]:
        for row in wanted_rows(settings, encoder_id):
            rows[row.payload["video_id"]] += 1
            yield row

    if version_of(encoder_id, counted()) == version:
        return version, rows
    with open_index(settings, encoder_id) as index:
        return index.version, index.counts("video_id")
