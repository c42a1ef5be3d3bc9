"""The page's timecode arithmetic is the one of ops.core.time."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from ops.core.time import is_drop_frame_rate, make_timecode, parse_timecode
from tests.browser.conftest import Desk

RATES = [
    Fraction(text)
    for text in ("24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60", "100", "120")
]
RATES += [Fraction(120000, 1001), Fraction("12.5"), Fraction("7.5"), Fraction(15)]


def run(desk: Desk, script: str, argument: Any) -> Any:
    return desk.page.evaluate(f"async given => {{ const t = await import('/page/timecode.js'); {script} }}", argument)


@pytest.fixture
def tab(desk: Desk) -> Desk:
    return desk.open()


def test_timecode_and_back_on_every_rate(tab: Desk) -> None:
    chosen = random.Random(1)
    cases: list[list[Any]] = []
    for rate in RATES:
        starts = ["00:00:00:00", "01:00:00:00", "23:59:50:00"]
        starts += ["00:00:00;00", "00:59:59;10", "23:59:59;20"] if round(rate) > 20 else []
        base = round(rate)
        edges = [0, 1, base, 60 * base - 1, 60 * base, 600 * base, 86_400 * base, 1799, 1800, 17_981, 17_982, 107_892]
        for start in starts:
            frames = edges + [chosen.randrange(0, 24 * 3600 * base) for _ in range(40)]
            cases += [[frame, f"{rate.numerator}/{rate.denominator}", start] for frame in frames]
    told = run(tab, "return given.map(([frame, rate, start]) => t.timecodeOf(frame, t.rateOf(rate), start))", cases)
    assert told == [make_timecode(frame, Fraction(rate), start) for frame, rate, start in cases]
    back = [[timecode, rate] for timecode, (_, rate, _) in zip(told, cases, strict=True)]
    frames = run(tab, "return given.map(([timecode, rate]) => t.frameOf(timecode, t.rateOf(rate)))", back)
    assert frames == [parse_timecode(timecode, Fraction(rate)) for timecode, rate in back]


def test_drop_frame_rates_and_bad_timecodes(tab: Desk) -> None:
    rates = [f"{rate.numerator}/{rate.denominator}" for rate in RATES]
    told = run(tab, "return given.map(rate => t.isDropFrameRate(t.rateOf(rate)))", rates)
    assert told == [is_drop_frame_rate(rate) for rate in RATES]
    bad = ["", "1:2:3:4", "00:61:00:00", "00:00:00:25", "ab:cd:ef:gh"]
    script = (
        "return given.map(text => { try { t.frameOf(text, t.rateOf('25')); return '' } catch (e) { return e.name } })"
    )
    assert run(tab, script, bad) == ["RangeError"] * len(bad)


def test_a_frame_before_and_after_the_shot_counts_from_its_timecode(tab: Desk) -> None:
    shot = {"start_frame": 1000, "start_timecode": "01:00:00;02", "fps": "30000/1001"}
    script = "return [-5, 0, 1799].map(by => t.timecodeIn(given, given.start_frame + by))"
    first = parse_timecode("01:00:00;02", Fraction(30000, 1001))
    want = [make_timecode(first + by, Fraction(30000, 1001), "00:00:00;00") for by in (-5, 0, 1799)]
    assert run(tab, script, shot) == want
    assert run(tab, "return t.frameIn(given, '01:00:00;12')", shot) == 1010


def test_timecode_follows_the_clock_over_a_gap_within_a_shot(tab: Desk) -> None:
    shot = {"start_frame": 100, "start_timecode": "00:00:04:00", "fps": "25/1", "times": [0, 0.04, 0.081, 2.08, 2.12]}
    script = "return [0, 1, 2, 3, 4, 9].map(by => t.timecodeIn(given, given.start_frame + by, given.times))"
    frames = ("04:00", "04:01", "04:02", "06:02", "06:03", "04:09")
    assert run(tab, script, shot) == [f"00:00:{frame}" for frame in frames]
