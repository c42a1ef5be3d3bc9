from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.core.errors import UsageError
from ops.core.time import (
    count_frames_per_day,
    find_counting_rate,
    find_seconds,
    frame_at,
    make_timecode,
    parse_timecode,
)

RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(50)]
DROP_RATES = [Fraction(30000, 1001), Fraction(60000, 1001), Fraction(120_000, 1001)]


@given(frame=st.integers(0, 24 * 3600 * 23), rate=st.sampled_from(RATES))
def test_timecode_and_frame_are_inverse(frame: int, rate: Fraction) -> None:
    assert parse_timecode(make_timecode(frame, rate), rate) == frame


@given(frame=st.integers(0, 2_000_000), rate=st.sampled_from(DROP_RATES))
def test_drop_frame_round_trip(frame: int, rate: Fraction) -> None:
    assert parse_timecode(make_timecode(frame, rate, "00:00:00;00"), rate) == frame


@pytest.mark.parametrize(
    ("frame", "timecode"),
    # SMPTE ST 12-1: labels 00 and 01 are skipped each minute but each tenth.
    [(1799, "00:00:59;29"), (1800, "00:01:00;02"), (17981, "00:09:59;29"), (17982, "00:10:00;00")],
)
def test_drop_frame_skips_labels(frame: int, timecode: str) -> None:
    assert make_timecode(frame, Fraction(30000, 1001), "00:00:00;00") == timecode


def test_drop_frame_stays_with_the_clock() -> None:
    rate = Fraction(30000, 1001)
    an_hour = round(3600 * rate)
    assert make_timecode(an_hour, rate, "00:00:00;00") == "01:00:00;00"
    assert make_timecode(an_hour, rate) == "00:59:56:12"


def test_start_timecode_is_added_and_wraps() -> None:
    assert make_timecode(25, Fraction(25), "10:00:00:00") == "10:00:01:00"
    assert make_timecode(1, Fraction(25), "23:59:59:24") == "00:00:00:00"


@pytest.mark.parametrize(
    ("frame", "time_s", "fps", "number"),
    [
        (100, 4.8, Fraction(25), 120),
        (100, Fraction(24, 5), Fraction(25), 120),
        (100, 4.0, Fraction(25), 100),
        (100, 4.019, Fraction(25), 100),
        (100, 4.04, Fraction(25), 101),
        (3, 3.003, Fraction(24000, 1001), 72),
        (60, 1.0, Fraction(30), 30),
    ],
)
def test_a_frame_is_numbered_by_the_clock_if_its_own_number_is_off(
    frame: int, time_s: float | Fraction, fps: Fraction, number: int
) -> None:
    assert frame_at(frame, time_s, fps) == number


def test_seconds_are_derived_from_exact_rates() -> None:
    assert find_seconds(24000, Fraction(24000, 1001)) == 1001.0


@pytest.mark.parametrize("text", ["", "1:2:3:4", "00:61:00:00", "00:00:00:25", "ab:cd:ef:gh"])
def test_bad_timecodes_are_named(text: str) -> None:
    with pytest.raises(UsageError, match=repr(text)):
        parse_timecode(text, Fraction(25))


def test_labels_above_100_frames_have_three_digits_and_slow_films_one_frame_a_second() -> None:
    assert make_timecode(432_090, Fraction(120)) == "01:00:00:090"
    assert make_timecode(99, Fraction(100)) == "00:00:00:99"
    assert make_timecode(3, Fraction(1, 4)) == "00:00:03:00"


def test_drop_frame_at_120_leaves_out_eight_labels_a_minute() -> None:
    rate = Fraction(120_000, 1001)
    assert make_timecode(7200, rate, "00:00:00;00") == "00:01:00;008"
    assert count_frames_per_day(rate, is_drop=True) == parse_timecode("23:59:59;119", rate) + 1


@pytest.mark.parametrize(
    ("written", "fps", "counted"),
    [
        (Fraction(25), Fraction(50), Fraction(25)),
        (Fraction(2997, 100), Fraction(30000, 1001), Fraction(30000, 1001)),
        (Fraction(2997, 100), Fraction(60000, 1001), Fraction(30000, 1001)),
        (Fraction(24), Fraction(24000, 1001), Fraction(24000, 1001)),
        (Fraction(24000, 1001), Fraction(24), Fraction(24)),
        (Fraction(24), Fraction(120), Fraction(24)),
        (Fraction(25), Fraction(24), Fraction(25)),
        (Fraction(2997, 100), Fraction(24), Fraction(30000, 1001)),
        (Fraction(100), Fraction(25), Fraction(100)),
    ],
)
def test_timecode_counts_at_the_rate_of_the_pictures_or_a_small_multiple(
    written: Fraction, fps: Fraction, counted: Fraction
) -> None:
    assert find_counting_rate(written, fps) == counted
