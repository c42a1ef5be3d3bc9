"""Seconds since the first frame, in streams whose clock may be missing, go back, or jump.

A transport or program stream that was put together from several has another clock after each seam. Times then go on by
one frame: the frame after a seam is shown right after the frame before it. A pause of the same clock stays a pause.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Literal

MAX_PAUSE_S = 10
"""A longer step ahead is another clock, as in ffmpeg (``-dts_delta_threshold``)."""
MAX_BACK_S = 1
"""A longer step back is another clock."""
MAX_SOUND_STEP_S = 1
"""If sound is further than this from its due time, it may belong to a clock that no frame has shown yet."""

Step = Literal["", "gap", "join"]


class Clock:
    """Turns presentation times of one stream into seconds from its first frame.

    ``step`` is the usual time between two frames in seconds; ``may_jump`` is true for streams that can be joined.
    """

    def __init__(self, step: Fraction, *, may_jump: bool) -> None:
        self.step, self._may_jump = step, may_jump
        self.time_s = self._due = Fraction(0)
        self._zeros: deque[Fraction] = deque(maxlen=2)
        self._heard_until: dict[int, Fraction] = {}

    @property
    def clocks(self) -> int:
        """How many of the latest two clocks are known; 0 before the first frame."""
        return len(self._zeros)

    def show(self, at: Fraction | None, *, is_other: bool = False) -> Step:
        """Take the next frame, shown at ``at``, in seconds of the stream, or ``None`` if its time is unknown.

        ``is_other`` is true if another stream is joined on here. Sets ``time_s``. Returns "join" if another clock
        begins, "gap" if there was no frame for more than a frame's time. If time is missing or stands still, the clock
        goes on by one step.
        """
        if not self._zeros:
            self._zeros.append(at or Fraction(0))
            return ""
        after = self.time_s + self.step
        if at is None:
            self.time_s = after
            return ""
        due = at - self._zeros[-1]
        is_back = due < self.time_s - (0 if is_other else MAX_BACK_S)
        if is_back or (self._may_jump and due > after + MAX_PAUSE_S):
            self._zeros.append(at - after)
            self._due = self.time_s = after
            return "join" if self._may_jump else ""
        is_gap = due > after + self.step * 3 / 4
        if due > self.time_s:
            self.time_s = due
        else:
            # Damaged frames come out of order, but the clock is right: half steps let it catch up.
            self.time_s += self.step if due <= self._due else self.step / 2
        self._due = due
        return "gap" if is_gap else ""

    def place_sound(
        self, track: int, at: Fraction | None, length_s: Fraction, *, is_certain: bool = False
    ) -> Fraction | None:
        """Return the time of sound that the stream puts at ``at``, or ``None`` if the next frame must come first.

        Sound without a time follows the sound before it on its track. ``is_certain`` takes the best known clock.
        """
        due = self._heard_until.get(track, self.time_s)
        if at is None:
            time_s = due
        elif not self._may_jump:
            time_s = at - self._zeros[-1]
        else:
            time_s = min((at - zero for zero in self._zeros), key=lambda one: abs(one - due))
            # Sound may pause too: then it goes on near the frame.
            is_likely = abs(time_s - due) <= MAX_SOUND_STEP_S or due <= time_s <= self.time_s + MAX_SOUND_STEP_S
            if not is_likely and not is_certain:
                return None
        self._heard_until[track] = time_s + length_s
        return time_s

    def locate(self, at: Fraction | None) -> tuple[int, Fraction]:
        """Return about which frame is shown at ``at``, and its time, however far the video decoder is."""
        times = [] if at is None else [at - zero for zero in self._zeros]
        time_s = max(min(times, key=lambda one: abs(one - self.time_s), default=self.time_s), Fraction(0))
        return int(time_s / self.step), time_s
