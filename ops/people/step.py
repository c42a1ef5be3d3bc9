"""The step ``shot_faces``: the faces of each shot, and the people whom they show."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from ops.core.settings import Settings
from ops.core.steps import Step, StepRun
from ops.core.types import StepReport
from ops.people.build import TABLES, build_faces, describe_changes, find_due
from ops.shots.looking import retry_unread


def _build(run: StepRun) -> StepReport:
    return build_faces(run.settings, run.partitions, run.now, run.progress)


def _is_due(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    return find_due(settings, video_ids)


def _retry(settings: Settings, encoder_id: str, video_ids: Collection[str], now: datetime) -> None:
    retry_unread(settings, "shot_people", video_ids)


def _describe_outside(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> Mapping[str, str | None]:
    return describe_changes(settings, video_ids)


STEPS = (
    Step(
        name="shot_faces",
        title="Finding faces",
        tables=TABLES,
        reads=("shots",),
        is_due=_is_due,
        build=_build,
        retry=_retry,
        decided_by=("videos", "shots", *TABLES),
        describe_outside=_describe_outside,
    ),
)
