"""Shot boundaries of several annotated clips: scores per clip and pooled, intervals over clips, and every fault.

Opens no file and runs no detector, so that the command line, the notebook and a test give the same figures.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from operator import add
from pathlib import Path
from typing import TypedDict

import numpy as np

from ops.core.plural import plural
from ops.evaluation.cuts import (
    BoundaryMatch,
    BoundaryScore,
    CutScore,
    Fault,
    FaultKind,
    ShotAnnotation,
    TransitionKind,
    match_boundaries,
)

TOLERANCE = 2
"""Maximum distance of a detection from an annotated boundary, in frames."""
LEAST_CLIPS = 5
"""Least number of clips with a boundary or a detection of the kind for an interval; with fewer it means little."""
RESAMPLES = 2000
SEED = 0
INTERVALS = (
    f"95 % percentile bootstrap over clips, {RESAMPLES:,} resamples, seed {SEED}; "
    f"none with fewer than {LEAST_CLIPS} clips that have a boundary or a detection of that kind"
)
METRICS = ("f1", "precision", "recall")
NEAR_S = 1
"""The nearest boundary of the other side is named if it is at most this far from a fault, in seconds."""


def name_clip(path: Path, folder: Path) -> str:
    """The printable name of a clip below its folder; bytes that are not UTF-8 are written as codes."""
    return path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(frozen=True, kw_only=True)
class SetAsideClip:
    """A clip that could not be evaluated, with the reason."""

    name: str
    reason: str


class FaultDocument(TypedDict):
    """A fault in the JSON form of the commands; frames are inclusive."""

    clip: str
    kind: FaultKind
    transition: TransitionKind
    frame: int
    last_frame: int
    time_s: float | None
    nearest_frame: int | None


@dataclass(frozen=True, kw_only=True)
class ClipFault:
    """A fault of one clip, with the time of its first frame; ``None`` if the clip ends before it.

    ``nearest`` is the frame of the nearest detection (of a missed boundary) or annotated boundary (of a false one)
    within a second.
    """

    clip: str
    fault: Fault
    time_s: float | None
    nearest: int | None

    def as_json(self) -> FaultDocument:
        """The fault in the JSON form of the commands."""
        return {
            "clip": self.clip,
            "kind": self.fault.kind,
            "transition": self.fault.transition,
            "frame": self.fault.first,
            "last_frame": self.fault.last,
            "time_s": None if self.time_s is None else round(self.time_s, 4),
            "nearest_frame": self.nearest,
        }


@dataclass(frozen=True, kw_only=True)
class ClipCuts:
    """The detections on one clip, and their comparison with its annotation.

    ``boundaries`` are ``(first frame of a shot, whether it is detected as gradual)``; ``notes`` are oddities of the
    clip.
    """

    name: str
    path: Path
    fps: Fraction
    frames: int
    boundaries: tuple[tuple[int, bool], ...]
    annotation: ShotAnnotation
    match: BoundaryMatch
    faults: tuple[ClipFault, ...]
    notes: tuple[str, ...] = ()


def compare_clip(
    *,
    name: str,
    path: Path,
    fps: Fraction,
    times_s: Sequence[float],
    boundaries: Iterable[tuple[int, bool]],
    annotation: ShotAnnotation,
    tolerance: int = TOLERANCE,
) -> ClipCuts:
    """The scores and faults of one clip. ``times_s`` are the times of all of its frames."""
    sorted_boundaries = tuple(sorted(boundaries))
    match = match_boundaries(sorted_boundaries, annotation, tolerance=tolerance)
    detected_frames = [frame for frame, _ in sorted_boundaries]
    annotated_frames = sorted([*annotation.hard, *(middle for middle in map(_find_middle, annotation.gradual))])
    reach = max(round(NEAR_S * fps), 1)
    faults = [
        ClipFault(
            clip=name,
            fault=fault,
            time_s=times_s[fault.first] if fault.first < len(times_s) else None,
            nearest=_find_nearest(
                annotated_frames if fault.kind == "false" else detected_frames,
                _find_middle((fault.first, fault.last)),
                reach,
            ),
        )
        for fault in match.faults
    ]
    return ClipCuts(
        name=name,
        path=path,
        fps=fps,
        frames=len(times_s),
        boundaries=sorted_boundaries,
        annotation=annotation,
        match=match,
        faults=tuple(faults),
        notes=tuple(_list_notes(annotation, len(times_s))),
    )


def _list_notes(annotation: ShotAnnotation, frames: int) -> Iterable[str]:
    annotated_frames = annotation.frames
    if annotated_frames is not None and annotated_frames < frames:
        yield f"annotated up to frame {annotated_frames} of {frames}: later detections are not counted"
    if annotated_frames is not None and annotated_frames > frames:
        yield f"the annotation is of {annotated_frames} frames, the clip has {frames}"
    beyond = [last for _, last in annotation.gradual if last >= frames] + [at for at in annotation.hard if at >= frames]
    if beyond:
        boundaries = plural(len(beyond), "annotated boundary comes", "annotated boundaries come")
        count = "counts" if len(beyond) == 1 else "count"
        yield f"{boundaries} after the last of the {frames} frames and {count} as missed"
    if annotated_frames is not None and (late := sum(at >= annotated_frames for at in _list_first_frames(annotation))):
        boundaries = plural(late, "boundary is", "boundaries are")
        yield f"{boundaries} annotated at or after frame {annotated_frames}, the annotation's end: missed"


def _list_first_frames(annotation: ShotAnnotation) -> Iterable[int]:
    yield from annotation.hard
    yield from (first for first, _ in annotation.gradual)


def _find_middle(frames: tuple[int, int]) -> int:
    return (frames[0] + frames[1]) // 2


def _find_nearest(sorted_frames: Sequence[int], frame: int, reach: int) -> int | None:
    place = bisect_left(sorted_frames, frame)
    near = [at for at in sorted_frames[max(place - 1, 0) : place + 1] if abs(at - frame) <= reach]
    return min(near, key=lambda at: abs(at - frame)) if near else None


@dataclass(frozen=True, kw_only=True)
class CutEvaluation:
    """All clips that a detector was run on, and those that it could not be run on."""

    detector: str
    clips: tuple[ClipCuts, ...]
    set_aside: tuple[SetAsideClip, ...] = field(default=())

    @property
    def pooled(self) -> BoundaryScore:
        """The counts of all clips together. Raises ``TypeError`` if there are no clips."""
        return reduce(add, [clip.match.score for clip in self.clips])

    @property
    def faults(self) -> list[ClipFault]:
        """Every fault, by clip and frame."""
        return [fault for clip in self.clips for fault in clip.faults]

    def estimate_intervals(self) -> dict[str, tuple[float, float] | None]:
        """``hard_f1``, ``hard_precision``, ..., ``gradual_recall``: 95 % intervals over clips."""
        hard = [clip.match.score.hard for clip in self.clips]
        gradual = [clip.match.score.gradual for clip in self.clips]
        return {
            f"{kind}_{metric}": estimate_interval_over_clips(scores, metric)
            for kind, scores in (("hard", hard), ("gradual", gradual))
            for metric in METRICS
        }


def estimate_interval_over_clips(
    scores: Sequence[CutScore], metric: str, *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the pooled ``f1``, ``precision`` or ``recall``, over clips.

    Clips are drawn with replacement (Efron and Tibshirani, 1993, chapter 13). The interval reports how the figure would
    vary with other clips of the same kinds. ``None`` if fewer than ``LEAST_CLIPS`` clips have anything to count. The
    same scores and seed give the same interval.
    """
    counts_C3 = np.array([(score.right, score.false, score.missed) for score in scores], dtype=np.int64).reshape(-1, 3)
    if int((counts_C3.sum(axis=1) > 0).sum()) < LEAST_CLIPS:
        return None
    rng = np.random.default_rng(seed)
    drawn_RC = rng.integers(len(counts_C3), size=(resamples, len(counts_C3)))
    right_R, false_R, missed_R = counts_C3[drawn_RC].sum(axis=1).T
    top_R, bottom_R = {
        "f1": (2 * right_R, 2 * right_R + false_R + missed_R),
        "precision": (right_R, right_R + false_R),
        "recall": (right_R, right_R + missed_R),
    }[metric]
    estimates_R = np.where(bottom_R > 0, top_R / np.maximum(bottom_R, 1), 1.0)
    low, high = np.quantile(estimates_R, (0.025, 0.975))
    return float(low), float(high)
