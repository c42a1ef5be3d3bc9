"""Time is a type: exact rates, integer frames, SMPTE timecode. Seconds are derived."""

from __future__ import annotations

import re
from fractions import Fraction

from ops.core.errors import UsageError

_TIMECODE = re.compile(r"^(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})$")


def seconds_of(frame: int, fps: Fraction) -> float:
    """Start of ``frame`` in seconds at a constant rate of ``fps`` frames per second."""
    return float(frame / fps)


def is_drop_frame_rate(fps: Fraction) -> bool:
    """Whether SMPTE ST 12-1 defines drop-frame counting for the rate (29.97 and 59.94)."""
    return fps in (Fraction(30000, 1001), Fraction(60000, 1001))


def timecode_of(frame: int, fps: Fraction, start: str = "00:00:00:00") -> str:
    """SMPTE timecode of ``frame`` counted from the source's ``start`` timecode.

    Drop-frame (``;`` before the frames) only where ``start`` is written so and the rate has it.
    Counting is SMPTE ST 12-1: at 29.97 drop-frame, frame labels 00 and 01 are skipped each minute
    but each tenth. Wraps at 24 hours.
    """
    base = round(fps)
    drop = ";" in start and is_drop_frame_rate(fps)
    total = frame_of(start, fps) + frame
    dropped = 2 * base // 30 if drop else 0
    per_day = 24 * (60 * 60 * base - 54 * dropped)
    total %= per_day
    if drop:
        per_ten = 600 * base - 9 * dropped
        per_minute = 60 * base - dropped
        tens, rest = divmod(total, per_ten)
        minutes = 0 if rest < 60 * base else 1 + (rest - 60 * base) // per_minute
        total += dropped * (9 * tens + minutes)
    frames = total % base
    seconds = total // base
    mark = ";" if drop else ":"
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{frames:02d}"


def frame_of(timecode: str, fps: Fraction) -> int:
    """Frame count of a SMPTE ``timecode``; the inverse of :func:`timecode_of` from zero.

    Raises ``UsageError`` where the text is no timecode or names a frame the rate does not have.
    """
    match = _TIMECODE.match(timecode)
    base = round(fps)
    if not match:
        raise UsageError(f"{timecode!r} is not a timecode: write HH:MM:SS:FF (or HH:MM:SS;FF for drop-frame)")
    hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
    if minutes > 59 or seconds > 59 or frames >= base:
        raise UsageError(f"{timecode!r} has no frame at {float(fps):.3f} frames per second")
    total = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    if match[4] == ";" and is_drop_frame_rate(fps):
        dropped = 2 * base // 30
        all_minutes = hours * 60 + minutes
        if seconds == 0 and frames < dropped and minutes % 10:
            raise UsageError(f"{timecode!r} is a label that drop-frame counting leaves out")
        total -= dropped * (all_minutes - all_minutes // 10)
    return total
