"""The step ``screen_text``: the writing in the picture, with its shots."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ops.core.settings import Settings
from ops.core.steps import Step, StepRun
from ops.core.types import StepReport
from ops.screen_text.build import TABLES, build_screen_text, find_due
from ops.shots.looking import retry_unread


def _build(run: StepRun) -> StepReport:
    return build_screen_text(run.settings, run.partitions, run.now, run.progress)


def _is_due(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    return find_due(settings, video_ids)


def _retry(settings: Settings, encoder_id: str, video_ids: Collection[str], now: datetime) -> None:
    retry_unread(settings, "shot_screen_text", video_ids)


STEPS = (
    Step(
        name="screen_text",
        title="Reading writing in the picture",
        tables=TABLES,
        reads=("shots",),
        is_due=_is_due,
        build=_build,
        retry=_retry,
        decided_by=("videos", "shots", *TABLES),
    ),
)
