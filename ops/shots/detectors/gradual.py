"""Gradual transitions, found while the film streams by: fades through one colour, and dissolves.

Both hold back the boundary until the transition is over, at most for a bounded number of frames.
"""

from __future__ import annotations

import numpy as np

from ops.shots.detectors.recent import RecentFrames, difference, mixture
from ops.shots.thresholds import DissolveThresholds


class Dips:
    """Follows runs of one-coloured frames: a run with soft edges divides two shots in its middle."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._start: int | None = None
        self.held_from: int | None = None
        """First frame of a run in which a boundary may yet be placed."""

    def advance(self, frame: int, is_blank: bool, is_hard: bool) -> int | None:
        """Take the next frame; the boundary that has become certain, if any."""
        start, held = self._start, self.held_from
        if not is_blank:
            self._start = self.held_from = None
            return (start + frame) // 2 if start is not None and held is not None and not is_hard else None
        if start is None or is_hard:
            # Black at the beginning or after a hard cut belongs to the shot that follows; a flash divides nothing.
            self._start, self.held_from = frame, None if is_hard else frame
            return None
        if held is not None and frame - start >= self._longest:
            self.held_from = None
            return start + self._longest // 2
        return None


class Dissolves:
    """Follows runs of frames that are mixtures of what lies before and after; a run divides two shots in its middle."""

    def __init__(self, thresholds: DissolveThresholds, blank_deviation: float) -> None:
        self._t = thresholds
        self._blank_deviation = blank_deviation
        self.reach = max(thresholds.half_lengths)
        self.max_delay = thresholds.longest + thresholds.quiet
        self._start: int | None = None
        self._last = self._hits = 0
        self._is_told = False
        self.held_from: int | None = None
        """First frame of a run in which a boundary may yet be placed."""

    def advance(self, frame: int, frames: RecentFrames, is_hard: bool) -> int | None:
        """Take the next frame; the boundary that has become certain, if any."""
        if is_hard:
            self._start = self.held_from = None
            return None
        if any(self._is_mixture(frame, half, frames) for half in self._t.half_lengths):
            if self._start is None:
                self._start = self.held_from = frame
                self._hits, self._is_told = 0, False
            self._last = frame
            self._hits += 1
        if self._start is None:
            return None
        if frame - self._last >= self._t.quiet:
            middle = self._tell(frames)
            self._start = None
            return middle
        return self._tell(frames) if frame - self._start >= self._t.longest else None

    def finish(self, frames: RecentFrames) -> int | None:
        """No frames follow; the boundary of a run that was under way, if any."""
        middle = self._tell(frames)
        self._start = self.held_from = None
        return middle

    def _tell(self, frames: RecentFrames) -> int | None:
        if self._is_told or self._start is None:
            return None
        self._is_told, self.held_from = True, None
        near = range(self._start - self._t.quiet, self._last + self._t.quiet + 1)
        # A fade to one colour and back is straight on both sides of it, and is counted as a dip.
        is_fade = any(frames.deviation(frame) < self._blank_deviation for frame in near)
        return None if is_fade or self._hits < self._t.hits else (self._start + self._last) // 2

    def _is_mixture(self, middle: int, half: int, frames: RecentFrames) -> bool:
        path = frames.path(middle - half, middle + half)
        if path < self._t.least_change:
            return False
        first, last = frames.small(middle - half), frames.small(middle + half)
        if first is None or last is None:
            return False
        change = difference(first, last)
        if change < self._t.least_change or path > self._t.straightness * change:
            return False
        steps = (frames.change(frame) for frame in range(middle - half + 1, middle + half + 1))
        if max(steps) > self._t.step * change / (2 * half):
            return False
        if min(frames.deviation(middle - half), frames.deviation(middle + half)) < self._t.least_deviation:
            return False
        for share, frame in ((0.5, middle), (0.25, middle - half // 2), (0.75, middle + half // 2)):
            small = frames.small(frame)
            if small is None or difference(mixture(first, last, share), small) > self._t.misfit * change:
                return False
        return bool(np.corrcoef(first.ravel(), last.ravel())[0, 1] <= self._t.most_correlation)
