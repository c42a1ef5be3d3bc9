"""The parts of a query's text: typed filters, names, dates and exclusions, each of which can be undone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.exceptions import NoSuchOption

from ops.cli.search import command, print_reading
from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings
from ops.index.line_publishing import publish_lines
from ops.index.lines import open_lines
from ops.probes.annotations import Annotation
from ops.probes.labels import append_annotations
from ops.search.dates import find_dates, parse_date, read_date
from ops.search.exclusions import find_exclusions
from ops.search.named import CatalogueWords
from ops.search.query_parts import QueryPart
from ops.search.schema import Query, SearchResult
from ops.search.searcher import Searcher
from ops.search.typed_filters import parse_filters, write_filter
from tests.builders.colours import ColourEncoder, index_lake, lean, shot, write_video
from tests.builders.lakes import video_id
from tests.builders.subtitles import line_row

TODAY = date(2026, 11, 28)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("show:sintel a dragon -rabbit", [("show", "sintel", "show:sintel"), ("without", "rabbit", "-rabbit")]),
        ('-show:"Big Buck Bunny" a fox', [("show", "Big Buck Bunny", '-show:"Big Buck Bunny"')]),
        ("Show:Sintel, snow", [("show", "Sintel", "Show:Sintel")]),
        ("show: sintel snow", [("show", "sintel", "show: sintel")]),
        ('said:“guten Tag” -"two words"', [("said", "guten Tag", "said:“guten Tag”"),
        ("without", "two words", '-"two words"')]),
        ("label:closeup>=0.5 a face", [("label", "closeup>=0.5", "label:closeup>=0.5")]),
        ("after:2024-05 before:2025 x", [("after", "2024-05", "after:2024-05"), ("before", "2025", "before:2025")]),
        ('"show:x" in quotes', []),
        ('"say -rabbit show:x now" snow', []),
        ("show:'Big Buck' x -'two words'", [("show", "Big Buck", "show:'Big Buck'"),
        ("without", "two words", "-'two words'")]),
        ("text:‘he said’ x", [("text", "he said", "text:‘he said’")]),
        ("-show:‘The Cat’s Eye’, -‘two words’", [("show", "The Cat’s Eye", "-show:‘The Cat’s Eye’"),
        ("without", "two words", "-‘two words’")]),
        ("said:'don't go' x", [("said", "don't go", "said:'don't go'")]),
        ("-'the cat's tail' x said:don't 'y'", [("without", "the cat's tail", "-'the cat's tail'"),
        ("said", "don't", "said:don't")]),
        (r'show:"The \"Best\" of Us" x', [("show", 'The "Best" of Us', r'show:"The \"Best\" of Us"')]),
        (r'file:"C:\films\" said:"x y"', [("file", "C:\\films\\", r'file:"C:\films\"'), ("said", "x y", 'said:"x y"')]),
        (r'-\"dog\" show:"x y"', [("without", "dog", r'-\"dog\"'), ("show", "x y", 'show:"x y"')]),
        ('show:„Der "Alte" Titel“ x', [("show", 'Der "Alte" Titel', 'show:„Der "Alte" Titel“')]),
        ('said:"good day” show:"x y"', [("said", "good day", 'said:"good day”'), ("show", "x y", 'show:"x y"')]),
        ("said:'don't go show:'a b' y", [("said", "'don't", "said:'don't"), ("show", "a b", "show:'a b'")]),
        ("bonjour » show:x « adieu", [("show", "x", "show:x")]),
        ("said:»guten Tag« -said:„na ja\" text:”god dag”", [("said", "guten Tag", "said:»guten Tag«"),
        ("said", "na ja", "-said:„na ja\""), ("text", "god dag", "text:”god dag”")]),
        ("said:「こんにちは」 x", [("said", "こんにちは", "said:「こんにちは」")]),
        ("said:‘the cat’s’ x", [("said", "the cat’s", "said:‘the cat’s’")]),
        ("said:cat’s ‘x y’ text:‘tis", [("said", "cat’s", "said:cat’s"), ("text", "‘tis", "text:‘tis")]),
        ("(show:x a fox) [-cat]", [("show", "x", "show:x"), ("without", "cat", "-cat")]),
        ("a fox -cat, snow -dog. –ice", [("without", "cat", "-cat"), ("without", "dog", "-dog"),
        ("without", "ice", "–ice")]),
        ("-U.S. flags -🐱 -日本 -C3PO", [("without", "U.S.", "-U.S."), ("without", "🐱", "-🐱"),
        ("without", "日本", "-日本"), ("without", "C3PO", "-C3PO")]),
        ("a fox, but not show:x", [("show", "x", "but not show:x")]),
        ("show：x", [("show", "x", "show：x")]),
        (r"C:\films\a.mov 2001: a space odyssey 12:30 rabbit-hole x -- y", []),
        ("-5 degrees, a non-stop train - at 16:9, Mission: Impossible, https://a.b", []),
    ],
)  # fmt: skip
def test_typed_filters_are_found(text: str, found: list[tuple[str, str, str]]) -> None:
    typed = parse_filters(text)
    assert [(each.name, each.value, text[each.start : each.end]) for each in typed.filters] == found
    assert typed.notes == ()


@pytest.mark.parametrize(
    "value",
    [
        "x", "two words", 'a "quoted" word', '"', "«so»", "don't go", "«“‹", r"C:\films", "C:\\my films\\", r"a\"b",
        '"\\',
    ],
)  # fmt: skip
def test_a_written_filter_is_read_back(value: str) -> None:
    text = f'{write_filter("show", value)} said:"a fox"'
    typed = parse_filters(text).filters
    assert [(each.name, each.value) for each in typed] == [("show", value), ("said", "a fox")]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("shw:sintel x", "did you mean 'show:'"), ("camera:2 x", "filters are show:, file:"), ("show:", "has no value"),
        ("film:sintel x", "did you mean 'show:'"), ("since:2024 x", "did you mean 'after:'"),
        ("not:rabbit x", "write -WORD"), ('show:"sintel x', "lacks the second quote"),
    ],
)  # fmt: skip
def test_what_looks_like_a_filter_is_reported(text: str, note: str) -> None:
    typed = parse_filters(text)
    assert not typed.filters and note in typed.notes[0]


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("a meadow without a rabbit", ["a rabbit"]), ("a street without people at night", ["people"]),
        ("a beach with no cars or people, sunset", ["cars", "people"]), ("dogs but not cats", ["cats"]),
        ("a mountain without any snow", ["snow"]), ("cars except red ones", ["red ones"]),
        ("a sky free of clouds", ["clouds"]), ("a room and no furniture", ["furniture"]),
        ("a beach, no people", ["people"]), ("a road, no cars; no people", ["cars", "people"]),
        ("a man who has no hat", ["hat"]), ("a man with no hat on", ["hat"]), ("a man wearing no hat, rain", ["hat"]),
        ("a chapel without St.John", ["St.John"]), ("a man (no hat) waves", ["hat"]),
        ("a man who has not slept", []),
        ("a no smoking sign", []), ("a man without it", []), ("rebel without a cause", []), ("Dr. No", []),
        ("no entry", []), ("not a dog", []), ("a street with nobody in it", []), ("a knot, a note", []),
        ("no man's land", []), ("no. 5 perfume", []), ("minus 5 degrees", []),
    ],
)  # fmt: skip
def test_exclusions_in_words(text: str, things: list[str]) -> None:
    assert [thing for each in find_exclusions(text) for thing in each.things] == things


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [
        ("beach after 2019", "2020-01-01", None), ("since May 2020 snow", "2020-05-01", None),
        ("beach 2024-05-31", "2024-05-31", "2024-06-01"), ("in 1945 soldiers", "1945-01-01", "1946-01-01"),
        ("before june 3rd, 2021", None, "2021-06-03"), ("until 31 December 2023", None, "2024-01-01"),
        ("rain yesterday", "2026-11-27", "2026-11-28"),
    ],
)  # fmt: skip
def test_dates_in_words(text: str, first: str | None, end: str | None) -> None:
    (found,) = find_dates(text, TODAY)
    assert (found.first and found.first.isoformat(), found.end_day and found.end_day.isoformat()) == (first, end)


def test_dates_that_are_none() -> None:
    assert not list(find_dates("may flowers, 1080p, until 2020-02-30, march of penguins, 90210", TODAY))
    assert [parse_date(text, TODAY) for text in ("2024-13", "soon", "2024-W54", "1800-W01")] == [None] * 4
    assert parse_date("2024-W22", TODAY) == (date(2024, 5, 27), date(2024, 6, 3)) == parse_date("2024w22", TODAY)
    assert read_date("/a/2020-01-01/VID_20240531_10.mp4") == date(2024, 5, 31)
    assert read_date("/a/12345678.mp4") is None


NAMES = CatalogueWords(
    ["sintel_trailer_204p", "Big Buck Bunny", "Frozen", "bikes_272p", "Red Dawn", "bbb", "The Bridge"],
    [("A001_C003_0612", "card"), ("The Opening", "opening"), ("Interview with Anna Kowalski", "anna")],
)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("sintel dragon", "sintel"), ("a dragon in sintel", "in sintel"),
        ("sintel_trailer_204p.mp4", "sintel_trailer_204p.mp4"),
        ("sintel_tr", "sintel_tr"), ("a woman in Frozen", "in Frozen"),
        ("in the film frozen a queen", "in the film frozen"),
        ("a rabbit from the Big Buck Bunny", "from the Big Buck Bunny"), ("bbb rabbit", "bbb"),
        ("A001_C003 car", "A001_C003"),
        ("a dog in Interview With Anna Kowalski", "in Interview With Anna Kowalski"),
        ("a bridge in The Bridge", "in The Bridge"),
    ],
)  # fmt: skip
def test_names_are_recognised_by_evidence(text: str, part: str) -> None:
    (found,) = NAMES.find(text)
    assert text[found.start : found.end] == part and found.is_certain


@pytest.mark.parametrize(
    "text",
    [
        "a frozen lake",
        "Frozen",
        "a red dawn over the sea",
        "bikes in a street",
        "people on the bridge",
        "the interview with anna kowalski",
    ],
)
def test_an_ordinary_word_that_is_also_a_name_is_only_offered(text: str) -> None:
    (found,) = NAMES.find(text)
    assert not found.is_certain


@pytest.mark.parametrize(
    "text",
    [
        "a bridge",
        "anna smiles",
        "interview with a man",
        "opening",
        "a bunny",
        "a big buck",
        "204p",
        "a trailer park",
        "red",
        "the",
    ],
)
def test_parts_of_names_that_are_ordinary_words_are_left_alone(text: str) -> None:
    assert NAMES.find(text) == []


@pytest.mark.parametrize("name", ["ordinary_queries", "names_and_loanwords", "foreign_queries"])
def test_ordinary_queries_are_words(name: str) -> None:
    """No filter, exclusion, date or certain name in hundreds of queries of several kinds."""
    lines = (Path(__file__).parents[2] / "builders" / f"{name}.txt").read_text().splitlines()
    assert len(lines) > 140
    for text in (line.split("\t")[-1] for line in lines):
        typed = parse_filters(text)
        assert not (typed.filters or typed.notes or find_exclusions(text) or list(find_dates(text, TODAY))), text
        assert not any(each.is_certain for each in NAMES.find(text)), text


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    from ops.core.settings import load_settings

    settings = load_settings(home=str(tmp_path_factory.mktemp("parts") / "home"))
    colours = [lean([1, 0, 0]), lean([0, 1, 0]), lean([0, 0, 1]), lean([1, 1, 0])]
    for number, (show, path) in enumerate(
        [
            ("Sintel", "/f/sintel/2021-03-04 cave.mp4"),
            ("Frozen", "/f/frozen/ice.mp4"),
            ("Frozen", "/f/frozen/lake_b.mp4"),
        ]
    ):
        write_video(
            settings,
            number,
            colours,
            show=show,
            path=path,
            title="",
            available_at=datetime(2024, 6, number + 1, tzinfo=UTC),
        )
    index_lake(settings)
    publish_lines(settings, [line_row(0, "Good morning, red fox", show="Sintel"), line_row(1, "zaboo", show="Frozen")])
    append_annotations(
        settings,
        [
            Annotation(
                label="fox",
                shot_id=shot(0, 1),
                value=True,
                annotator="a",
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                origin="",
            ),
            Annotation(
                label="fox",
                shot_id=shot(1, 1),
                value=False,
                annotator="a",
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                origin="",
            ),
        ],
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    return settings


@pytest.fixture(scope="module")
def searcher(catalogue: Settings) -> Searcher:
    return Searcher(catalogue, encoder=ColourEncoder())


def ask(searcher: Searcher, text: str, **fields: Any) -> SearchResult:
    return searcher.search(Query(text=text, limit=100, **fields))


def videos(answer: SearchResult) -> set[int]:
    known = {video_id(number): number for number in range(3)}
    return {known[hit.video_id] for hit in answer.hits}


def parts(answer: SearchResult) -> list[tuple[str, str, bool]]:
    return [(each.kind, each.text, each.is_applied) for each in answer.reading.parts]


def undone(answer: SearchResult, part: QueryPart) -> Query:
    return answer.query.model_copy(update={"text": part.change.text, "literal": part.change.literal})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("show:sintel red", {0}), ("-show:sintel red", {1, 2}), ("show:sintel show:frozen red", {0, 1, 2}),
        ("file:ice.mp4 red", {1}), ("file:lake red", {2}), ("file:*.mp4 red", {0, 1, 2}), ("-file:ice red", {0, 2}),
        ("file:ice file:lake_b red", {1, 2}), ("show:sintel file:ice red", set()),
        ("after:2024 red", {1, 2}), ("before:2024 red", {0}), ("after:2024-06-03 red", {2}),
        ("-after:2024-06-03 red", {0, 1}),
        ("red in sintel", {0}), ("red 2021-03-04", {0}), ("red before 2022", {0}), ("red without sintel", {1, 2}),
        ("red without show:sintel", {1, 2}), ("\ufeffshow:\u200bsin\u00adtel\u2069 red", {0}), ("show:s* red", {0}),
        ("(show:sintel) red", {0}),
        ("red -sintel", {1, 2}), ("red since 2024-06-03", {2}), ("show:frozen", {1, 2}), ("sintel", {0}),
    ],
)  # fmt: skip
def test_filters_limit_the_search(searcher: Searcher, text: str, wanted: set[int]) -> None:
    answer = ask(searcher, text)
    assert videos(answer) == wanted
    assert answer.query.text == text
    if not wanted:
        assert "no video fulfils all filters: show Sintel, file ice" in answer.reading.notes[0]


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("a red sintel", "a red", [("show", "sintel", True)]),
        (
            "show:Sintel a red fox, no green",
            "a red fox",
            [("show", "show:Sintel", True), ("without", "no green", True)],
        ),
        ("show:sintel no green", "", [("show", "show:sintel", True), ("without", "no green", True)]),
        ("red (no green) no", "red no", [("without", "no green", True)]),
        ("red, no green, at night", "red, at night", [("without", "no green", True)]),
        ("a frozen red", "a frozen red", [("show", "frozen", False)]),
        ("red 2021", "red 2021", [("after", "2021", False)]),
        ("red after 2099", "red after 2099", []),
        ("no red", "no red", []),
        ("sintel's red", "red", [("show", "sintel's", True)]),
        ("Sintel: red", "red", [("show", "Sintel", True)]),
        ("show:frozen sintel red", "sintel red", [("show", "show:frozen", True), ("show", "sintel", False)]),
        ("yesterday", "yesterday", []),
    ],
)
def test_every_part_is_reported_and_can_be_undone(
    searcher: Searcher, text: str, words: str, found: list[tuple[str, str, bool]]
) -> None:
    answer = ask(searcher, text)
    assert parts(answer) == found and answer.reading.words == words
    for part in answer.reading.parts:
        other = searcher.search(undone(answer, part))
        again = [each for each in other.reading.parts if each.text == part.text]
        if part.is_typed:
            assert not again
        elif part.is_applied:
            assert not again[0].is_applied and part.text in other.reading.words
            back = searcher.search(undone(other, again[0]))
            assert parts(back) == parts(answer), "the second click takes the first one back"
        else:
            assert any(each.is_typed and each.is_applied for each in other.reading.parts)


def test_a_literal_text_has_no_filters(searcher: Searcher) -> None:
    answer = ask(searcher, "show:sintel red -green", literal=("*",))
    assert videos(answer) == {0, 1, 2} and not any(each.is_applied for each in answer.reading.parts)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("show:sintle red", NotFoundError, "did you mean 'Sintel'"),
        ("file:icy.mp4 red", NotFoundError, "did you mean 'ice.mp4'"),
        ("after:soon red", UsageError, "needs a date such as"),
        ("person:anna red", NotFoundError, "no faces are indexed"),
        ("-text:open red", NotFoundError, "no writing in the picture is indexed"),
        ("label:cat red", NotFoundError, "there are fox"),
        ("-red", UsageError, "only what to leave out"), ("after:2024-02-30 red", UsageError, "not in the calendar"),
        ("\u200b\u202e", UsageError, "the query is empty"), ("\x00", UsageError, "the query is empty"),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_applied_is_an_error(
    searcher: Searcher, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(searcher, text)


def test_a_filter_with_a_blank_may_be_a_sentence(searcher: Searcher) -> None:
    for text in ("a red sign with text: open", "he said: red", "before: a red storm", "red show: nowhere"):
        answer = ask(searcher, text)
        assert videos(answer) == {0, 1, 2} and "is read as words" in answer.reading.notes[0], text
    assert videos(ask(searcher, "show: sintel red")) == {0}


def find_shots(searcher: Searcher, text: str) -> set[str]:
    return {hit.shot_id for hit in ask(searcher, text).hits}


def test_any_speech_is_a_filter(searcher: Searcher, catalogue: Settings) -> None:
    with open_lines(catalogue) as lines:
        spoken = lines.shot_ids
    answer = ask(searcher, "said:*")
    assert {hit.shot_id for hit in answer.hits} == spoken and shot(0, 0) in spoken
    assert all(hit.matched == ("dialogue",) for hit in answer.hits)
    assert [part.label for part in answer.reading.parts] == ["with speech"]
    silent = find_shots(searcher, "-said:*")
    assert silent and not silent & spoken and silent | spoken >= find_shots(searcher, "red")
    assert find_shots(searcher, "red said:*") == spoken
    assert find_shots(searcher, "red -said:*") == find_shots(searcher, "red") - spoken
    assert find_shots(searcher, "show:sintel said:*") == spoken & find_shots(searcher, "show:sintel")
    for quoted in ('said:"*"', "said:“*”", "said:' * '"):
        assert find_shots(searcher, quoted) == spoken and find_shots(searcher, f"-{quoted}") == silent, quoted


def test_an_exclusion_is_not_labelled_as_a_filter(searcher: Searcher, capsys: pytest.CaptureFixture[str]) -> None:
    def labels(text: str, **fields: Any) -> list[str]:
        return [part.label for part in ask(searcher, text, **fields).reading.parts]

    assert labels("red without speech") == labels("red -speech") == ["less like speech"]
    assert labels("red -said:*") == ["without speech"]
    assert labels("red -speech", dialogue="only") == ["not said speech"], "there it is one"
    assert labels("red -sintel") == ["not show Sintel"]
    print_reading(ask(searcher, "red -speech"))
    assert "exclusion: less like speech (from '-speech')" in capsys.readouterr().err
    contradiction = ask(searcher, "show:sintel file:ice red without speech").reading.notes
    assert "no video fulfils all filters: show Sintel, file ice" in contradiction


def test_said_and_label_filter_shots(searcher: Searcher) -> None:
    said = ask(searcher, 'said:"good morning" red')
    assert {hit.shot_id for hit in said.hits} == {shot(0, 0)} and said.hits[0].lines
    assert shot(0, 0) not in {hit.shot_id for hit in ask(searcher, '-said:"good morning" red').hits}
    assert {hit.shot_id for hit in ask(searcher, "label:fox red").hits} == {shot(0, 1)}
    assert shot(0, 1) not in {hit.shot_id for hit in ask(searcher, "-label:fox red").hits}


@pytest.mark.parametrize("query", [{"text": "red or green -green"}, {"text": "red or green", "unlike": ("green",)}])
def test_excluded_words_push_their_shots_down(searcher: Searcher, query: dict[str, Any]) -> None:
    plain = [hit.shot_id for hit in searcher.search(Query(text="red or green", limit=100)).hits]
    first = [hit.shot_id for hit in searcher.search(Query(**query, limit=100)).hits]
    red, green = [shot(number, 0) for number in range(3)], [shot(number, 1) for number in range(3)]
    assert max(map(first.index, red)) < min(map(first.index, green))
    assert max(map(plain.index, red)) > min(map(plain.index, green)), "without the exclusion they are equal"


def test_filters_alone_list_their_shots_in_order(searcher: Searcher) -> None:
    answer = ask(searcher, "show:Frozen")
    assert [hit.shot_id for hit in answer.hits] == [shot(number, index) for number in (1, 2) for index in range(4)]
    assert {hit.relevance for hit in answer.hits} == {1.0}
    pages = [searcher.search(Query(text="show:Frozen", limit=3, offset=at)).hits for at in (0, 3, 6)]
    assert [hit.shot_id for page in pages for hit in page] == [hit.shot_id for hit in answer.hits]
    assert len(searcher.search(Query(text="show:Frozen label:fox", limit=3)).hits) == 0


def test_names_are_not_looked_for_in_spoken_words(searcher: Searcher) -> None:
    assert parts(ask(searcher, "sintel red", dialogue="only")) == []
    assert parts(ask(searcher, '"sintel" red')) == []
    assert videos(ask(searcher, "morning -fox", dialogue="only")) == set()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"text": "show:frozen -red"}, {1, 2}), ({"text": "-red show:sintel"}, {0}),
        ({"text": "sintel without red"}, {0}), ({"text": "show:sintel", "unlike": ("red",)}, {0}),
        ({"text": "-red", "shows": ("Sintel",)}, {0}), ({"text": "after:2024-06-03 no red"}, {2}),
        ({"text": "label:fox -red"}, {0}), ({"text": 'said:"red fox" -green'}, {0}),
    ],
)  # fmt: skip
def test_filters_and_exclusions_alone_list_what_is_excluded_last(
    searcher: Searcher, query: dict[str, Any], wanted: set[int]
) -> None:
    answer = searcher.search(Query(**query, limit=100))
    assert videos(answer) == wanted and "left out" in answer.reading.why
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    if "red" in str(query) and len(answer.hits) > 1:
        assert answer.hits[-1].shot_id in {shot(number, 0) for number in range(3)}
    pages = [searcher.search(Query(**query, limit=2, offset=at)).hits for at in range(0, 8, 2)]
    assert [hit.shot_id for page in pages for hit in page] == [hit.shot_id for hit in answer.hits]


@pytest.mark.parametrize("words", ["green/blue", "image:green", "green.jpg", "0123456789abcdef:12", "data:x"])
def test_excluded_words_are_never_an_image_or_a_shot(searcher: Searcher, words: str) -> None:
    (part,) = ask(searcher, f'red -"{words}"').reading.parts
    assert part.value == words and part.is_applied


def test_a_typing_error_in_excluded_words_is_reported(searcher: Searcher) -> None:
    assert any("did you mean 'rabbit'" in note for note in ask(searcher, "red -rabit").reading.notes)


def test_names_are_found_with_and_without_apostrophes() -> None:
    names = CatalogueWords(["Ocean's Eleven", "C'est la vie", "Her", "Show"], [])
    for text in ("ocean's eleven", "oceans eleven", "Ocean\u2019s Eleven", "c'est la vie", "cest la vie"):
        (found,) = names.find(f"{text} casino")
        assert found.is_certain and found.end == len(text), text
    (found,) = names.find("a man in the show Her")
    assert found.values == ("Her",) and found.is_certain


@pytest.mark.parametrize(
    "args",
    [["-rabbit snow", "--limit", "3"], ["--limit", "3", "-rabbit snow"], ["--limit=3", "--", "-rabbit snow"]],
)
def test_a_text_may_begin_with_a_minus_on_the_command_line(args: list[str]) -> None:
    context = command.make_context("search", ["--literal", "-x", *args])
    assert context.params["text"] == "-rabbit snow" and context.params["limit"] == 3
    assert context.params["literal"] == ("-x",)


def test_an_unknown_option_is_not_a_text() -> None:
    with pytest.raises(NoSuchOption):
        command.make_context("search", ["snow", "--shwo", "x"])
