"""Corrections that do not apply, as notes of the video: each one is reported."""

from __future__ import annotations

from collections.abc import Sequence

from ops.core.rows import LakeVideo
from ops.core.settings import Settings
from ops.shots.corrections import CurrentCorrections, CutCorrection
from ops.videos import catalogue

NOTE = "correction of cuts"
"""Prefix of notes about corrections."""
FAILURE = f"{NOTE} not applied yet, the next ingest tries again"


def list_correction_notes(
    settings: Settings, video: LakeVideo, corrections: Sequence[CutCorrection], frames: int
) -> list[str]:
    """Notes on corrections of this video past its end, and on those of earlier content at its path."""
    notes = [
        f"{NOTE} not applied: frame {each.frame} ({each.action}, {each.author}) is past the end, "
        f"the film has {frames} frames"
        for each in corrections
        if each.frame >= frames
    ]
    return notes + [
        f"{NOTE} not applied: {count} of them were made on other content that was at this path before "
        f"(video {video_id})"
        for video_id, count in _find_replaced_videos(settings, video)
    ]


def _find_replaced_videos(settings: Settings, video: LakeVideo) -> list[tuple[str, int]]:
    """Replaced videos at the path of a video, with their number of corrections."""
    current = CurrentCorrections(settings)
    counts = {video_id: len(current.select_video(video_id)) for video_id in current.list_video_ids()}
    if not any(counts.values()):
        return []
    return [
        (row["video_id"], counts[row["video_id"]])
        for row in catalogue.read_videos(settings.lake)
        if row["path"] == video["path"]
        and row["video_id"] != video["video_id"]
        and row["state"] == "removed"
        and counts.get(row["video_id"])
    ]
