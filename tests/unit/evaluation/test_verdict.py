"""May one encoder take the place of another? Made ones of known quality: few shots and many, one direction, learned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pytest

from ops.evaluation.comparison import compare_answers
from ops.evaluation.questions import LEAST_SHOWS, compute_chance, list_questions
from ops.evaluation.shows import PARTS, ShowAnswer, ShowTask, answer
from ops.evaluation.verdict import LEAST_SHOTS, judge_answers

DIM = 24
JUNK = 50.0


def asked(show: str, shots: int, queries: int = 0) -> ShowTask:
    """Two captions a shot, and queries that two shots match."""
    graded = [(f"{n} asked", {str(n): 2.0, str((n + 1) % shots): 1.0}) for n in range(queries)]
    captions = tuple((f"{n} a", f"{n} b") for n in range(shots))
    return ShowTask(show=show, items=tuple(map(str, range(shots))), captions=captions, queries=tuple(graded))


def encoded(
    task: ShowTask, noise: float, seed: int = 0, text_lengths: float = 0, item_lengths: float = 0
) -> ShowAnswer:
    """What an encoder answers whose texts lie ``noise`` aside of their shots; junk from 10 on. Vectors of texts (items)
    that differ in length by a factor e**(+-lengths) spoil one direction and leave the other as it is."""
    items_ND = np.random.default_rng(7).normal(size=(len(task.items), DIM))
    items_ND /= np.linalg.norm(items_ND, axis=1, keepdims=True)
    rng = np.random.default_rng([seed, len(task.show), *task.show.encode()])

    def encode(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        aside = rng.normal(size=(len(texts), DIM)) * noise / DIM**0.5
        lengths = np.exp(text_lengths * rng.normal(size=(len(texts), 1)))
        return ((items_ND[[int(text.split()[0]) for text in texts]] + aside) * lengths).astype(np.float32)

    return answer(task, items_ND * np.exp(item_lengths * rng.normal(size=(len(items_ND), 1))), encode)


def judged(tasks: Sequence[ShowTask], live: float, candidate: float, **more: Any) -> dict[str, Any]:
    return judge_answers([encoded(own, candidate, 1) for own in tasks], [encoded(own, live) for own in tasks], **more)


def passes(verdict: dict[str, Any]) -> bool:
    return not verdict["worse"] and not verdict["too_little"]


@pytest.mark.parametrize("shots", [LEAST_SHOTS, 14, 60, 150])
def test_an_encoder_that_knows_nothing_is_refused_on_few_shots_and_on_many(shots: int) -> None:
    for seed in range(6):
        task = asked("a", shots)
        found = judge_answers([encoded(task, JUNK, seed)], [encoded(task, 0.8, seed + 50)])
        assert not passes(found), found
        assert shots < 60 or "it finds less than the live one: nDCG@10 on " in found["worse"][0]


@pytest.mark.parametrize("shots", [LEAST_SHOTS, 14, 60])
def test_a_clearly_better_one_is_taken_on_few_shots_and_on_many(shots: int) -> None:
    taken = [
        passes(judge_answers([encoded(asked("a", shots), 0.8, seed)], [encoded(asked("a", shots), 4.0, seed + 50)]))
        for seed in range(10)
    ]
    assert sum(taken) >= 9


def test_one_that_is_as_good_is_taken_where_there_is_enough_to_see_it() -> None:
    assert passes(judged([asked("a", 300), asked("b", 300)], 1.0, 1.0))
    few = judged([asked("a", 12)], 1.6, 1.6)
    assert not few["worse"] and "these 12 captioned shots cannot exclude a loss of up to 0." in few["too_little"][0]
    low, margin = few["parts"]["all"]["low"], few["margin"]
    assert f"up to {-low:.2g} nDCG@10" in few["too_little"][0] and low < -margin < 0


@pytest.mark.parametrize("shots", [LEAST_SHOTS, 60])
def test_the_same_vectors_are_taken(shots: int) -> None:
    own = [encoded(asked("a", shots, 5), 1.6)]
    assert passes(judge_answers(own, own))
    junk = [encoded(asked("a", shots), JUNK)]
    assert passes(judge_answers(junk, junk)), "nothing is lost where there is nothing to lose"


@pytest.mark.parametrize(("part", "lengths"), [("shot → caption", "text_lengths"), ("caption → shot", "item_lengths")])
@pytest.mark.parametrize("shots", [14, 60])
def test_one_that_is_worse_in_one_direction_only_is_refused(part: str, lengths: str, shots: int) -> None:
    task = asked("a", shots, 6)
    found = judge_answers([encoded(task, 0.4, 1, **{lengths: 3.0})], [encoded(task, 0.5)])
    assert part in found["worse"][0]
    spared = {"shot → caption": "text_to_video", "caption → shot": "video_to_text"}[part]
    assert found["parts"][spared]["difference"] >= -0.02


def test_graded_queries_count() -> None:
    own, task = encoded(asked("a", 20), 0.3), asked("a", 20, 20)
    good, bad = encoded(task, 0.3), encoded(task, JUNK)
    mixed = ShowAnswer(**{**vars(good), "gains_G": bad.gains_G})
    assert passes(judge_answers([own], [own]))
    assert "graded queries" in judge_answers([mixed], [good])["worse"][0]


def test_fewer_than_ten_shots_decide_nothing_however_many_captions() -> None:
    nine = judged([asked("a", 5), asked("b", 4)], 1.6, 0.2)
    assert nine["shots"] == 9 and not nine["worse"]
    assert nine["too_little"][0].startswith("there are only 9 captioned shots: fewer than 10 decide nothing")
    alone = judged([asked("a", 9), asked("b", 1)], 1.6, 0.2)
    assert alone["shots"] == 9, "one shot alone is always first"
    assert judged([], 1, 1)["too_little"] == ["there are no captioned shots to compare by"]


def test_a_part_of_a_few_questions_decides_nothing() -> None:
    """One graded query that slips has an interval of no width; two shots have hardly any."""
    better, live = encoded(asked("a", 50, 1), 0.3, 1), encoded(asked("a", 50, 1), 1.6)
    slipped = ShowAnswer(**{**vars(better), "gains_G": live.gains_G - 0.2})
    found = judge_answers([slipped], [live])
    assert found["parts"]["graded"]["high"] < 0 and found["parts"]["graded"]["drawn"] == 1
    assert passes(found) and found["parts"]["all"]["drawn"] == 51
    pair = asked("old", 2)
    few = ShowAnswer(**{**vars(encoded(pair, 0)), "caption_ranks_Q": np.full(4, 2), "item_ranks_N": np.full(2, 2)})
    learned = judge_answers([better, few], [live, encoded(pair, 0)], learned=["old"])
    assert learned["learned"]["parts"]["all"]["high"] < 0 and passes(learned)


def test_a_loss_where_it_was_fitted_counts_and_a_gain_there_proves_nothing() -> None:
    new, old = asked("new", 40), asked("old", 40)

    def found(on_new: float, on_old: float, **learned: Collection[str]) -> dict[str, Any]:
        return judge_answers(
            [encoded(new, on_new, 1), encoded(old, on_old, 1)], [encoded(new, 2.5), encoded(old, 2.5)], **learned
        )

    worse = found(0.3, JUNK, learned=["old"])
    assert len(worse["worse"]) == 1 and not worse["too_little"]
    assert (
        "it finds less even on the shows that it was fitted on: nDCG@10 on 40 captioned shots of old, all questions 0."
        in worse["worse"][0]
    )
    gained = found(JUNK, 0.1, learned=["old"])
    assert gained["worse"] and "of new" in gained["worse"][0] and gained["learned"]["parts"]["all"]["low"] > 0
    only = found(0.1, 0.1, learned=["old", "new"])
    assert only["too_little"] == [
        "there are no captioned shots of shows that neither encoder was fitted on to compare by"
    ]
    left = found(0.3, JUNK, live_learned=["old"])
    assert passes(left) and left["left_out"] == ["old"] and left["shows"] == ["new"], "no fair fight where live learned"
    both = found(0.3, JUNK, learned=["old"], live_learned=["old"])
    assert passes(both) and both["left_out"] == ["old"] and not both["learned"], "the live one may know it too well"
    again = found(JUNK, 0.3, learned=["old"], live_learned=["old"])
    assert again["worse"] and "of new" in again["worse"][0], "what both never saw decides"


def test_many_shows_are_drawn_whole() -> None:
    """A candidate that is better on most shows and junk on some: of other shows some would be such, too."""
    tasks = [asked(f"s{n}", 12) for n in range(LEAST_SHOWS)]
    live = [encoded(own, 0.8) for own in tasks]
    candidate = [encoded(own, JUNK if n < 3 else 0.4, 1) for n, own in enumerate(tasks)]
    by_show = judge_answers(candidate, live)
    assert by_show["drawn_by"] == "show"
    assert len(set(list_questions(live, PARTS)[1])) == LEAST_SHOWS
    by_shot = judge_answers(candidate[1:], live[1:])
    assert by_shot["drawn_by"] == "shot"
    widths = [each["parts"]["all"]["high"] - each["parts"]["all"]["low"] for each in (by_show, by_shot)]
    assert widths[0] > 1.5 * widths[1]


def test_chance_is_what_random_orders_give() -> None:
    task = asked("a", 15, 5)
    drawn = [encoded(task, 1e6, seed) for seed in range(300)]
    for part in PARTS:
        mean = np.mean([list_questions([own], [part])[0].mean() for own in drawn])
        assert compute_chance(drawn[:1], [part]) == pytest.approx(mean, abs=0.02), part
    assert compute_chance(drawn[:1], PARTS) == pytest.approx(
        np.average([compute_chance(drawn[:1], [part]) for part in PARTS], weights=[30, 15, 5])
    )


def test_the_comparison_of_two_encoders_holds_the_verdict() -> None:
    task = asked("a", 12)
    live = ("old", [encoded(task, 0.8)])
    told = compare_answers([("new", [encoded(task, JUNK, 1)]), live], {"new": ["b"], "old": []})
    assert not passes(told["verdict"])
    assert told["verdict"]["parts"]["text_to_video"]["difference"] == told["gain"]["text_to_video"]["ndcg@10"][0]
    assert compare_answers([("new", live[1]), live], {"new": ["a"]})["verdict"]["learned"]["shots"] == 12
    assert "verdict" not in compare_answers([live])
