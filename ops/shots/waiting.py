"""Corrections for Dagster: the report of the asset ``shot_corrections``, and waiting partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import StepReport
from ops.shots.build import read_shots
from ops.shots.corrections import CurrentCorrections, read_history
from ops.shots.due import parse_version, plan_shots
from ops.videos import catalogue

MOST_SHOWN = 20
"""Maximum number of corrections in a partition's report, the latest ones; all are in the table."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Partitions with corrections that are not in their shots yet; ``digest`` identifies exactly this work."""

    partitions: list[str]
    digest: str


def build_corrections(settings: Settings, partitions: Sequence[str]) -> StepReport:
    """The report of the ``shot_corrections`` asset; people, not this step, write the table."""
    partition_names = set(partitions)
    history = [each for each in read_history(settings) if settings.resolve_partition(each.video_id) in partition_names]
    by_partition: dict[str, dict[str, Any]] = {name: {"corrections": 0} for name in partitions}
    for each in history:
        figures = by_partition[settings.resolve_partition(each.video_id)]
        figures["corrections"] += 1
        figures.setdefault("latest", []).append(
            f"{each.action} at frame {each.frame} of {each.video_id} by {each.author}, {each.created_at:%Y-%m-%d %H:%M}"
        )
        figures["latest"] = figures["latest"][-MOST_SHOWN:]
    return StepReport(
        changed=0,
        data_version=compute_digest((each.correction_id, "") for each in history),
        details={"corrections": len(history), "people": sorted({each.author for each in history})},
        by_partition=by_partition,
    )


def find_waiting(settings: Settings) -> Waiting:
    """Partitions of ready videos whose shots do not match their corrections."""
    current = CurrentCorrections(settings)
    partitions, reasons = set[str](), list[tuple[str, str]]()
    ids = set(current.list_video_ids())
    videos = catalogue.read_videos(settings.lake, {settings.resolve_partition(each) for each in ids}) if ids else []
    for video in videos:
        video_id = video["video_id"]
        rows = read_shots(settings, video_id) if video_id in ids and video["state"] == "ready" else []
        if not rows:
            continue
        plan = plan_shots(settings, video_id, rows, current.select_video(video_id))
        version = parse_version(rows[0])
        targets = None if plan is None else [(*each.span, each.detector(version)) for each in plan]
        if targets != [(row["start_frame"], row["end_frame"], row["detector"]) for row in rows]:
            partitions.add(settings.resolve_partition(video_id))
            reasons += [(each.correction_id, video_id) for each in read_history(settings, video_id)]
    return Waiting(partitions=sorted(partitions), digest=compute_digest(reasons))
