"""A worked example of a downstream model: trained on features from Feast, used on features from Feast.

Each block of features gets a linear model of its own. A second model, with one weight of at least 0 per block, adds
their margins up (stacking, Wolpert 1992). So blocks are on one scale, and a block without information gets a weight
near 0 instead of drowning the others. Strengths, weights and the choice of blocks are made by cross-validation inside
each fold, so the figures hold for unseen shows.

Legend: N shots, F features, B blocks. Blocks are those of ``downstream_features``, or single features of them. If
other probes were fitted on the same shots, their contribution is overestimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ops.evaluation.classification import Interval, build_interval, compute_average_precision, draw_resamples
from ops.notebooks.downstream_features import BLOCKS, Matrix, TrainingSet
from ops.notebooks.stacking import BlockFit, fit_block, fit_weights
from ops.probes.fold_ranks import Folds, measure_fold_area, rank_within_folds
from ops.probes.folds import split_folds

_SEED = 4
_ROUNDS = 500
# The area under the ROC curve, inside the training part, that a further block must add: less is noise.
_LEAST_GAIN = 0.01
# Of average precision; below this a difference is of no use, even if an interval excludes 0.
_LEAST_CHANGE = 0.01

Rows = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A linear model as plain numbers; ``scores`` takes features (N, F) from ``load_online_matrix``.

    ``blocks`` are the chosen ones; features of the others have the weight 0.
    """

    label: str
    encoder_id: str
    probes: tuple[str, ...]
    blocks: tuple[str, ...]
    means: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def scores(self, features_NF: Matrix) -> Matrix:
        """Return scores (N,), 0 to 1: they rank shots, and are not probabilities, because nothing calibrates them.

        An unknown feature (NaN) counts as the training set's mean.
        """
        means = np.asarray(self.means)
        filled_NF = np.where(np.isnan(features_NF), means, features_NF)
        return np.asarray(0.5 * (1 + np.tanh(0.5 * ((filled_NF - means) @ np.asarray(self.weights) + self.bias))))


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The change of average precision if ``feature`` joins the vector, on held-out shots, with its 95 % interval."""

    feature: str
    change: Interval

    @property
    def verdict(self) -> str:
        """``helps`` or ``hurts`` if the interval excludes 0 and the change is 0.01 or more."""
        if abs(self.change.value) < _LEAST_CHANGE or self.change.low <= 0 <= self.change.high:
            return "no difference shown"
        return "helps" if self.change.value > 0 else "hurts"


@dataclass(frozen=True, kw_only=True)
class _Fold:
    """One fold with, by block: the model fitted without the test shots, and its margins of them.

    ``inner`` are folds of the training shots.
    """

    train: Rows
    test: Rows
    inner: list[tuple[Rows, Rows]]
    fits: dict[str, BlockFit] = field(default_factory=dict)
    margins: dict[str, Matrix] = field(default_factory=dict)


class HeldOut:
    """Average precision on held-out shows or stretches: of some blocks, of the chosen model, of single features."""

    def __init__(self, data: TrainingSet) -> None:
        self._data = data
        self._features = dict(data.blocks) | data.single_features()
        self._folds = [_Fold(train=train, test=test, inner=_split(data, train)) for train, test in _split(data)]

    def measure(self, blocks: Sequence[str]) -> Interval | None:
        """Return the figure of the model on exactly these blocks; ``None`` if nothing can be held out."""
        return self._measure(self._score([tuple(blocks)] * len(self._folds)))

    def measure_chosen(self) -> Interval | None:
        """Return the figure of the procedure of :func:`fit_model`: each fold chooses its blocks without its test."""
        return self._measure(self._score([self._choose(fold) for fold in self._folds]))

    def measure_gains(self) -> list[Gain]:
        """Return the gain over the vector alone of each other block, and of each single feature of these."""
        base = self._score([("embedding",)] * len(self._folds))
        names = [name for name in self._features if name != "embedding" and self._features[name].shape[1]]
        gains = []
        for name in names:
            more = self._score([("embedding", name)] * len(self._folds))
            change = self._compare(more, base)
            if change is not None:
                gains.append(Gain(feature=name, change=change))
        return gains

    def _fit(self, fold: _Fold, name: str) -> BlockFit:
        """Return the fold's model of a block, which is fitted at its first use."""
        if name not in fold.fits:
            rows, features = fold.train, self._features[name]
            fold.fits[name] = fit_block(features[rows], self._data.truths[rows], fold.inner)
            fold.margins[name] = fold.fits[name].margins(features[fold.test])
        return fold.fits[name]

    def _choose(self, fold: _Fold) -> tuple[str, ...]:
        present = [name for name in BLOCKS if self._features[name].shape[1]]
        fits = {name: self._fit(fold, name) for name in present}
        return choose_blocks(fits, self._data.truths[fold.train], present)

    def _score(self, blocks_by_fold: Sequence[tuple[str, ...]]) -> tuple[Matrix, Folds]:
        """Return margins (N,) from models without the shot's group, and the fold (N,) of each shot, -1 if none."""
        size = len(self._data.truths)
        scores, folds = np.full(size, np.nan), np.full(size, -1, np.int64)
        for number, (fold, blocks) in enumerate(zip(self._folds, blocks_by_fold, strict=True)):
            weights, _ = fit_weights([self._fit(fold, name) for name in blocks], self._data.truths[fold.train])
            scores[fold.test] = sum(w * fold.margins[name] for w, name in zip(weights, blocks, strict=True))
            folds[fold.test] = number
        return scores, folds

    def _measure(self, scores_and_folds: tuple[Matrix, Folds]) -> Interval | None:
        ranks, truths, groups = self._rank(scores_and_folds)
        if len(np.unique(truths)) < 2:
            return None
        draws = [compute_average_precision(ranks[rows], truths[rows]) for rows in _draw(groups)]
        return build_interval(compute_average_precision(ranks, truths), draws)

    def _compare(self, more: tuple[Matrix, Folds], base: tuple[Matrix, Folds]) -> Interval | None:
        (ranks, truths, groups), (before, _, _) = self._rank(more), self._rank(base)
        if len(np.unique(truths)) < 2:
            return None
        draws = [
            compute_average_precision(ranks[rows], truths[rows]) - compute_average_precision(before[rows], truths[rows])
            for rows in _draw(groups)
        ]
        change = compute_average_precision(ranks, truths) - compute_average_precision(before, truths)
        return build_interval(change, draws)

    def _rank(self, scores_and_folds: tuple[Matrix, Folds]) -> tuple[Matrix, NDArray[np.bool_], NDArray[np.int64]]:
        """Return ranks, truths and groups of the shots that a fold holds out."""
        scores, folds = scores_and_folds
        is_held_out = folds >= 0
        truths = self._data.truths[is_held_out]
        return (
            rank_within_folds(scores[is_held_out], truths, folds[is_held_out]),
            truths,
            self._data.groups[is_held_out],
        )


def _draw(groups: NDArray[np.int64]) -> list[Rows]:
    return draw_resamples(groups, seed=_SEED, rounds=_ROUNDS)


def measure_held_out_precision(data: TrainingSet, blocks: Sequence[str]) -> Interval | None:
    """Return average precision on held-out shows or stretches, with models on these blocks; ``None`` without data."""
    return HeldOut(data).measure(blocks)


def choose_blocks(fits: Mapping[str, BlockFit], truths: NDArray[np.bool_], names: Sequence[str]) -> tuple[str, ...]:
    """Return the blocks whose model ranks best inside the training part; more blocks only if they add enough."""
    best, best_names = -np.inf, tuple(names[:1])
    for count in range(1, len(names) + 1):
        areas = {each: _measure_area(fits, truths, each) for each in combinations(names, count)}
        leader = max(areas, key=lambda each: areas[each])
        if areas[leader] > best + (_LEAST_GAIN if count > 1 else 0):
            best, best_names = areas[leader], leader
    return best_names


def _measure_area(fits: Mapping[str, BlockFit], truths: NDArray[np.bool_], blocks: Sequence[str]) -> float:
    """Return the area under the ROC curve of the margins that the blocks' fits held out, weighted without each fold."""
    each = [fits[name] for name in blocks]
    folds = each[0].folds
    if not (folds >= 0).any():
        return 0.0
    margins = np.full(len(truths), np.nan)
    for fold in np.unique(folds[folds >= 0]):
        weights, _ = fit_weights(each, truths, without=int(fold))
        rows = folds == fold
        margins[rows] = sum(w * fit.held_out[rows] for w, fit in zip(weights, each, strict=True))
    is_held_out = folds >= 0
    area = measure_fold_area(margins[is_held_out], truths[is_held_out], folds[is_held_out])
    return area if np.isfinite(area) else 0.0


def fit_model(data: TrainingSet) -> Model:
    """Fit on all labelled shots: choose strengths and blocks by cross-validation, then weigh the blocks."""
    folds = _split(data)
    present = [name for name in BLOCKS if data.blocks[name].shape[1]]
    fits = {name: fit_block(data.blocks[name], data.truths, folds) for name in present}
    block_names = choose_blocks(fits, data.truths, present)
    shares, bias = fit_weights([fits[name] for name in block_names], data.truths)
    weight_of = dict(zip(block_names, shares, strict=True))
    means, weights = [], []
    for name in present:
        means += fits[name].means.tolist()
        weights += (float(weight_of.get(name, 0.0)) * fits[name].weights).tolist()
        bias += float(weight_of.get(name, 0.0)) * fits[name].bias
    return Model(
        label=data.label,
        encoder_id=data.encoder_id,
        probes=data.probes,
        blocks=block_names,
        means=tuple(means),
        weights=tuple(weights),
        bias=float(bias),
    )


def _split(data: TrainingSet, rows: Rows | None = None) -> list[tuple[Rows, Rows]]:
    """Return folds of some rows, as positions in these; near-duplicates of a held-out shot are not trained on."""
    rows = np.arange(len(data.truths)) if rows is None else rows
    vectors = data.blocks["embedding"][rows].astype(np.float32)
    return list(split_folds(vectors, data.truths[rows], data.groups[rows]))
