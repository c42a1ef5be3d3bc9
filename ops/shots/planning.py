"""From a detector's boundaries and people's corrections to the shots of a video: pure functions.

Stands alone because the same rules apply in three cases. They apply while a video is cut, if a correction comes
afterwards, and if a new detector moves its boundaries by a frame or two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ops.core.types import Transition
from ops.shots.corrections import CutCorrection
from ops.shots.detector import Boundary

TOLERANCE = 2
"""Frames by which detectors differ about the same cut; annotations are compared with the same tolerance."""
LEAST_FRAMES = TOLERANCE + 1
"""Length of the shortest shot that a correction can create: closer boundaries are the same boundary."""
LOOK_AHEAD = 2 * TOLERANCE
"""Number of later frames whose boundaries can change the decision about a boundary."""


@dataclass(frozen=True, kw_only=True)
class PlannedShot:
    """A planned shot: ``[start_frame, end_frame)``. ``changes`` are the corrections that created it, by frame."""

    start_frame: int
    end_frame: int
    transition: Transition
    changes: tuple[str, ...] = ()

    @property
    def span(self) -> tuple[int, int]:
        return self.start_frame, self.end_frame

    def detector(self, version: str) -> str:
        """The origin of the shot: the detector's version, then each correction, as in ``auto-1a2b3c4d+no_cut@120``."""
        return "+".join((version, *self.changes))


@dataclass(frozen=True, kw_only=True)
class Recut:
    """All planned shots of a video, and the first frames of those without a proxy. Picklable."""

    shots: tuple[PlannedShot, ...]
    wanted: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class CutPlan:
    """Boundaries above frame 0, ascending, and their differences from the detected ones.

    ``added`` are people's cuts that were not detected at that frame. ``removed`` are the detected boundaries that
    people rejected, with the frame of the correction.
    """

    boundaries: tuple[Boundary, ...]
    added: frozenset[int]
    removed: Mapping[int, int]

    def shots(self, frames: int) -> list[PlannedShot]:
        """The shots of a video of ``frames`` frames. Boundaries past its end are ignored."""
        inside = [each for each in self.boundaries if each.frame < frames]
        transitions: dict[int, Transition] = {0: "start"}
        transitions.update((each.frame, each.transition) for each in inside)
        return [
            PlannedShot(
                start_frame=start, end_frame=end, transition=transitions[start], changes=self._list_changes(start, end)
            )
            for start, end in pairwise([*transitions, frames])
        ]

    def _list_changes(self, start: int, end: int) -> tuple[str, ...]:
        changes = {edge: "cut" for edge in (start, end) if edge in self.added}
        changes |= {by: "no_cut" for frame, by in self.removed.items() if start < frame < end}
        return tuple(f"{action}@{frame}" for frame, action in sorted(changes.items()))


def plan_cuts(detections: Iterable[Boundary], corrections: Sequence[CutCorrection]) -> CutPlan:
    """Apply corrections that count to detected boundaries.

    A ``cut`` is a boundary at exactly its frame, and replaces detected ones up to ``TOLERANCE`` frames away. A
    ``no_cut`` removes one detected boundary: that at its frame, otherwise the nearest up to ``TOLERANCE`` frames away.
    """
    boundary_at = {each.frame: each for each in detections if each.frame > 0}
    cuts = sorted({each.frame for each in corrections if each.action == "cut"})
    no_cuts = sorted({each.frame for each in corrections if each.action == "no_cut"})
    removals = _match_removals(boundary_at, no_cuts)
    boundaries = {
        frame: each
        for frame, each in boundary_at.items()
        if frame not in removals and not any(abs(frame - cut) <= TOLERANCE for cut in cuts)
    }
    for cut in cuts:
        near = min(_find_near(cut, boundary_at), key=lambda frame: (abs(frame - cut), frame), default=None)
        boundaries[cut] = Boundary(cut, boundary_at[near].transition if near is not None else "cut")
    return CutPlan(
        boundaries=tuple(boundaries[frame] for frame in sorted(boundaries)),
        added=frozenset(cut for cut in cuts if cut not in boundary_at),
        removed=removals,
    )


def _match_removals(boundary_at: Mapping[int, Boundary], no_cuts: Sequence[int]) -> dict[int, int]:
    """The frame of the correction by the frame of the boundary that it removes; one boundary per correction."""
    removals: dict[int, int] = {}
    frames = set(no_cuts)
    for frame in no_cuts:
        near = [
            each
            for each in _find_near(frame, boundary_at)
            if each not in removals and (each == frame or each not in frames)
        ]
        if near:
            removals[min(near, key=lambda each: (abs(each - frame), each))] = frame
    return removals


def _find_near(frame: int, boundary_at: Mapping[int, Boundary]) -> list[int]:
    return [each for each in range(frame - TOLERANCE, frame + TOLERANCE + 1) if each in boundary_at]
