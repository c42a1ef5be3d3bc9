"""Rules for the shots of a video; pure functions over rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from ops.core.rows import LakeShot, LakeVideo
from ops.core.types import CheckOutcome


def check_shots(shots: Sequence[LakeShot], videos: Iterable[LakeVideo]) -> list[CheckOutcome]:
    """``gapless``, ``check_unique_ids`` and ``complete``, over shot rows and the rows of the ready videos."""
    return [check_gapless(shots), check_unique_ids(shots), complete(shots, videos)]


def check_gapless(shots: Sequence[LakeShot]) -> CheckOutcome:
    """Shots of a video start at frame 0, follow each other without gap or overlap, and are never empty."""
    faults = []
    shots_in_order = sorted(shots, key=lambda shot: (shot["video_id"], shot["index"]))
    for video_id, group in groupby(shots_in_order, key=lambda shot: shot["video_id"]):
        rows = list(group)
        starts = [row["start_frame"] for row in rows]
        ends = [row["end_frame"] for row in rows]
        empty = any(end <= start for start, end in zip(starts, ends, strict=True))
        if (
            starts[0] != 0
            or starts[1:] != ends[:-1]
            or empty
            or [row["index"] for row in rows] != list(range(len(rows)))
        ):
            faults.append(video_id)
    return CheckOutcome(name="gapless", passed=not faults, details={"videos_with_gaps": faults})


def check_unique_ids(shots: Sequence[LakeShot]) -> CheckOutcome:
    """No two shots share an id."""
    counts = Counter(shot["shot_id"] for shot in shots)
    twice = [shot_id for shot_id, count in counts.items() if count > 1]
    return CheckOutcome(name="unique_ids", passed=not twice, details={"shots": len(counts), "repeated": twice[:20]})


def complete(shots: Sequence[LakeShot], videos: Iterable[LakeVideo]) -> CheckOutcome:
    """Every ready video has shots, and the last one ends with its last frame."""
    ends: dict[str, int] = {}
    for shot in shots:
        ends[shot["video_id"]] = max(ends.get(shot["video_id"], 0), shot["end_frame"])
    missing = [video["path"] for video in videos if ends.get(video["video_id"]) != video["frames"]]
    return CheckOutcome(name="complete", passed=not missing, details={"videos_not_cut_to_the_end": missing})
