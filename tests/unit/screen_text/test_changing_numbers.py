"""Numbers that change but do not run, as years, prices and scores, stay text, each value with its frames."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ops.screen_text.reader import Box, SeenText
from ops.screen_text.tracking import PlacedText, TextKind, find_kinds, follow_texts

BOX: Box = (0.1, 0.1, 0.5, 0.2)
RATE = 25


def follow(texts: list[str], step: int = 50) -> list[tuple[str, str, int, int]]:
    """Return text, kind and frames of the runs of texts at one place, one each ``step`` frames."""
    samples = [
        (step * at + step // 2, [SeenText(text=text, box=BOX, confidence=0.9)] if text else [])
        for at, text in enumerate(texts)
    ]
    runs = follow_texts(samples, 0, step * len(texts), RATE)
    return sorted(((run.text, run.kind, run.start_frame, run.end_frame) for run in runs), key=lambda run: run[2])


def place(shot: int, text: str, start_s: float, seconds: float = 4.0, kind: TextKind = "text") -> PlacedText:
    return PlacedText(
        shot_id=f"{'0' * 16}:{shot}", text=text, box=BOX, kind=kind, start_s=start_s, end_s=start_s + seconds, rate=RATE
    )


def place_cards(texts: tuple[str, ...], seconds: float = 4.0) -> list[PlacedText]:
    return [place(shot, text, seconds * shot, seconds) for shot, text in enumerate(texts)]


@pytest.mark.parametrize(
    "texts",
    [
        ("1914", "1939", "1945"),
        ("$100", "$250", "$499"),
        ("Room 101", "Room 204", "Room 305"),
        ("No. 114", "No. 305", "No. 118"),
        ("12.05.45", "08.09.46", "01.02.47"),
        ("1066", "1492", "1776", "1969"),
        ("€129", "€139", "€149"),
        ("Bus 301", "Bus 302", "Bus 303"),
        ("1:04.22", "1:05.87", "1:06.10"),
        ("100", "200", "300", "400"),
    ],
)
def test_cards_of_one_place_whose_numbers_do_not_run_are_text(texts: tuple[str, ...]) -> None:
    assert find_kinds(place_cards(texts), len(texts)) == ["text"] * len(texts)


def test_cards_with_the_distance_of_frames_that_stay_are_text() -> None:
    """At 25 frames per second, 100 frames are 4 s: a frame counter does not stay for 4 s."""
    assert find_kinds(place_cards(("1900", "2000", "2100", "2200")), 4) == ["text"] * 4
    assert follow(["$100"] * 3 + ["$250"] * 3) == [("$100", "text", 0, 150), ("$250", "text", 150, 300)]


def test_counters_over_several_short_shots_run() -> None:
    frames = [place(shot, f"{11_559 + 25 * at}", at, 0.5) for shot, at in enumerate((0, 3, 7, 8))]
    assert find_kinds(frames, 4) == ["timecode"] * 4
    codes = [place(0, "10:11:12:13", 0, 0.5), place(1, "02:03:04:05", 4, 0.5)]
    assert find_kinds(codes, 2) == ["timecode"] * 2, "two timecodes of two sources"
    assert find_kinds([place(0, "10:11:12:13", 0), place(1, "10:11:12:13", 4)], 2) == ["text"] * 2


def test_a_frame_counter_runs_and_two_numbers_do_not() -> None:
    assert [run[1] for run in follow([f"FRAME {120_345 + 50 * at:06d}" for at in range(4)])] == ["timecode"]
    assert [run[1] for run in follow(["11559", "11609", "I1659", "11709"])] == ["timecode"]
    assert follow(["1914", "1914", "1918", "1918"]) == [("1914", "text", 0, 100), ("1918", "text", 100, 200)]
    assert {run[1] for run in follow(["001234", "001259"])} == {"text"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ARS 2-1 CHE", "ARS 2-2 CHE"),
        ("NOW $12.99", "NOW $13.99"),
        ("GATE A12", "GATE B14"),
        ("1914", "1918"),
        ("$100", "$250"),
        ("Chapter 9", "Chapter 10"),
        ("LIVE", "LIVE 2"),
        ("Platform 1 to Paris", "Platform 7 to Paris"),
        ("9.99", "8.49"),
    ],
)
def test_another_number_is_another_text_with_its_own_frames(old: str, new: str) -> None:
    assert follow([old] * 4 + [new] * 2) == [(old, "text", 0, 200), (new, "text", 200, 300)]


def test_each_lap_is_a_text_and_a_digit_misread_once_is_not() -> None:
    laps = ["LAP 1", "LAP 1", "LAP 2", "LAP 2", "LAP 3", "LAP 3"]
    assert [run[0] for run in follow(laps)] == ["LAP 1", "LAP 2", "LAP 3"]
    assert follow(["LAP 1", "LAP 1", "LAP 7", "LAP 1"]) == [("LAP 1", "text", 0, 200)]
    assert follow(["LAP 1", "LAP I", "LAP l", "LAP 1"]) == [("LAP 1", "text", 0, 200)]
    assert follow(["GOTLAND 50", "COTLAND 5O", "GOTLAND SO"]) == [("GOTLAND 50", "text", 0, 150)]
    again = [run[0] for run in follow(["TEAM 1-0", "TEAM 2-0", "TEAM 1-0", "TEAM 2-0"])]
    assert "TEAM 1-0" in again and "TEAM 2-0" in again


@pytest.mark.parametrize("text", ["9.99", "3:14", "$9.99", "3-14", "1998", "12.05.45"])
def test_a_number_that_stays_where_a_clock_runs_in_another_shot_is_text(text: str) -> None:
    clock = place(0, "0:08", 0, 12, "timecode")
    assert find_kinds([clock, place(1, text, 12)], 2) == ["timecode", "text"]
    pieces = [place(shot, f"0:{20 + shot}", 12 + shot, 1) for shot in range(1, 4)]
    assert find_kinds([clock, *pieces, place(4, text, 20)], 5) == ["timecode"] * 4 + ["text"]


def test_a_number_that_follows_a_clock_in_its_shot_is_text() -> None:
    runs = follow(["0:08", "0:10", "0:12", "0:14", "0:16", "0:18", "9.99", "9.99"])
    assert [(text, kind) for text, kind, *_ in runs] == [("0:08", "timecode"), ("9.99", "text")]
    runs = follow(["0:08", "0:10", "0:12", "0:14", "0:16", "0:18", "3:14", "3:14"])
    assert runs[1:] == [("3:14", "text", 300, 400)]


def test_a_score_that_changes_over_shots_is_text_and_a_logo_with_a_number_is_constant() -> None:
    scores = ("0-0", "0-0", "1-0", "1-0", "2-0", "2-0")
    assert find_kinds(place_cards(tuple(f"LIONS {score} BEARS" for score in scores)), 6) == ["text"] * 6
    assert find_kinds(place_cards(scores), 6) == ["text"] * 6
    assert find_kinds(place_cards(("0-0",) * 8 + ("0-1",) * 2), 10) == ["text"] * 10
    assert find_kinds(place_cards(("WEEK 9", "WEEK 9", "WEEK 9", "WEEK 9", "WEEK 10")), 5) == ["text"] * 5
    logo = ("640x360", "640x360", "64Ox360", "640x380", "640x360", "640x360")
    assert find_kinds(place_cards(logo), 6) == ["constant"] * 3 + ["text"] + ["constant"] * 2


@pytest.mark.parametrize(
    "write",
    [
        lambda at: f"2024-05-31 14:22:{5 + at:02d}",
        lambda at: f"31/05/2024 14:22:{7 + at:02d}",
        lambda at: f"31.05.2024 02:22:{7 + at:02d} PM",
        lambda at: f"CAM 1 14:22:{37 + at:02d}",
        lambda at: f"12h34m{10 + at}s",
        lambda at: f"T-{50 - at}",
        lambda at: f"{59 - at}",
        lambda at: f"LIVE 0:{30 + at}",
    ],
)
def test_stamps_and_countdowns_that_run_are_timecodes_and_others_are_text(write: Callable[[int], str]) -> None:
    assert [run[1] for run in follow([write(at) for at in range(0, 12, 2)])] == ["timecode"]
    assert [run[1] for run in follow([write(4)] * 6)] == ["text"]


def test_a_clock_beside_a_score_hides_no_score() -> None:
    texts = [f"ARS {3 + (at > 5)}-2 TOT 66:{40 + at}" for at in range(0, 12, 2)]
    runs = follow(texts)
    assert [(kind, start, end) for _, kind, start, end in runs] == [("text", 0, 150), ("text", 150, 300)]
    assert [text[:11] for text, *_ in runs] == ["ARS 3-2 TOT", "ARS 4-2 TOT"]
