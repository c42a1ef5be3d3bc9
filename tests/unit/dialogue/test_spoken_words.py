"""Recognised words as lines: cut at sentences and pauses, with the times of the words, without invented ones."""

from __future__ import annotations

import pytest

from ops.dialogue.speech import choose_compute_type
from ops.dialogue.spoken_words import HeardWord, cut_lines


def hear(text: str, start_s: float = 0.0, *, pause_s: float = 0.1, certainty: float = 0.9) -> list[HeardWord]:
    """Words of 0.3 s, each with the blank before it, as recognisers give them."""
    return [
        HeardWord(text=f" {word}", start_s=start, end_s=start + 0.3, certainty=certainty)
        for number, word in enumerate(text.split())
        for start in [start_s + number * (0.3 + pause_s)]
    ]


def texts(words: list[HeardWord]) -> list[str]:
    return [line.text for line in cut_lines(words)]


def test_a_sentence_is_a_line_and_an_abbreviation_ends_none() -> None:
    assert texts(hear("Good morning, Mr. Holmes. How are you? Fine!")) == [
        "Good morning, Mr. Holmes.", "How are you?", "Fine!",
    ]  # fmt: skip


def test_a_pause_ends_a_line() -> None:
    words = [*hear("what brings you"), *hear("to the land of the gatekeepers", 3.0)]
    lines = cut_lines(words)
    assert [line.text for line in lines] == ["what brings you", "to the land of the gatekeepers"]
    assert (lines[0].start_s, lines[0].end_s) == (0.0, pytest.approx(1.1))
    assert lines[1].start_s == 3.0


def test_a_long_sentence_is_cut_at_a_comma_and_one_without_any_at_a_word() -> None:
    sentence = "I have been alone for as long as I can remember in this cold land, and nobody ever came to see me here"
    assert texts(hear(sentence)) == [sentence[: sentence.index(",") + 1], sentence[sentence.index(",") + 2 :]]
    endless = texts(hear("word " * 60))
    assert len(endless) == 3 and all(len(line) <= 125 for line in endless)


def test_times_are_those_of_the_words_and_a_word_with_music_before_it_is_cut() -> None:
    words = [HeardWord(text=" This", start_s=14.3, end_s=19.0, certainty=0.8), *hear("blade is old.", 19.1)]
    (line,) = cut_lines(words)
    assert (line.start_s, line.end_s) == (pytest.approx(18.3), pytest.approx(20.2))
    (last,) = cut_lines([*hear("The end"), HeardWord(text=" now", start_s=0.9, end_s=9.0, certainty=0.9)])
    assert last.end_s == pytest.approx(1.6)


def test_invented_lines_are_left_out_and_unsure_ones_kept() -> None:
    assert texts([*hear("Thank you.", certainty=0.2), *hear("Come here.", 5.0, certainty=0.5)]) == ["Come here."]
    assert cut_lines([]) == [] and texts([HeardWord(text=" ", start_s=0, end_s=1, certainty=1)]) == []


def test_scripts_without_blanks() -> None:
    words = [
        HeardWord(text=sign, start_s=at / 5, end_s=at / 5 + 0.1, certainty=0.9) for at, sign in enumerate("你好。再见")
    ]
    assert texts(words) == ["你好。", "再见"]


@pytest.mark.parametrize(
    ("device", "supported", "chosen"),
    [
        ("cpu", {"int8", "int8_float32", "float32"}, "int8"),
        ("cpu", {"float32"}, "float32"),
        ("cuda", {"float16", "int8_float16", "float32"}, "float16"),
        ("cuda", {"int8_float16", "float32"}, "int8_float16"),
        ("cuda", set(), "default"),
    ],
)
def test_the_compute_type_is_one_that_the_device_has(device: str, supported: set[str], chosen: str) -> None:
    assert choose_compute_type(device, supported) == chosen
