"""Composed queries over a small true lake: lines, probes, conditions, sequences, folding, titles."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.cli.options import parse_condition
from ops.cli.search import print_hits
from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings
from ops.index.lake_videos import read_wanted_rows
from ops.index.line_publishing import publish_lines
from ops.index.lines import LineRow
from ops.index.publishing import publish
from ops.search.conditions import Condition, DialogueCondition, ProbeCondition, TextCondition
from ops.search.schema import Hit, Query, SearchResult, Then
from ops.search.searcher import Searcher
from tests.builders.colours import ColourEncoder, lean, shot
from tests.builders.filled import portable
from tests.builders.lakes import ENCODER, shot_rows, vector_rows, video_id, video_row
from tests.builders.subtitles import line_row

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RED, GREEN, BLUE = np.eye(3)
SCRIPT = {
    0: [RED, GREEN, BLUE, GREEN, RED, BLUE],
    1: [GREEN, RED, RED, RED, RED, BLUE],
    2: [BLUE, BLUE, GREEN, RED, GREEN, GREEN],
}
LINES = [
    ("Merry Christmas, everybody!", 0, 12, 36),
    ("The robot shook my hand.", 1, 30, 40),
    ("Christmas was never merry.", 2, 50, 60),
    ("<b>Nobody</b> said hand", 2, 100, 110),
]


def write_film(settings: Settings, number: int, vectors: list[NDArray[np.float32]]) -> None:
    partition = settings.resolve_partition(video_id(number))
    show = {"show": f"show {number}"}
    settings.lake.write("videos", partition, [video_row(number, **show)])
    settings.lake.write("shots", partition, shot_rows(number, len(vectors), is_blank=False, **show))
    rows = [
        row | {"embedding": vector, "vector_hash": vector.tobytes().hex()[:32]}
        for row, vector in zip(vector_rows(number, len(vectors), **show), vectors, strict=True)
    ]
    settings.lake.write(f"shot_embeddings/{ENCODER}", partition, rows)


def write_probe(settings: Settings, probe: str, scores: dict[str, float]) -> None:
    rows = [
        {"shot_id": name, "video_id": name.split(":")[0], "score": score, "probe_version": "1",
         "event_timestamp": NOW, "created_timestamp": NOW}
        for name, score in scores.items()
    ]  # fmt: skip
    settings.lake.write(f"probe_scores/{probe}", "all", rows)


@portable
def fill_with_script(settings: Settings) -> None:
    """The films of ``SCRIPT`` with the lines of ``LINES`` and a probe."""
    for number, colours in SCRIPT.items():
        write_film(settings, number, [lean(colour, 0.1 * number + 0.02 * at) for at, colour in enumerate(colours)])
    publish(settings, ENCODER, lambda: read_wanted_rows(settings, ENCODER))
    publish_lines(settings, [
        LineRow(
            line_id=f"line{number}", video_id=video_id(film), show=f"show {film}",
            shot_ids=tuple(shot(film, at) for at in range(start // 24, (end - 1) // 24 + 1)),
            start_frame=start, end_frame=end, start_s=start / 24, end_s=end / 24,
            text=text, language="en", source="sidecar",
        )
        for number, (text, film, start, end) in enumerate(LINES)
    ])  # fmt: skip
    write_probe(settings, "closeup", {shot(0, 0): 0.9, shot(1, 1): 0.7, shot(1, 2): 0.2})


pytestmark = pytest.mark.home(fill=fill_with_script)


@pytest.fixture
def searcher(settings: Settings) -> Searcher:
    return Searcher(settings, encoder=ColourEncoder())


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["shot_id"] for hit in answer["hits"]]


def test_a_quoted_query_finds_only_where_it_is_said(searcher: Searcher) -> None:
    answer = searcher.search(Query(text='"merry christmas"')).document()
    assert set(ids(answer)) == {shot(0, 0), shot(0, 1)}, "in this order of words, on both shots under the line"
    reading = {"visual": False, "dialogue": True, "why": "'merry christmas' is said in 1 line", "said_in": 0}
    assert answer["reading"] == reading | {"notes": [], "parts": [], "words": '"merry christmas"'}
    assert answer["dialogue_version"]
    first = answer["hits"][0]
    assert first["matched"] == ["dialogue"] and first["relevance"] == 1.0 and -1 <= first["score"] <= 1
    assert first["lines"] == [
        {
            "line_id": "line0", "line_ids": ["line0"], "text": "Merry Christmas, everybody!",
            "start_s": 0.5, "end_s": 1.5, "start_frame": 12, "end_frame": 36,
            "start_timecode": "01:00:00:12", "language": "en", "source": "sidecar",
        }
    ]  # fmt: skip
    assert ids(searcher.search(Query(text='"christmas robot"')).document()) == []


def test_words_that_occur_together_in_a_line_are_fused(searcher: Searcher) -> None:
    answer = searcher.search(Query(text="did robots shake red hands", limit=100)).document()
    assert answer["reading"]["visual"] and not answer["reading"]["dialogue"], "two of four words are not most of them"
    answer = searcher.search(Query(text="a robot with red hands that shook", limit=100)).document()
    assert answer["reading"]["dialogue"] and answer["reading"]["visual"]
    first = answer["hits"][0]
    assert first["shot_id"] == shot(1, 1) and first["matched"] == ["visual", "dialogue"], (
        "red, and said: both ranks add"
    )
    assert len(set(ids(answer))) == len(ids(answer)) == 18, "every shot once"
    paged = [hit for at in range(0, 18, 4) for hit in searcher.search(
        Query(text="a robot with red hands that shook", limit=4, offset=at)).document()["hits"]]  # fmt: skip
    assert paged == answer["hits"]


def test_forms_of_words_are_those_of_the_index(searcher: Searcher) -> None:
    answer = searcher.search(Query(text="robotics hands", limit=100)).document()
    assert answer["reading"]["dialogue"] and "line1" in {
        line["line_id"] for hit in answer["hits"] for line in hit["lines"]
    }
    same = searcher.search(Query(text="hand hands")).document()
    assert not same["reading"]["dialogue"] and "said in 2 lines too" in same["reading"]["why"], "one word, asked twice"


def test_a_line_that_was_found_is_never_hidden(searcher: Searcher) -> None:
    said = {shot(0, 0), shot(0, 1)}
    query = Query(
        text="red", all=(DialogueCondition(dialogue="merry christmas everybody"),), limit=100, min_relevance=0.99
    )
    assert set(ids(searcher.search(query).document())) == said, "one of them is green"
    fused = searcher.search(Query(text="blue robot shook hand", limit=100, min_relevance=1.0)).document()
    weak = [hit for hit in fused["hits"] if hit["relevance"] < 1]
    assert [hit["shot_id"] for hit in weak] == [shot(1, 1)] and weak[0]["relevance"] == 0.75
    only = searcher.search(Query(text="merry robot", dialogue="only", min_relevance=0.9)).document()
    assert only["hits"] and {hit["relevance"] for hit in only["hits"]} == {0.5}


def test_the_printed_list_has_every_hit_and_says_where_the_weak_ones_begin(
    capsys: pytest.CaptureFixture[str], searcher: Searcher
) -> None:
    said = searcher.search(Query(text="merry robot", dialogue="only"))
    seen = searcher.search(Query(text="red", limit=100))
    assert said.hits and not any(hit.is_weak for hit in said.hits)
    weak = tuple(hit.model_copy(update={"is_weak": True}) for hit in seen.hits)
    mixed = seen.model_copy(update={"hits": (*said.hits, *weak)})
    print_hits(mixed)
    out, err = capsys.readouterr()
    numbered = [line.split()[0] for line in out.splitlines() if line.split()[0].isdigit() or "weaker" in line]
    assert numbered.index("----") == len(said.hits)
    assert len(numbered) == len(mixed.hits) + 1
    assert "nothing clearly matches" not in err
    print_hits(mixed.model_copy(update={"stands_out": False}))
    out, err = capsys.readouterr()
    assert "nothing clearly matches" in err


def test_one_word_stays_visual_and_tells_of_the_lines(searcher: Searcher) -> None:
    answer = searcher.search(Query(text="hand")).document()
    assert not answer["reading"]["dialogue"] and "said in 2 lines too" in answer["reading"]["why"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Where are the bicycles", {"spoken0"}),
        ("where is the bicycle", set()),
        ("what is it that you are", {"spoken1"}),
        ("be tender to her", {"spoken2"}),
        ("the bicycles", set()),
        ("in the car", set()),
        ("out of the dark", set()),
    ],
)
def test_a_sentence_is_found_as_it_was_said_without_quotes(settings: Settings, text: str, found: set[str]) -> None:
    said = (
        "Where are the bicycles?",
        "What is it, that you are?",
        "Be tender to her!",
        "He sat in the car, out of the dark.",
    )
    rows = [replace(line_row(at, each), line_id=f"spoken{at}") for at, each in enumerate(said)]
    publish_lines(settings, rows)
    answer = Searcher(settings, encoder=ColourEncoder()).search(Query(text=text, limit=100)).document()
    assert {line["line_id"] for hit in answer["hits"] for line in hit["lines"]} == found
    assert answer["reading"]["visual"] and answer["reading"]["dialogue"] is bool(found)


@pytest.mark.parametrize("text", ['"over the cuts"', 'said:"over the cuts"', "spoken over the cuts"])
def test_of_the_shots_under_one_line_the_one_with_most_of_it_comes_first(settings: Settings, text: str) -> None:
    """The line has the last 4 frames of shot 2, the 24 of shot 3, and the first 12 of shot 4."""
    line = line_row(0, "It is spoken over the cuts.", video=1, second=2.0)
    spoken = [shot(1, at) for at in (2, 3, 4)]
    publish_lines(settings, [replace(line, shot_ids=tuple(spoken), start_frame=68, end_frame=108)])
    answer = Searcher(settings, encoder=ColourEncoder()).search(Query(text=text, limit=100)).document()
    hits = [hit["shot_id"] for hit in answer["hits"] if hit["lines"]]
    assert sorted(hits) == sorted(spoken), "in each of them it is spoken"
    if text != "spoken over the cuts":  # there, the pictures change the order
        assert hits == [shot(1, 3), shot(1, 4), shot(1, 2)]


def test_the_printed_list_says_what_quotes_would_find(capsys: pytest.CaptureFixture[str], searcher: Searcher) -> None:
    print_hits(searcher.search(Query(text="hand")))
    assert "said in 2 lines too: put it in quotes to find them" in capsys.readouterr().err
    print_hits(searcher.search(Query(text="red")))
    assert "searched" not in capsys.readouterr().err


def test_dialogue_can_be_off_or_alone(searcher: Searcher) -> None:
    off = searcher.search(Query(text='"merry christmas"', dialogue="off", limit=100)).document()
    assert len(off["hits"]) == 18 and not off["reading"]["dialogue"]
    only = searcher.search(Query(text="merry christmas", dialogue="only")).document()
    assert {line["line_id"] for hit in only["hits"] for line in hit["lines"]} == {"line0", "line2"}
    limited = searcher.search(Query(text="christmas", dialogue="only", shows=("show 2",))).document()
    assert ids(limited) == [shot(2, 2)]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (
            Query(text="dragon", dialogue="only"),
            "no line has these words; without `--dialogue only` the pictures are searched",
        ),
        (Query(text='"dragon"', dialogue="only"), "without quotes and `--dialogue only` the pictures are searched"),
        (Query(text="“dragon”"), "no line has these words; without quotes the pictures are searched"),
        (Query(all=(DialogueCondition(dialogue="dragon"),)), "no shots: take something away (--all)"),
        (
            Query(text="label:closeup>=0.99 red", then=Then(text="blue")),
            "no shots: take something away ('label:closeup>=0.99', --then)",
        ),
        (
            Query(text="show:show “dragon”"),
            "the pictures are searched; or take something away ('show:show')",
        ),
    ],
)
def test_where_nobody_says_it_the_way_out_is_what_was_asked(
    capsys: pytest.CaptureFixture[str], searcher: Searcher, query: Query, told: str
) -> None:
    print_hits(searcher.search(query))
    assert told in capsys.readouterr().err


def test_a_probe_filters(searcher: Searcher) -> None:
    assert set(ids(searcher.search(Query(text="red", where=("closeup>=0.5",))).document())) == {shot(0, 0), shot(1, 1)}
    assert ids(searcher.search(Query(text="red", where=("closeup < 0.5",))).document()) == [shot(1, 2)]
    hits = searcher.search(Query(text="red", where=("closeup>=0.9",))).document()["hits"]
    assert [hit["shot_id"] for hit in hits] == [shot(0, 0)]
    assert hits[0]["probes"] == [{"probe": "closeup", "score": 0.9}]
    with pytest.raises(NotFoundError, match=r"no probe 'close'.*closeup"):
        searcher.search(Query(text="red", where=("close>0.5",))).document()


def test_conditions_meet_in_frames(searcher: Searcher) -> None:
    said_on_red = searcher.search(
        Query(all=(TextCondition(text="red"), DialogueCondition(dialogue='"merry christmas"')))
    ).document()
    assert ids(said_on_red) == [shot(0, 0)]
    hit = said_on_red["hits"][0]
    assert hit["match"] == {"start_frame": 12, "end_frame": 24} and hit["matched"] == ["visual", "dialogue"]
    assert [line["line_id"] for line in hit["lines"]] == ["line0"]
    either = searcher.search(
        Query(any=(DialogueCondition(dialogue="robot hand"), ProbeCondition(probe="closeup>=0.8")), limit=50)
    ).document()
    assert set(ids(either)) == {shot(1, 1), shot(0, 0)}
    assert {hit["shot_id"]: tuple(hit["match"].values()) for hit in either["hits"]} == {
        shot(1, 1): (30, 40),
        shot(0, 0): (0, 24),
    }
    ranked = searcher.search(Query(text="green", all=(DialogueCondition(dialogue="hand"),), limit=50)).document()
    assert ids(ranked)[0] == shot(2, 4) and set(ids(ranked)) == {shot(1, 1), shot(2, 4)}


@pytest.mark.parametrize(
    "query",
    [
        {"text": "red", "then": {"text": "blue"}, "fold": True},
        {"text": "a robot with red hands that shook", "include_blank": True},
        {"all": [{"dialogue": "hand"}, {"probe": "closeup>=0.1"}]},
    ],
)
def test_answers_are_what_their_models_say(searcher: Searcher, query: dict[str, Any]) -> None:
    answer = searcher.search(Query.model_validate(query))
    assert answer.hits and all(list(hit.__dict__) == list(Hit.model_fields) for hit in answer.hits)
    again = SearchResult.model_validate(answer.document(), strict=False)
    assert again == answer and again.hits[0].model_copy(update={"rank": 1}) == answer.hits[0]
    assert SearchResult.model_validate_json(answer.model_dump_json()) == answer


def test_a_sequence_is_a_shot_and_what_follows_it(searcher: Searcher) -> None:
    answer = searcher.search(Query(text="red", then=Then(text="blue", within=1), limit=100)).document()
    pairs = [(hit["shot_id"], hit["then"]["shot_id"]) for hit in answer["hits"]]
    assert set(pairs[:2]) == {(shot(0, 4), shot(0, 5)), (shot(1, 4), shot(1, 5))}
    assert all(
        hit["then"]["video_id"] == hit["video_id"] and hit["then"]["start_frame"] == hit["end_frame"]
        for hit in answer["hits"]
    )
    relevances = [hit["relevance"] for hit in answer["hits"]]
    assert relevances == sorted(relevances, reverse=True)
    wider = searcher.search(Query(text="red", then=Then(text="blue", within=2), limit=100)).document()
    best = {hit["shot_id"]: hit["then"]["shot_id"] for hit in wider["hits"]}
    assert best[shot(0, 0)] == shot(0, 2) and best[shot(1, 3)] == shot(1, 5)
    assert not {shot(n, 5) for n in range(3)} & set(best), "nothing follows the last shot"


CHRISTMAS, HAND = DialogueCondition(dialogue='"merry christmas"'), DialogueCondition(dialogue="hand")


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ({"text": 'said:"merry christmas"'}, {(0, 0), (0, 1)}),
        ({"text": 'green said:"merry christmas"'}, {(0, 0), (0, 1)}),
        ({"text": 'said:"merry christmas" -red'}, {(0, 0), (0, 1)}),
        ({"text": 'said:"merry christmas" said:everybody'}, {(0, 0), (0, 1)}),
        ({"text": 'said:* show:"show 2"'}, {(2, 2), (2, 4)}),
        ({"text": '-said:* show:"show 2"'}, {(2, 0), (2, 1), (2, 3)}),
        ({"all": (CHRISTMAS,)}, {(0, 0), (0, 1)}),
        ({"any": (CHRISTMAS, HAND)}, {(0, 0), (0, 1), (1, 1), (2, 4)}),
        ({"text": "said:christmas", "all": (HAND,)}, set()),
    ],
)
def test_filters_on_words_and_conditions_are_the_first_shots_of_a_sequence(
    searcher: Searcher, query: dict[str, Any], pairs: set[tuple[int, int]]
) -> None:
    answer = searcher.search(Query(**query, then=Then(text="a colour", within=1), limit=100))
    assert {hit.shot_id for hit in answer.hits} == {shot(film, at) for film, at in pairs}
    assert all(hit.then and hit.then.start_frame == hit.end_frame for hit in answer.hits)
    assert "the next shot must match what follows, and relevance is the mean of both" in answer.reading.why


def test_a_sequence_of_spoken_words_and_an_example(searcher: Searcher) -> None:
    query = Query(text='said:"merry christmas"', then=Then(like=(shot(0, 4),), within=2), limit=100)
    hits = searcher.search(query).hits
    assert {hit.shot_id for hit in hits} == {shot(0, 0), shot(0, 1)}
    assert hits[0].lines and {hit.match.start_frame for hit in hits} == {12, 24} and all(hit.then for hit in hits)


def test_near_duplicates_are_folded_over_all_pages(settings: Settings) -> None:
    publish(settings, ENCODER, lambda: read_wanted_rows(settings, ENCODER))
    searcher = Searcher(settings, encoder=ColourEncoder())
    whole = searcher.search(Query(text="red", fold=True, limit=50)).document()
    plain = searcher.search(Query(text="red", limit=50)).document()
    shown = ids(whole)
    folded = [name for hit in whole["hits"] for name in hit["folded"]]
    assert folded and set(shown) | set(folded) == set(ids(plain)) and not set(shown) & set(folded)
    paged = [
        name for at in range(0, len(shown), 2) for name in ids(
            searcher.search(Query(text="red", fold=True, limit=2, offset=at)).document())
    ]  # fmt: skip
    assert paged == shown


def test_the_least_relevance_cuts_and_the_cutoff_does_not_move(searcher: Searcher) -> None:
    plain = searcher.search(Query(text="red", limit=50)).document()
    least = plain["hits"][4]["relevance"]
    cut = searcher.search(Query(text="red", limit=50, min_relevance=least)).document()
    assert cut["hits"] == [hit for hit in plain["hits"] if hit["relevance"] >= least]
    assert cut["cutoff"] == plain["cutoff"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"text": "x", "where": ("closeup",)}, "not a condition on a probe"),
        ({"text": "x", "where": ("closeup>=1.5",)}, "0 to 1"),
        ({"text": "x", "dialogue": "maybe"}, "'auto', 'off' or 'only'"),
        ({"text": "x", "like": ("a",), "dialogue": "only"}, "lines alone"),
        ({"like": ("a",), "dialogue": "only"}, "lines alone"),
        ({"text": "x", "min_relevance": 2.0}, "min_relevance"),
        ({"text": "x", "min_relevance": float("nan")}, "min_relevance"),
    ],
)
def test_senseless_filters_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Query(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"text": "a", "dialogue": "b"}, {"text": " "}, {"text": "x" * 10_000}, {"probe": "x"},
     {"text": "a", "relevance": -1.0}],
)  # fmt: skip
def test_senseless_conditions_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Query.model_validate({"all": [wrong]})


def test_a_document_and_its_query_are_the_same() -> None:
    query = Query(
        text="a", like=("b",), then=Then(text="c", within=2), all=(TextCondition(text="d", relevance=0.7),),
        any=(DialogueCondition(dialogue="e"), ProbeCondition(probe="f>0.1")), min_relevance=0.25, fold=True,
    )  # fmt: skip
    assert Query.model_validate(query.document()) == query == Query.build(query)
    for wrong in ({"text": 5}, {"txt": "a"}, {"text": "a", "like": "b"}, {"text": "a", "limit": True},
                  {"text": "a", "limit": 1.5}, {"text": "a", "all": [{"textt": "b"}]}, {"text": "a", "then": "b"},
                  {"text": "a", "shows": [1]}, {"text": "a", "fold": 1}, {"text": None}):  # fmt: skip
        with pytest.raises(UsageError):
            Query.model_validate(wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red car", TextCondition(text="a red car")),
        ("seen: a car", TextCondition(text="a car")),
        ('said:"merry christmas"', DialogueCondition(dialogue='"merry christmas"')),
        ("probe:closeup>=0.5", ProbeCondition(probe="closeup>=0.5")),
        ("12:30 at night", TextCondition(text="12:30 at night")),
    ],
)
def test_conditions_are_written_on_the_command_line(text: str, expected: Condition) -> None:
    assert Query.model_validate({"all": [parse_condition(text)]}).all == (expected,)
