"""Verdicts follow the figures: each changes where the figure that decides it does."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ops.evaluation.classification import Interval as Figure
from ops.evaluation.cuts import CutScore
from ops.notebooks import verdicts


def make_figure(value: float, low: float, high: float) -> Figure:
    return Figure(value=value, low=low, high=high)


def test_more_yes_than_the_labels_suggest_gives_a_threshold_that_mends_it() -> None:
    scores = np.linspace(0, 1, 192)
    said = int((scores >= 0.45).sum())
    text = verdicts.judge_share("closeup", scores, 0.45, yes=20, no=60)
    assert text.startswith(f"{said} of 192 shots is more than the labels suggest (25% of them are yes): raise")
    raised = float(re.findall(r"threshold to (\d\.\d\d)", text)[0])
    assert raised > 0.45 and abs((scores >= raised).mean() - 0.25) < 0.02
    assert "agrees with the labels" in verdicts.judge_share("closeup", scores, raised, yes=20, no=60)
    assert "agrees with the labels" in verdicts.judge_share("closeup", scores, 0.45, yes=40, no=40)


def test_shares_that_cannot_be_judged_are_reported() -> None:
    scores = np.array([0.1, 0.2])
    assert "run `needle probe score x`" in verdicts.judge_share("x", scores[:0], 0.5, 3, 3)
    assert "label some shots no" in verdicts.judge_share("x", scores, 0.5, 3, 0)
    assert "label some shots yes" in verdicts.judge_share("x", scores, 0.5, 0, 3)
    assert "No shot of 2 reaches the threshold; the highest score is 0.20" in verdicts.judge_share(
        "x", scores, 0.5, 3, 3
    )


def test_the_bound_of_a_share_is_that_of_wilson() -> None:
    assert verdicts.bound_share(5, 10) == pytest.approx(0.7634, abs=1e-4)
    assert 0 < verdicts.bound_share(0, 10) < 0.3 and verdicts.bound_share(10, 10) == pytest.approx(1)


@pytest.mark.parametrize("share", [0.001, 0.25, 0.999])
def test_a_threshold_is_never_above_one(share: float) -> None:
    for scores in (np.ones(9), np.zeros(9), np.random.default_rng(0).random(99)):
        assert 0 <= verdicts.find_threshold(scores, share) <= 1


@pytest.mark.parametrize(
    ("precision", "words", "start"),
    [
        (make_figure(0.9, 0.85, 0.95), make_figure(0.7, 0.6, 0.8), "It ranks well"),
        (make_figure(0.9, 0.85, 0.95), None, "It ranks well"),
        (
            make_figure(0.9, 0.7, 0.95),
            make_figure(0.7, 0.6, 0.8),
            "The interval is wide (0.70 to 0.95)",
        ),
        (
            make_figure(0.7, 0.65, 0.75),
            make_figure(0.7, 0.6, 0.8),
            "The words alone rank as well",
        ),
    ],
)
def test_ranking(precision: Figure, words: Figure | None, start: str) -> None:
    assert verdicts.judge_ranking("x", precision, words).startswith(start)


def test_other_verdicts_turn_where_their_figure_does() -> None:
    assert "5 points off" in verdicts.judge_calibration(make_figure(0.05, 0, 0.1))
    assert verdicts.judge_calibration(make_figure(0.2, 0, 0.3)).startswith("Do not read")
    assert verdicts.judge_errors("x", 0, 0) == "No label contradicts the probe."
    assert verdicts.judge_errors("x", 1, 2).startswith("1 false yes and 2 missed: open")
    assert verdicts.judge_borderline("x", 0, "") == ""
    assert "[on the page](http://a/?label=x)" in verdicts.judge_borderline("x", 3, "http://a/?label=x")
    assert "nothing to do" in verdicts.judge_catalogue(10, 1, 0)
    assert "1 shot without a vector" in verdicts.judge_catalogue(10, 5, 1)
    assert "50% of the shots are blank" in verdicts.judge_catalogue(10, 5, 1)
    assert "look sound" in verdicts.judge_lengths(np.full(10, 2.0))
    assert verdicts.judge_lengths(np.full(10, 0.1)).startswith("10 of 10 shots are shorter")
    assert "look sound" in verdicts.judge_lengths(np.zeros(0))
    assert "saves 3 answers" in verdicts.judge_same_images(20, 2, 5)
    assert verdicts.judge_same_images(20, 0, 0).startswith("No two shots")
    assert verdicts.judge_outliers(np.array([0.1, 0.1, 0.1, 0.5])).startswith("1 of 4 shots is more than twice")
    assert verdicts.judge_outliers(np.full(4, 0.1)).startswith("No shot stands alone")
    assert "1 of 3 shots is" in verdicts.judge_outliers(np.array([0.0, 0.0, 0.5]))
    assert verdicts.judge_feeds(60, 0.05, 0.02).startswith("Label by the feeds")
    assert verdicts.judge_feeds(60, 0.05, 0.04).startswith("At 60 labels, feeds and random")
    assert verdicts.judge_feeds(60, -0.05, 0.02).startswith("Label shots at random")
    assert verdicts.judge_blocks(make_figure(0.7, 0.6, 0.8), make_figure(0.9, 0.85, 0.95)).startswith("Use the chosen")
    assert "more labels decide" in verdicts.judge_blocks(make_figure(0.7, 0.6, 0.8), make_figure(0.75, 0.7, 0.8))
    assert verdicts.judge_blocks(make_figure(0.7, 0.6, 0.8), make_figure(0.7, 0.6, 0.8)).startswith("The vector alone")


def test_relevance_that_is_honest_can_be_read_as_a_share() -> None:
    relevance, right = np.full(200, 0.2), np.arange(200) % 5 == 0
    assert "it is 3 points off" in verdicts.judge_relevance(relevance, right, 0.03)
    assert "too low here (0.20 on average, and 1.00" in verdicts.judge_relevance(relevance, np.ones(200, bool), 0.8)
    assert "too high" in verdicts.judge_relevance(relevance, np.zeros(200, bool), 0.2)


def test_an_upgrade_is_advised_against_for_a_worse_figure_before_a_missing_one() -> None:
    assert "1 figure is worse with `finetuned:mine`" in verdicts.judge_upgrade("finetuned:mine", 1, 2)
    assert "too little to decide" in verdicts.judge_upgrade("finetuned:mine", 0, 1)
    assert "`needle upgrade --encoder finetuned:mine`" in verdicts.judge_upgrade("finetuned:mine", 0, 0)


@pytest.mark.parametrize(
    ("right", "false", "missed", "interval", "start", "end"),
    [
        (9, 0, 0, (1.0, 1.0), "Hard cuts: all 9 are found, and nothing else is", "Nothing to do."),
        (0, 0, 0, None, "Hard cuts: none is annotated and none was found", "Add clips that have some."),
        (0, 4, 0, None, "Hard cuts: none is annotated, but 4 were found", "annotate those that are right."),
        (9, 2, 1, (0.7, 0.8), "Hard cuts: 2 false and 1 missed, with 10 annotated. Look at the false", "`adaptive`)."),
        (9, 1, 2, (0.5, 0.9), "Hard cuts: 2 missed and 1 false, with 11 annotated. Look at the missed", "anything."),
        (9, 1, 0, None, "Hard cuts: 1 false and 0 missed, with 9 annotated. Look at the false", "anything."),
    ],
)
def test_boundaries(
    right: int, false: int, missed: int, interval: tuple[float, float] | None, start: str, end: str
) -> None:
    score = CutScore(right=right, false=false, missed=missed)
    text = verdicts.judge_boundaries("Hard cuts", score, interval, "a.mp4", "transnetv2")
    assert text.startswith(start) and text.endswith(end.replace("adaptive", "auto"))
    assert ("in a.mp4 first" in text) == bool(false + missed and right)


def test_the_benchmark_names_what_to_look_at() -> None:
    assert "same encoder" in verdicts.judge_editors_labels(0.4, 0.5, 9.0, 8.3)
    assert "Add the baseline's labels" in verdicts.judge_editors_labels(0.6, 0.5, None, 8.3)
    assert "+2.0 points is below the paper's +8.3" in verdicts.judge_editors_labels(0.6, None, 2.0, 8.3)
    assert "+9.0 points reaches the paper's +8.3" in verdicts.judge_editors_labels(0.6, 0.5, 9.0, 8.3)
    assert verdicts.judge_weakest_label("rain", 0.123, 1_200, 0).startswith("Begin with rain: its average precision")
    assert "2 labels have no figure" in verdicts.judge_weakest_label("rain", 0.1, 1, 2)
    assert verdicts.judge_set_aside(3, 0) == ""
    assert verdicts.judge_set_aside(3, 1).startswith("1 clip of 4 could not be measured")
