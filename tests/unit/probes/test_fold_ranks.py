"""Rankings of several fits: neither the scale of a fold nor its share of yes may decide them."""

from __future__ import annotations

import numpy as np
import pytest

from ops.evaluation.classification import compute_average_precision, compute_roc_auc
from ops.probes.fold_ranks import measure_fold_area, rank_within_folds


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (0.9, 0.1, 0.3), (0.0, 0.5, 1.0)])
def test_perfect_folds_stay_perfect_whatever_their_scale_and_share(shares: tuple[float, ...]) -> None:
    truths = np.concatenate([np.arange(20) < share * 20 for share in shares])
    folds = np.repeat(np.arange(3), 20)
    scores = truths + 5.0 * folds  # the no of one fold score above the yes of another
    assert compute_average_precision(rank_within_folds(scores, truths, folds), truths) == 1.0
    assert measure_fold_area(scores, truths, folds) == 1.0


def test_pooled_scores_of_such_folds_look_worse_than_they_are() -> None:
    truths, folds = np.tile([True, False], 30), np.repeat(np.arange(3), 20)
    scores = truths + 5.0 * folds
    assert compute_average_precision(scores, truths) < 0.8
    assert compute_average_precision(rank_within_folds(scores, truths, folds), truths) == 1.0


def test_a_monotone_change_of_a_fold_changes_nothing() -> None:
    random = np.random.default_rng(1)
    scores, truths, folds = random.normal(size=60), random.random(60) < 0.4, np.repeat(np.arange(4), 15)
    changed = np.where(folds == 2, np.exp(scores) * 40, scores)
    assert np.array_equal(rank_within_folds(scores, truths, folds), rank_within_folds(changed, truths, folds))
    assert measure_fold_area(scores, truths, folds) == measure_fold_area(changed, truths, folds)


def test_one_fold_is_ranked_as_it_is_and_ties_stay_ties() -> None:
    scores, truths = np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, False, True, False])
    ranks = rank_within_folds(scores, truths, np.zeros(4, np.int64))
    assert ranks.tolist() == [-0.5, -1.25, -1.25, -2.0]
    assert compute_average_precision(ranks, truths) == compute_average_precision(scores, truths)
    assert measure_fold_area(scores, truths, np.zeros(4, np.int64)) == compute_roc_auc(scores, truths)


def test_scores_without_meaning_stay_near_chance() -> None:
    found, areas = [], []
    for seed in range(40):
        random = np.random.default_rng(seed)
        truths, folds = random.random(100) < 0.3, np.repeat(np.arange(5), 20)
        scores = random.normal(size=100) + folds
        found.append(compute_average_precision(rank_within_folds(scores, truths, folds), truths) - truths.mean())
        areas.append(measure_fold_area(scores, truths, folds))
    assert abs(np.mean(found)) < 0.08
    assert abs(np.mean(areas) - 0.5) < 0.03


def test_folds_of_one_answer_have_no_area() -> None:
    truths = np.array([True, True, False, False])
    assert np.isnan(measure_fold_area(np.arange(4.0), truths, np.array([0, 0, 1, 1])))
