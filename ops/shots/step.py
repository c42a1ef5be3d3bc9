"""The steps ``shot_corrections``, which people write, and ``shots``, which cuts videos."""

from __future__ import annotations

from collections.abc import Collection

from ops.core.settings import Settings
from ops.core.steps import Step, StepRun, never_due
from ops.core.types import StepReport
from ops.shots.build import build_shots, read_shots
from ops.shots.corrections import CurrentCorrections
from ops.shots.due import has_current_shots
from ops.shots.segment import compute_detector_version
from ops.shots.waiting import build_corrections
from ops.videos import catalogue


def _build(run: StepRun) -> StepReport:
    return build_shots(run.settings, run.partitions, run.now, run.progress)


def _is_due(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    corrections, version = CurrentCorrections(settings), compute_detector_version(settings.detector)
    due = set[str]()
    for video in catalogue.read_usable_videos(settings, video_ids):
        video_id = video["video_id"]
        rows = read_shots(settings, video_id)
        if not has_current_shots(settings, video_id, rows, version, corrections.select_video(video_id)):
            due.add(settings.resolve_partition(video_id))
    return due


STEPS = (
    Step(
        name="shot_corrections",
        title="Corrected cuts",
        tables=("shot_corrections",),
        is_due=never_due,
        build=lambda run: build_corrections(run.settings, run.partitions),
    ),
    Step(
        name="shots",
        title="Cutting shots",
        tables=("shots", "detected_cuts"),
        reads=("videos", "shot_corrections"),
        is_due=_is_due,
        build=_build,
        folders=("proxies", "posters"),
        child_modules=("ops.shots.processes",),
        decided_by=("videos", "shots", "shot_corrections", "detected_cuts"),
    ),
)
