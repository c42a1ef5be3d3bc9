"""Correction of the cuts of a video by hand: the valid requests, and the state of each correction.

Stands alone because the command line and the page refuse the same requests with the same messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.rows import LakeShot, LakeVideo
from ops.core.settings import Settings
from ops.shots.build import read_shots
from ops.shots.corrections import (
    TABLE,
    Action,
    CutCorrection,
    append_corrections,
    read_history,
    select_current,
)
from ops.shots.due import plan_shots, read_boundaries
from ops.shots.planning import LEAST_FRAMES, CutPlan, PlannedShot, plan_cuts
from ops.videos import catalogue

Verb = Literal["merge", "split", "undo"]
State = Literal["applied", "agrees", "waiting", "past_end", "withdrawn", "superseded"]
ACTIONS: dict[Verb, Action] = {"merge": "no_cut", "split": "cut", "undo": "withdrawn"}
MAX_AUTHOR = 100
MAX_NOTE = 500
NEAREST = 4
"""Number of boundaries that a refusal names."""


@dataclass(frozen=True, kw_only=True)
class CutState:
    """The present and the planned cuts of one video, and all corrections by people.

    ``rows`` are the shots of the lake in order, ``planned`` those of the next ingest.
    """

    video: LakeVideo
    rows: list[LakeShot]
    history: list[CutCorrection]
    planned: list[PlannedShot]
    plan: CutPlan

    @property
    def current(self) -> list[CutCorrection]:
        """The corrections that count, by frame."""
        return select_current(self.history)

    @property
    def frames(self) -> int:
        return int(self.rows[-1]["end_frame"])

    @property
    def to_cut(self) -> list[int]:
        """Frames at which shots begin after the next ingest, but not now."""
        return sorted({each.start_frame for each in self.planned} - self._list_starts())

    @property
    def to_merge(self) -> list[int]:
        """Frames at which shots begin now, but not after the next ingest."""
        return sorted(self._list_starts() - {each.start_frame for each in self.planned})

    def list_states(self) -> Iterator[tuple[CutCorrection, State]]:
        """All corrections, the oldest first, each with its state."""
        latest = {each.frame: each for each in self.history}
        for each in self.history:
            yield each, self._find_state(each) if latest[each.frame] is each else "superseded"

    def _find_state(self, correction: CutCorrection) -> State:
        if correction.action == "withdrawn":
            return "withdrawn"
        if correction.frame >= self.frames:
            return "past_end"
        if correction.action == "cut":
            if correction.frame not in self._list_starts():
                return "waiting"
            return "applied" if correction.frame in self.plan.added else "agrees"
        boundary_frames = [frame for frame, by in self.plan.removed.items() if by == correction.frame]
        if not boundary_frames:
            return "agrees"
        return "waiting" if set(boundary_frames) & self._list_starts() & set(self.to_merge) else "applied"

    def _list_starts(self) -> set[int]:
        return {row["start_frame"] for row in self.rows}


def read_cut_state(settings: Settings, video: LakeVideo) -> CutState:
    """The state of one video, a row of the register. Raises ``UsageError`` if it has no shots yet."""
    rows = read_shots(settings, video["video_id"])
    if not rows:
        raise UsageError(f"{video['path']} has no shots: `needle ingest` cuts it, then its cuts can be corrected")
    return _build_state(settings, video, rows, read_history(settings, video["video_id"]))


def _build_state(settings: Settings, video: LakeVideo, rows: list[LakeShot], history: list[CutCorrection]) -> CutState:
    current = select_current(history)
    planned_shots = plan_shots(settings, video["video_id"], rows, current)
    if planned_shots is None:  # the next ingest detects again; until then only the shots are known
        planned_shots = [
            PlannedShot(start_frame=row["start_frame"], end_frame=row["end_frame"], transition=row["transition"])
            for row in rows
        ]
    plan = plan_cuts(read_boundaries(settings, video["video_id"], rows) or (), current)
    return CutState(video=video, rows=rows, history=history, planned=planned_shots, plan=plan)


def correct_cuts(
    settings: Settings,
    video: LakeVideo,
    statements: Sequence[tuple[Verb, int]],
    *,
    author: str,
    note: str = "",
    now: datetime,
) -> CutState:
    """Append corrections of one video, all or none: each must be valid after those before it.

    Returns the state after them; shots change with the next ingest.

    Raises ``UsageError`` for a frame outside the video and an undo without a correction; for a merge without a
    boundary, and a split at a boundary or too near to one.
    """
    author, note = author.strip(), note.strip()
    if not author or len(author) > MAX_AUTHOR or len(note) > MAX_NOTE:
        raise UsageError(f"an author has 1 to {MAX_AUTHOR} characters, a note at most {MAX_NOTE}")
    if video["state"] == "removed":
        raise UsageError(f"{video['path']} ({video['video_id']}) is no longer in the library: nothing to correct")
    partition = settings.resolve_partition(video["video_id"])
    with settings.hold_work_lock(), settings.lake.hold_lock(f"{TABLE}-{partition}"):
        catalogue.require_same_division(settings)
        state = read_cut_state(settings, video)
        new_statements: list[CutCorrection] = []
        for verb, frame in statements:
            _require(state, verb, frame)
            new_statements.append(_build_statement(state, verb, frame, author, note, now))
            state = _build_state(settings, video, state.rows, [*state.history, new_statements[-1]])
        if new_statements:
            append_corrections(settings, new_statements, now)
    return state


def _build_statement(state: CutState, verb: Verb, frame: int, author: str, note: str, now: datetime) -> CutCorrection:
    """The row of a statement; its time is later than all before it, even if the clocks of the authors differ."""
    last = max((each.created_at for each in state.history), default=now - timedelta(microseconds=1))
    return CutCorrection(
        video_id=state.video["video_id"],
        frame=frame,
        action=ACTIONS[verb],
        author=author,
        created_at=max(now, last + timedelta(microseconds=1)),
        note=note,
        content_hash=state.video["content_hash"] or "",
    )


def _require(state: CutState, verb: Verb, frame: int) -> None:
    name = str(state.video["path"]).rsplit("/", 1)[-1]
    if verb == "undo":
        _require_correction(state, frame, name)
        return
    if not 0 <= frame < state.frames:
        raise UsageError(f"{name} has no frame {frame}: its frames are 0 to {state.frames - 1}")
    if frame == 0:
        raise UsageError(f"frame 0 begins {name}: choose a later frame")
    starts = [each.start_frame for each in state.planned]
    if verb == "merge" and frame not in starts:
        raise UsageError(f"no shot of {name} begins at frame {frame}: {_find_nearest(state, frame)}")
    if verb == "split":
        if frame in starts:
            raise UsageError(f"a shot of {name} begins at frame {frame} already")
        shot = next(each for each in state.planned if each.start_frame < frame < each.end_frame)
        edge = min(shot.span, key=lambda each: abs(each - frame))
        if abs(edge - frame) < LEAST_FRAMES:
            length = plural(abs(edge - frame), "frame")
            raise UsageError(
                f"a cut at frame {frame} of {name} would leave a shot of {length}, and the shortest has "
                f"{LEAST_FRAMES}: " + _suggest_frame(edge, state.frames)
            )


def _suggest_frame(edge: int, frames: int) -> str:
    """Advice for a split that is too near to an edge of a shot."""
    if edge in (0, frames):
        return "choose a frame further from the end of the film" if edge else "choose a later frame"
    return f"to move the boundary at frame {edge}, merge there first, then split"


def _require_correction(state: CutState, frame: int, name: str) -> None:
    current = [each.frame for each in state.current]
    if frame not in current:
        advice = f"there are corrections at {', '.join(map(str, current[:20]))}" if current else "there are none"
        raise UsageError(f"no correction at frame {frame} of {name}: {advice}")


def _find_nearest(state: CutState, frame: int) -> str:
    starts = sorted((each.start_frame for each in state.planned if each.start_frame), key=lambda at: abs(at - frame))
    correction = next((each for each in state.current if each.frame == frame and each.action == "no_cut"), None)
    if correction:
        return f"a correction by {correction.author} merged it; `--undo {frame}` takes that back"
    return f"the nearest begin at {', '.join(map(str, sorted(starts[:NEAREST])))}" if starts else "it is one shot"


def list_correction_documents(settings: Settings, video_id: str | None = None) -> list[dict[str, Any]]:
    """All corrections (of one video, or of every video) as JSON, each with its video and its state."""
    documents: list[dict[str, Any]] = []
    videos = {row["video_id"]: row for row in catalogue.read_videos(settings.lake)}
    history = read_history(settings, video_id)
    for name in sorted({each.video_id for each in history} & videos.keys()):
        video = videos[name]
        facts = {
            "path": video["path"],
            "content_hash": video["content_hash"],
            "fps": f"{video['fps_num']}/{video['fps_den']}",
            "video_state": video["state"],
        }
        rows, video_history = read_shots(settings, name), [each for each in history if each.video_id == name]
        states = (
            _build_state(settings, video, rows, video_history).list_states()
            if rows
            else ((each, "waiting") for each in video_history)
        )
        documents += [each.document() | facts | {"state": state} for each, state in states]
    return documents
