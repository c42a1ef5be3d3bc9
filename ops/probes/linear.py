"""The classifier: logistic regression on standardised embeddings, calibrated, folded into one vector and a number.

Legend: N labelled shots, D dimensions, A = D or D + 1 features. Standardisation, the text score and Platt's
calibration are all linear. So a probe is ``weights_D`` and ``bias``, and a score is
``1 / (1 + exp(-(embedding . weights + bias)))``: one pass over memory for a whole catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.probes.folds import Groups, Truths, Vectors, split_folds

Text = NDArray[np.float32]
Margins = NDArray[np.float64]

# Chosen on Big Buck Bunny's labels (starter encoder, 22 November 2026, ten seeds, six labels, mean AP): with 5 and 10
# labels of a kind the text score at half weight added 0.025 and 0.013, with 20 it cost 0.008; full weight was worse.
FEW = 20
TEXT_WEIGHT = 0.5
# Strengths to choose from; at 0.1 AP was 0.02 to 0.04 below that of 10, at 5, 10 and 20 labels of a kind.
STRENGTHS = (10.0, 1.0, 100.0)  # the first of equal ones wins
_LEAST_SLOPE = 1e-3


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """``weights`` (D,) and ``bias``; ``strength`` and ``text_weight`` are the settings of the fit."""

    weights: NDArray[np.float64]
    bias: float
    strength: float
    text_weight: float

    def margins(self, vectors_ND: Vectors) -> Margins:
        """Calibrated log odds (N,)."""
        return np.asarray(vectors_ND.astype(np.float64) @ self.weights + self.bias)

    def scores(self, vectors_ND: Vectors) -> Margins:
        """Probabilities (N,), 0 to 1."""
        return sigmoid(self.margins(vectors_ND))


def choose_text_weight(truths_N: Truths) -> float:
    """Return the weight of the text score for these labels: it helps while there are few of a kind."""
    return TEXT_WEIGHT if min(truths_N.sum(), (~truths_N).sum()) < FEW else 0.0


def fit_linear(
    vectors_ND: Vectors, truths_N: Truths, groups_N: Groups, text_D: Text, text_weight: float | None = None
) -> LinearProbe:
    """Fit on labelled shots; ``text_D`` is the unit vector of the seed queries.

    ``text_weight`` is part of the recipe: fits on a part of the labels, which measure a probe, get that of all labels.
    By default it is chosen for the labels given here.

    The strength of regularisation is the one that ranks best on held-out groups. The calibration (Platt 1999, with
    his smoothed targets) is fitted on the same held-out margins. Both answers must occur. If nothing can be held
    out, the first strength is used without calibration.
    """
    weight = choose_text_weight(truths_N) if text_weight is None else text_weight
    folds = list(split_folds(vectors_ND, truths_N, groups_N))
    best = STRENGTHS[0]
    slope, offset = 1.0, 0.0
    if folds:
        margins = {strength: np.full(len(truths_N), np.nan) for strength in STRENGTHS}
        for train, test in folds:
            for strength in STRENGTHS:
                w, b = _fit(vectors_ND[train], truths_N[train], text_D, strength, weight)
                margins[strength][test] = vectors_ND[test] @ w + b
        tested_rows = np.concatenate([test for _, test in folds])
        best = max(STRENGTHS, key=lambda strength: _measure_ranking(margins[strength], truths_N, folds))
        slope, offset = fit_calibration(margins[best][tested_rows], truths_N[tested_rows])
    w, b = _fit(vectors_ND, truths_N, text_D, best, weight)
    return LinearProbe(weights=slope * w, bias=slope * b + offset, strength=best, text_weight=weight)


def _measure_ranking(
    margins_N: Margins, truths_N: Truths, folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]]
) -> float:
    """Return the mean area under the ROC curve over the folds: margins of different folds have no common scale."""
    from ops.evaluation.classification import compute_roc_auc

    areas = [compute_roc_auc(margins_N[test], truths_N[test]) for _, test in folds]
    good = [area for area in areas if np.isfinite(area)]
    return float(np.round(np.mean(good), 6)) if good else 0.0


def _fit(
    vectors_ND: Vectors, truths_N: Truths, text_D: Text, strength: float, text_weight: float
) -> tuple[NDArray[np.float64], float]:
    """Return weights (D,) and bias for the raw embeddings, with standardisation and text score folded in."""
    from sklearn.linear_model import LogisticRegression

    vectors = vectors_ND.astype(np.float64)
    mean = vectors.mean(axis=0)
    scale = (vectors.std(axis=0) + 1e-6) * np.sqrt(vectors.shape[1])
    features_NA = (vectors - mean) / scale
    text_N = vectors @ text_D.astype(np.float64)
    text_scale = text_weight / (text_N.std() + 1e-9)
    if text_weight:
        features_NA = np.column_stack([features_NA, (text_N - text_N.mean()) * text_scale])
    # Weights are in the space of the rows: with fewer rows than features the same solution is computed there, two
    # to three times as fast with 10 to 40 labels.
    rotation, sizes, axes_RA = np.linalg.svd(features_NA, full_matrices=False)
    model = LogisticRegression(C=strength, class_weight="balanced", solver="newton-cholesky", max_iter=200)
    model.fit(rotation * sizes, truths_N)
    coefficients_A = axes_RA.T @ model.coef_[0]
    weights = coefficients_A[: len(mean)] / scale
    bias = float(model.intercept_[0]) - float(weights @ mean)
    if text_weight:
        weights = weights + coefficients_A[-1] * text_scale * text_D
        bias -= float(coefficients_A[-1] * text_scale * text_N.mean())
    return weights, bias


def fit_calibration(margins_N: Margins, truths_N: Truths) -> tuple[float, float]:
    """Return slope (> 0) and offset that turn margins into log odds (Platt scaling); the ranking never reverses.

    If held-out margins rank no better than chance, the slope is almost zero and every score is near the share of yes:
    the probe has no information.
    """
    from sklearn.linear_model import LogisticRegression

    yes, no = int(truths_N.sum()), int((~truths_N).sum())
    if not yes or not no:
        return 1.0, 0.0
    scale = float(margins_N.std()) or 1.0
    targets = np.where(truths_N, (yes + 1) / (yes + 2), 1 / (no + 2))
    twice = np.concatenate([margins_N, margins_N])[:, None] / scale
    answers = np.repeat([True, False], len(margins_N))
    model = LogisticRegression(C=1e6).fit(twice, answers, sample_weight=np.concatenate([targets, 1 - targets]))
    slope = float(model.coef_[0, 0]) / scale
    if slope < _LEAST_SLOPE:
        return _LEAST_SLOPE, float(np.log((yes + 1) / (no + 1)) - _LEAST_SLOPE * margins_N.mean())
    return slope, float(model.intercept_[0])


def sigmoid(margins: NDArray[np.floating]) -> Margins:
    """Return the probabilities of log odds, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * margins.astype(np.float64))))
