"""Whether the shots of a video are up to date: cut by this detector, with all corrections and all files.

Stands alone because the build, the command line's check for pending work and the page must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ops.core.rows import LakeShot, LakeVideo
from ops.core.settings import Settings
from ops.shots.corrections import CutCorrection
from ops.shots.detector import Boundary
from ops.shots.planning import PlannedShot, Recut, plan_cuts
from ops.shots.segment import make_poster_key, make_proxy_key

DETECTED_CUTS = "detected_cuts"
"""Table of boundaries as detected, for videos with corrected shots."""


def has_current_shots(
    settings: Settings, video_id: str, rows: Sequence[LakeShot], version: str, corrections: Sequence[CutCorrection] = ()
) -> bool:
    """Whether nothing is to be cut: same detector version, all ``corrections`` applied, every object present."""
    if not is_cut(settings, video_id, rows, version):
        return False
    plan = plan_shots(settings, video_id, rows, corrections)
    return plan is not None and _is_done(plan, rows)


def is_cut(settings: Settings, video_id: str, rows: Sequence[LakeShot], version: str) -> bool:
    """Whether this detector version cut a video and every object is present, whatever its later corrections."""
    if not rows or any(parse_version(row) != version for row in rows):
        return False
    there = {*settings.store.list(f"proxies/{video_id}"), *settings.store.list(f"posters/{video_id}")}
    spans = [(row["video_id"], row["start_frame"], row["end_frame"]) for row in rows]
    return all(make_proxy_key(*span) in there and make_poster_key(*span) in there for span in spans)


def parse_version(row: LakeShot) -> str:
    """The detector's version in a row of a shot, without the corrections that follow it."""
    return str(row["detector"]).partition("+")[0]


def plan_shots(
    settings: Settings, video_id: str, rows: Sequence[LakeShot], corrections: Sequence[CutCorrection]
) -> list[PlannedShot] | None:
    """The shots that a cut video should have; ``None`` if that requires a new detection."""
    if not corrections and not any("+" in row["detector"] for row in rows):
        return [_convert_row(row) for row in rows]
    boundaries = read_boundaries(settings, video_id, rows)
    return None if boundaries is None else plan_cuts(boundaries, corrections).shots(rows[-1]["end_frame"])


def plan_recut(
    settings: Settings, video_id: str, rows: Sequence[LakeShot], version: str, corrections: Sequence[CutCorrection]
) -> Recut | None:
    """The shots to cut again of a video that this detector cut; ``None`` if the whole video must be cut."""
    plan = plan_shots(settings, video_id, rows, corrections) if is_cut(settings, video_id, rows, version) else None
    if plan is None:
        return None
    old_spans = {(row["start_frame"], row["end_frame"]) for row in rows}
    return Recut(shots=tuple(plan), wanted=frozenset(each.start_frame for each in plan if each.span not in old_spans))


def read_boundaries(settings: Settings, video_id: str, rows: Sequence[LakeShot]) -> list[Boundary] | None:
    """The detector's boundaries of a video, without corrections; ``None`` if they are no longer stored."""
    partition = settings.resolve_partition(video_id)
    rows_here = settings.lake.read(DETECTED_CUTS, [partition]).to_pylist()
    video_rows = [row for row in rows_here if row["video_id"] == video_id and row["detector"] == parse_version(rows[0])]
    if not video_rows and any("+" in row["detector"] for row in rows):
        return None
    boundaries = [(row["frame"], row["transition"]) for row in video_rows] or [
        (row["start_frame"], row["transition"]) for row in rows
    ]
    return [Boundary(frame, transition) for frame, transition in sorted(boundaries) if frame]


def put_detected(
    settings: Settings, video: LakeVideo, boundaries: Sequence[Boundary], version: str, now: datetime
) -> bool:
    """Store the detector's boundaries of a video; return true if the table changed."""
    pairs = [(0, "start"), *((each.frame, each.transition) for each in boundaries)]
    rows = [
        {
            "cut_id": f"{video['video_id']}:{frame}",
            "video_id": video["video_id"],
            "frame": frame,
            "transition": transition,
            "detector": version,
            "event_timestamp": video["available_at"],
            "created_timestamp": now,
        }
        for frame, transition in pairs
    ]
    return settings.lake.update(DETECTED_CUTS, settings.resolve_partition(video["video_id"]), video["video_id"], rows)


def _convert_row(row: LakeShot) -> PlannedShot:
    return PlannedShot(start_frame=row["start_frame"], end_frame=row["end_frame"], transition=row["transition"])


def _is_done(plan: Sequence[PlannedShot], rows: Sequence[LakeShot]) -> bool:
    targets = [(*each.span, each.transition, each.detector(parse_version(rows[0]))) for each in plan]
    return targets == [(row["start_frame"], row["end_frame"], row["transition"], row["detector"]) for row in rows]
