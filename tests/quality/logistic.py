"""Logistic regression on a few features, as the fits of thresholds use it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RIDGE = 1.0
"""Strength of the penalty on the standardised weights."""
STEPS = 40


def fit_logistic(features_NF: NDArray[np.float64], truths_N: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Weights (F,) and bias of the logarithm of the odds that ``truths_N`` (0 or 1) is 1, by Newton's method."""
    mean_F, spread_F = features_NF.mean(axis=0), features_NF.std(axis=0)
    inputs_NG = np.column_stack([(features_NF - mean_F) / spread_F, np.ones(len(truths_N))])
    penalty_GG = np.diag([RIDGE] * features_NF.shape[1] + [0.0])
    weights_G = np.zeros(inputs_NG.shape[1])
    for _ in range(STEPS):
        odds_N = 1 / (1 + np.exp(-np.clip(inputs_NG @ weights_G, -30, 30)))
        slope_G = inputs_NG.T @ (odds_N - truths_N) + penalty_GG @ weights_G
        curve_GG = (inputs_NG.T * (odds_N * (1 - odds_N))) @ inputs_NG + penalty_GG
        weights_G -= np.linalg.solve(curve_GG, slope_G)
    return weights_G[:-1] / spread_F, float(weights_G[-1] - (weights_G[:-1] * mean_F / spread_F).sum())
