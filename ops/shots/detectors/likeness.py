"""The share of one image that is found in another, whatever the light and the motion of the camera.

Each textured block of one image is searched near its position in the other by normalised cross-correlation. Brighter or
darker light does not affect that, nor does motion within the search range; after a cut, hardly a block is found. Blocks
without texture count only if they changed, by the correlation of the whole images: those of a title card change for
other reasons than light.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ops.shots.detector import TinyImage

GreyImage = npt.NDArray[np.uint8]
"""uint8 (54, 96)."""

WIDTH, HEIGHT = 96, 54
BLOCK_WIDTH, BLOCK_HEIGHT = 12, 9
SEARCH_X, SEARCH_Y = 9, 6
"""Pixels by which a block may have moved: a tenth of the image."""
LEAST_TEXTURE = 4.0
"""Standard deviation, 0-128, below which a block has no content that could be found again."""
LEAST_CHANGE = 8.0
"""Grey levels by which a block without texture must differ to count as changed."""


class Likeness(NamedTuple):
    """The result of a comparison; both values are the smaller of the two directions.

    ``score``: mean over blocks of the correlation of each with the other image, 0-1; ``texture``: share of blocks with
    texture, 0-1.
    """

    score: float
    texture: float


def convert_to_grey(image: TinyImage) -> GreyImage:
    """The image in the input format of :func:`compare`."""
    small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def compare(one: GreyImage, other: GreyImage) -> Likeness:
    """The likeness of two images. Takes about 1 ms."""
    (mean_RC, has_RC), (other_mean_RC, other_has_RC) = _measure_blocks(one), _measure_blocks(other)
    is_changed_RC = ~has_RC & ~other_has_RC & (np.abs(mean_RC - other_mean_RC) >= LEAST_CHANGE)
    changed_blocks = int(is_changed_RC.sum())
    flat = changed_blocks * max(compute_correlation(one, other), 0.0) if changed_blocks else 0.0
    scores = [
        (sum(matches) + flat) / (len(matches) + changed_blocks)
        for matches in (_match_blocks(one, other, has_RC), _match_blocks(other, one, other_has_RC))
        if len(matches) + changed_blocks
    ]
    return Likeness(min(scores, default=1.0), float(min(has_RC.mean(), other_has_RC.mean())))


def _measure_blocks(image: GreyImage) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Mean of each block (rows, columns), and whether it has texture."""
    shape = HEIGHT // BLOCK_HEIGHT, BLOCK_HEIGHT, WIDTH // BLOCK_WIDTH, BLOCK_WIDTH
    blocks_RYCX = image.reshape(shape).astype(np.float32)
    return blocks_RYCX.mean(axis=(1, 3)), blocks_RYCX.std(axis=(1, 3)) >= LEAST_TEXTURE


def _match_blocks(one: GreyImage, other: GreyImage, has_RC: npt.NDArray[np.bool_]) -> list[float]:
    """For each textured block of ``one``, its highest correlation with a block near its position in ``other``."""
    around = cv2.copyMakeBorder(other, SEARCH_Y, SEARCH_Y, SEARCH_X, SEARCH_X, cv2.BORDER_REPLICATE)
    matches = []
    for row, column in np.argwhere(has_RC).tolist():
        y, x = row * BLOCK_HEIGHT, column * BLOCK_WIDTH
        field = around[y : y + BLOCK_HEIGHT + 2 * SEARCH_Y, x : x + BLOCK_WIDTH + 2 * SEARCH_X]
        block = one[y : y + BLOCK_HEIGHT, x : x + BLOCK_WIDTH]
        best = cv2.minMaxLoc(cv2.matchTemplate(field, block, cv2.TM_CCOEFF_NORMED))[1]
        # The correlation with a field of one value is NaN, or infinite by rounding.
        matches.append(min(max(best, 0.0), 1.0) if math.isfinite(best) else 0.0)
    return matches


def compute_explained_share(one: GreyImage, other: GreyImage) -> float:
    """Share of the variance of ``other`` that the grey levels of ``one`` explain, 0-1: the correlation ratio over 16
    levels. Any change of light gives a high share, also one that saturates; other content gives a low one. 1 for a
    picture of one value."""
    levels_N, values_N = one.ravel() >> 4, other.ravel().astype(np.float64)
    counts_L = np.bincount(levels_N, minlength=16)
    means_L = np.bincount(levels_N, weights=values_N, minlength=16) / np.maximum(counts_L, 1)
    total = float(((values_N - values_N.mean()) ** 2).sum())
    return float((counts_L * (means_L - values_N.mean()) ** 2).sum()) / total if total else 1.0


def compute_correlation(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> float:
    """Pearson correlation of two images, -1 to 1; 0 if one hardly varies (standard deviation up to 1)."""
    first, second = one.astype(np.float32).ravel(), other.astype(np.float32).ravel()
    deviation = float(first.std() * second.std())
    if min(first.std(), second.std()) <= 1:
        return 0.0
    return float(((first - first.mean()) * (second - second.mean())).mean() / deviation)
