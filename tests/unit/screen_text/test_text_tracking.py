"""Texts over the frames of a shot, and texts that are the same in a whole video."""

from __future__ import annotations

import numpy as np
import pytest

from ops.screen_text.reader import Box, SeenText, is_readable
from ops.screen_text.rows import find_script
from ops.screen_text.sampling import choose_first, choose_more, drop_needless, has_changed
from ops.screen_text.tracking import PlacedText, TextKind, find_kinds, follow_texts

LOW: Box = (0.1, 0.8, 0.5, 0.9)
HIGH: Box = (0.1, 0.1, 0.5, 0.2)


def see(text: str, box: Box = LOW, confidence: float = 0.9) -> SeenText:
    return SeenText(text=text, box=box, confidence=confidence)


def test_a_text_lasts_to_the_middle_between_two_samples() -> None:
    samples = [(10, []), (30, [see("EXIT")]), (50, [see("EXIT")]), (70, [])]
    (run,) = follow_texts(samples, 0, 80, 10)
    assert (run.text, run.start_frame, run.end_frame, run.kind) == ("EXIT", 20, 60, "text")


def test_a_text_in_every_sample_lasts_the_whole_shot_and_keeps_its_best_reading() -> None:
    samples = [(110, [see("EX1T", confidence=0.7)]), (130, [see("EXIT")]), (150, [see("EXIT", confidence=0.8)])]
    (run,) = follow_texts(samples, 100, 160, 10)
    assert (run.text, run.confidence, run.start_frame, run.end_frame) == ("EXIT", 0.9, 100, 160)


def test_a_text_may_be_missed_once_and_two_texts_at_one_place_are_two() -> None:
    assert len(follow_texts([(0, [see("EXIT")]), (10, []), (20, [see("EXIT")])], 0, 30, 10)) == 1
    runs = follow_texts([(0, [see("Good morning")]), (10, [see("Whatever else")])], 0, 20, 10)
    assert [(run.text, run.start_frame, run.end_frame) for run in runs] == [
        ("Good morning", 0, 5),
        ("Whatever else", 5, 20),
    ]


def test_a_text_that_moves_with_the_picture_is_one_and_two_equal_ones_far_apart_are_two() -> None:
    moving = [(at, [see("EXIT", (0.1 + at / 100, 0.4, 0.2 + at / 100, 0.5))]) for at in (0, 10, 20, 30)]
    assert len(follow_texts(moving, 0, 40, 10)) == 1
    apart = [(0, [see("EXIT", HIGH), see("EXIT", (0.8, 0.8, 0.95, 0.9))])]
    assert len(follow_texts(apart * 2, 0, 40, 10)) == 2


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (("01:02:03:04", "01:02:04:04"), "timecode"),
        (("TC 10:00:00;02", "TC 10:00:01;02"), "timecode"),
        (("001234", "001259"), "text"),
        (("01:02:03:04", "01:02:03:04"), "text"),
        (("1984", "1984"), "text"),
        (("11559", "I1559"), "text"),
        (("Chapter 1", "Chapter 2"), "text"),
    ],
)
def test_digits_that_run_are_a_timecode(texts: tuple[str, str], kind: str) -> None:
    runs = follow_texts([(at, [see(text)]) for at, text in enumerate(texts)], 0, 2, 10)
    assert {run.kind for run in runs} == {kind} and len({run.text for run in runs}) == len(runs)


def place(shot: int, text: str, box: Box = LOW, kind: TextKind = "text") -> PlacedText:
    start_s = 5.0 * shot
    return PlacedText(
        shot_id=f"{'0' * 16}:{shot}", text=text, box=box, kind=kind, start_s=start_s, end_s=start_s + 1, rate=25
    )


def test_a_logo_is_constant_and_a_sign_in_some_shots_is_not() -> None:
    logos = [place(shot, "CHANNEL 5" if shot % 2 else "CHANNEL S", HIGH) for shot in range(6)]
    signs = [place(shot, "EXIT") for shot in range(3)]
    assert find_kinds([*logos, *signs], 10) == ["constant"] * 6 + ["text"] * 3
    assert find_kinds(logos, 30) == ["text"] * 6, "in a fifth of the shots"
    assert find_kinds(logos[:3], 3) == ["text"] * 3, "three shots show nothing about a video"


def test_a_timecode_with_one_look_a_shot_is_known_by_its_place_in_other_shots() -> None:
    codes = [place(shot, f"00:00:0{shot}:00") for shot in range(3)]
    assert find_kinds(codes, 3) == ["timecode"] * 3
    assert find_kinds([place(0, "12:30:00")], 3) == ["text"], "a clock on a wall"
    assert find_kinds([place(0, "12:30:00", kind="timecode"), place(1, "12:31:00")], 8) == ["timecode"] * 2


def follow(texts: list[str], box: Box = LOW) -> list[tuple[str, str]]:
    """Return text and kind of the runs of texts, one each two seconds."""
    samples = [(50 * at + 20, [see("EXIT", HIGH), see(text, box)]) for at, text in enumerate(texts)]
    return sorted((run.text, run.kind) for run in follow_texts(samples, 0, 50 * len(texts), 25))


def test_a_clock_with_misread_separators_runs_and_a_price_does_not() -> None:
    exit_sign = ("EXIT", "text")
    assert follow(["2;07", "2:09", "2.1l", "2;13"]) == [("2;07", "timecode"), exit_sign]
    assert follow(["2,07"] * 4) == [("2,07", "text"), exit_sign]
    assert follow(["2,07", "3,49", "2,07", "3,49"]) == [("2,07", "text"), ("3,49", "text"), exit_sign]
    assert follow(["0:23", "0:23", "0:24", "0:24"]) == [("0:23", "text"), ("0:24", "text"), exit_sign], "a score"
    # "10:07" and "10:09" are one text for a recogniser that confuses a digit.
    assert follow(["10:07", "10:09", "10:11", "10:13"]) == [("10:07", "timecode"), exit_sign]


def test_a_clock_that_was_looked_at_once_in_a_shot_is_known_by_the_other_shots() -> None:
    codes = [place(shot, f"0;{5 * shot:02d}") for shot in range(4)]
    assert find_kinds(codes, 4) == ["timecode"] * 4
    assert find_kinds([*codes, place(4, "O:2O"), place(5, "EXIT")], 6) == ["timecode"] * 5 + ["text"]
    prices = [place(shot, text) for shot, text in enumerate(("2,07", "2,49", "1,07", "2,99"))]
    assert find_kinds(prices, 4) == ["text"] * 4
    assert find_kinds([place(shot, "0:23") for shot in range(3)], 3) == ["text"] * 3, "a score that stays"
    assert find_kinds([place(0, "2,07", HIGH), *codes], 4) == ["text"] + ["timecode"] * 4, "at another place"


def test_short_shots_get_one_look_long_ones_more_and_text_more_again() -> None:
    assert choose_first(20, 0.8) == [10]
    assert choose_first(3, 0.1) == [1] and choose_first(1, 0.04) == [0]
    first = choose_first(100, 4.0)
    assert first == [25, 75] and choose_more(100, 4.0, first) == [16, 50, 83]
    assert len(choose_first(8 * 3600 * 25, 8 * 3600.0)) == 32
    assert len(choose_more(25 * 30, 30.0, [])) == 12 and choose_more(25 * 31, 31.0, []) == []
    assert choose_more(25 * 160, 160.0, choose_first(25 * 160, 160.0)) == []
    assert choose_more(2, 0.1, [0, 1]) == []


def test_no_look_between_two_that_saw_the_same_within_two_seconds() -> None:
    more = [16, 50, 83]
    assert drop_needless(more, {25: ["EXIT", "5"], 75: ["5", "EXIT"]}, 25) == [16, 83]
    assert drop_needless(more, {25: ["EXIT"], 75: ["EXIT", "5"]}, 25) == more
    assert drop_needless(more, {25: [], 75: []}, 25) == more
    assert drop_needless(more, {25: ["EXIT"], 75: ["EXIT"]}, 24) == more, "more than two seconds"
    assert drop_needless([20, 60, 90], {10: ["A"], 50: ["B"], 80: ["B"]}, 25) == [20, 90]


def test_a_frame_with_a_small_new_text_has_changed_and_noise_has_not() -> None:
    random = np.random.default_rng(0)
    frame = random.integers(100, 110, (360, 640, 3), np.uint8)
    noisy = random.integers(100, 110, (360, 640, 3), np.uint8)
    assert not has_changed(frame, noisy)
    noisy[300:320, 40:140] = 255
    assert has_changed(frame, noisy)


@pytest.mark.parametrize(
    ("text", "script", "language"),
    [
        ("EXIT 3", "Latn", ""), ("駅の出口", "Jpan", "ja"), ("出口", "Hani", "zh"), ("Выход", "Cyrl", ""),
        ("έξοδος", "Grek", "el"), ("מוצא", "Hebr", "he"), ("12:30", "Zyyy", ""), ("출구 exit now", "Latn", ""),
    ],
)  # fmt: skip
def test_scripts(text: str, script: str, language: str) -> None:
    assert find_script(text) == (script, language)


def test_noise_is_not_text() -> None:
    assert is_readable("EXIT", 0.8) and is_readable("No", 0.95)
    assert not is_readable("EXIT", 0.7) and not is_readable("No", 0.8) and not is_readable("IIII", 0.8)
    assert not is_readable("--", 0.99) and not is_readable("A", 0.99)
