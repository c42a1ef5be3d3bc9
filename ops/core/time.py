"""Time is a type: exact rates, integer frames, SMPTE timecode. Seconds are derived."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from ops.core.errors import UsageError

SPOKEN_PADDING_S = 0.3
"""Time before and after spoken words in a clip of them, so that neither breath nor the last sound is cut off."""
MAX_PADDING_S = 60.0
MAX_RATIO = 5
"""Maximum ratio of the frame rate to the timecode's rate, or the reverse: 24 on 120p."""

_TIMECODE = re.compile(r"^(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})$")
DROP_FRAME_RATES = tuple(Fraction(base * 1000, 1001) for base in (30, 60, 120))
"""Rates with drop-frame counting: SMPTE ST 12-1 defines it for 29.97 and 59.94, ST 12-3 for 119.88."""


def find_seconds(frame: int, fps: Fraction) -> float:
    """Start of ``frame`` in seconds at a constant rate of ``fps`` frames per second."""
    return float(frame / fps)


def pad_frames(start_frame: int, end_frame: int, fps: Fraction, padding_s: float) -> tuple[int, int]:
    """A span of frames with at least ``padding_s`` (rounded to milliseconds) on both sides, not before frame 0."""
    padding = math.ceil(Fraction(round(padding_s * 1000), 1000) * fps)
    return max(start_frame - padding, 0), end_frame + padding


def frame_at(frame: int, time_s: float | Fraction, fps: Fraction) -> int:
    """The number of ``frame``, shown at ``time_s``, on a steady clock of ``fps`` frames per second.

    That is ``frame`` itself unless its time differs from the count by more than half a frame: frames are missing before
    it, or the rate varies.
    """
    position = float(time_s) * float(fps)
    return frame if abs(position - frame) <= 0.5 + 1e-3 else round(position)


def is_drop_frame_rate(fps: Fraction) -> bool:
    """Whether SMPTE ST 12 defines drop-frame counting for the rate (29.97, 59.94 and 119.88)."""
    return fps in DROP_FRAME_RATES


def count_frames_per_day(fps: Fraction, *, is_drop: bool = False) -> int:
    """Number of labels from 00:00:00:00 to the next midnight; drop-frame counting has fewer."""
    base = max(round(fps), 1)
    drop_count = 2 * base // 30 if is_drop and is_drop_frame_rate(fps) else 0
    return 24 * (60 * 60 * base - 54 * drop_count)


def make_timecode(frame: int, fps: Fraction, start: str = "00:00:00:00") -> str:
    """SMPTE timecode of ``frame`` counted from the source's ``start`` timecode.

    Drop-frame (``;`` before the frames) only if ``start`` has a ``;`` and the rate has drop-frame counting. Counting is
    SMPTE ST 12-1. At 29.97 drop-frame, frame labels 00 and 01 are skipped each minute except each tenth (four labels at
    59.94, eight at 119.88). Wraps at 24 hours. Frames have three digits above 100 frames per second.
    """
    base = max(round(fps), 1)
    drop = ";" in start and is_drop_frame_rate(fps)
    total = parse_timecode(start, fps) + frame
    drop_count = 2 * base // 30 if drop else 0
    total %= count_frames_per_day(fps, is_drop=drop)
    if drop:
        per_ten = 600 * base - 9 * drop_count
        per_minute = 60 * base - drop_count
        tens, rest = divmod(total, per_ten)
        minutes = 0 if rest < 60 * base else 1 + (rest - 60 * base) // per_minute
        total += drop_count * (9 * tens + minutes)
    frames = total % base
    seconds = total // base
    mark, digits = ";" if drop else ":", 3 if base > 100 else 2
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{frames:0{digits}d}"


def parse_timecode(timecode: str, fps: Fraction) -> int:
    """Frame count of a SMPTE ``timecode``; the inverse of :func:`make_timecode` from zero.

    Raises ``UsageError`` if the text is not a timecode, or names a frame that the rate does not have.
    """
    match = _TIMECODE.match(timecode)
    base = max(round(fps), 1)
    if not match:
        raise UsageError(f"{timecode!r} is not a timecode: write HH:MM:SS:FF (or HH:MM:SS;FF for drop-frame)")
    hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
    if minutes > 59 or seconds > 59 or frames >= base:
        raise UsageError(f"{timecode!r} has no frame at {float(fps):.3f} frames per second")
    total = ((hours * 60 + minutes) * 60 + seconds) * base + frames
    if match[4] == ";" and is_drop_frame_rate(fps):
        drop_count = 2 * base // 30
        all_minutes = hours * 60 + minutes
        if seconds == 0 and frames < drop_count and minutes % 10:
            raise UsageError(f"{timecode!r} is a label that drop-frame counting leaves out")
        total -= drop_count * (all_minutes - all_minutes // 10)
    return total


def find_counting_rate(rate: Fraction, fps: Fraction) -> Fraction:
    """The exact rate of a timecode with the written ``rate``, for a video of ``fps`` frames per second.

    Timecode is a count of frames, so its rate is the frame rate multiplied or divided by a small integer. Writers round
    it (2997/100), or give the nominal rate for an NTSC one (24 for 24000/1001). Counts and labels stay right under the
    frame rate. A rate that is unrelated to the frame rate becomes the NTSC rate within 1/5000 of it; if there is none,
    it stays as it is.
    """
    ratios = [Fraction(part) for part in range(1, MAX_RATIO + 1)]
    for candidate in [fps * ratio for ratio in ratios] + [fps / ratio for ratio in ratios]:
        if abs(rate - candidate) * 900 <= candidate:
            return candidate
    standard = (Fraction(base * 1000, 1001) for base in (24, 30, 48, 60, 120))
    return next((each for each in standard if abs(rate - each) * 5000 <= each), rate)
