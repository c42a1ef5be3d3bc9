"""Calibrating scores and choosing what is hidden: pure functions, so pure numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ops.search.calibration import (
    BELOW_BEST,
    CHANCE_HITS,
    EARLIEST,
    LATEST,
    SCALES,
    Calibration,
    Scale,
    expect_sigmas,
    find_scale,
    score_background,
)


def normal(rows: int, columns: int, centre: float, sigma: float) -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(centre, sigma, (rows, columns)).astype(np.float32)


def test_relevance_is_the_logistic_of_background_sigmas() -> None:
    calibration = Calibration.fit(normal(100, 2000, 0.02, 0.09), 500)
    assert calibration.centre == pytest.approx(0.02, abs=0.002)
    assert calibration.sigma == pytest.approx(0.09, abs=0.001)
    assert calibration.half == pytest.approx(expect_sigmas(500), abs=0.05)
    for z in (-4.0, 0.0, 1.0, 3.0, 12.0):
        score = calibration.centre + z * calibration.sigma
        assert calibration.relevance(score) == pytest.approx(1 / (1 + math.exp(calibration.half - z)))


def test_sigmas_by_chance_is_where_chance_puts_three_shots_until_it_stays() -> None:
    assert expect_sigmas(0) == expect_sigmas(1) == EARLIEST
    assert expect_sigmas(132) == pytest.approx(2.0, abs=0.01)
    chances = np.random.default_rng(5).standard_normal((2000, 132))
    assert (chances > expect_sigmas(132)).sum(axis=1).mean() == pytest.approx(CHANCE_HITS, rel=0.1)
    assert expect_sigmas(10_000) == expect_sigmas(10**8) == LATEST
    sizes = [expect_sigmas(shots) for shots in range(1, 2000)]
    assert sizes == sorted(sizes)


def test_true_matches_in_the_background_do_not_move_the_scale() -> None:
    plain = normal(100, 500, 0.0, 0.1)
    mixed = plain.copy()
    mixed[:, :15] += 0.5
    for score in (0.1, 0.3):
        assert Calibration.fit(mixed, 500).relevance(score) == pytest.approx(
            Calibration.fit(plain, 500).relevance(score), abs=0.05
        )


def test_scores_that_end_early_have_an_earlier_half() -> None:
    """Shots against shots: a wide, flat distribution, of which nothing lies 2.5 sigmas out."""
    flat = np.random.default_rng(1).uniform(-0.2, 0.8, (100, 1000)).astype(np.float32)
    calibration = Calibration.fit(flat, 1000)
    assert calibration.half < LATEST
    assert calibration.relevance(0.799) >= 0.5 > calibration.relevance(0.75)


@pytest.mark.parametrize("values", [[], [[0.3]], [[0.3, 0.1]], [[0.3] * 5], [[0.3] * 2000], [[math.nan, 0.2]]])
def test_tiny_and_constant_backgrounds_give_sane_values(values: list[list[float]]) -> None:
    calibration = Calibration.fit(np.array(values, np.float32), 1)
    assert 0 < calibration.sigma < 1
    relevances = [calibration.relevance(score) for score in (-1.0, 0.0, 0.1, 0.3, 1.0)]
    assert all(0 <= value <= 1 for value in relevances) and relevances == sorted(relevances)


@settings(max_examples=100, deadline=None)
@given(asked=st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=10), sigma=st.floats(0.001, 1))
def test_relevance_never_falls_while_the_score_rises(asked: list[float], sigma: float) -> None:
    calibration = Calibration(centre=0.1, sigma=sigma, half=2.0)
    values = [calibration.relevance(score) for score in sorted(asked)]
    assert values == sorted(values) and 0 <= values[0] <= values[-1] <= 1


def test_the_divider_follows_the_best_hit() -> None:
    calibration = Calibration(centre=0.0, sigma=0.1, half=2.0, chance=2.0)
    assert calibration.cutoff(None) == calibration.cutoff(0.0) == calibration.cutoff(0.39) == 0.5
    assert calibration.cutoff(0.6) == pytest.approx(calibration.relevance(0.6 - BELOW_BEST * 0.1))
    assert calibration.cutoff(0.6) > 0.5
    scale = Scale(slope=0.5, half=5.0, rise=2.0, below_best=1.5)
    fitted = Calibration.fit(normal(100, 2000, 0.02, 0.09), 500, scale, 100)
    for best in (0.1, 0.3, 0.6):
        assert fitted.cutoff(best) == pytest.approx(fitted.relevance(best - 1.5 * fitted.sigma))
        assert fitted.cutoff(best) < fitted.relevance(best)
    assert fitted.relevance(fitted.centre + 5 * fitted.sigma) == pytest.approx(0.5)
    assert fitted.cutoff(None) == fitted.by_chance < 0.5


def test_the_same_score_means_less_among_more_shots() -> None:
    scale, background = Scale(slope=0.5, half=5.0, rise=2.0, below_best=1.5), normal(100, 2000, 0.02, 0.09)
    halves = [Calibration.fit(background, 50_000, scale, shots).half for shots in (10, 100, 1_000, 50_000)]
    assert halves == pytest.approx([3.0, 5.0, 7.0, 7.0])
    assert Calibration.fit(background, 2_000, scale).half == pytest.approx(7.0)
    assert Calibration.fit(background, 2_000, scale, 0).half == pytest.approx(1.0)


def test_a_score_stands_out_if_it_is_above_the_best_of_half_of_the_background() -> None:
    background = normal(100, 2000, 0.02, 0.09)
    middle = float(np.median(background.max(axis=1)))
    for scale in (None, Scale(slope=0.5, half=5.0, rise=2.0, below_best=1.5)):
        calibration = Calibration.fit(background, 2000, scale)
        assert calibration.is_strong(middle + 1e-4) and not calibration.is_strong(middle - 1e-4)
        bound = calibration.centre + calibration.chance * calibration.sigma
        assert calibration.relevance(bound) == pytest.approx(calibration.by_chance)


def test_the_best_of_a_catalogue_is_expected_above_the_best_of_a_sample() -> None:
    whole = normal(100, 20_000, 0.0, 0.1)
    known, estimated = Calibration.fit(whole, 20_000), Calibration.fit(whole[:, :500], 20_000)
    assert estimated.clear == pytest.approx(known.clear, abs=0.2)
    assert Calibration.fit(whole[:, :500], 500).clear < estimated.clear - 0.5


@pytest.mark.parametrize("searched", [1, 5, 30, 200])
def test_a_limited_search_is_judged_by_the_best_of_as_many_shots(searched: int) -> None:
    """The best of a few random shots is as often clear as the best of all: for half of the descriptions."""
    background = normal(100, 2000, 0.02, 0.09)
    calibration = Calibration.fit(background, 2000, None, searched)
    generator = np.random.default_rng(5)
    bests = [row[generator.choice(2000, searched, replace=False)].max() for row in background for _ in range(20)]
    assert np.mean([calibration.is_strong(float(best)) for best in bests]) == pytest.approx(0.5, abs=0.12)
    assert calibration.clear < Calibration.fit(background, 2000).clear


def test_the_scale_belongs_to_one_kind_of_encoder() -> None:
    assert find_scale("starter_lite2_minilm_w2b4a3fbe") == SCALES["starter"]
    assert find_scale("open_clip_vit_b_32") is find_scale("finetuned_mine") is None


def test_backgrounds_ask_the_same_kind_of_question() -> None:
    generator = np.random.default_rng(2)
    sample = generator.standard_normal((40, 16)).astype(np.float32)
    sample /= np.linalg.norm(sample, axis=1, keepdims=True)
    texts = sample[:5] * np.float32(-1)
    np.testing.assert_allclose(score_background(sample, texts, 0, 0), texts @ sample.T, atol=1e-6)
    alone = score_background(sample, None, 1, 0, questions=30)
    assert alone.shape == (30, 40) and (np.isnan(alone).sum(axis=1) == 1).all(), "a shot does not judge itself"
    assert np.nanmax(alone) < 0.999
    both = score_background(sample, texts, 2, 1, questions=30)
    assert (np.isnan(both).sum(axis=1) == 3).all()
    np.testing.assert_array_equal(both, score_background(sample, texts, 2, 1, questions=30))
    unwanted = score_background(sample, texts, 0, 0, unlike_words=1)
    assert unwanted.shape == (100, 40) and np.isfinite(unwanted).all()
    assert score_background(sample[:1], None, 1, 0).shape == (0, 1), "no other shot to ask about"
