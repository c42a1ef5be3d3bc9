"""The step ``videos``: opens each registered file and records the facts about it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ops.core.settings import Settings
from ops.core.steps import Step, StepRun
from ops.core.types import StepReport
from ops.videos import catalogue
from ops.videos.describe import describe_videos, has_current_facts


def _build(run: StepRun) -> StepReport:
    return describe_videos(run.settings, run.partitions, run.now, run.progress)


def _is_due(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    return {
        settings.resolve_partition(video["video_id"])
        for video in catalogue.read_usable_videos(settings, video_ids)
        if video["state"] == "pending" or not has_current_facts(video)
    }


def _retry(settings: Settings, encoder_id: str, video_ids: Collection[str], now: datetime) -> None:
    catalogue.retry_set_aside(settings, video_ids, now)


STEPS = (
    Step(
        name="videos",
        title="Opening videos",
        tables=("videos",),
        is_due=_is_due,
        build=_build,
        retry=_retry,
        child_modules=("ops.videos.probe_process",),
        decided_by=("videos",),
    ),
)
