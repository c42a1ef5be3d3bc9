"""The frame rate of a source, by a rule that compares the header's claims with the times of its frames.

Containers are wrong or round: Matroska, FLV and ASF count milliseconds, a program stream 90 kHz, a header may claim 24
for a recording of any rate. So times decide, and claims only choose between rates that explain the times:

1. A rate explains the times if each frame is within rounding of the time that the rate gives it: one tick, two after a
   second rounding, four of a program stream. Order: claims that are written in the file (codec parameters, then
   container), production rates (the one with the smallest error), then rates that FFmpeg computed and the plain mean.
2. Else the same rates, with up to a tenth of the steps between frames longer or shorter: a first frame that is shown
   longer, a pause, dropped frames. The rate stays, and times follow the clock.
3. Else the same rates with jitter that does not accumulate, up to 0.1 of a frame either way: a steady clock that was
   read unsteadily. Soft telecine (two and three fields in turn) is a steady 24 in the same way.
4. Else the rate varies, and the mean is given.

An AVI has no clock but its header: its rate stays unless fewer than half of the steps are one frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

MIN_RATE, MAX_RATE = Fraction(1, 100), 1_000
MAX_ALONE = 300
"""Largest claim that is accepted for a single frame: higher ones count ticks."""
DEFAULT_RATE = Fraction(25)

STANDARD_RATES = (
    *(rate for base in (24, 30, 48, 60, 120, 240) for rate in (Fraction(base * 1000, 1001), Fraction(base))),
    *map(Fraction, (25, 50, 100, 200, 15, 12, 10, 20, 5, 1)),
    *(Fraction(rate) for rate in ("25/2", "15000/1001", "12000/1001", "15/2", "8")),
)
"""SMPTE and EBU production rates, then the common low ones of screens and cameras."""

IRREGULAR_SHARE, IRREGULAR_SHARE_AVI = 0.1, 0.5
SHORT_END = 8
"""Steps that must come before a last one that is left out."""
COARSE_FRAMES = 0.25
"""Rounding explains no more than this part of a frame: an AVI has one tick a frame, and rounds nothing."""
FINE_FRAMES = 0.02
"""Program streams round three times; four of their ticks are far below this part of a frame, four milliseconds not."""
JITTER_FRAMES = 0.2
"""Largest distance between the earliest and the latest frame, measured from the grid of a rate, in frames."""


@dataclass(frozen=True, kw_only=True)
class RateClaim:
    """A rate that is claimed. ``is_written`` if it is in the file, false if FFmpeg computed it from times."""

    rate: Fraction
    source: str
    is_written: bool


@dataclass(frozen=True, kw_only=True)
class FrameRate:
    """The rate, whether it varies, and in plain words why. ``irregular`` is the number of steps that are not one frame,
    ``is_telecined`` is true for soft telecine, and ``contradictions`` are claims that the times refute."""

    fps: Fraction
    is_variable: bool
    evidence: str
    irregular: int = 0
    is_telecined: bool = False
    contradictions: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Fit:
    """How well a rate explains times. ``spread`` is the range of the errors in ticks, ``step`` one frame in ticks.
    ``largest`` is the largest error of a single step, ``irregular`` the number of steps that are not one frame.
    ``longer`` is the length of the whole in frames minus its number of frames."""

    spread: float
    step: float
    largest: float
    irregular: int
    steps: int
    longer: float

    @property
    def is_jitter(self) -> bool:
        """A bounded error that does not accumulate: its range is not much more than single steps are off.

        Errors between -a and a give steps that are off by a to 2a; errors of the steps themselves add up.
        """
        return self.spread <= JITTER_FRAMES * self.step and self.spread <= 2 * self.largest


def find_rate(
    times: Sequence[int], tick: Fraction, claims: Iterable[RateClaim], *, irregular_share: float = IRREGULAR_SHARE
) -> FrameRate:
    """Return the rate of frames shown at ``times``, ascending, in units of ``tick`` seconds."""
    usable = [claim for claim in claims if MIN_RATE <= claim.rate <= MAX_RATE]
    if len(times) < 3 or times[-1] <= times[0]:
        return _choose_rate_of_few(times, tick, usable)
    times = _drop_short_end(times)
    ticks_N = np.asarray(times, np.float64) - times[0]
    mean = 1 / (Fraction(times[-1] - times[0], len(times) - 1) * tick)
    step = float(np.median(np.diff(ticks_N)))  # zero if most frames share their time with the one before
    typical = 1 / (step * float(tick)) if step else float(mean)
    near = [claim for claim in usable if _is_near(claim.rate, typical) or _is_near(claim.rate, float(mean))]
    standard = [
        RateClaim(rate=rate, source="production rate", is_written=False)
        for rate in STANDARD_RATES
        if _is_near(rate, typical) or _is_near(rate, float(mean))
    ]
    written_claims = [claim for claim in near if claim.is_written]
    computed_claims = [claim for claim in near if not claim.is_written]
    slope = float(np.polyfit(np.arange(len(ticks_N)), ticks_N, 1)[0])
    fitted_rate = (1 / (Fraction(slope) * tick)).limit_denominator(1001) if slope > 0 else mean
    # A clock that jumps by hours gives rates outside of the bounds.
    means = [rate for rate in (mean, fitted_rate) if MIN_RATE <= rate <= MAX_RATE]
    computed_claims += [RateClaim(rate=rate, source="mean", is_written=False) for rate in means]
    result = (
        _explain(written_claims, standard, computed_claims, ticks_N, tick, share=0.0)
        or _explain(
            written_claims,
            standard,
            computed_claims[: len(computed_claims) - len(means)],
            ticks_N,
            tick,
            share=irregular_share,
        )
        or _explain_telecine(ticks_N, tick)
        or _explain_jitter([*written_claims, *standard], ticks_N, tick, irregular_share)
    )
    if result is None:
        usual = Fraction(typical).limit_denominator(1001)
        fps = next((rate for rate in (*means[:1], usual) if MIN_RATE <= rate <= MAX_RATE), DEFAULT_RATE)
        result = FrameRate(fps=fps.limit_denominator(1001), is_variable=True, evidence="times of its pictures vary")
    contradictions = [claim for claim in usable if claim.is_written and not _is_multiple(claim.rate, result.fps)]
    return FrameRate(
        fps=result.fps,
        is_variable=result.is_variable,
        evidence=result.evidence,
        irregular=result.irregular,
        is_telecined=result.is_telecined,
        contradictions=tuple(f"{claim.source}: {format_rate(claim.rate)}" for claim in contradictions),
    )


def _drop_short_end(times: Sequence[int]) -> Sequence[int]:
    """Return the times without the last one if it comes early: at its end FFmpeg gives a GXF the time of a field."""
    steps = np.diff(times)
    return times[:-1] if len(steps) > SHORT_END and steps[-1] < 0.75 * float(np.median(steps)) else times


def format_rate(rate: Fraction) -> str:
    """Return a rate as text: ``25``, ``12.5``, ``23.976 (24000/1001)``."""
    if rate.denominator == 1:
        return str(rate.numerator)
    if (rate * 1000).denominator == 1:
        return f"{float(rate):g}"
    return f"{float(rate):.3f} ({rate.numerator}/{rate.denominator})"


def _choose_rate_of_few(times: Sequence[int], tick: Fraction, claims: Sequence[RateClaim]) -> FrameRate:
    """Return the rate of one or two frames: the best claim that their distance does not refute."""
    candidates = sorted(claims, key=lambda claim: (claim.rate > MAX_ALONE, not claim.is_written))
    if len(times) == 2 and times[1] > times[0]:
        seen_rate = 1 / ((times[1] - times[0]) * tick)
        candidates = [claim for claim in candidates if _is_near(claim.rate, float(seen_rate))] or candidates
    elif candidates and candidates[0].rate > MAX_ALONE:
        candidates = []
    if candidates:
        return FrameRate(
            fps=candidates[0].rate, is_variable=False, evidence=f"{candidates[0].source}; too few pictures"
        )
    return FrameRate(fps=DEFAULT_RATE, is_variable=False, evidence="assumed: nothing in the file names a rate")


def _is_near(rate: Fraction, seen_rate: float) -> bool:
    return abs(float(rate) - seen_rate) < seen_rate / 10


def _is_same(one: Fraction, other: Fraction) -> bool:
    """Return whether rates are equal but for the rounding of a duration in nanoseconds or microseconds."""
    return abs(one - other) < one / 20_000


def _is_multiple(claim: Fraction, rate: Fraction) -> bool:
    """Return whether a claim is the rate or a whole multiple: headers count fields, or several ticks a frame."""
    return claim > rate / 2 and _is_same(claim, rate * round(claim / rate))


def _explain(
    written_claims: Sequence[RateClaim],
    standard: Sequence[RateClaim],
    computed_claims: Sequence[RateClaim],
    ticks_N: npt.NDArray[np.float64],
    tick: Fraction,
    *,
    share: float,
) -> FrameRate | None:
    """Return the first rate by rule 1, or by rule 2 if ``share`` of the steps may be irregular."""
    fits = {
        claim: _fit(claim.rate, ticks_N, tick, with_irregular=share > 0)
        for claim in (*written_claims, *standard, *computed_claims)
    }
    for ticks, part in ((1.0, COARSE_FRAMES), (2.0, COARSE_FRAMES), (4.0, FINE_FRAMES)):
        fitting = {
            claim: fit
            for claim, fit in fits.items()
            if fit.spread <= min(ticks + 1e-3, part * fit.step) and fit.irregular <= share * fit.steps
        }
        # A rate that is not written in the file is a weak claim: with jitter of two ticks, any rate may fit.
        last = computed_claims if ticks == 1 else ()
        candidates = (*written_claims, *sorted(standard, key=lambda claim: fits[claim].spread), *last)
        best = next((claim for claim in candidates if claim in fitting), None)
        if best is not None:
            return _build_rate(best, fitting[best])
    return None


def _explain_jitter(
    claims: Sequence[RateClaim], ticks_N: npt.NDArray[np.float64], tick: Fraction, share: float
) -> FrameRate | None:
    for with_irregular in (False, True):
        fits = {claim: _fit(claim.rate, ticks_N, tick, with_irregular=with_irregular) for claim in claims}
        for claim, fit in sorted(fits.items(), key=lambda item: (not item[0].is_written, item[1].spread)):
            if fit.is_jitter and fit.irregular <= share * fit.steps:
                return _build_rate(claim, fit, ", with jitter that does not accumulate")
    return None


def _explain_telecine(ticks_N: npt.NDArray[np.float64], tick: Fraction) -> FrameRate | None:
    """Detect frames shown for two and three fields in turn: film at 4/5 of the rate of the fields' frames."""
    steps_N = np.diff(ticks_N)
    for rate in (Fraction(24000, 1001), Fraction(24)):
        field = float(1 / (rate * Fraction(5, 2) * tick))
        fields_N = np.round(steps_N / field)
        is_whole = np.abs(steps_N - fields_N * field) <= max(2.0, 0.02 * field)
        in_turn = (fields_N[1:] + fields_N[:-1] == 5) & is_whole[1:] & is_whole[:-1]
        if len(in_turn) > 2 and in_turn.mean() > 1 - IRREGULAR_SHARE:
            why = "pictures are shown for two and three fields in turn (soft telecine): the rate of the film"
            return FrameRate(fps=rate, is_variable=False, evidence=why, is_telecined=True)
    return None


def _build_rate(claim: RateClaim, fit: _Fit, how: str = "") -> FrameRate:
    evidence = f"times of its pictures, {claim.source}{how}"
    if fit.irregular:
        evidence += f"; {fit.irregular} of {fit.steps} steps are not one frame"
    # Steps that balance each other come from a careless container (program streams), not from missing frames.
    irregular = fit.irregular if abs(fit.longer) > 0.5 else 0
    return FrameRate(fps=_tidy(claim.rate), is_variable=False, evidence=evidence, irregular=irregular)


def _tidy(rate: Fraction) -> Fraction:
    """Return the production rate that a claim rounds, or the claim itself."""
    return next((standard for standard in STANDARD_RATES if _is_same(standard, rate)), rate)


def _fit(rate: Fraction, ticks_N: npt.NDArray[np.float64], tick: Fraction, *, with_irregular: bool) -> _Fit:
    step = float(1 / (rate * tick))
    steps_N = np.diff(ticks_N)
    if not with_irregular:
        errors_N = ticks_N - np.arange(len(ticks_N)) * step
        irregular = 0
    else:
        whole_N = np.round(steps_N / step)
        errors_of_steps_N = steps_N - whole_N * step
        is_break_N = np.abs(errors_of_steps_N) > max(2.0, JITTER_FRAMES * step)
        errors_N = np.concatenate([[0.0], np.cumsum(np.where(is_break_N, 0.0, errors_of_steps_N))])
        irregular = int(np.count_nonzero(is_break_N | (whole_N != 1)))
    largest = float(np.abs(np.diff(errors_N)).max())
    longer = float(ticks_N[-1]) / step - len(steps_N)
    return _Fit(float(np.ptp(errors_N)), step, largest, irregular, len(steps_N), longer)
