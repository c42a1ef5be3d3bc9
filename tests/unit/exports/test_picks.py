"""From an answer to picks: which hits, which frames, and how a query is told."""

from __future__ import annotations

from typing import Any

import pytest

from ops.exports.picks import MAX_TOLD, picks_of, told_query
from ops.search.query import Condition, Query, Then

SHOT = "0123456789abcdef:"


def hit(at: int, relevance: float, *matched: str, match: tuple[int, int] | None = None) -> dict[str, Any]:
    start, end = match or (10 * at, 10 * at + 10)
    return {
        "shot_id": f"{SHOT}{10 * at}",
        "score": relevance / 2,
        "relevance": relevance,
        "matched": list(matched),
        "lines": [{"line_id": f"line{at}"}] if "dialogue" in matched else [],
        "match": {"start_frame": start, "end_frame": end},
    }


def answer_of(query: Query) -> dict[str, Any]:
    hits = [hit(0, 0.9, "visual"), hit(1, 0.1, "visual", "dialogue"), hit(2, 0.6, "visual", match=(23, 27))]
    hits += [hit(3, 0.2, "visual"), hit(4, 0.1, "dialogue")]
    stamps = {"encoder_id": "starter", "index_version": "v7", "dialogue_version": "v1-3"}
    return {"query": query.document(), "cutoff": 0.6, "hits": hits, **stamps}


def test_hits_under_the_cutoff_stay_only_where_they_are_said() -> None:
    picks = picks_of(answer_of(Query(text="a rabbit")))
    assert [pick.shot_id for pick in picks] == [f"{SHOT}0", f"{SHOT}10", f"{SHOT}20", f"{SHOT}40"]
    assert (picks[2].in_frame, picks[2].out_frame) == (23, 27)
    stamps = {"encoder_id": "starter", "index_version": "v7"}
    seen = {"matched": "visual", "score_is": "cosine of query and pictures"}
    assert picks[0].provenance == {"query": "a rabbit", "score": 0.45, "relevance": 0.9, **stamps, **seen}
    both = seen | {"matched": "visual, dialogue", "dialogue_version": "v1-3"}
    assert picks[1].provenance == {"query": "a rabbit", "score": 0.05, "relevance": 0.1, **stamps, **both}
    assert [pick.line_ids for pick in picks] == [(), ("line1",), (), ("line4",)]


def test_a_hit_that_only_dialogue_found_has_no_score() -> None:
    told = picks_of(answer_of(Query(text="a rabbit")))[3].provenance
    assert told is not None and told["score"] is None and told["relevance"] == 0.1
    assert told["score_is"].startswith("none: found by its lines") and told["dialogue_version"] == "v1-3"


@pytest.mark.parametrize("least", [0.0, 0.1])
def test_a_relevance_that_was_asked_for_is_the_whole_rule(least: float) -> None:
    assert len(picks_of(answer_of(Query(text="a rabbit", min_relevance=least)))) == 5


def test_every_part_of_a_query_is_told() -> None:
    query = Query(
        text=" a door opens ",
        like=(f"{SHOT}0", "data:image/png;base64,AAAA"),
        unlike=("image:00",),
        shows=("One", "Two"),
        where=("closeup>=0.5", "night<0.2"),
        then=Then(text="a face", like=(f"{SHOT}10",), within=2),
        all_of=(Condition(text="rain", relevance=0.7), Condition(dialogue="good morning")),
        any_of=(Condition(probe="closeup>=0.9"),),
        dialogue="off",
    )
    assert told_query(query.document()).split("; ") == [
        "a door opens",
        f"like {SHOT}0, a picture",
        "unlike image:00",
        f"then a face, like {SHOT}10 within 2 shots",
        "all of: rain (relevance >= 0.7), said good morning",
        "any of: closeup>=0.9",
        "where closeup>=0.5 and night<0.2",
        "in One, Two",
        "dialogue off",
    ]


def test_plain_words_are_told_as_they_are_and_long_queries_are_cut() -> None:
    assert told_query(Query(text='"merry christmas"').document()) == '"merry christmas"'
    told = told_query({"text": "a", "shows": ["x" * 400] * 20})
    assert len(told) == MAX_TOLD and told.endswith("…")
