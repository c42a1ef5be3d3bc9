"""What the words of a query are."""

from __future__ import annotations

import pytest

from ops.search.words import content_words, coverage, parse_words, stem


@pytest.mark.parametrize(
    ("text", "phrases", "rest", "plain"),
    [
        ("a red car", (), "a red car", "a red car"),
        ('"merry christmas"', ("merry christmas",), "", "merry christmas"),
        ('a man "merry  christmas" at night', ("merry christmas",), "a man at night", "a man merry christmas at night"),
        ("„fröhliche Weihnachten“ und «joyeux noël»", ("fröhliche Weihnachten", "joyeux noël"), "und",
         "fröhliche Weihnachten und joyeux noël"),
        ("“one” “two”", ("one", "two"), "", "one two"),
        ('"unfinished business', (), "unfinished business", "unfinished business"),
        ('"" "..." x', (), "x", "... x"),
        ("don't 'quote' me", (), "don't 'quote' me", "don't 'quote' me"),
    ],
)  # fmt: skip
def test_quotes_make_phrases(text: str, phrases: tuple[str, ...], rest: str, plain: str) -> None:
    words = parse_words(text)
    assert (words.phrases, words.rest, words.plain) == (phrases, rest, plain)


def test_content_words_leave_out_what_says_nothing() -> None:
    assert content_words("What is it that you're doing with the ROBOT hands?") == ["robot", "hand"]
    assert content_words("Is it you?") == []
    assert content_words("robot robots robot's") == ["robot"]


@pytest.mark.parametrize(
    "forms",
    [("robot", "robots"), ("run", "running", "runs"), ("freak", "freaked", "freaking"),
     ("nightmare", "nightmares"), ("quick", "quickly"), ("kiss", "kisses")],
)  # fmt: skip
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


def test_short_words_stay_themselves() -> None:
    assert [stem(word) for word in ("yes", "red", "sing", "bed", "is", "")] == ["yes", "red", "sing", "bed", "is", ""]


def test_coverage_is_the_share_of_words_that_a_line_has() -> None:
    assert coverage(["robot", "hand", "car"], "My robotic HANDS! The robots...") == pytest.approx(2 / 3)
    assert coverage([], "anything") == 0.0
