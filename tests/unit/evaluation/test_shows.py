"""Shows with known answers: what is pooled, what is compared, and how captions of one shot belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ops.core.errors import UsageError
from ops.evaluation.comparison import compare_answers
from ops.evaluation.figures import compute_figures, compute_gains, compute_recall_curve
from ops.evaluation.questions import compute_chance_curve
from ops.evaluation.retrieval import estimate_interval, estimate_paired_interval
from ops.evaluation.shows import ShowAnswer, ShowTask, answer, list_examples

RANKS = hnp.arrays(np.int64, st.integers(2, 12), elements=st.integers(1, 20))


def task(show: str = "a", shots: int = 3, queries: tuple = (("near 0", {"0": 2.0, "1": 1.0}),)) -> ShowTask:
    """Shot n lies in direction n; the caption "n" does too."""
    captions = tuple((str(n), f"{n} again") for n in range(shots))
    return ShowTask(show=show, items=tuple(map(str, range(shots))), captions=captions, queries=queries)


def encoded(texts: Sequence[str], turn: int = 0, dim: int = 4) -> np.ndarray:
    """A text's vector points where its last number says, ``turn`` directions further on."""
    own = [int(next(part for part in text.split() if part.isdigit())) for text in texts] if texts else []
    return np.eye(dim, dtype=np.float32)[[(n + turn) % dim for n in own]]


def answered(own: ShowTask, turn: int = 0) -> ShowAnswer:
    texts = [*own.texts, *(query for query, _ in own.queries)]
    assert all(any(part.isdigit() for part in text.split()) for text in texts)
    return answer(own, np.eye(4, dtype=np.float32)[: len(own.items)], lambda asked: encoded(asked, turn))


def test_an_encoder_that_is_right_and_one_that_is_not() -> None:
    right, wrong = answered(task()), answered(task(), turn=1)
    told = compute_figures([right])
    assert told["text_to_video"]["r@1"] == told["video_to_text"]["r@1"] == 100
    assert told["text_to_video"]["queries"] == 6 and told["text_to_video"]["items"] == 3
    assert 0.8 < told["graded"]["ndcg@10"] < 1, "shot 1 ties with shot 2, which was not judged to match"
    assert compute_figures([wrong])["text_to_video"]["r@1"] == 0
    gain = compute_gains([right], [wrong])
    assert gain["text_to_video"]["r@1"] == [100.0, 100.0, 100.0] and gain["graded"]["ndcg@10"][0] > 0
    assert compute_gains([right], [right])["video_to_text"]["r@10"] == [0.0, 0.0, 0.0]
    assert right.first_GK[0, 0] == 0 and right.first_QK[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert [row[:2] for row in compute_recall_curve([right], "text_to_video", [1, 3])] == [(1, 100.0), (3, 100.0)]


def test_shots_of_other_shows_do_not_compete_and_figures_pool_their_queries() -> None:
    both = [answered(task("a", 3)), answered(task("b", 1, ()), turn=1)]
    pooled = compute_figures(both)
    assert pooled["text_to_video"]["queries"] == 8 and pooled["graded"]["queries"] == 1
    assert pooled["text_to_video"]["r@1"] == 100, "one shot alone is always first"


def test_what_is_not_asked_has_no_figure() -> None:
    none = ShowTask(show="a", items=("0", "1"), captions=((), ()))
    assert compute_figures([answered(none)]) == {} == compute_figures([])
    assert (
        compute_gains([answered(none)], [answered(none)]) == {} and compute_recall_curve([], "video_to_text", [1]) == []
    )


def test_different_questions_are_not_compared() -> None:
    with pytest.raises(UsageError, match="same captions and queries"):
        compute_gains([answered(task())], [answered(task(shots=2, queries=()))])
    with pytest.raises(UsageError, match="2 vectors for 3 items"):
        answer(task(), np.eye(4)[:2], encoded)
    with pytest.raises(UsageError, match="names 7"):
        task(queries=(("near 0", {"7": 1.0}),))


def test_a_show_that_was_learned_from_is_told_and_not_pooled() -> None:
    now = [answered(task("seen")), answered(task("new"), turn=1)]
    before = [answered(task("seen"), turn=1), answered(task("new"))]
    told = compare_answers([("now", now), ("then", before)], {"then": ["seen"]})
    assert told["learned_from"] == ["seen"] and told["pooled_is_fair"]
    assert told["text_to_video"]["r@1"] == 0 and told["against"]["text_to_video"]["r@1"] == 100
    assert told["gain"]["text_to_video"]["r@1"][0] == -100
    assert told["shows"]["seen"]["gain"]["text_to_video"]["r@1"][0] == 100
    only = compare_answers([("now", now[:1])], {"now": ["seen"]})
    assert not only["pooled_is_fair"] and only["text_to_video"]["r@1"] == 100 and "against" not in only
    assert compare_answers([("now", [])])["shows"] == {}


def test_a_show_of_one_shot_is_not_pooled() -> None:
    alone = answered(task("alone", 1, ()))
    told = compare_answers([("now", [answered(task(), turn=1), alone])])
    assert told["text_to_video"]["r@1"] == 0 and told["text_to_video"]["queries"] == 6
    assert told["shows"]["alone"]["text_to_video"]["r@1"] == 100
    assert compare_answers([("now", [alone])])["text_to_video"]["queries"] == 2


@given(RANKS, st.data())
def test_a_difference_is_that_of_the_means_and_turns_its_sign_with_the_sides(
    now: np.ndarray, data: st.DataObject
) -> None:
    before = data.draw(hnp.arrays(np.int64, len(now), elements=st.integers(1, 20)))
    groups = data.draw(hnp.arrays(np.int64, len(now), elements=st.integers(0, 3)))
    difference, low, high = estimate_paired_interval(now, before, groups_M=groups)
    assert difference == pytest.approx(now.mean() - before.mean()) and low <= high
    back = estimate_paired_interval(before, now, groups_M=groups)
    assert (-back[0], -back[2], -back[1]) == pytest.approx((difference, low, high), abs=1e-9)


@given(RANKS)
def test_groups_of_one_are_no_groups_and_one_group_has_no_interval(values: np.ndarray) -> None:
    alone = estimate_interval(values, groups_M=np.arange(len(values)))
    assert alone == pytest.approx(estimate_interval(values))
    assert estimate_interval(values, groups_M=np.zeros(len(values))) == pytest.approx([values.mean()] * 2)


def test_captions_of_one_shot_tell_less_than_as_many_shots() -> None:
    values = np.repeat(np.random.default_rng(0).integers(0, 2, 40), 5)  # five captions that always agree
    plain, grouped = estimate_interval(values), estimate_interval(values, groups_M=np.arange(200) // 5)
    assert np.ptp(grouped) > 1.8 * np.ptp(plain)
    medians = estimate_interval(values, lambda drawn: np.median(drawn, axis=1), groups_M=np.arange(200) // 5)
    assert medians[0] <= np.median(values) <= medians[1]


def test_examples_are_graded_queries_or_else_captions_and_the_best_come_first() -> None:
    graded = list_examples([answered(task()), answered(task("b", 3, (("near 1", {"1": 1.0}),)))])
    assert [(own.show, own.text) for own in graded] == [("b", "near 1"), ("a", "near 0")]
    assert graded[0].score == pytest.approx(1) and graded[1].score < 0.99 and graded[0].found[0] == "1"
    captions = list_examples([answered(task(queries=())), answered(task("b", queries=()), turn=1)])
    assert len(captions) == 12 and [own.score for own in captions[:6]] == [1.0] * 6
    assert captions[0].wanted == {"0": 1.0} and captions[-1].score < 1 and captions[-1].show == "b"
    assert list_examples([]) == []


@given(st.integers(1, 12), st.integers(1, 3))
def test_chance_is_the_share_of_random_orders_that_are_right(shots: int, k: int) -> None:
    own = ShowTask(show="a", items=tuple(map(str, range(shots))), captions=(("0",),) * shots)
    flat = answer(own, np.ones((shots, 1)), lambda texts: np.ones((len(texts), 1), np.float32))
    assert compute_chance_curve([flat], "text_to_video", [k]) == [(k, pytest.approx(100 * min(1, k / shots)))]
    two = ShowTask(show="a", items=own.items, captions=(("0", "1"),) * shots)
    flat = answer(two, np.ones((shots, 1)), lambda texts: np.ones((len(texts), 1), np.float32))
    missed = np.prod([(2 * shots - 2 - n) / (2 * shots - n) for n in range(min(k, 2 * shots - 1))])
    assert compute_chance_curve([flat], "video_to_text", [k]) == [(k, pytest.approx(100 * (1 - max(0, missed))))]
