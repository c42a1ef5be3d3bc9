"""The step ``sound``: loudness, silence and speech in the sound of each shot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from ops.core.settings import Settings
from ops.core.steps import Step, StepRun
from ops.core.types import StepReport
from ops.shots.looking import retry_unread
from ops.sound.build import TABLE, TABLES, build_sound, find_due
from ops.sound.speech import explain_no_speech


def _build(run: StepRun) -> StepReport:
    return build_sound(run.settings, run.partitions, run.now, run.progress)


def _is_due(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    return find_due(settings, video_ids)


def _retry(settings: Settings, encoder_id: str, video_ids: Collection[str], now: datetime) -> None:
    retry_unread(settings, TABLE, video_ids)


def _describe_outside(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> Mapping[str, str | None]:
    """Describe, by partition, if speech can be found: an extra that was installed makes films due."""
    problem = explain_no_speech()
    return {settings.resolve_partition(video_id): problem for video_id in video_ids}


STEPS = (
    Step(
        name="sound",
        title="Measuring sound",
        tables=TABLES,
        reads=("videos", "shots"),
        is_due=_is_due,
        build=_build,
        retry=_retry,
        child_modules=("ops.sound.measure",),
        decided_by=("videos", "shots", *TABLES),
        describe_outside=_describe_outside,
    ),
)
