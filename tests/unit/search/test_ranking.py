"""Combining queries and calibrating scores: pure functions, so pure numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.core.errors import UsageError
from ops.search.ranking import LIKE_WEIGHT, TEXT_WEIGHT, UNLIKE_WEIGHT, Calibration, combine, duplicates

AXES = np.eye(4, dtype=np.float32)


def test_each_part_alone_is_itself() -> None:
    np.testing.assert_allclose(combine(AXES[0], [], []), AXES[0])
    np.testing.assert_allclose(combine(None, [AXES[1]], []), AXES[1])


def test_parts_have_the_documented_weights() -> None:
    got = combine(AXES[0], [AXES[1], AXES[2]], [AXES[3]])
    expected = np.array([TEXT_WEIGHT, LIKE_WEIGHT / 2, LIKE_WEIGHT / 2, -UNLIKE_WEIGHT])
    np.testing.assert_allclose(got, expected / np.linalg.norm(expected), atol=1e-6)
    assert got.dtype == np.float32 and np.linalg.norm(got) == pytest.approx(1)


def test_the_number_of_examples_does_not_drown_the_text() -> None:
    one, many = combine(AXES[0], [AXES[1]], []), combine(AXES[0], [AXES[1]] * 50, [])
    np.testing.assert_allclose(one, many, atol=1e-6)


def test_an_unwanted_example_loses() -> None:
    query = combine(AXES[0], [], [AXES[1]])
    assert query @ AXES[1] < 0 < query @ AXES[0]


def test_nothing_to_look_for_is_refused() -> None:
    with pytest.raises(UsageError, match="say what to look for"):
        combine(None, [], [AXES[0]])
    with pytest.raises(UsageError, match="cancel each other out"):
        combine(None, [AXES[0], -AXES[0]], [])


def test_relevance_is_the_logistic_of_the_robust_z_score() -> None:
    scores = np.random.default_rng(3).normal(0.2, 0.03, 2000).astype(np.float32)
    calibration = Calibration.of(scores)
    assert calibration.median == pytest.approx(0.2, abs=0.003) and calibration.sigma == pytest.approx(0.03, abs=0.002)
    for z in (-4.0, 0.0, 1.0, 3.0, 5.0, 12.0):
        expected = 1 / (1 + math.exp(3 - z))
        assert calibration.relevance(calibration.median + z * calibration.sigma) == pytest.approx(expected)


def test_relevance_does_not_depend_on_where_a_querys_scores_lie() -> None:
    """The same picture of a distribution, moved and stretched: a text query and an image query."""
    base = np.random.default_rng(4).normal(0, 1, 2000)
    text, image = (
        Calibration.of((0.15 + 0.02 * base).astype(np.float32)),
        Calibration.of((0.6 + 0.1 * base).astype(np.float32)),
    )
    for z in (0.0, 2.0, 4.0):
        assert text.relevance(0.15 + 0.02 * z) == pytest.approx(image.relevance(0.6 + 0.1 * z), abs=0.03)


def test_a_few_relevant_shots_do_not_move_the_scale() -> None:
    scores = np.random.default_rng(5).normal(0.2, 0.02, 1000).astype(np.float32)
    with_hits = np.concatenate([scores, np.full(50, 0.5, np.float32)])
    assert Calibration.of(with_hits).relevance(0.3) == pytest.approx(Calibration.of(scores).relevance(0.3), abs=0.1)
    assert Calibration.of(with_hits).relevance(0.5) > 0.99


@pytest.mark.parametrize("scores", [[], [0.3], [0.3, 0.1], [0.3, 0.1, 0.1, 0.1, 0.1], [0.3] * 5, [0.3] * 2000])
def test_tiny_and_constant_catalogues_give_sane_values(scores: list[float]) -> None:
    calibration = Calibration.of(np.array(scores, np.float32))
    assert 0 < calibration.sigma < 1
    values = [calibration.relevance(score) for score in (-1.0, 0.0, 0.1, 0.3, 1.0)]
    assert all(0 <= value <= 1 for value in values) and values == sorted(values)


def test_in_a_tiny_catalogue_nobody_is_sure() -> None:
    only = Calibration.of(np.array([0.9], np.float32))
    assert only.relevance(0.9) < 0.1, "the only shot does not stand out from a catalogue that is only itself"
    two = Calibration.of(np.array([0.32, 0.18], np.float32))
    assert two.relevance(0.18) < two.relevance(0.32) < 0.5


@settings(max_examples=100, deadline=None)
@given(
    scores=st.lists(st.floats(-1, 1, width=32), max_size=40),
    asked=st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=10),
)
def test_relevance_never_falls_while_the_score_rises(scores: list[float], asked: list[float]) -> None:
    calibration = Calibration.of(np.array(scores, np.float32))
    values = [calibration.relevance(score) for score in sorted(asked)]
    assert values == sorted(values) and 0 <= values[0] <= values[-1] <= 1


def test_duplicates_are_near_any_example() -> None:
    near = AXES[0] + np.float32(0.01) * AXES[1]
    near /= np.linalg.norm(near)
    vectors = np.stack([AXES[0], near, AXES[1], AXES[2]])
    assert duplicates(vectors, [AXES[0], AXES[2]]).tolist() == [True, True, False, True]
    assert duplicates(vectors, []).tolist() == [False] * 4
    assert duplicates(np.zeros((0,), np.float32), [AXES[0]]).tolist() == []
