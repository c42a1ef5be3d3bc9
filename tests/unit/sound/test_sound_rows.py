"""The sound of a shot from that of its film, and its kinds at their thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ops.core.rows import LakeShotSound
from ops.sound.kinds import KINDS
from ops.sound.measure import FilmSound
from ops.sound.rows import build_shot_row, find_silence, measure_shot
from tests.builders.lakes import COMPUTED, shot_rows

LOUD = [-20.0] * 10


def film(
    levels: Sequence[float], *, integrated: float | None = -20.0, speech: Sequence[tuple[float, float]] | None = ()
) -> FilmSound:
    ranges = None if speech is None else np.array(speech, np.float64).reshape(-1, 2)
    length_s = (len(levels) + 3) / 10
    return FilmSound(length_s=length_s, momentary=np.array(levels, np.float32), integrated=integrated, speech=ranges)


def row(sound: FilmSound, start_s: float, end_s: float) -> LakeShotSound:
    shot: Any = shot_rows(0)[0] | {"start_s": start_s, "end_s": end_s}
    return build_shot_row(shot, measure_shot(sound, find_silence(sound), start_s, end_s), None, "0" * 16, COMPUTED)


def test_windows_across_a_cut_count_in_neither_shot() -> None:
    """The four windows that begin from 0.7 to 0.9 s reach over the cut at 1 s."""
    levels = [-20.0] * 7 + [-21.3, -23.0, -26.0] + [-120.0] * 7
    sound = film(levels)
    before, after = row(sound, 0, 1), row(sound, 1, 2)
    assert (before["loudness"], before["kinds"]) == (-20, "")
    assert (after["loudness"], after["silence"], after["kinds"]) == (None, 1, "silent")
    assert after["silence_ms"] == [1000, 2000] and before["silence_ms"] == []


def test_loudness_is_a_mean_of_power() -> None:
    result = row(film([-20.0] * 5 + [-80.0] * 5), 0, 1.3)
    assert result["loudness"] == pytest.approx(-20 + 10 * np.log10(0.5), abs=0.01)


def test_a_shot_under_half_a_second_has_the_loudness_around_its_middle() -> None:
    assert row(film([*LOUD, -30.0, *LOUD]), 1.15, 1.25)["loudness"] == -30
    assert row(film([-30.0, *LOUD]), 0, 0.04)["loudness"] == -30, "the first window there is"
    assert row(film([*LOUD, -30.0]), 1.36, 1.4)["loudness"] == -30, "the last one"


def test_the_end_of_a_silent_film_is_silent() -> None:
    """Its last 0.07 s are less than a step."""
    sound = film([-120.0] * 10, integrated=None)
    longer = FilmSound(length_s=1.37, momentary=sound.momentary, integrated=None, speech=sound.speech)
    assert row(longer, 1.0, 1.37)["silence"] == 1
    assert row(longer, 0, 1.37)["relative_loudness"] is None


@pytest.mark.parametrize(
    ("level", "kinds"),
    [(-27.9, ""), (-28.1, "quiet"), (-14.1, ""), (-13.9, "loud"), (-59.9, "quiet"), (-60.1, "silent")],
)
def test_loud_and_quiet_are_judged_against_the_film(level: float, kinds: str) -> None:
    assert row(film([level] * 20), 0, 2.3)["kinds"] == kinds


def test_a_film_without_integrated_loudness_is_neither_loud_nor_quiet() -> None:
    assert row(film([-65.0] * 20, integrated=None), 0, 2.3)["kinds"] == "silent"


@pytest.mark.parametrize(
    ("speech", "end_s", "kinds"),
    [
        ([(0.0, 0.5)], 2.0, "speech"),
        ([(0.0, 0.4)], 2.0, ""),
        ([(0.0, 0.6), (7.0, 7.5)], 20.0, "speech"),
        ([(0.0, 0.6), (7.0, 7.3)], 20.0, ""),
        ([], 20.0, ""),
        (None, 20.0, ""),
    ],
)
def test_a_quarter_or_a_second_of_voices_is_speech(
    speech: list[tuple[float, float]] | None, end_s: float, kinds: str
) -> None:
    result = row(film([-20.0] * 197, speech=speech), 0, end_s)
    assert result["kinds"] == kinds
    assert (result["speech"] is None) == (speech is None) == (result["speech_ms"] is None)


def test_stretches_are_cut_at_the_shot() -> None:
    result = row(film([-20.0] * 50, speech=[(0.5, 1.5), (1.75, 2.5), (4.0, 5.0)]), 1, 2)
    assert result["speech_ms"] == [1000, 1500, 1750, 2000] and result["speech"] == 0.75


def test_a_quiet_shot_may_have_speech_and_a_silent_one_no_level() -> None:
    assert row(film([-30.0] * 20, speech=[(0.0, 2.3)]), 0, 2.3)["kinds"] == "quiet,speech"
    assert set(KINDS) == {"quiet", "loud", "silent", "speech"}


def test_a_shot_that_was_not_measured_has_no_kind() -> None:
    shot: Any = shot_rows(0)[0]
    nothing = build_shot_row(shot, None, "no reason", "0" * 16, COMPUTED)
    assert nothing["kinds"] is nothing["loudness"] is nothing["speech_ms"] is None and nothing["reason"] == "no reason"
    assert row(film([]), 0, 0.2)["kinds"] is None, "a film shorter than a window"
