"""Cues become lines: times mended with a note, sources joined, ids kept; lines are tied to shots."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ops.dialogue.lines as lines_module
from ops.dialogue.alignment import FrameClock
from ops.dialogue.checks import check_dialogue
from ops.dialogue.lines import DialogueLine, build_lines, merge_lines
from ops.dialogue.parse import parse
from tests.builders.lakes import shot_rows, video_id
from tests.builders.subtitles import srt

NTSC = Fraction(24000, 1001)


def lines(cues: list[tuple[float, float, str]], **options: Any) -> tuple[list[DialogueLine], list[str]]:
    given_: dict[str, Any] = {"length_s": 100.0, "language": "en", "source": "sidecar"} | options
    return build_lines(parse(srt(cues), "srt"), **given_)


def line(start: float, text: str, language: str = "en", source: str = "sidecar") -> DialogueLine:
    return DialogueLine(start_s=start, end_s=start + 1, text=text, language=language, source=source)


def test_overlapping_lines_are_kept() -> None:
    found, notes = lines([(1, 5, "one"), (2, 3, "two"), (2, 3, "two again")])
    assert [(item.start_s, item.end_s, item.text) for item in found] == [
        (1, 5, "one"),
        (2, 3, "two"),
        (2, 3, "two again"),
    ]
    assert notes == []


@pytest.mark.parametrize(
    ("cue", "mended", "told"),
    [
        ((-1.0, 2.0, "x"), (0.0, 2.0), "line 2: it starts before the film does"),
        ((-3.0, -1.0, "x"), None, "line 2: it is before the start of the film and is left out"),
        ((5.0, 3.0, "x"), (3.0, 5.0), "line 2: it ended before it started"),
        ((5.0, 5.0, "x"), (5.0, 5.1), ""),
        ((5.0, 900.0, "x"), (5.0, 125.0), "line 2: it lasts longer than 120 seconds"),
        ((120.0, 121.0, "x"), (120.0, 121.0), "line 2: it is said at 120.0 s, after the end of the film (100.0 s)"),
        ((99.0, 101.0, "x"), (99.0, 101.0), ""),
    ],
)
def test_odd_times_are_mended_or_named(cue: Any, mended: Any, told: str) -> None:
    found, notes = lines([cue])
    assert [(item.start_s, item.end_s) for item in found] == ([mended] if mended else [])
    assert len(notes) == bool(told)
    assert "".join(notes).startswith(told)
    assert "'x'" not in "".join(notes), "it is in records that outlast the film"


def test_times_count_from_the_first_picture() -> None:
    found, _ = lines([(1.5, 2.5, "x")], shift_s=0.5)
    assert (found[0].start_s, found[0].end_s) == (1.0, 2.0)


@given(
    st.lists(
        st.tuples(st.floats(-500, 500), st.floats(-500, 500), st.sampled_from(["a", "b", "c d"])),
        min_size=1,
        max_size=30,
    )
)
def test_every_cue_is_a_line_or_is_named(cues: list[tuple[float, float, str]]) -> None:
    found, notes = lines(cues)
    left_out = sum("is left out" in note for note in notes)
    assert len(found) + left_out == len(cues)
    assert all(0 <= item.start_s < item.end_s for item in found)
    assert found == sorted(found, key=lambda item: item.start_s)


def test_what_two_sources_say_is_said_once() -> None:
    sidecar = [line(1, "Hello there"), line(5, "Hello there"), line(9, "only here")]
    inside = [line(1.2, "hello  THERE", source="embedded"), line(20, "more", source="embedded")]
    found = merge_lines([sidecar, inside])
    assert [(item.start_s, item.text, item.source) for item in found] == [
        (1, "Hello there", "sidecar"), (5, "Hello there", "sidecar"), (9, "only here", "sidecar"),
        (20, "more", "embedded"),
    ]  # fmt: skip


def test_other_languages_and_other_times_are_other_lines() -> None:
    found = merge_lines([[line(1, "Nein")], [line(1, "Nein", "de")], [line(2, "Nein")]])
    assert len(found) == 3


def test_a_source_without_language_may_be_any() -> None:
    assert merge_lines([[line(1, "Hello", "")], [line(1, "Hello", "en", "embedded")]]) == [line(1, "Hello", "en")]
    assert merge_lines([[line(1, "Hello", "en-GB")], [line(1, "Hello", "en-US")]]) == [line(1, "Hello", "en-GB")]


def test_somebody_who_says_it_twice_says_it_twice() -> None:
    assert len(merge_lines([[line(1, "No!"), line(1.3, "No!"), line(1.3, "No!")]])) == 2


def test_an_id_tells_a_line_and_nothing_beside_it() -> None:
    first, second = line(1, "a").make_line_id(video_id(0)), line(2, "a").make_line_id(video_id(0))
    assert first.startswith(f"{video_id(0)}:en:") and first != second
    assert line(1, "a").make_line_id(video_id(0)) == first
    assert line(1, "a", "").make_line_id(video_id(0)).split(":")[1] == "und"


def shots(fps: Fraction = NTSC, edges: tuple[int, ...] = (0, 24, 48, 100)) -> list[dict[str, Any]]:
    rows = shot_rows(0, len(edges) - 1)
    return [
        row
        | {
            "shot_id": f"{video_id(0)}:{start}",
            "start_frame": start,
            "end_frame": end,
            "start_s": float(start / fps),
            "end_s": float(end / fps),
        }
        for row, start, end in zip(rows, edges, edges[1:], strict=False)
    ]


def test_times_become_exact_frames_at_a_constant_rate() -> None:
    clock = FrameClock(NTSC, shots())
    assert clock.is_constant
    assert clock.find_frames(0.0, 1.001) == (0, 24)
    assert clock.find_shots(0, 24) == [f"{video_id(0)}:0"]
    assert clock.find_frames(1.001, 2.002) == (24, 48)
    assert clock.find_frames(1.5, 1.5) == (36, 37)
    hour = Fraction(3600 * 24000, 1001)
    assert clock.find_frames(3600.0, 3601.0)[0] == round(hour)


def test_a_line_is_tied_to_every_shot_it_is_heard_in_and_to_no_other() -> None:
    clock = FrameClock(NTSC, shots())
    ids = [f"{video_id(0)}:{start}" for start in (0, 24, 48)]
    assert clock.find_shots(*clock.find_frames(0.5, 1.5)) == ids[:2]
    assert clock.find_shots(*clock.find_frames(0.0, 60.0)) == ids
    assert clock.find_shots(*clock.find_frames(1.0, 1.9)) == ids[1:2]  # a third of a frame before the cut is none
    assert clock.find_shots(*clock.find_frames(clock.length_s, 60.0)) == []
    assert clock.find_shots(*clock.find_frames(70.0, 71.0)) == []


def test_at_a_variable_rate_the_times_of_the_shots_count() -> None:
    rows = shots(Fraction(25), (0, 25, 100))
    rows[0] |= {"start_s": 0.0, "end_s": 4.0}
    rows[1] |= {"start_s": 4.0, "end_s": 5.0}
    clock = FrameClock(Fraction(25), rows)
    assert not clock.is_constant
    assert clock.find_frames(2.0, 4.0) == (12, 25)
    assert clock.find_shots(*clock.find_frames(2.0, 3.9)) == [rows[0]["shot_id"]]
    assert clock.find_frames(4.5, 5.0) == (63, 100)
    assert clock.find_frames(6.0, 7.0) == (125, 150)


def test_within_a_shot_with_a_gap_the_times_of_its_frames_count() -> None:
    """Fifty frames at 25 a second, with a pause of eight seconds after the first ten."""
    (row,) = shots(Fraction(25), (0, 50))
    row |= {"end_s": 10.0}
    times = [number / 25 + (8 if number >= 10 else 0) for number in range(50)]
    clock = FrameClock(Fraction(25), [row], lambda shot: times)
    assert clock.find_frames(0.0, 0.2) == (0, 5)
    assert clock.find_frames(0.36, 8.4) == (9, 10)  # the picture before the pause stands until it ends
    assert clock.find_frames(9.0, 10.0) == (25, 50)
    assert clock.find_frames(8.41, 8.43) == (10, 11)
    assert clock.find_frames(2.0, 3.0) == (9, 10)


@given(st.floats(0, 8), st.floats(0.001, 8))
def test_the_checks_agree_with_the_ties(start: float, length: float) -> None:
    rows = shots()
    clock = FrameClock(NTSC, rows)
    first, last = clock.find_frames(start, start + length)
    tied = clock.find_shots(first, last)
    said = {"line_id": "x", "video_id": video_id(0), "start_frame": first, "end_frame": last, "shot_ids": tied}
    per_shot = [{"shot_id": row["shot_id"], "lines": int(row["shot_id"] in tied)} for row in rows]
    assert all(check.passed for check in check_dialogue([said], rows, per_shot))


def test_the_checks_can_fail() -> None:
    rows = shots()
    per_shot = [{"shot_id": row["shot_id"], "lines": 0} for row in rows]
    said = {
        "line_id": "x",
        "video_id": video_id(0),
        "start_frame": 30,
        "end_frame": 40,
        "shot_ids": [rows[0]["shot_id"]],
    }
    outcomes = {check.name: check for check in check_dialogue([said], rows, per_shot)}
    assert not outcomes["lines_in_shots"].passed and outcomes["lines_in_shots"].details["wrongly_tied"] == ["x"]
    assert not outcomes["complete"].passed
    assert not check_dialogue([], rows, per_shot[1:])[1].passed
    assert not check_dialogue([said | {"shot_ids": []}], rows, per_shot)[0].passed


@pytest.mark.parametrize("languages", [("en", "en"), ("en", "de"), ("", "en")])
def test_two_files_that_say_one_thing_very_often_are_joined_without_comparing_all(
    languages: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(lines: int, language: str, shift: float) -> list[DialogueLine]:
        return [
            DialogueLine(start_s=n + shift, end_s=n + 1, text="no", language=language, source="sidecar")
            for n in range(lines)
        ]

    compared = 0

    def counted(one: DialogueLine, other: DialogueLine) -> bool:
        nonlocal compared
        compared += 1
        return is_same(one, other)

    is_same = lines_module._is_same
    monkeypatch.setattr(lines_module, "_is_same", counted)
    sources = [said(1_000, language, 0.1 * at) for at, language in enumerate(languages)]
    assert len(merge_lines(sources)) == 1_000 * len(set(languages) - {""})
    assert compared <= 3 * 1_000
