"""The rule for replacing one encoder by another, from their answers to the same captions and graded queries.

The one rule, for ``needle upgrade``, ``needle evaluate --against`` and the report. It is a test of non-inferiority (ICH
E9; the lower end of the two-sided 95 % interval is that of a one-sided test at 2.5 %). An interval that holds 0 does
not show that two encoders are equal; the interval of few shots always holds 0. So the candidate has to show that it is
not worse than the margin. Pure numpy, as :mod:`ops.evaluation.shows`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypedDict

import numpy as np

from ops.core.plural import plural
from ops.evaluation.questions import choose_drawn_unit, compute_chance, list_questions
from ops.evaluation.retrieval import estimate_paired_interval
from ops.evaluation.shows import PARTS, ShowAnswer

LEAST_SHOTS = 10
"""Least number of captioned shots for a decision, and of shots or queries for a part.

Bootstrap intervals of fewer values are too narrow themselves, and that of one value has no width at all.
"""
MARGIN = 0.1
"""Acceptable loss, as a share of the live encoder's result beyond chance.

A tenth is a material difference, less than a twentieth does not count (Spärck Jones, Automatic indexing, Journal of
Documentation 30, 1974). Beyond chance, because among few shots an encoder without any knowledge reaches most of the
figure too.
"""
ALL = "all"
TITLES = {
    ALL: "all questions",
    "text_to_video": "caption → shot",
    "video_to_text": "shot → caption",
    "graded": "graded queries",
}


class ComparedPart(TypedDict):
    """nDCG@10 of both encoders and of chance in one part, and the difference with its 95 % interval."""

    live: float
    candidate: float
    chance: float
    drawn: int
    difference: float
    low: float
    high: float


class ComparedAnswers(TypedDict):
    """Both encoders' results on some shows, by part."""

    shots: int
    shows: list[str]
    drawn_by: str
    parts: dict[str, ComparedPart]


class EncoderVerdict(ComparedAnswers):
    """The result of :func:`judge_answers`."""

    margin: float
    learned: ComparedAnswers | None
    left_out: list[str]
    worse: list[str]
    too_little: list[str]


def judge_answers(
    candidate: Sequence[ShowAnswer],
    live: Sequence[ShowAnswer],
    *,
    learned: Collection[str] = (),
    live_learned: Collection[str] = (),
) -> EncoderVerdict:
    """Judge ``candidate`` by its answers and those of ``live`` to the same tasks, in the same order.

    Shows that neither was fitted on decide: ``shots`` of them are captioned, in ``shows``. ``parts`` has, for
    :data:`TITLES`, nDCG@10 of ``live``, ``candidate`` and ``chance``. It has the ``difference`` with its 95 % interval,
    ``low`` to ``high``, from ``drawn`` shots, queries or shows. ``margin`` is the acceptable loss over all questions.

    ``learned`` is the same for shows that only the candidate was fitted on: there a loss counts and a gain proves
    nothing. Shows that the live one was fitted on are ``left_out``, because it may know them too well.

    ``worse`` and ``too_little`` are sentences against the candidate: losses beyond chance of at least
    :data:`LEAST_SHOTS` drawn, and evidence that cannot exclude a loss of ``margin``.
    """
    both = [(now, then) for now, then in zip(candidate, live, strict=True) if len(now.task.items) > 1]
    live_pairs = [pair for pair in both if pair[0].task.show in live_learned]
    fitted_pairs = [pair for pair in both if pair not in live_pairs and pair[0].task.show in learned]
    decision = _measure([pair for pair in both if pair not in live_pairs and pair not in fitted_pairs])
    again = _measure(fitted_pairs) if fitted_pairs else None
    overall = decision["parts"].get(ALL)
    margin = MARGIN * max(0.0, overall["live"] - overall["chance"]) if overall else 0.0
    left_out = sorted({pair[0].task.show for pair in live_pairs})
    worse = [
        *_describe_losses(decision, "it finds less than the live one"),
        *(_describe_losses(again, "it finds less even on the shows that it was fitted on") if again else ()),
    ]
    return {
        **decision,
        "margin": margin,
        "learned": again,
        "left_out": left_out,
        "worse": worse,
        "too_little": _describe_gap(decision, margin, bool(again or left_out)),
    }


def _measure(pairs: Sequence[tuple[ShowAnswer, ShowAnswer]]) -> ComparedAnswers:
    candidate, live = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    comparisons: dict[str, ComparedPart] = {}
    for name in TITLES:
        parts = PARTS if name == ALL else (name,)
        after, groups = list_questions(candidate, parts)
        before, _ = list_questions(live, parts)
        if len(after):
            difference, low, high = estimate_paired_interval(after, before, groups_M=groups)
            comparisons[name] = {
                "live": float(before.mean()),
                "candidate": float(after.mean()),
                "chance": compute_chance(live, parts),
                "drawn": len(np.unique(groups)),
                "difference": difference,
                "low": low,
                "high": high,
            }
    return {
        "shots": sum(len(answer.item_ranks_N) for answer in candidate),
        "shows": sorted({answer.task.show for answer in candidate}),
        "drawn_by": choose_drawn_unit(candidate, PARTS),
        "parts": comparisons,
    }


def _describe_losses(answers: ComparedAnswers, claim: str) -> list[str]:
    """The losses beyond chance, as one sentence; none if there are no losses."""
    losses = {
        name: each for name, each in answers["parts"].items() if each["high"] < 0 and each["drawn"] >= LEAST_SHOTS
    }
    if not losses:
        return []
    first, *others = losses
    figures = f"{losses[first]['live']:.3f} → {losses[first]['candidate']:.3f} ({_format_interval(losses[first])})"
    also = f", also in {', '.join(TITLES[name] for name in others)}" if others else ""
    which = f"{plural(answers['shots'], 'captioned shot')} of {', '.join(answers['shows'])}"
    return [f"{claim}: nDCG@10 on {which}, {TITLES[first]} {figures}{also}"]


def _describe_gap(decision: ComparedAnswers, margin: float, is_chosen: bool) -> list[str]:
    """The gap in the evidence, as one sentence; none if it is enough. ``is_chosen``: there are other shows."""
    shots, overall = decision["shots"], decision["parts"].get(ALL)
    which = "captioned shots" + (" of shows that neither encoder was fitted on" if is_chosen else "")
    if not overall:
        return [f"there are no {which} to compare by"]
    uncertainty = f"cannot exclude a loss of up to {-overall['low']:.2g} nDCG@10 ({_format_interval(overall)})"
    if shots < LEAST_SHOTS:
        also = f", and these {uncertainty}" if overall["low"] < 0 else ""
        return [f"there are only {shots} {which}: fewer than {LEAST_SHOTS} decide nothing{also}"]
    if overall["high"] < 0 or overall["low"] >= -margin:
        return []
    allowance = f"{margin:.2g} is accepted, a tenth of the live encoder's lead over chance"
    return [f"these {shots} {which} {uncertainty}; {allowance}"]


def _format_interval(each: ComparedPart) -> str:
    return f"{each['difference']:+z.3f}, {each['low']:+z.3f} to {each['high']:+z.3f}"
