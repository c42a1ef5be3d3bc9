"""Clocks that run are recognised in any form and with misread signs; prices, scores and dates that stay are not."""

from __future__ import annotations

import random

import pytest

from ops.screen_text.counters import Reading, is_running, may_be_counter

RATE = 25.0
MOMENTS = [0.3, 1.4, 2.9, 4.1]


def read_at(moments: list[float], write: object) -> list[Reading]:
    assert callable(write)
    return [Reading(text=write(at), start_s=at, end_s=at) for at in moments]


def write_clock(form: str, at: float, *, rate: float = RATE) -> str:
    """The display of a clock that has run for ``at`` seconds."""
    seconds, frame = int(at), int((at - int(at)) * rate)
    hours, minutes = seconds // 3600, seconds // 60
    fields = {
        "h": f"{hours:02d}", "m": f"{minutes % 60:02d}", "M": str(minutes), "s": f"{seconds % 60:02d}",
        "S": str(seconds), "f": f"{frame:02d}", "c": f"{int(100 * (at - int(at))):02d}", "n": f"{int(at * rate):06d}",
    }  # fmt: skip
    return "".join(fields.get(sign, sign) for sign in form)


FORMS = ("M:s", "m:s", "h:m:s", "h:m:s:f", "h.m.s;f", "M;s", "M,s", "M.s", "M：s", "S.c", "S:f", "n", "M s", "h m s f")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("start_s", [7.2, 68.5, 3725.4])
def test_a_clock_that_runs_is_one_in_each_form(form: str, start_s: float) -> None:
    assert is_running(read_at(MOMENTS, lambda at: write_clock(form, at + start_s)), RATE)


def test_a_countdown_a_clock_of_minutes_and_a_faster_film_run() -> None:
    assert is_running(read_at(MOMENTS, lambda at: f"T-{write_clock('M:s', 65 - at)}"), RATE)
    assert is_running(read_at([60.0 * at for at in range(7)], lambda at: write_clock("h:m", at + 50_410)), RATE)
    assert is_running(read_at([1.0, 9.0, 17.0, 25.0], lambda at: write_clock("M:s", 1.04 * at)), RATE)


@pytest.mark.parametrize(
    "texts",
    [
        ("2;07", "2:08", "2.O9", "2,10"),
        ("1:O7", "1:0B", "I:09", "1:1O"),
        ("00.01.12:05", "00:01:13:05", "00:01:14;O5", "00:01:1505"),
        ("0;23", "0:24", "branch", "0:26", "0:27"),
        ("TC 1:07", "TC 1:08", "TC I:09", "TC 1;10"),
        ("107", "1:08", "1.09", "110"),
    ],
)
def test_misread_signs_do_not_hide_a_clock(texts: tuple[str, ...]) -> None:
    readings = [Reading(text=text, start_s=at + 0.5, end_s=at + 0.5) for at, text in enumerate(texts)]
    assert is_running(readings, RATE)


@pytest.mark.parametrize(
    "texts",
    [
        ("2,07", "2,07", "2,07", "2,07"),
        ("0:23", "0:23", "O:23", "0:23"),
        ("2,07", "3,49", "1,99", "2,25"),
        ("1,99", "2,49", "2,99", "3,49"),
        ("21:19", "21:20", "22:20", "22:22"),
        ("2,07", "2,07", "2,08", "2,08"),
        ("12.05", "13.05", "14.05", "15.05"),
        ("Room 101", "Room 102", "Room 103", "Room 104"),
        ("20:15", "21:45", "22:10", "23:00"),
    ],
)
def test_prices_scores_dates_and_hours_are_no_clock(texts: tuple[str, ...]) -> None:
    readings = [Reading(text=text, start_s=3.0 * at, end_s=3.0 * at) for at, text in enumerate(texts)]
    assert not is_running(readings, RATE)


def test_two_readings_show_nothing() -> None:
    assert not is_running(read_at([1.0, 2.0], lambda at: write_clock("M:s", at + 60)), RATE)
    assert not is_running([], RATE)


def test_random_prices_at_one_place_are_no_clock() -> None:
    """Of 2,000 series of four prices, a few dozen seconds apart, at most a few fit a clock by chance."""
    chance = random.Random(3)
    runs = 0
    for _ in range(2_000):
        moments = sorted(chance.uniform(0, 60) for _ in range(4))
        prices = [f"{chance.randrange(1, 10)},{chance.randrange(0, 100):02d}" for _ in moments]
        runs += is_running([Reading(text=p, start_s=a, end_s=a + 2) for a, p in zip(moments, prices, strict=True)], 25)
    assert runs <= 4


@pytest.mark.parametrize("text", ["2,07", "0;23", "1:O7", "TC 1:07", "00.01.12:05", "00:01:1205", "+0:12", "1984"])
def test_texts_that_may_be_counters(text: str) -> None:
    assert may_be_counter(text)


@pytest.mark.parametrize("text", ["EXIT", "Sold", "Big Bob: so", "B:BB", "Good morning", "I:OO", "3 men", "www.a.de"])
def test_words_are_no_counters(text: str) -> None:
    assert not may_be_counter(text)
