"""Candidates for gradual transitions: the images before and after differ by more than motion explains.

For several half-lengths the mean image before a frame is compared with the mean image after it. A dissolve, a fade or a
wipe makes that difference large once, and small on both sides; a pan makes it large all along. TransNetV2 judges the
candidates, unless they are plain: both sides do not move, and every frame between is a mixture of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ops.shots.detectors.likeness import compute_correlation
from ops.shots.detectors.recent import RecentFrames, Smalls
from ops.shots.thresholds import GradualThresholds

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A possible transition within ``[first, last]``. If ``is_plain``, it needs no confirmation.

    ``middle`` is the frame at which the image is half way to the next. ``steadiness`` is the difference between the two
    sides relative to the motion within each.
    """

    first: int
    last: int
    half: int
    middle: int
    steadiness: float
    is_plain: bool

    @property
    def region(self) -> tuple[int, int]:
        """First and last frame in which evidence of the transition counts."""
        return max(self.first - MARGIN, 0), self.last + MARGIN


MARGIN = 4
SIDE = 3
"""Number of frames in the mean image of one side: fewer would include noise, more would include motion."""
BASE = 3
"""A side is compared with its own image ``BASE`` half-lengths away from the middle."""


def compute_reach(halves: tuple[int, ...]) -> int:
    """Number of frames around a frame that :func:`find_proposals` reads."""
    return BASE * max(halves) + SIDE


def find_proposals(
    frames: RecentFrames, start: int, end: int, halves: tuple[int, ...], thresholds: GradualThresholds
) -> list[Proposal]:
    """Proposals whose centre is in ``[start, end)``, ascending by centre for each half-length (frames)."""
    if end <= start:
        return []
    margin = compute_reach(halves)
    first = max(start - margin, 0)
    last = min(end + margin, frames.count)
    smalls = frames.smalls(first, last)
    sums_ND = _sum_coarse_images(smalls)
    proposals = [
        _propose(smalls, first, centre, half, steadiness, likeness, thresholds)
        for half in halves
        for centre, steadiness, likeness in _find_steps(sums_ND, start - first, end - first, half, thresholds)
    ]
    return [proposal for proposal in proposals if proposal is not None]


def _sum_coarse_images(smalls: Smalls) -> npt.NDArray[np.float64]:
    """Sums (N + 1, D) of the first 0 to N images at half their size; exact, because their values are whole numbers."""
    halves = smalls[:, ::2, ::2] + smalls[:, ::2, 1::2] + smalls[:, 1::2, ::2] + smalls[:, 1::2, 1::2]
    coarse_ND = (halves / 4).reshape(len(smalls), -1)
    return np.concatenate([np.zeros((1, coarse_ND.shape[1])), np.cumsum(coarse_ND, axis=0, dtype=np.float64)])


def _find_steps(
    sums_ND: npt.NDArray[np.float64], start: int, end: int, half: int, thresholds: GradualThresholds
) -> list[tuple[int, float, float]]:
    """``(centre, steadiness, correlation of the sides)`` of the local maxima of the difference between two sides."""
    count = len(sums_ND) - 1

    def compute_means(starts_N: npt.NDArray[np.int64]) -> Array:
        low = np.clip(starts_N, 0, count - 1)
        high = np.clip(starts_N + SIDE, low + 1, count)
        return np.asarray((sums_ND[high] - sums_ND[low]) / (high - low)[:, None], np.float32)

    near = np.arange(max(start - half, 0), min(end + half, count))
    before, behind = compute_means(near - half - SIDE), compute_means(near + half)
    steps = np.abs(before - behind).mean(axis=1)
    result = []
    for at in np.nonzero(steps >= thresholds.least_change)[0]:
        centre = int(near[at])
        if not start <= centre < end or steps[at] < steps[max(at - half, 0) : at + half + 1].max():
            continue
        here = np.array([centre])
        away = np.abs(before[at] - compute_means(here - BASE * half - SIDE)[0]).mean()
        away = (away + np.abs(behind[at] - compute_means(here + BASE * half)[0]).mean()) / 2
        likeness = compute_correlation(before[at], behind[at])
        if steps[at] >= thresholds.least_steadiness * away and likeness < thresholds.most_correlation:
            result.append((centre, float(steps[at] / (away + 1)), likeness))
    return result


def _propose(
    smalls: Smalls,
    first: int,
    centre: int,
    half: int,
    steadiness: float,
    likeness: float,
    thresholds: GradualThresholds,
) -> Proposal | None:
    """The transition between the two sides; ``None`` if it is motion, or mostly one change from a frame to the next."""
    low, high = max(centre - half, 0), min(centre + half, len(smalls) - 1)
    before = smalls[max(low - SIDE, 0) : low + 1].mean(axis=0)
    behind = smalls[high : high + SIDE + 1].mean(axis=0)
    way = behind - before
    between = smalls[low : high + 1]
    # The progress of each pixel, 0-1, and its distance from the straight line between its two colours.
    share = np.clip(((between - before) * way).sum(-1) / ((way * way).sum(-1) + 30.0), 0, 1)
    change = float(np.abs(way).mean())
    misfit = float(np.abs(between - (before + share[..., None] * way)).mean()) / max(change, 1.0)
    if misfit > thresholds.most_misfit:
        return None
    weight = np.abs(way).sum(-1)
    progress_T = (share * weight).sum(axis=(1, 2)) / max(float(weight.sum()), 1.0)
    moves = np.diff(progress_T)
    around = smalls[max(low - SIDE, 0) : high + SIDE + 1]
    steps_T = np.abs(np.diff(around, axis=0)).mean(axis=(1, 2, 3))
    if float(steps_T.max(initial=0.0)) > thresholds.most_step * change:
        return None
    is_plain = (
        steadiness >= thresholds.plain_steadiness
        and misfit <= thresholds.plain_misfit
        and change >= thresholds.plain_change
        and likeness <= thresholds.plain_correlation
        and -float(moves[moves < 0].sum()) <= thresholds.plain_backward
        and float(moves.max(initial=0.0)) <= thresholds.plain_step
    )
    return Proposal(
        first=first + low,
        last=first + high,
        half=half,
        middle=first + low + int(np.argmax(progress_T >= 0.5)),
        steadiness=steadiness,
        is_plain=is_plain,
    )
