"""What to do next: one sentence for each section of a report, computed from its figures.

Each function returns Markdown; names from people go through :func:`ops.notebooks.page.escape_text` before.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from ops.core.plural import plural
from ops.evaluation.classification import Interval
from ops.evaluation.cuts import CutScore

WELL_CALIBRATED = 0.1
"""Largest calibration error at which a score can be read as a probability: ten shots of a hundred."""
WIDE = 0.2
"""Width of an interval from which more labels are the next step."""
MANY_BLANK, MANY_SHORT, SHORT_S = 0.2, 0.1, 0.2


def judge_share(label: str, scores: NDArray[np.float64], threshold: float, yes: int, no: int) -> str:
    """Compare the share of shots with a yes to that of the labels, and give a threshold if it is larger.

    People label more yes than a catalogue has, because feeds offer likely shots. So the labels' share, with the upper
    end of its 95 % interval (Wilson 1927), is a bound from above.
    """
    said_count, total = int((scores >= threshold).sum()), len(scores)
    if not total:
        return f"Nothing is scored yet: run `needle probe score {label}`."
    if not yes or not no:
        missing = "yes" if not yes else "no"
        return f"Labels of both answers are needed to judge this: label some shots {missing}."
    share = yes / (yes + no)
    if said_count / total > bound_share(yes, yes + no):
        other_threshold = find_threshold(scores, share)
        advice = (
            f"raise the threshold to {other_threshold:.2f} (`threshold: {other_threshold:.2f}` in `probes.yaml`, then "
        )
        return (
            f"{said_count:,} of {plural(total, 'shot')} is more than the labels suggest ({share:.0%} of them are yes): "
            f"{advice}`needle probe fit {label}`), or label shots that are scored as a yes and are not."
        )
    if not said_count:
        best = float(scores.max())
        return (
            f"No shot of {total:,} reaches the threshold; the highest score is {best:.2f}: look at the best hits, and "
            "label those that are a yes."
        )
    return f"{said_count:,} of {plural(total, 'shot')} agrees with the labels, of which {share:.0%} are yes."


def bound_share(count: int, total: int) -> float:
    """Return the upper end of the 95 % interval of a share (Wilson 1927)."""
    z, share = 1.96, count / total
    middle = share + z * z / (2 * total)
    reach = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (middle + reach) / (1 + z * z / total)


def find_threshold(scores: NDArray[np.float64], share: float) -> float:
    """Return a threshold that about this share of the scores reaches, in steps of 0.01, rounded up."""
    return float(min(1.0, np.ceil(np.quantile(scores, 1 - share) * 100) / 100))


def judge_ranking(label: str, precision: Interval, words: Interval | None) -> str:
    """Decide whether the probe ranks well enough, or needs labels."""
    if words is not None and precision.value <= words.value:
        return (
            f"The words alone rank as well ({words.value:.2f} against {precision.value:.2f}): label more shots, in "
            f"other shows too (`needle probe suggest {label}`)."
        )
    if precision.high - precision.low > WIDE:
        return (
            f"The interval is wide ({precision.low:.2f} to {precision.high:.2f}): label more shots before this figure "
            f"decides anything (`needle probe suggest {label}`)."
        )
    return f"It ranks well: use it as a filter (`needle search --where '{label}>=0.5'`)."


def judge_calibration(error: Interval) -> str:
    """Decide whether scores can be read as probabilities."""
    if error.value <= WELL_CALIBRATED:
        return f"Scores can be read as probabilities: they are {error.value * 100:.0f} points off on average."
    return (
        f"Do not read scores as probabilities: they are {error.value * 100:.0f} points off on average. Their order "
        "still holds; more labels mend this."
    )


def judge_errors(label: str, false_yes: int, missed: int) -> str:
    """Return what to do about labelled shots that the probe scores the other way."""
    if not false_yes + missed:
        return "No label contradicts the probe."
    kinds = f"{plural(false_yes, 'false yes', 'false yes')} and {missed} missed"
    return (
        f"{kinds}: open the first ones. If a label is wrong, correct it (`needle label {label} SHOT --value yes` or "
        "`no`); if the label is right, label more shots like it."
    )


def judge_borderline(label: str, count: int, address: str) -> str:
    """Return where to label the shots near the threshold."""
    if not count:
        return ""
    return f"Label these {count} next, [on the page]({address}) or by `needle label {label} SHOT --value yes`."


def judge_catalogue(shots: int, blank: int, without_vector: int) -> str:
    """Return what is unusual about the shots of a catalogue."""
    advice = []
    if without_vector:
        advice.append(f"{plural(without_vector, 'shot')} without a vector: run `needle ingest` again.")
    if shots and blank / shots > MANY_BLANK:
        advice.append(f"{blank / shots:.0%} of the shots are blank: look at the films with most of them.")
    return " ".join(advice) or "Every shot has a vector, and few are blank: nothing to do."


def judge_lengths(lengths_s: NDArray[np.float64]) -> str:
    """Return whether shots are so short that the detector may cut too often."""
    short = int((lengths_s < SHORT_S).sum())
    verb = "is" if short == 1 else "are"
    if short / max(len(lengths_s), 1) > MANY_SHORT:
        return (
            f"{short:,} of {plural(len(lengths_s), 'shot')} {verb} shorter than {SHORT_S} s: look for cuts that are "
            "flashes (`needle shots VIDEO`), and merge them (`--merge`)."
        )
    return f"{short:,} of {plural(len(lengths_s), 'shot')} {verb} shorter than {SHORT_S} s: the cuts look sound."


def judge_same_images(shots: int, groups: int, grouped: int) -> str:
    """Return what groups of the same pictures save."""
    if not groups:
        return "No two shots show the same pictures: each one teaches something when it is labelled."
    return (
        f"{grouped:,} of {plural(shots, 'shot')} are in {plural(groups, 'group')}: label one of each group, which "
        f"saves {grouped - groups:,} answers."
    )


def judge_outliers(isolation: NDArray[np.float64]) -> str:
    """Return whether the most isolated shots stand out; ``isolation`` has each shot's distance to its neighbours."""
    middle, farthest = float(np.median(isolation)), float(isolation.max())
    count = int((isolation > 2 * middle).sum())
    if not count:
        return "No shot stands alone: the farthest is less than twice as far away as the middle one."
    times = f", the farthest {farthest / middle:.1f} times" if middle else ""
    stand = "is" if count == 1 else "are"
    return (
        f"{count:,} of {len(isolation):,} shots {stand} more than twice as far from their neighbours as the middle "
        f"one{times}: open them, and leave out what is leader, slate or damage."
    )


def judge_feeds(labels: int, gain: float, error: float) -> str:
    """Decide whether the feeds teach faster than random choice; ``error`` is the standard error of the gain."""
    if gain - 2 * error > 0:
        return f"Label by the feeds (`needle probe suggest LABEL`): at {labels} labels they are {gain:.3f} ahead."
    if gain + 2 * error < 0:
        return f"Label shots at random rather than by the feeds: at {labels} labels these are {-gain:.3f} behind."
    return f"At {labels} labels, feeds and random choice cannot be distinguished: more labels or replays decide it."


def judge_blocks(vector: Interval, chosen: Interval) -> str:
    """Decide whether features beside the vector are worth their computation."""
    gain = chosen.value - vector.value
    if chosen.low > vector.high:
        return f"Use the chosen blocks: they rank {gain:.3f} better than the vector alone, beyond both intervals."
    if gain > 0:
        return f"The gain of {gain:.3f} over the vector alone is within the intervals: more labels decide it."
    return "The vector alone ranks as well as the chosen blocks: use it, which is simpler to serve."


def judge_relevance(relevance: NDArray[np.float64], right: NDArray[np.bool_], error: float) -> str:
    """Decide whether relevance can be read as the share of right hits; ``error`` is its calibration error."""
    if error <= WELL_CALIBRATED:
        return f"Relevance can be read as the share of right hits: it is {error * 100:.0f} points off on average."
    side = "low" if relevance.mean() < right.mean() else "high"
    return (
        f"Relevance is too {side} here ({relevance.mean():.2f} on average, and {right.mean():.2f} of the hits are "
        "right): read it as an order only, and set the page's slider by eye. Grades of more films "
        "(`<film>.queries.jsonl`) show whether this is the catalogue or these queries."
    )


def judge_upgrade(spec: str, worse: int, too_little: int) -> str:
    """Return what to do about another encoder, for the reasons against it and those for which nothing can be said."""
    if worse:
        return f"Keep the current encoder: {plural(worse, 'figure is', 'figures are')} worse with `{spec}`."
    if too_little:
        return "Add captions or graded queries beside ingested films and run this again: there is too little to decide."
    return f"Nothing here speaks against it: `needle upgrade --encoder {spec}` compares searches and probes, too."


def judge_boundaries(
    kind: str, score: CutScore, interval: tuple[float, float] | None, worst_clip: str, measured_with: str
) -> str:
    """Return where to look first for the faults of a kind of boundary; ``worst_clip`` is the clip with most of them.

    ``interval`` is the 95 % interval of F1 over clips, ``None`` if there are too few clips for one.
    """
    annotated_count, found_count = score.right + score.missed, score.right + score.false
    if not annotated_count and not found_count:
        return f"{kind}: none is annotated and none was found. Add clips that have some."
    if not annotated_count:
        count = f"{found_count:,} were found"
        return f"{kind}: none is annotated, but {count}. Look at each, and annotate those that are right."
    faults = score.false + score.missed
    if not faults:
        return f"{kind}: all {annotated_count:,} are found, and nothing else is. Nothing to do."
    more, less = ("missed", "false") if score.missed >= score.false else ("false", "missed")
    counts = f"{getattr(score, more):,} {more} and {getattr(score, less):,} {less}, with {annotated_count:,} annotated"
    advice = f"Look at the {more} ones in {worst_clip} first: if the annotation is wrong, correct it there"
    other = "transnetv2" if measured_with != "transnetv2" else "auto"
    advice += f"; if it is right, measure another detector on these clips (`detector`: `{other}`)."
    if interval is None or interval[1] - interval[0] > WIDE:
        advice += " More clips are needed before the figure decides anything."
    return f"{kind}: {counts}. {advice}"


def judge_set_aside(clips: int, set_aside: int) -> str:
    """Return what to do about clips that were not measured."""
    if not set_aside:
        return ""
    return f"{plural(set_aside, 'clip')} of {clips + set_aside:,} could not be measured: the reasons are listed below."


def judge_editors_labels(precision: float, words: float | None, gain: float | None, paper_gain: float) -> str:
    """Decide what the published labels say about our probe; ``gain`` and ``paper_gain`` are points of a hundred."""
    if words is not None and precision <= words:
        return (
            f"The words alone rank as well as the probe (median {words:.2f} against {precision:.2f}): check that "
            "vectors and text vectors are of the same encoder before anything else."
        )
    if gain is None:
        return "Add the baseline's labels (`cmp/*.json` of the same download) to compare the gain with the paper's."
    if gain < paper_gain:
        return (
            f"The gain of {gain:+.1f} points is below the paper's {paper_gain:+.1f}: look at the labels with the "
            "lowest gain in the table below, and compare these with the paper's figures."
        )
    return f"The gain of {gain:+.1f} points reaches the paper's {paper_gain:+.1f}: nothing to do."


def judge_weakest_label(label: str, precision: float, yes: int, skipped: int) -> str:
    """Return which label to look at first, and whether labels have no figure."""
    advice = f"Begin with {label}: its average precision of {precision:.2f}, from {yes:,} yes, is the lowest."
    if skipped:
        advice += f" {plural(skipped, 'label has', 'labels have')} no figure, for the reasons below."
    return advice
