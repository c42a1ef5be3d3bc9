"""The step ``dialogue``: spoken lines from subtitles and from speech recognition, with their shots."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ops.core.settings import Settings
from ops.core.steps import Step, StepRun
from ops.core.types import StepReport
from ops.dialogue.build import TABLES, build_dialogue, find_due, retry_dialogue


def _build(run: StepRun) -> StepReport:
    return build_dialogue(run.settings, run.partitions, run.now, run.progress)


def _is_due(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    partitions = {settings.resolve_partition(video_id) for video_id in video_ids}
    unread = (video["video_id"] for video, _, _ in find_due(settings, partitions))
    return {settings.resolve_partition(video_id) for video_id in unread if video_id in video_ids}


def _retry(settings: Settings, encoder_id: str, video_ids: Collection[str], now: datetime) -> None:
    retry_dialogue(settings, video_ids)


STEPS = (
    Step(
        name="dialogue",
        title="Reading dialogue",
        tables=TABLES,
        reads=("videos", "shots"),
        is_due=_is_due,
        build=_build,
        retry=_retry,
    ),
)
