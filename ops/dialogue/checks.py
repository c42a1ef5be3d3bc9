"""Rules that dialogue must keep; pure functions over rows of the lake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ops.core.rows import LakeLine, LakeShot, LakeShotDialogue
from ops.core.types import CheckOutcome


def check_dialogue(
    lines: Sequence[LakeLine], shots: Sequence[LakeShot], shot_dialogue: Sequence[LakeShotDialogue]
) -> list[CheckOutcome]:
    """Run ``check_lines_in_shots`` and ``complete`` over the rows of some partitions."""
    return [check_lines_in_shots(lines, shots), complete(lines, shots, shot_dialogue)]


def check_lines_in_shots(lines: Sequence[LakeLine], shots: Sequence[LakeShot]) -> CheckOutcome:
    """Check that each line names exactly the shots whose frames it shares; only a line past the end has none."""
    by_video: dict[str, list[LakeShot]] = defaultdict(list)
    for shot in sorted(shots, key=lambda shot: shot["start_frame"]):
        by_video[shot["video_id"]].append(shot)
    broken_ids = []
    for line in lines:
        video_shots = by_video[line["video_id"]]
        shot_ids = [
            shot["shot_id"]
            for shot in video_shots
            if shot["start_frame"] < line["end_frame"] and line["start_frame"] < shot["end_frame"]
        ]
        inside = bool(video_shots) and line["start_frame"] < video_shots[-1]["end_frame"]
        if line["shot_ids"] != shot_ids or inside != bool(shot_ids) or not line["start_frame"] < line["end_frame"]:
            broken_ids.append(line["line_id"])
    return CheckOutcome(
        name="lines_in_shots", passed=not broken_ids, details={"lines": len(lines), "wrongly_tied": broken_ids[:20]}
    )


def complete(
    lines: Sequence[LakeLine], shots: Sequence[LakeShot], shot_dialogue: Sequence[LakeShotDialogue]
) -> CheckOutcome:
    """Check that every shot has its row in ``shot_dialogue``, and that these count each tied line once per tie."""
    rows = {row["shot_id"]: row for row in shot_dialogue}
    shot_ids = {shot["shot_id"] for shot in shots}
    missing = sorted(shot_ids ^ rows.keys())
    line_count = sum(row["lines"] for row in rows.values())
    tie_count = sum(len(line["shot_ids"]) for line in lines)
    return CheckOutcome(
        name="complete",
        passed=not missing and line_count == tie_count,
        details={"shots_without_row_or_gone": missing[:20], "lines_counted": line_count, "lines_tied": tie_count},
    )
