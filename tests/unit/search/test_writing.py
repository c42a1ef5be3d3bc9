"""Search for writing in the picture: the filter text:, free text, and hits that say where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.core.errors import NotFoundError
from ops.core.settings import Settings, load_settings
from ops.index.line_publishing import publish_lines
from ops.index.lines import SCREEN_TEXT, LineRow
from ops.index.text_blocks import PlacedLine, join_blocks
from ops.search.conditions import WrittenCondition
from ops.search.schema import Query, SearchResult
from ops.search.searcher import Searcher
from tests.builders.colours import SHOWS, ColourEncoder, fill_with_colours, index_lake, shot
from tests.builders.lakes import video_id


def make_text(number: int, index: int, text: str) -> LineRow:
    shot_id = shot(number, index)
    start = int(shot_id.split(":")[1])
    return LineRow(
        line_id=f"{shot_id}:text{len(text)}",
        video_id=video_id(number),
        show=SHOWS[number],
        shot_ids=(shot_id,),
        start_frame=start + 6,
        end_frame=start + 18,
        start_s=start / 24,
        end_s=start / 24 + 0.5,
        text=text,
        language="en",
        source="screen",
    )


BOXES = {"MIND THE": (300, 400, 500, 480), "GAP": (350, 490, 450, 570), "WAY OUT": (600, 490, 800, 570)}
PLATFORM = [
    PlacedLine(row=make_text(2, 0, text), box=box) for text, box in BOXES.items()
]  # fmt: skip

TEXTS = [
    make_text(0, 0, "EXIT"),
    make_text(0, 1, "Emergency exit to the left of the stairs"),
    make_text(1, 0, "Merry Christmas"),
    make_text(1, 1, "出口"),
    *join_blocks(PLATFORM),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = load_settings(home=tmp_path_factory.mktemp("written") / "home")
    fill_with_colours(settings)
    index_lake(settings)
    publish_lines(settings, TEXTS, name=SCREEN_TEXT)
    return settings


@pytest.fixture(scope="module")
def searcher(home: Settings) -> Searcher:
    return Searcher(home, ColourEncoder())


def ask(searcher: Searcher, text: str, **options: object) -> SearchResult:
    return searcher.search(Query.model_validate({"text": text, "limit": 100, **options}))


def shots(answer: SearchResult) -> set[str]:
    return {hit.shot_id for hit in answer.hits}


def test_the_filter_finds_what_is_written_and_says_where(searcher: Searcher) -> None:
    answer = ask(searcher, "text:exit")
    assert shots(answer) == {shot(0, 0), shot(0, 1)}
    first = answer.hits[0]
    assert first.matched == ("written",) and not first.lines and first.spoken is None
    assert [text.text for text in first.texts] in (["EXIT"], ["Emergency exit to the left of the stairs"])
    assert (first.match.start_frame, first.match.end_frame) == (first.texts[0].start_frame, first.texts[0].end_frame)
    (part,) = answer.reading.parts
    assert (part.kind, part.label, part.change.text) == ("text", "with text exit", "")


def test_quotes_are_exact_and_a_minus_excludes(searcher: Searcher) -> None:
    assert shots(ask(searcher, 'text:"exit to the left"')) == {shot(0, 1)}
    assert shots(ask(searcher, "text:出口")) == {shot(1, 1)}
    left = shots(ask(searcher, "red -text:exit"))
    assert left and not left & {shot(0, 0), shot(0, 1)}
    assert not ask(searcher, "text:nowhere").hits


def test_a_phrase_on_two_lines_of_a_sign_is_found(searcher: Searcher) -> None:
    for text in ('text:"mind the gap"', 'text:"the gap"', "mind the gap"):
        hit = ask(searcher, text).hits[0]
        assert hit.shot_id == shot(2, 0) and [each.text for each in hit.texts] == ["MIND THE GAP"], text
    assert [each.text for each in ask(searcher, "text:gap").hits[0].texts] == ["GAP"]
    assert not ask(searcher, 'text:"gap way out"').hits and not ask(searcher, 'text:"mind the way"').hits


def test_any_text_is_a_facet(searcher: Searcher) -> None:
    written = {shot(0, 0), shot(0, 1), shot(1, 0), shot(1, 1), shot(2, 0)}
    for text in ("text:*", 'text:"*"', "text: '*'"):
        answer = ask(searcher, text)
        assert shots(answer) == written and [part.label for part in answer.reading.parts] == ["with any text"], text
    assert shots(ask(searcher, "", all=[{"written": '"*"'}])) == written
    assert not shots(ask(searcher, "red -text:*")) & written
    assert shots(ask(searcher, "text:* red", shows=(SHOWS[0],))) <= {shot(0, 0), shot(0, 1)}


def test_free_text_finds_writing_that_it_matches_well(searcher: Searcher) -> None:
    answer = ask(searcher, "merry christmas")
    hit = next(hit for hit in answer.hits if hit.shot_id == shot(1, 0))
    assert hit.rank == 1 and "written" in hit.matched and hit.texts[0].text == "Merry Christmas" and not hit.is_weak
    marked = {hit.shot_id for hit in ask(searcher, "exit").hits if hit.texts}
    assert marked == {shot(0, 0)}, "one word is most of the sign, and little of the sentence"
    assert not any(hit.texts for hit in ask(searcher, "red").hits)
    quoted = ask(searcher, '"merry christmas"')
    assert [hit.shot_id for hit in quoted.hits if hit.texts] == [shot(1, 0)] == [quoted.hits[0].shot_id]


def test_a_condition_on_writing(searcher: Searcher) -> None:
    answer = searcher.search(Query(all=(WrittenCondition(written="exit"),), limit=100))
    assert shots(answer) == {shot(0, 0), shot(0, 1)}
    assert answer.reading.why == "frames that fulfil the condition were searched", "one condition has no weakest"


def test_without_an_index_the_filter_says_what_to_do(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    fill_with_colours(settings)
    index_lake(settings)
    searcher = Searcher(settings, ColourEncoder())
    for text in ("text:exit", "red -text:exit", "text:*"):
        with pytest.raises(NotFoundError, match="NEEDLE_SCREEN_TEXT=on"):
            ask(searcher, text)
    assert ask(searcher, "red").hits
