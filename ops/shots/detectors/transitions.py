"""From confirmed proposals to boundaries: one for each gradual transition, in its middle, none near a hard cut."""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """A gradual transition within ``[first, last]``; ``middle`` is its boundary; the higher ``score`` of two stays."""

    middle: int
    first: int
    last: int
    score: float


class Transitions:
    """Collects confirmed transitions until no later one can change them.

    If the middles of two transitions are more than ``distance`` frames apart, both stay; if they are closer, they may
    be one. ``longest_black``: two fades with at most this many frames of one colour between them are one transition.
    """

    def __init__(self, distance: int, longest_black: int) -> None:
        self._distance, self._black = distance, longest_black
        self._open: list[Confirmed] = []
        self._closed_clusters: list[Confirmed] = []
        self._last_run: tuple[int, int] | None = None
        self.max_delay = 4 * distance + longest_black

    def add(self, transition: Confirmed) -> None:
        """Add a confirmed transition; a later one may have an earlier middle."""
        self._open.append(transition)

    def settle(
        self, safe: int, frame_count: int, blank: Sequence[bool], cuts: Sequence[int], *, is_last: bool
    ) -> list[int]:
        """Boundaries that are final, ascending.

        No later transition has its middle before ``safe``. ``blank`` records for each frame so far whether it has only
        one colour; ``cuts`` are the hard cuts before ``frame_count``, ascending.
        """
        self._close_clusters(safe, is_last)
        final = []
        while self._closed_clusters:
            outcome = self._place(self._closed_clusters[0], frame_count, blank, cuts, is_last)
            if outcome is None:
                break
            self._closed_clusters.pop(0)
            final += outcome
        return sorted(set(final))

    def find_first_undecided(self, safe: int, blank: Sequence[bool]) -> int:
        """The first frame at which a boundary may still be placed."""
        transitions = [*self._open, *self._closed_clusters]
        blacks = [self._start_of_black(each.first, each.last, blank) for each in transitions]
        return min(
            [safe, self._start_of_black(safe - self._distance, safe, blank), *blacks, *(e.middle for e in transitions)]
        )

    def _start_of_black(self, first: int, last: int, blank: Sequence[bool]) -> int:
        """Start of the run of one colour near ``[first, last]``, if it may be a transition; else ``last``."""
        near = range(max(first - self._distance, 0), min(last + self._distance + 1, len(blank)))
        at = next((frame for frame in near if blank[frame]), None)
        if at is None:
            return last
        start = at
        while start > 0 and blank[start - 1] and at - start <= self._black:
            start -= 1
        return min(start, last)

    def _close_clusters(self, safe: int, is_last: bool) -> None:
        """Of transitions too near to each other keep the best, if no later one can come near."""
        self._open.sort(key=lambda each: each.middle)
        while self._open:
            size = 1
            while size < len(self._open) and self._open[size].middle - self._open[size - 1].middle <= self._distance:
                size += 1
            cluster = self._open[:size]
            is_whole = cluster[-1].middle + self._distance < safe
            if not (is_last or is_whole or cluster[0].middle + 4 * self._distance < safe):
                return
            self._open = self._open[size:]
            remaining: list[Confirmed] = []
            for each in sorted(cluster, key=lambda each: -each.score):
                if all(abs(each.middle - other.middle) > self._choose_distance(each, other) for other in remaining):
                    remaining.append(each)
            self._closed_clusters += sorted(remaining, key=lambda each: each.middle)

    def _choose_distance(self, one: Confirmed, other: Confirmed) -> int:
        lengths = (one.last - one.first, other.last - other.first)
        return min(max(8, *(length // 2 for length in lengths)), self._distance)

    def _place(
        self, each: Confirmed, frame_count: int, blank: Sequence[bool], cuts: Sequence[int], is_last: bool
    ) -> list[int] | None:
        """The boundary of one transition, or an empty list; ``None`` if the decision needs later frames."""
        run = self._run_beside(each, blank)
        if run is None:
            return [each.middle]
        start, end = run
        is_over = end < len(blank) or is_last
        if end - start <= self._black and (not is_over or (end + 2 >= frame_count and not is_last)):
            return None
        if self._last_run is not None and start == self._last_run[0]:
            return []
        self._last_run = run
        # If one colour is at either end of the video or next to a hard cut, it divides no more than the cut does.
        if start == 0 or (is_last and end >= len(blank)):
            return []
        if has_between(cuts, start - 1, start + 1) or has_between(cuts, end, end + 2):
            return []
        if end - start <= self._black:
            return [(start + end) // 2]
        return [start + self._black // 2] if each.first < start else [each.middle]

    def _run_beside(self, each: Confirmed, blank: Sequence[bool]) -> tuple[int, int] | None:
        """The half-open run of one colour nearest to the middle that the transition leads to or comes from."""
        most = self._distance // 2
        reach = range(max(each.first - most, 0), min(each.last + most + 1, len(blank)))
        near = [at for at in reach if blank[at]]
        if not near:
            return None
        at = min(near, key=lambda frame: abs(frame - each.middle))
        start = end = at
        while start > 0 and blank[start - 1]:
            start -= 1
        while end < len(blank) and blank[end]:
            end += 1
        return start, end


def has_between(cuts: Sequence[int], first: int, last: int) -> bool:
    """Whether one of the frames, ascending, is in ``[first, last]``."""
    at = bisect_left(cuts, first)
    return at < len(cuts) and cuts[at] <= last


def find_latest(cuts: Sequence[int], frame: int) -> int:
    """The last of the frames, ascending, that is not after ``frame``; 0 if there is none."""
    at = bisect_right(cuts, frame)
    return cuts[at - 1] if at else 0


def find_earliest(cuts: Sequence[int], frame: int) -> int:
    """The first of the frames, ascending, after ``frame``; a number beyond any video if there is none."""
    at = bisect_right(cuts, frame)
    return cuts[at] if at < len(cuts) else sys.maxsize
