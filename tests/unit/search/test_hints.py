"""What people are told of texts that the encoder does not read as they were meant, and that others are left alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ops.core.settings import load_settings
from ops.embeddings.encoders.open_clip import guess_languages
from ops.embeddings.encoders.starter import StarterEncoder
from ops.embeddings.reading import read_length
from ops.index.line_publishing import publish_lines
from ops.search.baselines import GENERIC_TEXTS
from ops.search.english import detect_foreign_language, find_nearest_word, is_english, list_unknown_words, suggest_word
from ops.search.hints import collect_hints, correct_words
from ops.search.query_parts import QueryPart
from ops.search.schema import Query
from ops.search.searcher import Searcher
from tests.builders.colours import ColourEncoder, index_lake, lean, write_video
from tests.builders.subtitles import line_row

BUILDERS = Path(__file__).parents[2] / "builders"


class Reader:
    """An encoder's texts: its languages, and how many words it reads."""

    def __init__(self, languages: tuple[str, ...] = ("en",), words: int = 1000) -> None:
        self._languages, self._words = languages, words

    def languages(self) -> tuple[str, ...]:
        return self._languages

    def read_length(self, text: str) -> int:
        return len(" ".join(text.split()[: self._words]))


class Called:
    """Names of a catalogue."""

    def __init__(self, *files: tuple[str, str]) -> None:
        self._files = files

    def shows(self) -> Sequence[str]:
        return [show for _, show in self._files]

    def files(self) -> Sequence[tuple[str, str]]:
        return self._files


NAMES = Called(
    ("sintel_trailer_204p", "sintel_trailer_204p"), ("The Opening", "Big Buck Bunny"), ("A001_C003_0612", "Card one")
)


def hints(text: str, reader: Reader | None = None, spoken: Sequence[str] = (), **options: Any) -> list[str]:
    return collect_hints(text, reader or Reader(), NAMES, lambda word: word in spoken, **options)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a bycicle", "a bicycle"), ("Rabit in the snow", "rabbit in the snow"), ("two elefants", "two elephants"),
        ("a mountian at dusk", "a mountain at dusk"), ("beatiful buterfly", "beautiful butterfly"),
        ("snwo", "snow"), ("compas", "compass"), ("an umbrela", "an umbrella"), ("a brigde", "a bridge"),
        ("childern play", "children play"),
        ("a motorcyle race", "a motorcycle race"), ("sunsett", "sunset"), ("a restaraunt", "a restaurant"),
    ],
)  # fmt: skip
def test_a_word_that_is_none_is_told_with_the_one_that_was_meant(text: str, meant: str) -> None:
    assert hints(text) == [f"did you mean '{meant}'?"]


@pytest.mark.parametrize(
    "text",
    ["proog fights", "bento", "a man in lederhosen", "firelit hut", "colourful harbour centre",
     "an aeroplane", "realised", "jewellery", "skateboarders", "bicorne", "4k drone shot", "b-roll", "xylophonist",
     "Björk"],
)  # fmt: skip
def test_rare_words_and_names_are_not_taken_for_others(text: str) -> None:
    assert hints(text) == []


def test_names_of_the_catalogue_and_of_its_dialogue_are_words() -> None:
    assert suggest_word("elefant") == "elephant"
    assert collect_hints("elefant", Reader(), Called(("Der Elefant", "x")), lambda word: False) == []
    assert hints("elefant", spoken=["elefant"]) == []


@pytest.mark.parametrize(
    "text",
    ["des vélos dans une rue", "ein Mann auf einem Fahrrad", "una calle con bicicletas", "un cane sulla spiaggia",
     "uma praia ao pôr do sol", "een hond op het strand", "en hund på stranden", "rowery na ulicy", "kırmızı bir araba",
     "велосипед на улице", "自転車", "دراجة في الشارع", "자전거", "una mujer con sombrero",
     "coucher de soleil sur la mer", "Katze auf Baum", "ποδήλατο στον δρόμο"],
)  # fmt: skip
def test_another_language_is_told_where_the_encoder_knows_english_only(text: str) -> None:
    (hint,) = hints(text)
    assert "English" in hint and text in hint
    assert hints(text, Reader(languages=())) == []


@pytest.mark.parametrize(
    "text",
    [
        "a café in Paris",
        "naïve art",
        "la la land",
        "art nouveau",
        "jalapeño",
        "a piñata",
        "die hard",
        "résumé",
    ],
)
def test_words_that_english_took_are_english(text: str) -> None:
    assert hints(text) == []


@pytest.mark.parametrize(
    "text",
    ["a street with nobody in it", "a car that isn't red",
     "not a dog", "dogs, never cats", "cars other than red ones",
     "a landscape with none of them", "a room with nothing in it",
     "a car that isn’t red"],
)  # fmt: skip
def test_a_negation_is_told(text: str) -> None:
    (hint,) = hints(text)
    assert "negation" in hint and "-WORD" in hint


@pytest.mark.parametrize(
    "text", ["a no smoking sign", "do not enter", "forget-me-nots", "a knot", "Dr. No", "no. 5 perfume"]
)
def test_signs_and_names_are_no_negations(text: str) -> None:
    assert hints(text) == []


def test_the_end_of_a_long_text_is_told() -> None:
    (hint,) = hints("a car " * 10 + "and a bicycle", Reader(words=20))
    assert "only the first 20 words are read" in hint and "'and a bicycle'" in hint
    assert hints("a car " * 10, Reader(words=20)) == []


def test_every_text_but_the_wrong_word_stays_as_it_was() -> None:
    assert correct_words("A  Bycicle, 'red' & naïve", {"bycicle": "bicycle"}) == "A bicycle 'red' & naïve"


def test_ordinary_descriptions_get_no_hint() -> None:
    texts = [*GENERIC_TEXTS, *lines_of(BUILDERS / "ordinary_queries.txt")]
    assert len(texts) >= 300
    assert {text: found for text in texts if (found := hints(text))} == {}


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.shared
def test_queries_and_captions_of_footage_get_no_false_hint(footage: Path) -> None:
    texts = [json.loads(line)["query"] for path in footage.glob("*.queries.jsonl") for line in lines_of(path)]
    assert len(texts) >= 100
    told = {text: found for text in texts if (found := hints(text))}
    assert set(told) == {text for text in texts if {"nobody", "not"} & set(text.split())}  # negations
    for path in footage.glob("*.captions.jsonl"):
        for caption in (text for line in lines_of(path) for text in json.loads(line).get("captions", [])):
            assert not detect_foreign_language(caption), caption


def test_words_are_english_in_both_spellings_and_derived() -> None:
    assert all(map(is_english, ["color", "colour", "centre", "organise", "texting", "traveller", "paediatric"]))
    assert list_unknown_words("a bycicle in 4k with x") == ["bycicle"]
    assert find_nearest_word("compas", {"compass": 1, "wreck": 9}) == "compass"
    assert find_nearest_word("bento", {"bent": 100}) is None and find_nearest_word("abcd", {}) is None
    assert find_nearest_word("house", {"horse": 10, "mouse": 10, "hours": 10}) is None


def test_encoders_tell_what_they_read(tmp_path: Path) -> None:
    encoder = StarterEncoder(tmp_path, part="text")
    assert encoder.languages == ("en",)
    text = "a bicycle in the street " * 30
    length = encoder.read_length(text)
    assert len(text[:length].split()) == 126 and encoder.read_length("a bicycle") == len("a bicycle")
    assert (encoder.encode_text([text[:length]]) == encoder.encode_text([text])).all()
    assert guess_languages("ViT-B-32") == ("en",)
    assert guess_languages("xlm-roberta-base-ViT-B-32") == guess_languages("ViT-B-16-SigLIP2") == ()
    assert read_length("", lambda part: [0, 1]) == 0


@pytest.fixture
def searcher(tmp_path: Path) -> Searcher:
    settings = load_settings(home=str(tmp_path / "home"))
    write_video(settings, 0, [lean([1, 0, 0]), lean([0, 1, 0])], show="Red Planet", path="/films/red_planet_1080p.mp4")
    index_lake(settings)
    publish_lines(settings, [line_row(0, "The compass points to the wreck", show="Red Planet"), line_row(1, "Zaboo!")])
    return Searcher(settings, ColourEncoder())


def notes(searcher: Searcher, **query: Any) -> list[str]:
    return list(searcher.search(Query.model_validate(query)).document()["reading"]["notes"])


def test_hints_are_notes_of_the_answer(searcher: Searcher) -> None:
    assert notes(searcher, text="red") == []
    assert notes(searcher, text="a red bycicle") == ["did you mean 'a red bicycle'?"]
    assert notes(searcher, text="red", then={"text": "a bycicle"}) == ["did you mean 'a bicycle'?"]
    assert "negation" in notes(searcher, text="red", then={"text": "no snow"})[0]
    assert "negation" in notes(searcher, all=[{"text": "without red"}])[0]
    assert notes(searcher, text="zaboo") == []  # somebody says it


def test_a_filter_in_a_condition_or_after_then_is_named(searcher: Searcher) -> None:
    misplaced = (
        "'-person:Thom' is read as words in a condition or a next shot: filters belong into the text of the search"
    )
    assert misplaced in notes(searcher, text="red", then={"text": "blue -person:Thom"})
    assert "'show:\"a b\"' is read" in notes(searcher, any=[{"text": 'show:"a b"'}])[0]
    assert not any("is read as words" in each for each in notes(searcher, text="red", then={"text": "blue: sky 16:9"}))


def spelling(searcher: Searcher, **query: Any) -> QueryPart | None:
    parts = searcher.search(Query.model_validate(query)).reading.parts
    return next((each for each in parts if each.kind == "spelling"), None)


def test_a_misspelt_word_is_searched_as_it_was_meant_if_nothing_was_found(searcher: Searcher) -> None:
    part = spelling(searcher, text="a bycicle", min_relevance=1.0)
    assert part and part.is_applied and part.label == "searched 'bicycle' instead of 'bycicle'"
    again = spelling(searcher, text=part.change.text, literal=part.change.literal, min_relevance=1.0)
    assert again is None
    offered = spelling(searcher, text="a red bycicle")
    assert offered and not offered.is_applied and offered.label == "did you mean 'a red bicycle'?"
    assert offered.change.text == "a red bicycle" and spelling(searcher, text="a red bicycle") is None


def test_words_of_names_are_meant_too(searcher: Searcher) -> None:
    answer = searcher.search(Query(text="a cat in the film red planat", min_relevance=1.0))
    assert [each.value for each in answer.reading.parts] == ["Red Planet", "planet"]


@pytest.mark.parametrize("dialogue", ["auto", "only"])
def test_a_word_that_nobody_says_is_searched_as_the_one_that_is_said(searcher: Searcher, dialogue: str) -> None:
    for text, meant in (('"compas"', "compass"), ('"the compas points"', "compass")):
        answer = searcher.search(Query.model_validate({"text": text, "dialogue": dialogue}))
        (part,) = answer.reading.parts
        assert part.is_applied and part.value == meant and answer.hits[0].lines
    assert spelling(searcher, text='"the wreck compas"', dialogue=dialogue) is None  # not so in any line
    assert spelling(searcher, text='"compass"', dialogue=dialogue) is None
    assert spelling(searcher, text='"xyzzyq"', dialogue=dialogue) is None


def test_a_typed_condition_that_finds_nothing_is_searched_with_the_word_that_was_meant(searcher: Searcher) -> None:
    for text, meant in (("said:compas", "compass"), ('red said:"the compas points"', "compass")):
        answer = searcher.search(Query(text=text))
        part = next(each for each in answer.reading.parts if each.kind == "spelling")
        assert part.is_applied and part.value == meant and answer.hits[0].lines
        assert part.change.text == text and "compas" in part.change.literal
        assert not searcher.search(Query(text=text, literal=part.change.literal)).hits
    for text in ("said:compass", "said:xyzzyq", 'said:"the wreck compas"', "-said:compas red"):
        assert spelling(searcher, text=text) is None


HALVES = ("even", "odd")
"""The bounds of the detection were set on the even lines of ``foreign_queries.txt``."""


@pytest.mark.parametrize("half", HALVES)
def test_queries_in_other_languages_are_recognised(half: str) -> None:
    rows = [line.split("\t") for line in lines_of(BUILDERS / "foreign_queries.txt")][HALVES.index(half) :: 2]
    missed = [text for _, text in rows if not detect_foreign_language(text)]
    assert len(rows) >= 70 and len(missed) <= 3, missed


def test_names_and_words_from_other_languages_are_no_foreign_queries() -> None:
    names = lines_of(BUILDERS / "names_and_loanwords.txt")
    assert len(names) >= 150 and [text for text in names if detect_foreign_language(text)] == []
