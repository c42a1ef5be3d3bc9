"""The step ``dialogue``: spoken lines from subtitles and from speech recognition, with their shots."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ops.core.settings import Settings
from ops.core.steps import Step, StepRun
from ops.core.types import StepReport
from ops.dialogue.build import TABLES, build_dialogue, find_due, retry_dialogue
from ops.dialogue.speech import explain_speech_problem
from ops.videos import catalogue
from ops.videos.subtitles import find_sidecars


def _build(run: StepRun) -> StepReport:
    return build_dialogue(run.settings, run.partitions, run.now, run.progress)


def _is_due(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    partitions = {settings.resolve_partition(video_id) for video_id in video_ids}
    unread = (video["video_id"] for video, _, _ in find_due(settings, partitions))
    return {settings.resolve_partition(video_id) for video_id in unread if video_id in video_ids}


def _retry(settings: Settings, encoder_id: str, video_ids: Collection[str], now: datetime) -> None:
    retry_dialogue(settings, video_ids)


def _describe_outside(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> dict[str, str]:
    """Describe the subtitle files of the videos, and if speech can be recognised, by partition."""
    ids = set(video_ids)
    videos = [row for row in catalogue.read_videos(settings.lake) if row["video_id"] in ids and row["state"] == "ready"]
    speech = explain_speech_problem(settings.speech)
    sidecars = find_sidecars(settings, videos)
    texts: dict[str, list[str]] = {}
    for video in videos:
        files = sidecars.get(video["video_id"])
        text = repr(files and [(file.path, file.content_hash, file.language) for file in files])
        texts.setdefault(settings.resolve_partition(video["video_id"]), []).append(f"{video['video_id']} {text}")
    return {partition: " ".join([speech, *sorted(each)]) for partition, each in texts.items()}


STEPS = (
    Step(
        name="dialogue",
        title="Reading dialogue",
        tables=TABLES,
        reads=("videos", "shots"),
        is_due=_is_due,
        build=_build,
        retry=_retry,
        child_modules=("ops.dialogue.sources",),
        decided_by=("videos", "shots", *TABLES, "subtitle_timings"),
        describe_outside=_describe_outside,
    ),
)
