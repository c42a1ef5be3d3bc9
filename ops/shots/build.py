"""Bring the ``shots`` table and the proxies of some partitions up to date.

Stands alone, apart from the detection itself, because it makes a re-run a no-op. A video is not decoded again if the
same detector version cut it and all proxies exist. If people corrected cuts of a video since, only the changed shots
are cut again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from ops.core.addresses import render_sheet
from ops.core.errors import DamagedTableError, MediaError
from ops.core.media import MediaInfo
from ops.core.rows import LakeShot, LakeVideo
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import DetectedShot, Progress, StepReport
from ops.shots.checks import check_gapless, check_shots
from ops.shots.corrections import CurrentCorrections, CutCorrection
from ops.shots.due import has_current_shots, plan_recut, put_detected, read_boundaries
from ops.shots.not_applied import FAILURE, NOTE, list_correction_notes
from ops.shots.on_cluster import segment_on_cluster
from ops.shots.planning import Recut, plan_cuts
from ops.shots.processes import OnProgress, Result, Segmentation, SegmentJob, segment_videos
from ops.shots.segment import compute_detector_version, make_poster_key, make_proxy_key
from ops.shots.sheet import spread_evenly, write_sheet
from ops.videos import catalogue
from ops.videos.describe import has_current_facts

TABLE = "shots"
MOST_SHEETS = 8
"""Videos whose posters a partition shows at most; one of several videos may have more."""


def read_shots(settings: Settings, video_id: str) -> list[LakeShot]:
    """Rows of one video's shots, in order."""
    return read_shots_by_video(settings, settings.resolve_partition(video_id)).get(video_id, [])


def read_shots_by_video(settings: Settings, partition: str) -> dict[str, list[LakeShot]]:
    """Rows of each video's shots in a partition, in order."""
    return _group_by_video(settings.lake.read(TABLE, [partition]).to_pylist())


def _group_by_video(rows: Iterable[LakeShot]) -> dict[str, list[LakeShot]]:
    rows_by_video: dict[str, list[LakeShot]] = {}
    for row in sorted(rows, key=lambda row: row["index"]):
        rows_by_video.setdefault(row["video_id"], []).append(row)
    return rows_by_video


def build_shots(settings: Settings, partitions: Sequence[str], now: datetime, progress: Progress) -> StepReport:
    """Cut every ready video of the partitions that is not cut yet, or corrected since; refresh the others' show.

    A video without usable frames is skipped with its reason; damage in others becomes notes. Each video's rows are
    written as soon as it is finished, so a killed run loses at most the videos in progress.
    """
    with settings.hold_work_lock():
        return _build(settings, partitions, now, progress)


def _build(settings: Settings, partitions: Sequence[str], now: datetime, progress: Progress) -> StepReport:
    videos = {
        row["video_id"]: row for row in catalogue.read_videos(settings.lake, partitions) if row["state"] == "ready"
    }
    jobs, changes = [], 0
    stored_shots: dict[str, list[LakeShot]] = {}
    for partition in partitions:
        stored_shots |= read_shots_by_video(settings, partition)
    corrections, version = CurrentCorrections(settings), compute_detector_version(settings.detector)
    for video_id, row in videos.items():
        old_rows = stored_shots.get(video_id, [])
        _require_intact(settings, video_id, old_rows)
        video_corrections = corrections.select_video(video_id)
        if has_current_shots(settings, video_id, old_rows, version, video_corrections):
            changes += catalogue.set_frames(settings, row, old_rows[-1]["end_frame"])
            if any(shot["show"] != row["show"] for shot in old_rows):
                changes += _put_shots(settings, row, [_rename_shot(shot, row, now) for shot in old_rows])
        else:
            recut = plan_recut(settings, video_id, old_rows, version, video_corrections)
            jobs.append(_build_job(settings, row, video_corrections, recut))
    progress.start("shots", sum(catalogue.read_footage_seconds(videos[job.video_id]) for job in jobs), "s of footage")
    began = time.monotonic()
    for job, outcome in _segment(settings, jobs, _report_footage(progress, videos)):
        settle = _settle_recut if job.recut else _settle
        changes += settle(settings, videos[job.video_id], job, outcome, version, now, progress)
    changes += sum(settings.lake.ensure(TABLE, partition) for partition in partitions)
    progress.finish("shots")
    return _report(settings, partitions, changes, [job.video_id for job in jobs], time.monotonic() - began)


def _segment(settings: Settings, jobs: Sequence[SegmentJob], on_progress: OnProgress) -> Iterator[Result]:
    if settings.cut_engine == "ray" and jobs:
        return segment_on_cluster(jobs, settings.ray_address, on_progress=on_progress)
    return segment_videos(jobs, settings.workers, on_progress=on_progress)


def _require_intact(settings: Settings, video_id: str, old_rows: list[LakeShot]) -> None:
    """Raise ``DamagedTableError`` if the stored shots have a gap, which no detector leaves."""
    if not check_gapless(old_rows).passed:
        partition = settings.resolve_partition(video_id)
        path = settings.lake.path(f"{TABLE}/{partition}.parquet")
        raise DamagedTableError(path, TABLE, partition, f"the shots of {video_id} leave a gap")


def _build_job(
    settings: Settings,
    row: LakeVideo,
    corrections: Sequence[CutCorrection],
    recut: Recut | None,
) -> SegmentJob:
    return SegmentJob(
        path=row["path"],
        video_id=row["video_id"],
        frames=row["frames"],
        store=settings.store,
        detector=settings.detector,
        scratch=settings.scratch,
        info=MediaInfo.from_json(row["facts"]) if row["facts"] and has_current_facts(row) else None,
        corrections=tuple(corrections),
        recut=recut,
        limits=settings.film_limits,
    )


def _report_footage(progress: Progress, videos: dict[str, LakeVideo]) -> Callable[[str, int], None]:
    """Convert counts of frames read of each video to seconds of finished footage."""
    frames_so_far: dict[str, int] = {}

    def advance(video_id: str, frames: int) -> None:
        row = videos[video_id]
        progress.advance("shots", (frames - frames_so_far.get(video_id, 0)) * row["fps_den"] / row["fps_num"])
        frames_so_far[video_id] = frames

    return advance


def _settle(
    settings: Settings,
    video: LakeVideo,
    job: SegmentJob,
    outcome: Segmentation | MediaError,
    version: str,
    now: datetime,
    progress: Progress,
) -> int:
    """Write the result of one cut video; return 1 if a table changed."""
    if isinstance(outcome, MediaError):
        catalogue.set_aside(settings, video, str(outcome), now)
        progress.set_aside("shots", video["path"], str(outcome))
        return 1
    frames = outcome.shots[-1].end_frame
    made_by = {
        each.start_frame: each.detector(version) for each in plan_cuts(outcome.detected, job.corrections).shots(frames)
    }
    rows = [_build_row(video, shot, made_by.get(shot.start_frame, version), now) for shot in outcome.shots]
    notes = [*outcome.notes, *list_correction_notes(settings, video, job.corrections, frames)]
    # Sheet, count and notes first: shots mark a video as finished, so they come last.
    write_sheet(settings.store, rows)
    new_row = catalogue.set_decoded(settings, video, frames, notes)
    if job.corrections:
        new_row |= put_detected(settings, video, outcome.detected, version, now)
    return int(_put_shots(settings, video, rows)) | int(new_row)


def _settle_recut(
    settings: Settings,
    video: LakeVideo,
    job: SegmentJob,
    outcome: Segmentation | MediaError,
    version: str,
    now: datetime,
    progress: Progress,
) -> int:
    """Write the result of one video whose corrected shots were cut again; return 1 if a table changed.

    If the cutting failed, the shots stay unchanged, and the next run tries again.
    """
    assert job.recut
    if isinstance(outcome, MediaError):
        progress.set_aside("shots", video["path"], f"{FAILURE}: {outcome}")
        return int(catalogue.replace_notes(settings, video, NOTE, [f"{FAILURE}: {outcome}"]))
    old_rows = read_shots(settings, video["video_id"])
    put_detected(settings, video, read_boundaries(settings, video["video_id"], old_rows) or [], version, now)
    row_by_start = {row["start_frame"]: row for row in old_rows}
    row_by_start |= {shot.start_frame: _build_row(video, shot, version, now) for shot in outcome.shots}
    rows = [
        row_by_start[each.start_frame]
        | {"index": index, "transition": each.transition, "detector": each.detector(version)}
        | {"show": video["show"], "created_timestamp": now}
        for index, each in enumerate(job.recut.shots)
    ]
    notes = list_correction_notes(settings, video, job.corrections, rows[-1]["end_frame"])
    catalogue.replace_notes(settings, video, NOTE, notes)
    write_sheet(settings.store, rows)
    changes = _put_shots(settings, video, rows)
    spans = {each.span for each in job.recut.shots}
    for row in old_rows:
        if (row["start_frame"], row["end_frame"]) not in spans:
            for make_key in (make_proxy_key, make_poster_key):
                settings.store.delete(make_key(video["video_id"], row["start_frame"], row["end_frame"]))
    return int(changes)


def _put_shots(settings: Settings, video: LakeVideo, rows: list[LakeShot]) -> bool:
    return settings.lake.update(TABLE, settings.resolve_partition(video["video_id"]), video["video_id"], rows)


def _build_row(video: LakeVideo, shot: DetectedShot, detector: str, now: datetime) -> LakeShot:
    span = (shot.video_id, shot.start_frame, shot.end_frame)
    return {
        "shot_id": shot.shot_id,
        "video_id": shot.video_id,
        "show": video["show"],
        "index": shot.index,
        "start_frame": shot.start_frame,
        "end_frame": shot.end_frame,
        "start_s": shot.start_s,
        "end_s": shot.end_s,
        "transition": shot.transition,
        "proxy_uri": make_proxy_key(*span),
        "poster_uri": make_poster_key(*span),
        "mean_luma": shot.mean_luma,
        "is_blank": shot.is_blank,
        "detector": detector,
        "event_timestamp": video["available_at"],
        "created_timestamp": now,
    }


def _rename_shot(shot: LakeShot, video: LakeVideo, now: datetime) -> LakeShot:
    return shot | {"show": video["show"], "created_timestamp": now}


def _report(
    settings: Settings, partitions: Sequence[str], changes: int, cut: Sequence[str], seconds: float
) -> StepReport:
    rows = settings.lake.read(TABLE, partitions).to_pylist()
    videos = [row for row in catalogue.read_videos(settings.lake, partitions) if row["state"] == "ready"]
    by_partition: dict[str, dict[str, Any]] = {
        name: {"shots": 0, "blank": 0, "corrected": 0, "seconds": 0.0} for name in partitions
    }
    for row in rows:
        figures = by_partition[settings.resolve_partition(row["video_id"])]
        figures["shots"] += 1
        figures["blank"] += row["is_blank"]
        figures["corrected"] += "+" in row["detector"]
        figures["seconds"] = round(figures["seconds"] + row["end_s"] - row["start_s"], 3)
    rows_by_video, footage_cut = _group_by_video(rows), 0.0
    for video_id in cut:
        if video_rows := rows_by_video.get(video_id):
            footage_cut += sum(row["end_s"] - row["start_s"] for row in video_rows)
    spans = ((row["shot_id"], f"{row['end_frame']} {row['show']} {row['detector']}") for row in rows)
    return StepReport(
        changed=changes,
        data_version=compute_digest(spans),
        details={
            "shots": len(rows),
            "blank": sum(row["is_blank"] for row in rows),
            "corrected": sum("+" in row["detector"] for row in rows),
            "footage_seconds": round(sum(row["end_s"] - row["start_s"] for row in rows), 3),
            "seconds_taken": round(seconds, 3),
            "times_realtime": round(footage_cut / seconds, 2) if cut else 0.0,
        },
        by_partition=by_partition,
        checks=check_shots(rows, videos),
        pictures=_show_posters(settings, videos, rows),
    )


def _show_posters(settings: Settings, videos: Sequence[LakeVideo], rows: Sequence[LakeShot]) -> dict[str, str]:
    """Return posters of each partition's videos as Markdown, those of a few videos if it has more."""
    shots_by_video = defaultdict[str, list[LakeShot]](list)
    for row in rows:
        shots_by_video[row["video_id"]].append(row)
    parts_by_partition = defaultdict[str, list[str]](list)
    for video in sorted(videos, key=lambda video: video["video_id"]):
        video_id, parts = video["video_id"], parts_by_partition[settings.resolve_partition(video["video_id"])]
        shots = sorted(shots_by_video[video_id], key=lambda shot: shot["index"])
        if shots and len(parts) < MOST_SHEETS:
            times = ((shot["shot_id"], f"{shot['start_s']:.1f} s") for shot in spread_evenly(shots))
            parts.append(render_sheet(settings, video_id, video["title"] or video["path"], times))
    return {partition: "\n\n".join(parts) for partition, parts in parts_by_partition.items()}
