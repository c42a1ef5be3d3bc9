"""A worked example of a downstream model: trained on features from Feast, used on features from Feast.

Legend: N shots, F features in the blocks of ``downstream_features``. If other probes were fitted on the same shots,
their contribution is overestimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.evaluation.classification import Interval, compute_average_precision, estimate_intervals
from ops.notebooks.downstream_features import BLOCKS, Matrix, TrainingSet
from ops.probes.folds import split_folds

_SEED = 4


@dataclass(frozen=True, kw_only=True)
class Model:
    """A logistic regression as plain numbers; ``scores`` takes features (N, F) from ``load_online_matrix``."""

    label: str
    encoder_id: str
    probes: tuple[str, ...]
    means: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def scores(self, features_NF: Matrix) -> Matrix:
        """Return scores (N,), 0 to 1: they rank shots, and are not probabilities, because nothing calibrates them.

        An unknown feature (NaN) counts as the training set's mean.
        """
        means = np.asarray(self.means)
        known = np.where(np.isnan(features_NF), means, features_NF)
        return np.asarray(0.5 * (1 + np.tanh(0.5 * ((known - means) @ np.asarray(self.weights) + self.bias))))


def measure_held_out_precision(data: TrainingSet, blocks: Sequence[str]) -> Interval | None:
    """Return average precision on held-out shows or stretches, with models on these blocks; ``None`` without data."""
    features, scores = data.columns(blocks), np.full(len(data.truths), np.nan)
    vectors = data.blocks["embedding"].astype(np.float32)
    for train, test in split_folds(vectors, data.truths, data.groups):
        scores[test] = _fit(data, blocks, train).scores(features[test])
    seen = np.isfinite(scores)
    if len(np.unique(data.truths[seen])) < 2:
        return None
    metrics = {"ap": compute_average_precision}
    return estimate_intervals(metrics, scores[seen], data.truths[seen], data.groups[seen], seed=_SEED)["ap"]


def fit_model(data: TrainingSet) -> Model:
    """Fit the model on all blocks and all labelled shots."""
    return _fit(data, BLOCKS, np.arange(len(data.truths)))


def _fit(data: TrainingSet, blocks: Sequence[str], rows: NDArray[np.intp]) -> Model:
    """Fit on standardised features; all dimensions of the vector weigh as much as one other feature, as in probes."""
    from sklearn.linear_model import LogisticRegression

    features = data.columns(blocks)[rows]
    means = np.nan_to_num(np.nanmean(features, axis=0))
    known = np.where(np.isnan(features), means, features) - means
    scale = known.std(axis=0) + 1e-6
    dimensions = data.blocks["embedding"].shape[1] if "embedding" in blocks else 0
    scale[:dimensions] *= np.sqrt(max(dimensions, 1))
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000).fit(known / scale, data.truths[rows])
    return Model(
        label=data.label,
        encoder_id=data.encoder_id,
        probes=data.probes,
        means=tuple(means.tolist()),
        weights=tuple((model.coef_[0] / scale).tolist()),
        bias=float(model.intercept_[0]),
    )
