"""Metrics of yes and no against scikit-learn's, and intervals that cover what they should."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from ops.evaluation.classification import (
    bin_reliability,
    build_precision_at,
    compute_average_precision,
    compute_brier,
    compute_calibration_error,
    compute_roc_auc,
    draw_resamples,
    estimate_intervals,
)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decimals", [1, 6])
def test_they_agree_with_scikit_learn_ties_included(seed: int, decimals: int) -> None:
    random = np.random.default_rng(seed)
    scores = np.round(random.random(200), decimals)
    truths = random.random(200) < scores * 0.7
    assert compute_average_precision(scores, truths) == pytest.approx(average_precision_score(truths, scores))
    assert compute_roc_auc(scores, truths) == pytest.approx(roc_auc_score(truths, scores))
    assert compute_brier(scores, truths) == pytest.approx(brier_score_loss(truths, scores))


def test_one_answer_only_is_not_a_number() -> None:
    scores = np.array([0.1, 0.9])
    assert np.isnan(compute_average_precision(scores, np.array([False, False])))
    assert np.isnan(compute_roc_auc(scores, np.array([True, True])))


def test_precision_at_counts_the_best() -> None:
    scores, truths = np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, True])
    assert build_precision_at(2)(scores, truths) == 0.5
    assert build_precision_at(10)(scores, truths) == 0.75


def test_calibration_error_of_true_probabilities_is_small_and_of_promises_is_not() -> None:
    random = np.random.default_rng(0)
    scores = random.random(5000)
    truths = random.random(5000) < scores
    assert compute_calibration_error(scores, truths) < 0.03
    assert compute_calibration_error(np.full(5000, 0.9), truths) == pytest.approx(0.9 - truths.mean(), abs=1e-9)


def test_resamples_draw_whole_groups() -> None:
    groups = np.repeat([0, 1, 2], [1, 2, 5])
    for rows in draw_resamples(groups, seed=1, rounds=50):
        drawn = np.bincount(groups[rows], minlength=3)
        assert all(count % size == 0 for count, size in zip(drawn, (1, 2, 5), strict=True))
        assert sum(drawn / (1, 2, 5)) == 3


def test_most_intervals_cover_the_truth() -> None:
    covered = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        truths = random.random(150) < 0.5
        scores = random.normal(size=150) + truths  # area under the curve: 0.760 (normal, one deviation apart)
        found = estimate_intervals({"auc": compute_roc_auc}, scores, truths, np.arange(150), seed=seed, rounds=200)[
            "auc"
        ]
        covered += found.low <= 0.760 <= found.high
    assert 52 <= covered <= 60


def test_grouped_shots_have_wider_intervals_than_the_same_number_of_single_ones() -> None:
    random = np.random.default_rng(0)
    truths = np.repeat(random.random(15) < 0.5, 10)
    scores = np.repeat(random.normal(size=15), 10) + truths * 0.5
    wide = estimate_intervals({"auc": compute_roc_auc}, scores, truths, np.repeat(np.arange(15), 10), seed=1)["auc"]
    narrow = estimate_intervals({"auc": compute_roc_auc}, scores, truths, np.arange(150), seed=1)["auc"]
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_reliability_bins_have_equal_counts_and_tell_what_came() -> None:
    random = np.random.default_rng(3)
    scores = random.uniform(size=2000)
    bins = bin_reliability(scores, random.uniform(size=2000) < scores, bins=4)
    assert [each.count for each in bins] == [500] * 4
    for each in bins:
        assert each.low < each.promised < each.high  # calibrated by construction
        assert each.low < each.came < each.high
        assert each.high - each.low < 0.1
    sure = bin_reliability(np.array([0.9, 0.9]), np.array([True, True]))
    assert [each.came for each in sure] == [1.0, 1.0] and sure[0].high == 1.0
    assert sure[0].low == pytest.approx(0.2065, abs=1e-4)  # Wilson's bound for one of one
