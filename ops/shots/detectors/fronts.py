"""The evidence for a wipe: every part of the image changes once, at another time, and the times form a moving front.

In each block of the image the old content ends and the new one begins at one frame, before and after which the block
stays nearly as it is. In a dissolve all blocks change together and slowly; under motion they change again and again, or
only some of them do. The shots may move: the change of content exceeds their motion.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ops.shots.detectors.recent import Smalls
from ops.shots.thresholds import GradualThresholds

Array = npt.NDArray[np.float64]

ROWS, COLUMNS = 9, 16
SIDE = 3
"""Least number of frames with old and with new content."""
LEAST_CHANGE = 10.0
"""Grey levels between old and new content from which on a block counts as changed."""
MOST_WEIGHT = 60.0
"""Grey levels beyond which a larger change counts no more."""


class FrontFeatures(NamedTuple):
    """The values that the weights of a front belong to, each about 0-1.

    ``explained``: share of the variance over time that one change per block explains; ``order``: share of the variance
    of the times of change that a smooth surface over the image explains (R squared); ``suddenness``: share of the
    change that happens within three frames; ``cover``: share of the image that changes.
    """

    explained: float
    order: float
    suddenness: float
    cover: float


class Front(NamedTuple):
    """A possible wipe: ``first``, ``middle`` and ``last`` are frames within the images, at which 2, 50 and 98 % of the
    change has happened."""

    features: FrontFeatures
    first: int
    middle: int
    last: int

    def weigh_evidence(self, thresholds: GradualThresholds) -> float:
        """Logarithm of the odds that it is a wipe, by the fitted weights."""
        values = zip(thresholds.front_weights, self.features, strict=True)
        return thresholds.front_bias + sum(weight * value for weight, value in values)


def find_front(smalls: Smalls) -> Front | None:
    """The most likely front in consecutive small images; ``None`` if they are too few or nothing changes."""
    count = len(smalls)
    if count < 2 * SIDE + 1:
        return None
    blocks_TPC = smalls.reshape(count, ROWS, 2, COLUMNS, 2, 3).mean(axis=(2, 4)).reshape(count, -1, 3)
    starts_P, jumps_P, share_explained = _split(blocks_TPC.astype(np.float64))
    weights_P = np.where(jumps_P > LEAST_CHANGE / 2, np.minimum(jumps_P, MOST_WEIGHT), 0.0)
    total = float(weights_P.sum())
    if total <= 0:
        return None
    changed_T = np.cumsum(np.bincount(starts_P, weights=weights_P, minlength=count)) / total
    first, middle, last = (int(np.searchsorted(changed_T, share)) for share in (0.02, 0.5, 0.98))
    places_P = np.arange(len(starts_P))
    after_PC = blocks_TPC[np.minimum(starts_P + 1, count - 1), places_P]
    before_PC = blocks_TPC[np.maximum(starts_P - 2, 0), places_P]
    sudden_P = np.abs(after_PC - before_PC).mean(axis=1) / (jumps_P + 5)
    features = FrontFeatures(
        explained=share_explained,
        order=_measure_order(starts_P.astype(np.float64), weights_P),
        suddenness=float((sudden_P * weights_P).sum() / total),
        cover=float((jumps_P > LEAST_CHANGE).mean()),
    )
    return Front(features, first, middle, last)


def _split(blocks_TPC: Array) -> tuple[npt.NDArray[np.int64], Array, float]:
    """For each block the first frame with new content, its difference to the old, and the share of the variance of all
    that this explains: the split with the smallest squared error, at least ``SIDE`` frames from both ends."""
    count = len(blocks_TPC)
    sums_TPC = np.cumsum(blocks_TPC, axis=0)
    lengths = np.arange(SIDE, count - SIDE + 1)[:, None, None]
    before = sums_TPC[SIDE - 1 : count - SIDE] / lengths
    after = (sums_TPC[-1] - sums_TPC[SIDE - 1 : count - SIDE]) / (count - lengths)
    gains_NP = (lengths * (count - lengths) / count * (after - before) ** 2).sum(axis=2)
    best_P = gains_NP.argmax(axis=0)
    places_P = np.arange(blocks_TPC.shape[1])
    variance = float(((blocks_TPC - blocks_TPC.mean(axis=0)) ** 2).sum())
    jumps_P = np.abs(after[best_P, places_P] - before[best_P, places_P]).mean(axis=1)
    return best_P + SIDE, jumps_P, float(gains_NP[best_P, places_P].sum()) / (variance + 1e-6)


def _measure_order(starts_P: Array, weights_P: Array) -> float:
    """R squared of a quadratic surface over the image through the times of change."""
    row_P, column_P = (axis.ravel() for axis in np.mgrid[-0.5 : 0.5 : ROWS * 1j, -0.5 : 0.5 : COLUMNS * 1j])
    surface_PK = np.stack([np.ones_like(row_P), column_P, row_P, column_P**2, row_P**2, column_P * row_P], axis=1)
    root_P = np.sqrt(weights_P)
    centred_P = (starts_P - np.average(starts_P, weights=weights_P)) * root_P
    factors_K = np.linalg.lstsq(surface_PK * root_P[:, None], centred_P, rcond=None)[0]
    rest_P = centred_P - (surface_PK * root_P[:, None]) @ factors_K
    return 1.0 - float((rest_P**2).sum()) / (float((centred_P**2).sum()) + 1e-6)
