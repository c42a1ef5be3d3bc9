"""Sentences over several lines: what goes on, what does not, and what a query finds of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ops.core.settings import load_settings
from ops.index.line_publishing import publish_lines
from ops.index.lines import LineIndex, LineRow, open_lines
from ops.index.sentences import is_continued, join_text
from ops.index.utterances import add_sentences
from ops.search.interpretation import find_lines, interpret, parse_words
from ops.search.schema import Query
from ops.search.searched_catalogue import Scope
from tests.builders.subtitles import line_row

Cue = tuple[float, float, str]


def rows_of(cues: Sequence[Cue], language: str = "en", first: int = 0) -> list[LineRow]:
    return [
        replace(
            line_row(first + number, text, language=language, second=start),
            end_s=end, end_frame=round(end * 24), start_frame=round(start * 24),
        )
        for number, (start, end, text) in enumerate(cues)
    ]  # fmt: skip


@contextmanager
def indexed(home: Path, rows: Sequence[LineRow]) -> Iterator[LineIndex]:
    settings = load_settings(home=home)
    publish_lines(settings, list(add_sentences(rows)))
    index = open_lines(settings)
    assert index is not None
    with index:
        yield index


def said(index: LineIndex, text: str) -> list[tuple[float, float, str]]:
    return [(line.start_s, line.end_s, line.text) for line, _ in find_lines(parse_words(text), index, Scope())]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Tell them that the harvest moon", "will rise over the mill tonight."),
        ("I met Mr.", "Smith in the mill"),
        ("We went to...", "...the mill"),
        ("We went to\u2026", "the mill"),
        ("When the moon rises,", "Anna will come"),
        ("- Who is there?\n- The man who", "mends the mill."),
        ("\u266a the harvest moon \u266a", "\u266a will rise tonight \u266a"),
        ("\u660e\u65e5\u306e\u671d\u306b", "\u6751\u3078\u5e30\u308a\u307e\u3059\u3002"),
        ("Er sagte", "'Komm nach Hause'"),
        ("Tell them the harvest moon -", "- will rise"),
        ("TELL THEM AT 12:30", "THE MOON RISES"),
    ],
)
def test_a_sentence_goes_on(before: str, after: str) -> None:
    assert is_continued(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("The moon rises.", "over the mill"),
        ("Where is the mill?", "over the hill"),
        ('"Run!"', "he said"),
        ("- The harvest moon", "- will rise"),
        ("The harvest moon", "\u2013 Will rise"),
        ("The harvest moon", ">> will rise"),
        ("The harvest moon", "ANNA: will rise"),
        ("The harvest moon", "OLD MAN'S VOICE: will rise"),
        ("The harvest moon -", "- Will it rise"),
        ("The harvest moon...", "Who is there"),
        ("The harvest moon--", "Stop"),
        ("\u266a the harvest moon \u266a", "will rise"),
        ("\u660e\u65e5\u5e30\u308a\u307e\u3059\u3002", "\u6751\u3078"),
        ("\u0915\u094c\u0928 \u0939\u0948\u0964", "\u092e\u0948\u0902"),
    ],
)
def test_another_sentence_or_speaker_does_not(before: str, after: str) -> None:
    assert not is_continued(before, after)


def test_texts_are_joined_as_they_are_written() -> None:
    assert join_text(["the harvest\nmoon", " will rise"]) == "the harvest moon will rise"
    assert join_text(["\u6771", "\u4eac\u3078"]) == "\u6771\u4eac\u3078"
    assert join_text(["the har-", "vest moon"]) == "the har-vest moon"


THREE = [(1.0, 2.5, "Tell them that the"), (2.6, 4.0, "harvest moon will"), (4.1, 6.0, "rise over the mill tonight.")]


def test_a_phrase_over_three_cues_is_one_hit_from_its_first_word(tmp_path: Path) -> None:
    with indexed(tmp_path, rows_of([*THREE, (6.1, 7.0, "The mill is old.")])) as index:
        whole = "Tell them that the harvest moon will rise over the mill tonight."
        assert said(index, '"the harvest moon will rise over"') == [(1.0, 6.0, whole)]
        assert said(index, '"moon will rise"') == [(2.6, 6.0, "harvest moon will rise over the mill tonight.")]
        assert said(index, '"harvest moon"') == [(2.6, 4.0, "harvest moon will")]
        assert said(index, '"over the mill tonight"') == [THREE[2]]
        assert said(index, '"tonight the mill"') == []
        assert said(index, '"tell them" "the mill"') == [(1.0, 6.0, whole)]


def test_words_without_quotes_are_found_together_over_cues(tmp_path: Path) -> None:
    with indexed(tmp_path, rows_of([*THREE, (6.1, 7.0, "The harvest was good."), (30, 31, "A mill.")])) as index:
        reading = interpret(Query(text="harvest moon rise mill tonight"), Scope(), index)
        assert reading.visual and [line.line_ids for line, _ in reading.lines] == [
            (f"{rows_of(THREE)[1].line_id}", f"{rows_of(THREE)[2].line_id}")
        ]
        assert [share for _, share in reading.lines] == [1.0]
        only = find_lines(parse_words("harvest moon rise mill"), index, Scope())
        assert sorted(line.start_s for line, _ in only) == [2.6, 6.1, 30]
        assert only[0][0].start_s == 2.6


def test_pauses_questions_and_speakers_part_sentences(tmp_path: Path) -> None:
    cues = [
        (1.0, 2.0, "The lonely lighthouse"), (4.5, 5.5, "speaks of storms"),
        (10.0, 11.0, "Did you see the ferry?"), (11.1, 12.0, "leave the harbour at dawn"),
        (20.0, 21.0, "- The golden key"), (21.0, 22.0, "- opens the chest"),
    ]  # fmt: skip
    with indexed(tmp_path, rows_of(cues)) as index:
        for phrase in ("lighthouse speaks", "ferry leave", "key opens"):
            assert said(index, f'"{phrase}"') == []


def test_sounds_in_brackets_and_other_languages_at_the_same_time_do_not_part_them(tmp_path: Path) -> None:
    english = [(1.0, 3.0, "The harvest moon"), (3.0, 3.1, "[thunder]"), (3.1, 5.0, "will rise tonight.")]
    german = [(1.0, 3.05, "Der Erntemond"), (3.05, 5.0, "geht heute auf.")]
    with indexed(tmp_path, [*rows_of(english), *rows_of(german, "de", 10)]) as index:
        assert [hit[0] for hit in said(index, '"moon will rise"')] == [1.0]
        assert [hit[2] for hit in said(index, '"Erntemond geht"')] == ["Der Erntemond geht heute auf."]
        assert said(index, '"moon geht"') == []


def test_cues_that_overlap_a_little_follow_each_other(tmp_path: Path) -> None:
    with indexed(tmp_path, rows_of([(1.0, 4.0, "The harvest moon"), (3.2, 5.0, "will rise tonight.")])) as index:
        assert said(index, '"moon will rise"') == [(1.0, 5.0, "The harvest moon will rise tonight.")]


def test_two_files_of_one_language_do_not_mix(tmp_path: Path) -> None:
    one = [(1.0, 3.0, "The harvest moon"), (3.1, 5.0, "will rise tonight.")]
    other = [(1.2, 3.0, "THE HARVEST MOON (sighs)"), (3.2, 5.0, "will rise this very night.")]
    with indexed(tmp_path, [*rows_of(one), *rows_of(other, first=10)]) as index:
        assert {hit[0] for hit in said(index, '"harvest moon will rise"')} <= {1.0, 1.2}
        assert said(index, '"the harvest moon the harvest moon"') == []


def test_a_word_that_is_cut_by_a_cue_is_found_in_scripts_without_blanks(tmp_path: Path) -> None:
    cues = [(1.0, 2.0, "\u79c1\u306f\u660e\u65e5\u6771"), (2.1, 3.0, "\u4eac\u306b\u884c\u304d\u307e\u3059")]
    with indexed(tmp_path, rows_of(cues, "ja")) as index:
        assert [hit[:2] for hit in said(index, '"\u6771\u4eac"')] == [(1.0, 3.0)]
        assert [hit[:2] for hit in said(index, '"\u660e\u65e5\u6771\u4eac\u306b"')] == [(1.0, 3.0)]
        assert [hit[:2] for hit in said(index, '"\u884c\u304d\u307e\u3059"')] == [(2.1, 3.0)]


def test_captions_without_punctuation_have_neither_end_nor_doubles(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(400)]
    cues = [(n * 1.0, n + 0.9, " ".join(words[4 * n : 4 * n + 4])) for n in range(100)]
    with indexed(tmp_path, rows_of(cues)) as index:
        for at in (2, 101, 343):
            hits = said(index, f'"{" ".join(words[at : at + 9])}"')
            assert [hit[0] for hit in hits] == [at // 4]
            assert len(said(index, f'"{words[at]}"')) == 1


def test_many_sentences_with_the_phrase_in_a_later_line_do_not_hide_others(tmp_path: Path) -> None:
    cues = [(4.0 * n + part * 1.1, 4.0 * n + part * 1.1 + 1, text) for n in range(60)
            for part, text in enumerate(("mill mill mill and", "over the mill."))]  # fmt: skip
    with indexed(tmp_path, rows_of(cues)) as index:
        assert len(index.search("", phrases=["over the mill"], limit=100)) == 60
        assert len(index.search("", phrases=["over the mill"], limit=7)) == 7
