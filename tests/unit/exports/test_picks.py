"""From an answer to picks: which hits, which frames, and how a query is told."""

from __future__ import annotations

import pytest

from ops.exports.picks import MAX_TOLD, describe_query, select_picks
from ops.search.conditions import DialogueCondition, ProbeCondition, TextCondition
from ops.search.schema import Hit, Query, SearchResult, Span, Then
from tests.builders.answers import make_hit, make_line, make_result

SHOT = "0123456789abcdef:"


def hit(at: int, relevance: float, *matched: str, match: tuple[int, int] | None = None) -> Hit:
    start, end = match or (10 * at, 10 * at + 10)
    return make_hit(
        f"{SHOT}{10 * at}",
        10 * at + 10,
        score=relevance / 2,
        relevance=relevance,
        matched=matched,
        lines=[make_line(f"line{at}")] if "dialogue" in matched else [],
        match=Span(start_frame=start, end_frame=end),
    )


def answer_of(query: Query) -> SearchResult:
    hits = [hit(0, 0.9, "visual"), hit(1, 0.1, "visual", "dialogue"), hit(2, 0.6, "visual", match=(23, 27))]
    hits += [hit(3, 0.2, "visual"), hit(4, 0.1, "dialogue")]
    return make_result(query, hits, cutoff=0.6)


def test_hits_under_the_cutoff_stay_only_where_they_are_said() -> None:
    picks = select_picks(answer_of(Query(text="a rabbit")))
    assert [pick.shot_id for pick in picks] == [f"{SHOT}0", f"{SHOT}10", f"{SHOT}20", f"{SHOT}40"]
    assert (picks[2].in_frame, picks[2].out_frame) == (23, 27)
    stamps = {"encoder_id": "starter", "index_version": "v7"}
    seen = {"matched": "visual", "score_is": "cosine of query and pictures"}
    assert picks[0].provenance == {"query": "a rabbit", "score": 0.45, "relevance": 0.9, **stamps, **seen}
    both = seen | {"matched": "visual, dialogue", "dialogue_version": "v1-3"}
    assert picks[1].provenance == {"query": "a rabbit", "score": 0.05, "relevance": 0.1, **stamps, **both}
    assert [pick.line_ids for pick in picks] == [(), ("line1",), (), ("line4",)]


def test_a_hit_that_only_dialogue_found_has_no_score() -> None:
    told = select_picks(answer_of(Query(text="a rabbit")))[3].provenance
    assert told is not None and told["score"] is None and told["relevance"] == 0.1
    assert told["score_is"].startswith("none: found by its words") and told["dialogue_version"] == "v1-3"


@pytest.mark.parametrize("least", [0.0, 0.1])
def test_a_relevance_that_was_asked_for_is_the_whole_rule(least: float) -> None:
    assert len(select_picks(answer_of(Query(text="a rabbit", min_relevance=least)))) == 5


def test_every_part_of_a_query_is_told() -> None:
    query = Query(
        text=" a door opens ",
        like=(f"{SHOT}0", "data:image/png;base64,AAAA"),
        unlike=("image:00",),
        shows=("One", "Two"),
        where=("closeup>=0.5", "night<0.2"),
        then=Then(text="a face", like=(f"{SHOT}10",), within=2),
        all=(TextCondition(text="rain", relevance=0.7), DialogueCondition(dialogue="good morning")),
        any=(ProbeCondition(probe="closeup>=0.9"),),
        dialogue="off",
    )
    assert describe_query(query).split("; ") == [
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
    assert describe_query(Query(text='"merry christmas"')) == '"merry christmas"'
    told = describe_query(Query(text="a", shows=("x" * 400,) * 20))
    assert len(told) == MAX_TOLD and told.endswith("…")
