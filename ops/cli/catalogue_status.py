"""The contents of the catalogue and the searchable part of it: the answer of ``needle status``.

Stands alone because ``needle ingest`` and ``needle doctor`` report from the same counts.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TypedDict, cast

from ops.core.errors import DamagedTableError
from ops.core.known_rows import LEAST_KEPT, count_rows
from ops.core.plural import plural
from ops.core.rows import LakeSkippedShot, LakeVideo
from ops.core.schemas import TABLES
from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.embeddings.set_aside import set_aside_shots
from ops.index.build import plan_index
from ops.index.index import open_index, read_current_version
from ops.index.lines import read_current_line_version
from ops.videos import catalogue

logger = logging.getLogger(__name__)

SEARCH_COUNTS = ("shots", "embedded", "indexed")
"""Counts of a video that decide whether all its shots are searchable."""


class SkippedShot(TypedDict):
    """A shot that is set aside, with the reason."""

    shot_id: str
    reason: str


class VideoStatus(TypedDict):
    """A video in the document of ``needle status --json``; each table with ``counted_as`` adds a count of its rows."""

    video_id: str
    path: str
    show: str
    state: str
    reason: str | None
    shots: int
    embedded: int
    indexed: int
    shots_set_aside: list[SkippedShot]
    lines: int
    notes: list[str]
    footage_s: float


class StatusTotals(TypedDict):
    """Sums over all videos; ``shots`` and ``footage_s`` over those that are ready or pending."""

    videos: int
    set_aside: int
    shots: int
    shots_set_aside: int
    lines: int
    footage_s: float


class Status(TypedDict):
    """The document of ``needle status --json``."""

    home: str
    storage: str
    encoder_id: str
    index_version: str | None
    dialogue_version: str | None
    videos: list[VideoStatus]
    totals: StatusTotals


def build_status(
    settings: Settings, encoder_id: str, index_counts: IndexedShots | None = None, *, least: int = LEAST_KEPT
) -> Status:
    """Return the document of ``needle status --json``: home, index version, videos with states, totals.

    What was read is kept in the cache if at least ``least`` files of a table changed.
    """
    catalogue.require_known_version(settings)
    lake = settings.lake
    index_counts = index_counts or count_indexed(settings, encoder_id)
    damage: list[DamagedTableError] = []
    counts = {
        table.counted_as: count_rows(lake, table.name_for_encoder(encoder_id), damage=damage, least=least)
        for table in TABLES.values()
        if table.counted_as
    } | {"indexed": index_counts.counts}
    others = [name for name in counts if name not in SEARCH_COUNTS]
    damage_messages = {error.partition: str(error) for error in damage}
    skipped_shots: dict[str, list[LakeSkippedShot]] = {}
    for shot in set_aside_shots(settings, encoder_id):
        skipped_shots.setdefault(shot["video_id"], []).append(shot)
    videos: list[VideoStatus] = []
    for row in sorted(catalogue.read_videos(lake, least=least), key=lambda row: (row["path"], row["video_id"])):
        figures = {name: counts[name][row["video_id"]] for name in SEARCH_COUNTS}
        video_skipped = sorted(
            skipped_shots.get(row["video_id"], []), key=lambda shot: parse_shot_id(shot["shot_id"]) or ("", 0)
        )
        state, reason = _describe_state(row, figures, video_skipped)
        reason = reason or damage_messages.get(settings.resolve_partition(row["video_id"]))
        columns: dict[str, object] = {
            "video_id": row["video_id"],
            "path": row["path"],
            "show": row["show"],
            "state": state,
            "reason": reason,
            **figures,
            "shots_set_aside": [SkippedShot(shot_id=shot["shot_id"], reason=shot["reason"]) for shot in video_skipped],
            **{name: counts[name][row["video_id"]] for name in others},
            "notes": row["notes"] or [],
            "footage_s": round(catalogue.read_footage_seconds(row), 3),
        }
        videos.append(cast(VideoStatus, columns))
    current = [video for video in videos if video["state"] in ("ready", "pending")]
    totals: dict[str, object] = {
        "videos": len(videos),
        "set_aside": sum(video["state"] == "set_aside" for video in videos),
        "shots": sum(video["shots"] for video in current),
        "shots_set_aside": sum(len(video["shots_set_aside"]) for video in videos if video["state"] != "removed"),
        **{name: sum(counts[name][video["video_id"]] for video in current) for name in others},
        "footage_s": round(sum(video["footage_s"] for video in current), 3),
    }
    return {
        "home": str(settings.home),
        "storage": settings.storage_uri,
        "encoder_id": encoder_id,
        "index_version": index_counts.version,
        "dialogue_version": read_current_line_version(settings),
        "videos": videos,
        "totals": cast(StatusTotals, totals),
    }


def _describe_state(
    row: LakeVideo, figures: dict[str, int], skipped_shots: list[LakeSkippedShot]
) -> tuple[str, str | None]:
    """Return state and reason of a video.

    ``ready`` if all its shots are searchable except those set aside, which the reason then names; ``set_aside`` if no
    shot is searchable. ``pending`` if shots, vectors and index do not agree yet.
    """
    if row["state"] != "ready":
        return row["state"], row["reason"]
    if not figures["shots"] or figures["shots"] != figures["embedded"] + len(skipped_shots):
        return "pending", row["reason"]
    if figures["embedded"] != figures["indexed"]:
        return "pending", row["reason"]
    if not skipped_shots:
        return "ready", row["reason"]
    first = skipped_shots[0]
    why = f"{len(skipped_shots)} of {plural(figures['shots'], 'shot')} cannot be searched: {first['shot_id']}: "
    more = f", and {len(skipped_shots) - 1} more" if len(skipped_shots) > 1 else ""
    return "ready" if figures["indexed"] else "set_aside", f"{why}{first['reason']}{more}"


@dataclass(frozen=True, kw_only=True)
class IndexedShots:
    """The current version of the index, its shots by video, and whether it was built of the lake's current rows."""

    version: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    is_current: bool = False


def count_indexed(settings: Settings, encoder_id: str) -> IndexedShots:
    """Count the shots of the current version of the index by video.

    A version's name depends on its content. If the lake's rows give the same name, their known numbers are the index's.
    """
    version = read_current_version(settings, encoder_id)
    if version is None:
        return IndexedShots()
    try:
        plan = plan_index(settings, encoder_id)
        if plan.version == version:
            counts = Counter({video_id: each.rows for video_id, each in plan.videos.items()})
            return IndexedShots(version=version, counts=counts, is_current=True)
    except DamagedTableError as error:
        logger.warning("%s", error)
    with open_index(settings, encoder_id) as index:
        return IndexedShots(version=index.version, counts=index.counts("video_id"))
