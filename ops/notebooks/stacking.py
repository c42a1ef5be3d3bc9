"""Linear models of blocks of features, and their sum with one weight per block, for the downstream example.

Stands alone because two models are fitted here, one above the other: the second one must only see margins of shots
that the first one was not fitted on.

Legend: N shots, F features of one block, B blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.probes.fold_ranks import Folds, measure_fold_area

Matrix = NDArray[np.float64]
Truths = NDArray[np.bool_]
Rows = NDArray[np.intp]

STRENGTHS = (10.0, 1.0, 100.0)
"""Inverse penalties to choose from; the first of equal ones wins. Features of a block have a total variance of 1."""

_PENALTY = 1e-2
_LEAST_SCALE = 1e-6


@dataclass(frozen=True, kw_only=True)
class BlockFit:
    """The model of one block: ``means``, ``weights`` (F,) and ``bias``, with margins of standard deviation about 1.

    ``held_out`` (N,) are the margins of the training shots from fits without their fold; ``folds`` (N,) numbers these,
    -1 for a shot that no fold holds out.
    """

    means: Matrix
    weights: Matrix
    bias: float
    held_out: Matrix
    folds: Folds

    def margins(self, features_NF: Matrix) -> Matrix:
        """Return margins (N,); an unknown feature (NaN) counts as the mean."""
        filled_NF = np.where(np.isnan(features_NF), self.means, features_NF)
        return np.asarray((filled_NF - self.means) @ self.weights + self.bias)


def fit_block(features_NF: Matrix, truths_N: Truths, folds: Sequence[tuple[Rows, Rows]]) -> BlockFit:
    """Fit one block; the strength is the one that ranks best on the folds' held-out shots."""
    numbers = np.full(len(truths_N), -1, np.int64)
    # The strength cannot change the ranking by a single feature.
    strengths = STRENGTHS if features_NF.shape[1] > 1 else STRENGTHS[:1]
    held_out_margins = {strength: np.full(len(truths_N), np.nan) for strength in strengths}
    for number, (train, test) in enumerate(folds):
        numbers[test] = number
        for strength, (means, weights, bias) in _fit_strengths(features_NF[train], truths_N[train], strengths).items():
            complete_NF = np.where(np.isnan(features_NF[test]), means, features_NF[test])
            held_out_margins[strength][test] = (complete_NF - means) @ weights + bias
    has_fold = numbers >= 0
    best = max(
        strengths,
        key=lambda strength: _measure(held_out_margins[strength][has_fold], truths_N[has_fold], numbers[has_fold]),
    )
    means, weights, bias = _fit_strengths(features_NF, truths_N, (best,))[best]
    margins = held_out_margins[best]
    scale = float(margins[has_fold].std()) if has_fold.any() else 1.0
    scale = scale if scale > _LEAST_SCALE else 1.0
    return BlockFit(means=means, weights=weights / scale, bias=bias / scale, held_out=margins / scale, folds=numbers)


def _measure(margins_N: Matrix, truths_N: Truths, folds_N: Folds) -> float:
    area = measure_fold_area(margins_N, truths_N, folds_N)
    return round(area, 6) if np.isfinite(area) else 0.0


def _fit_strengths(
    features_NF: Matrix, truths_N: Truths, strengths: Sequence[float]
) -> dict[float, tuple[Matrix, Matrix, float]]:
    """Return means, weights (F,) and bias by strength, for standardised features that share a variance of 1."""
    from sklearn.linear_model import LogisticRegression

    counts = np.maximum((~np.isnan(features_NF)).sum(axis=0), 1)
    means = np.nansum(features_NF, axis=0) / counts
    centred_NF = np.where(np.isnan(features_NF), means, features_NF) - means
    deviations = centred_NF.std(axis=0)
    # A constant feature says nothing, and must not be blown up.
    scale = np.where(deviations > _LEAST_SCALE, deviations, np.inf) * np.sqrt(features_NF.shape[1])
    # Weights are in the space of the rows: with fewer rows than features the same solution is computed there.
    rotation, sizes, axes = np.linalg.svd(centred_NF / scale, full_matrices=False)
    fits = {}
    for strength in strengths:
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
        model.fit(rotation * sizes, truths_N)
        fits[strength] = (means, (axes.T @ model.coef_[0]) / scale, float(model.intercept_[0]))
    return fits


def fit_weights(fits: Sequence[BlockFit], truths_N: Truths, without: int = -1) -> tuple[Matrix, float]:
    """Return the weight (B,) of each block, at least 0, and the bias; fitted on held-out margins.

    Logistic loss with balanced answers and a small penalty. ``without`` leaves a fold out. If no shot is held out, or
    only one answer is, all weights are equal.
    """
    from scipy.optimize import minimize

    folds = fits[0].folds
    rows = (folds >= 0) & (folds != without)
    truths = truths_N[rows]
    equal = np.full(len(fits), 1 / len(fits))
    if len(fits) == 1 or len(np.unique(truths)) < 2:
        return equal, 0.0
    margins_NB = np.column_stack([fit.held_out[rows] for fit in fits])
    signs = np.where(truths, 1.0, -1.0)
    balance = np.where(truths, 0.5 / truths.sum(), 0.5 / (~truths).sum())

    def measure_loss(parameters: Matrix) -> tuple[float, Matrix]:
        weights, bias = parameters[:-1], parameters[-1]
        agreement = signs * (margins_NB @ weights + bias)
        loss = float(balance @ np.logaddexp(0, -agreement) + _PENALTY * weights @ weights)
        slope = -balance * signs / (1 + np.exp(np.clip(agreement, -500, 500)))
        return loss, np.append(margins_NB.T @ slope + 2 * _PENALTY * weights, slope.sum())

    bounds = [(0.0, None)] * len(fits) + [(None, None)]
    solution = minimize(measure_loss, np.append(equal, 0.0), jac=True, bounds=bounds, method="L-BFGS-B")
    weights = np.asarray(solution.x[:-1], np.float64)
    return (weights, float(solution.x[-1])) if weights.any() else (equal, 0.0)
