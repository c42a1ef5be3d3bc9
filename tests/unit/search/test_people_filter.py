"""The filter person:, alone and with words, and its errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.core.errors import NotFoundError
from ops.core.settings import Settings, load_settings
from ops.search.schema import Query
from ops.search.searcher import Searcher
from tests.builders.colours import SHOWS, ColourEncoder, fill_with_colours, index_lake, shot
from tests.builders.faces import write_people
from tests.builders.lakes import video_id


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = load_settings(home=tmp_path_factory.mktemp("people") / "home")
    fill_with_colours(settings)
    index_lake(settings)
    write_people(
        settings,
        {"p1": "Thom Yorke", "p2": None},
        {shot(0, 0): ("p1",), shot(0, 1): ("p1", "p2"), shot(1, 0): ("p2",)},
        {video_id(number): show for number, show in enumerate(SHOWS)},
    )
    return settings


@pytest.fixture(scope="module")
def searcher(home: Settings) -> Searcher:
    return Searcher(home, ColourEncoder())


def find(searcher: Searcher, text: str) -> set[str]:
    return {hit.shot_id for hit in searcher.search(Query(text=text, limit=100, fold=False, include_blank=True)).hits}


@pytest.mark.parametrize(
    "text",
    ['person:"Thom Yorke"', 'person:"thom yorke"', "person:p1", "red person:p1", "person:thom", 'person:"Yorke, Thöm"'],
)
def test_a_person_is_found_by_name_words_of_it_and_id(searcher: Searcher, text: str) -> None:
    assert find(searcher, text) == {shot(0, 0), shot(0, 1)}


def test_people_combine_with_each_other_and_with_other_filters(searcher: Searcher) -> None:
    assert find(searcher, 'person:"Thom Yorke" person:p2') == {shot(0, 1)}
    assert find(searcher, 'person:p2 -person:"Thom Yorke"') == {shot(1, 0)}
    assert find(searcher, f'person:p2 show:"{SHOWS[1]}"') == {shot(1, 0)}
    assert find(searcher, "person:*") == {shot(0, 0), shot(0, 1), shot(1, 0)}
    assert not find(searcher, "-person:*") & {shot(0, 0), shot(0, 1), shot(1, 0)}


def test_the_filter_is_reported_and_can_be_taken_away(searcher: Searcher) -> None:
    (part,) = searcher.search(Query(text='red person:"Thom Yorke"')).reading.parts
    assert (part.kind, part.value, part.label) == ("person", "Thom Yorke", "with Thom Yorke")
    assert part.change.text == "red"


@pytest.mark.parametrize(
    ("text", "message"),
    [('person:"Tom Yorke"', "do you mean Thom Yorke"), ("person:Nobody", "the names are Thom Yorke")],
)
def test_an_unknown_person_is_an_error_that_names_others(searcher: Searcher, text: str, message: str) -> None:
    with pytest.raises(NotFoundError, match=message):
        find(searcher, text)


def test_words_that_several_names_have_are_an_error_that_names_them(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    fill_with_colours(settings)
    index_lake(settings)
    people = {"p1": "Ana Núñez", "p2": "Ana O’Brien", "p3": "Ana"}
    shots = {shot(0, number): (person,) for number, person in enumerate(people)}
    write_people(settings, people, shots, {video_id(0): SHOWS[0]})
    searcher = Searcher(settings, ColourEncoder())
    assert find(searcher, "person:nunez") == {shot(0, 0)} and find(searcher, 'person:"ana o\'brien"') == {shot(0, 1)}
    assert find(searcher, "person:Ana") == {shot(0, 2)}, "a whole name comes before words of others"
    write_people(settings, people | {"p3": None}, shots, {video_id(0): SHOWS[0]})
    searcher.people.forget()
    with pytest.raises(NotFoundError, match="may be any of Ana Núñez, Ana O’Brien: type more of the name"):
        find(searcher, "person:ana")


def test_without_faces_the_error_names_the_setting(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    fill_with_colours(settings)
    index_lake(settings)
    with pytest.raises(NotFoundError, match="NEEDLE_PEOPLE=on"):
        find(Searcher(settings, ColourEncoder()), "person:Thom")


def test_a_name_that_is_given_later_is_found(home: Settings) -> None:
    searcher = Searcher(home, ColourEncoder())
    assert [row["name"] for row, _ in searcher.people.list_people()] == ["Thom Yorke", None]
    assert dict(searcher.people.list_people()[1][1]) == {SHOWS[0]: 1, SHOWS[1]: 1}
