"""Fades through one colour: an image loses its contrast, and another or the same one gains it again.

A fade scales the difference to one colour: contrast falls over several frames while the image stays itself. A cut loses
it in one frame; a camera that passes a wall shows other content on the way. If the same content returns, a light or a
bright object filled the image, and it is one shot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ops.shots.detectors.recent import RecentFrames
from ops.shots.thresholds import GradualThresholds

LEAST_STEPS = 3
"""Least number of frames in which contrast falls, and in which it rises: two may be a cut with a blended frame."""
LEVEL = 1.0
"""Frames of least contrast have standard deviations within this of each other."""
RISE = 0.25
"""Least rise of the standard deviation from a frame to the next one outwards, 0-128."""


@dataclass(frozen=True, kw_only=True)
class Dip:
    """``first`` and ``last`` have the full contrast of both sides; ``[start, end)`` is the run of the least contrast.

    ``is_return``: the same content on both sides.
    """

    first: int
    start: int
    end: int
    last: int
    is_return: bool


def find_dips(frames: RecentFrames, start: int, end: int, reach: int, thresholds: GradualThresholds) -> list[Dip]:
    """Dips whose run of least contrast begins in ``[start, end)``; each side has at most ``reach`` frames."""
    deviations = frames.deviations(max(start - reach, 0), min(end + 2 * reach, frames.count))
    shift = max(start - reach, 0)
    dips: list[Dip] = []
    free = 0
    for low in range(max(start - shift, 1), end - shift):
        if low + shift < free or deviations[low] >= deviations[low - 1]:
            continue
        high = _find_end(deviations, low, reach, thresholds.blank_deviation)
        if high >= len(deviations):
            continue
        first = _climb(deviations, low, -1, reach)
        last = _climb(deviations, high - 1, 1, reach)
        if _is_dip(deviations, (first, low, high - 1, last), thresholds):
            dip = _compare_sides(frames, first + shift, low + shift, high + shift, last + shift, thresholds)
            dips += [dip] if dip else []
            free = high + shift
    return dips


def _find_end(deviations: Sequence[float], low: int, reach: int, blank: float) -> int:
    """End of the run of one colour from ``low`` on, or of the frames of least contrast."""
    high, most = low + 1, max(deviations[low] + LEVEL, blank)
    while high < len(deviations) and high - low <= reach and deviations[low] - LEVEL < deviations[high] < most:
        high += 1
    return high


def _climb(deviations: Sequence[float], at: int, step: int, reach: int) -> int:
    """The frame up to which contrast rises from ``at`` on in one direction."""
    end = at
    while (
        0 <= end + step < len(deviations) and abs(end - at) < reach and deviations[end + step] > deviations[end] + RISE
    ):
        end += step
    return end


def _is_dip(deviations: Sequence[float], dip: tuple[int, int, int, int], thresholds: GradualThresholds) -> bool:
    first, low, high, last = dip
    if low - first < LEAST_STEPS or last - high < LEAST_STEPS:
        return False
    sides = deviations[first : low + 1], deviations[high : last + 1]
    bottom = min(deviations[low : high + 1])
    for side in sides:
        top = max(side)
        steps = [abs(one - other) for one, other in pairwise(side)]
        if bottom > thresholds.dip_share * top or max(steps) > thresholds.dip_step * (top - bottom):
            return False
    return True


def _compare_sides(
    frames: RecentFrames, first: int, start: int, end: int, last: int, thresholds: GradualThresholds
) -> Dip | None:
    """The dip, with the result of a comparison of both sides; ``None`` if one side is not a fade of one image."""
    ways = ((first, (first + start) // 2), (last, (last + end) // 2))
    if any(frames.correlation(outer, inner) < thresholds.dip_correlation for outer, inner in ways):
        return None
    is_return = (
        frames.likeness(first, last).score >= thresholds.dip_likeness
        and frames.correlation(first, last) >= thresholds.dip_correlation
    )
    return Dip(first=first, start=start, end=end, last=last, is_return=is_return)
