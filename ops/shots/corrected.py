"""Two detectors with extra knowledge: one applies people's corrections, one gets every boundary in advance."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence

from ops.shots.corrections import CutCorrection
from ops.shots.detector import Boundary, Detector, DetectorFrame
from ops.shots.planning import LOOK_AHEAD, plan_cuts


class CorrectedDetector:
    """Another detector with corrections of its boundaries. ``detected`` are its own boundaries so far."""

    def __init__(self, detector: Detector, corrections: Sequence[CutCorrection]) -> None:
        self.detected: list[Boundary] = []
        self.max_delay = detector.max_delay + LOOK_AHEAD
        self._detector = detector
        self._corrections = corrections
        self._frames = sorted(each.frame for each in corrections if each.action == "cut")
        self._end = 0

    @property
    def decided(self) -> int:
        return self._end

    def push(self, detector_frame: DetectorFrame) -> list[Boundary]:
        self._note(self._detector.push(detector_frame))
        return self._settle(self._detector.decided - LOOK_AHEAD)

    def finish(self) -> list[Boundary]:
        self._note(self._detector.finish())
        return self._settle(self._detector.decided)

    def _note(self, boundaries: list[Boundary]) -> None:
        for each in boundaries:
            self.detected.append(each)
            insort(self._frames, each.frame)

    def _settle(self, until: int) -> list[Boundary]:
        begin, self._end = self._end, max(until, self._end)
        at = bisect_left(self._frames, begin)
        if at == len(self._frames) or self._frames[at] >= self._end:
            return []
        plan = plan_cuts(self.detected, self._corrections)
        return [each for each in plan.boundaries if begin <= each.frame < self._end]


class PlannedCuts:
    """Boundaries that are known before the first frame."""

    max_delay = 0

    def __init__(self, boundaries: Iterable[Boundary]) -> None:
        self._left = deque(sorted(boundaries))
        self._count = 0

    @property
    def decided(self) -> int:
        return self._count

    def push(self, detector_frame: DetectorFrame) -> list[Boundary]:
        self._count += 1
        cuts = []
        while self._left and self._left[0].frame < self._count:
            cuts.append(self._left.popleft())
        return cuts

    def finish(self) -> list[Boundary]:
        return []
