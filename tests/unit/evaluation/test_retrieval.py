"""Each metric against a reference of a few lines, on generated scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ops.core.errors import UsageError
from ops.evaluation.retrieval import (
    compute_ndcg_at,
    compute_recall_at,
    estimate_interval,
    rank_queries,
    summarise_ranks,
)

SCORES = hnp.arrays(np.float64, (4, 7), elements=st.integers(-3, 3).map(float))  # few values, so many ties
GRADES = hnp.arrays(np.int64, (4, 7), elements=st.integers(0, 2)).filter(lambda grades: bool(grades.any(axis=1).all()))


@given(SCORES, GRADES)
def test_a_rank_counts_every_irrelevant_item_at_least_as_good(scores: np.ndarray, grades: np.ndarray) -> None:
    for row, rank in enumerate(rank_queries(scores, grades > 0)):
        best = max(score for score, grade in zip(scores[row], grades[row], strict=True) if grade)
        before = [1 for score, grade in zip(scores[row], grades[row], strict=True) if not grade and score >= best]
        assert rank == 1 + len(before)


@given(
    hnp.arrays(np.float64, (4, 7), elements=st.integers(0, 10**6).map(float), unique=True), GRADES, st.integers(1, 12)
)
def test_ndcg_without_ties_is_the_textbook_sum(scores: np.ndarray, grades: np.ndarray, k: int) -> None:
    for row, value in enumerate(compute_ndcg_at(scores, grades, k)):
        order = sorted(range(7), key=lambda item: -scores[row][item])
        gained = sum(grades[row][item] / math.log2(place + 2) for place, item in enumerate(order[:k]))
        ideal = sum(grade / math.log2(place + 2) for place, grade in enumerate(sorted(grades[row], reverse=True)[:k]))
        assert value == pytest.approx(gained / ideal)


@given(SCORES, GRADES)
def test_ndcg_of_ties_is_the_mean_over_their_orders(scores: np.ndarray, grades: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    jittered = [compute_ndcg_at(scores + rng.uniform(0, 1e-3, scores.shape), grades) for _ in range(300)]
    assert np.abs(np.mean(jittered, axis=0) - compute_ndcg_at(scores, grades)).max() < 0.1


def test_an_encoder_that_gives_everything_one_vector_gets_no_recall() -> None:
    ranks = rank_queries(np.zeros((5, 20)), np.eye(5, 20, dtype=bool))
    assert (ranks == 20).all() and compute_recall_at(ranks, 10) == 0.0


def test_perfect_and_reversed_orders_are_the_bounds() -> None:
    grades = np.array([[2, 1, 0, 0]])
    assert compute_ndcg_at([[4, 3, 2, 1]], grades)[0] == pytest.approx(1.0)
    assert compute_ndcg_at([[1, 2, 3, 4]], grades, k=2)[0] == 0.0


def test_the_summary_is_in_percent() -> None:
    assert summarise_ranks([1, 2, 6, 11]) == {"r@1": 25.0, "r@5": 50.0, "r@10": 75.0, "median_rank": 4.0}
    assert compute_recall_at([1, 5, 6], 5) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("scores", "relevant", "reason"),
    [
        ([[1.0, 2.0]], [[0, 0]], "no relevant item"),
        ([[1.0, float("nan")]], [[1, 0]], "NaN"),
        ([[1.0, 2.0]], [[1, 0, 0]], "must both be"),
        ([1.0, 2.0], [1, 0], "must both be"),
    ],
)
def test_what_has_no_answer_is_refused(scores: list, relevant: list, reason: str) -> None:
    for metric in (rank_queries, compute_ndcg_at):
        with pytest.raises(UsageError, match=reason):
            metric(scores, relevant)


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        low, high = estimate_interval(rng.random(60), resamples=400)
        covered += low <= 0.5 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_an_interval_repeats_and_takes_a_statistic() -> None:
    values = np.arange(30.0)
    assert estimate_interval(values) == estimate_interval(values)
    assert estimate_interval(values, seed=1) != estimate_interval(values)
    low, high = estimate_interval(values, lambda drawn: np.median(drawn, axis=1))
    assert low < np.median(values) < high
    assert estimate_interval([0.25]) == (0.25, 0.25)
    with pytest.raises(UsageError, match="at least one"):
        estimate_interval([])
