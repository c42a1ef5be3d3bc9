"""Tie lines to frames and shots: times become source frames by exact rates, or by the shots' own times."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from itertools import takewhile

from ops.core.rows import LakeShot
from ops.core.time import find_seconds

_TOLERANCE_S = 0.002


TimesOf = Callable[[LakeShot], Sequence[float] | None]


def _return_unknown(shot: LakeShot) -> None:
    return None


class FrameClock:
    """Frames by time in one video, from its rate and its shots (rows of the lake, in order).

    If every shot begins and ends at its time by the rate, the rate counts, exactly. If not, the rate varies or frames
    are missing, and the times of a shot's frames count. ``times_of`` returns them in seconds from its start, or
    ``None`` if they are not known or follow the rate. Then time runs evenly within the shot.
    """

    def __init__(self, fps: Fraction, shots: Sequence[LakeShot], times_of: TimesOf = _return_unknown) -> None:
        self.fps = fps
        self.shots = shots
        self.is_constant = all(
            abs(find_seconds(frame, fps) - seconds) <= _TOLERANCE_S
            for shot in shots
            for frame, seconds in ((shot["start_frame"], shot["start_s"]), (shot["end_frame"], shot["end_s"]))
        )
        self._times_of = cache(lambda number: times_of(shots[number]))
        self._starts = [shot["start_s"] for shot in shots]
        self._start_frames = [shot["start_frame"] for shot in shots]

    @property
    def length_s(self) -> float:
        """End of the last shot; 0 without shots."""
        return float(self.shots[-1]["end_s"]) if self.shots else 0.0

    def find_frames(self, start_s: float, end_s: float) -> tuple[int, int]:
        """Return ``[start_frame, end_frame)`` of a span of time, to the nearest frame and at least one frame long."""
        start = self._find_frame(start_s)
        return start, max(self._find_frame(end_s), start + 1)

    def find_shots(self, start_frame: int, end_frame: int) -> list[str]:
        """Return the ids of the shots that share frames with the span, in order; none past the end."""
        first = max(bisect_right(self._start_frames, start_frame) - 1, 0)
        candidates = takewhile(lambda shot: shot["start_frame"] < end_frame, self.shots[first:])
        return [shot["shot_id"] for shot in candidates if start_frame < shot["end_frame"]]

    def _find_frame(self, time_s: float) -> int:
        # Subtitle times are in milliseconds; as a fraction they make no rounding error.
        exact = Fraction(round(time_s * 1000), 1000)
        if self.is_constant or time_s >= self.length_s:
            past = exact if self.is_constant else exact - Fraction(self.length_s).limit_denominator(1_000_000)
            before = 0 if self.is_constant else int(self.shots[-1]["end_frame"])
            return before + round(past * self.fps)
        number = max(bisect_right(self._starts, time_s) - 1, 0)
        shot = self.shots[number]
        if times := self._times_of(number):
            edges = [*times, max(shot["end_s"] - shot["start_s"], times[-1])]
            after = bisect_right(edges, time_s - shot["start_s"])
            is_nearer = after < len(edges) and edges[after] + edges[after - 1] <= 2 * (time_s - shot["start_s"])
            return int(shot["start_frame"] + max(after - 1, 0) + is_nearer)
        part = (time_s - shot["start_s"]) / (shot["end_s"] - shot["start_s"])
        return int(shot["start_frame"] + round(part * (shot["end_frame"] - shot["start_frame"])))
