"""The step ``shot_embeddings``: the vectors of each shot, and of its first and last frame, from the live encoder."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ops.core.settings import Settings
from ops.core.steps import Step, StepRun
from ops.core.types import StepReport
from ops.embeddings.build import build_embeddings, has_current_vectors
from ops.embeddings.ends import drop_unusable_ends
from ops.embeddings.set_aside import describe_set_aside, retry_shots
from ops.videos import catalogue


def _build(run: StepRun) -> StepReport:
    return build_embeddings(run.settings, run.encoder_id, run.partitions, run.now, run.progress)


def _is_due(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    return {
        settings.resolve_partition(video["video_id"])
        for video in catalogue.read_usable_videos(settings, video_ids)
        if not has_current_vectors(settings, encoder_id, video["video_id"])
    }


def _retry(settings: Settings, encoder_id: str, video_ids: Collection[str], now: datetime) -> None:
    retry_shots(settings, encoder_id, video_ids)
    drop_unusable_ends(settings, encoder_id, video_ids)


STEPS = (
    Step(
        name="shot_embeddings",
        title="Embedding shots",
        stage="embeddings",
        tables=("shot_embeddings", "shot_ends", "shot_motion", "shots_set_aside"),
        reads=("shots",),
        is_due=_is_due,
        build=_build,
        retry=_retry,
        decided_by=("videos", "shots", "shot_embeddings", "shot_ends", "shot_motion", "shots_set_aside"),
        describe_outside=describe_set_aside,
    ),
)
