"""What the words of a query are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.core.settings import load_settings
from ops.index.line_publishing import publish_lines
from ops.index.lines import LineRow, open_lines
from ops.index.stems import list_stems
from ops.index.words import STEMMERS
from ops.search.interpretation import measure_coverage, parse_words, select_content_words


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
        (r'\"merry christmas\" x', ("merry christmas",), "x", "merry christmas x"),
        ('«one" x', ("one",), "x", "one x"),
        ("“one» x", ("one",), "x", "one x"),
        ('"one” and "two" 5" wide', ("one", "two"), "and 5 wide", "one and two 5 wide"),
        ('"5” pipe" x', ("5” pipe",), "x", "5 pipe x"),
        ("«oops x «good day» y", ("good day",), "oops x y", "oops x good day y"),
        ("“he said “go” now” x", ("he said “go” now",), "x", "he said go now x"),
        ("100%” and 50%” dogs’” and cats’” x", (), "100% and 50% dogs’ and cats’ x", "100% and 50% dogs’ and cats’ x"),
        ("6 ” wall » x ” y", (), "6 wall x y", "6 wall x y"),
        ("»god dag» x", ("god dag",), "x", "god dag x"),
        (r'he said "say \"go\" twice" x', ('say "go" twice',), "he said x", "he said say go twice x"),
        (r'"C:\films\" x', ("C:\\films\\",), "x", "C:\\films x"),
        ("»guten Tag« ”god dag”", ("guten Tag", "god dag"), "", "guten Tag god dag"),
        ("„guten Tag\" “good day\"", ("guten Tag", "good day"), "", "guten Tag good day"),
        ("男「こんにちは」と言う", ("こんにちは",), "男 と言う", "男 こんにちは と言う"),
        ("＂早安＂ ‹salut›", ("早安", "salut"), "", "早安 salut"),
        ("a 5” pipe and a 6” pipe", (), "a 5 pipe and a 6 pipe", "a 5 pipe and a 6 pipe"),
        ("“so” he said, ”unpaired", ("so",), "he said, unpaired", "so he said, unpaired"),
    ],
)  # fmt: skip
def test_quotes_make_phrases(text: str, phrases: tuple[str, ...], rest: str, plain: str) -> None:
    words = parse_words(text)
    assert (words.phrases, words.rest, words.plain) == (phrases, rest, plain)


def test_content_words_leave_out_what_says_nothing() -> None:
    assert select_content_words("What is it that you're doing with the ROBOT hands?") == ["robot", "hands"]
    assert select_content_words("Is it you?") == []
    assert select_content_words("Robot ROBOT robot's") == ["robot"]


SAID = {
    "en": ("My robotic claws!", "He was freaked out, running from nightmares.", "the ponies kissed happily"),
    "de": ("Die Häuser brannten lichterloh.", "Frohe Weihnachten, liebe Kinder!", "Er lief durch die Gärten."),
    "fr": ("Les chevaux couraient dans les prés.", "Nous chantions une chanson."),
    "es": ("Los gatos corrían rápidamente.",),
    "ru": ("Мальчики играли в саду.",),
    "pl": ("Koty biegały po dachach.",),
    "": ("Robots claw at the doors.",),
}
ASKED = """
robot robots robotics claw clawing run running runs nightmare freak pony kisses happy happiness haus häuser
weihnacht kind kinder garten brennt cheval chevaux courir chanter chansons gato correr rápida мальчик играть сады
kot koty biega door the die sing
"""


def test_a_word_covers_a_line_exactly_where_the_index_finds_it(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    rows = [
        LineRow(line_id=f"{language}-{at}", video_id="0" * 16, show="x", shot_ids=(), start_frame=at, end_frame=at + 1,
                start_s=0.0, end_s=1.0, text=text, language=language, source="x")
        for language, texts in SAID.items()
        for at, text in enumerate(texts)
    ]  # fmt: skip
    publish_lines(settings, rows)
    lines = open_lines(settings)
    assert lines is not None
    with lines:
        agreed = {word: {line.line_id for line in lines.search(word, limit=100)} for word in ASKED.split()}
    assert agreed == {
        word: {row.line_id for row in rows if measure_coverage([word], row.text, row.language)}
        for word in ASKED.split()
    }
    assert agreed["robotics"] == {"en-0", "-0"} and agreed["häuser"] >= {"de-0"} and agreed["kot"] == set()


@pytest.mark.parametrize("language", ["", "xx", *STEMMERS])
def test_every_stemmer_of_the_index_is_there(language: str) -> None:
    assert len(list_stems("one two 3 日本 naïve", language)) == 5


def test_coverage_is_the_share_of_words_that_a_line_has() -> None:
    assert measure_coverage(["robotics", "hand", "cars"], "My robotic HANDS! The robots...") == pytest.approx(2 / 3)
    assert measure_coverage(["robot", "robots", "car"], "robot") == 0.5  # forms of one word are asked for once
    assert measure_coverage(["haus"], "Die Hause", "de") == 1.0 and measure_coverage(["haus"], "Die Hause", "pl") == 0.0
    assert measure_coverage([], "anything") == 0.0
