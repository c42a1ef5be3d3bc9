"""Documents about a probe for people and programs: definition, labels, figures, history, and example shots.

Label counts are of today's labels; a version's ``yes`` and ``no`` count the labels of its fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from ops.core.settings import Settings
from ops.probes.annotations import AnnotationCounts, ResolvedLabel
from ops.probes.definitions import ProbeDefinition, load_definitions
from ops.probes.fit import LabelCoverage
from ops.probes.labels import list_labels, resolve_labels
from ops.probes.scores import scores_table
from ops.probes.state import Verdict, read_promoted_version, read_state
from ops.probes.vectors import find_embedded
from ops.probes.versions import ProbeVersion, list_versions, read_version
from ops.shots.build import TABLE as SHOTS


class ProbeFigure(TypedDict):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class ProbeFigures(TypedDict):
    """The version that scores the catalogue. Without one, the keys that are not required are missing."""

    kind: str
    fitted_at: str | None
    yes: int
    no: int
    threshold: float | None
    metrics: dict[str, ProbeFigure]
    encoder_id: NotRequired[str]
    strength: NotRequired[float]
    text_weight: NotRequired[float]
    held_out_by: NotRequired[str]


class LabelFigures(TypedDict):
    """Counts of a label's shots; ``since`` and ``since_fit`` count the changes after a fit."""

    yes: int
    no: int
    conflicts: int
    gone: int
    since: int
    since_fit: int


class VerdictDocument(TypedDict):
    """A :class:`Verdict` as JSON."""

    version: str
    over: str
    promoted: bool
    reason: str
    by: str
    at: str


class ProbeDocument(ProbeFigures):
    """A probe with its label, figures and history."""

    label: str
    description: str
    queries: list[str]
    policy: str
    promoted: str
    latest: str
    versions: list[str]
    labels: LabelFigures
    conflicts: int
    left_out: int
    notes: list[str]
    verdicts: list[VerdictDocument]


class ProbeWithReport(ProbeDocument):
    """The document of ``needle probe show --json``: the probe, and the page of its report if there is one."""

    report: str | None


class AnnotatorCounts(TypedDict):
    """The valid annotations of one person."""

    annotator: str
    yes: int
    no: int


def probe_document(
    settings: Settings,
    label: str,
    definitions: dict[str, ProbeDefinition] | None = None,
    resolved_labels: Sequence[ResolvedLabel] | None = None,
    embedded_ids: Container[str] | None = None,
) -> ProbeDocument:
    """Return the document of ``needle probe show --json``; texts are empty if the probe is not defined or not fitted.

    Figures (``metrics``: value, low, high of the 95 % interval) are those of the ``promoted`` version, which scores
    the catalogue. ``definitions``, ``resolved_labels`` (the label's shots) and ``embedded_ids`` (shots with a
    vector) save reading them again.
    """
    definition = (load_definitions(settings) if definitions is None else definitions).get(label)
    state, version = read_state(settings, label), read_promoted_version(settings, label)
    latest = version if state.latest in ("", state.promoted) else read_version(settings, label, state.latest)
    if resolved_labels is None:
        resolved_labels = resolve_labels(settings, [label]) if label in list_labels(settings) else []
    queries = list(definition.queries) if definition else []
    if version and embedded_ids is None:
        embedded_ids = find_embedded(settings, version.encoder_id, (each.latest.shot_id for each in resolved_labels))
    coverage = LabelCoverage.measure(resolved_labels, embedded_ids if version else None)
    used_queries = () if version and version.kind == "logistic" else queries
    return {
        "label": label,
        "description": definition.description if definition else "",
        "queries": queries,
        "policy": definition.threshold if definition else "",
        "promoted": state.promoted,
        "latest": state.latest,
        "versions": list_versions(settings, label),
        **_collect_figures(version),
        "labels": _count_labels(version, latest, resolved_labels, embedded_ids),
        "conflicts": coverage.conflicts,
        "left_out": coverage.left_out,
        "notes": coverage.notes(label, used_queries, version.encoder_id if version else ""),
        "verdicts": [_describe_verdict(verdict) for verdict in state.verdicts],
    }


def _collect_figures(version: ProbeVersion | None) -> ProbeFigures:
    if version is None:
        return {"kind": "", "fitted_at": None, "yes": 0, "no": 0, "threshold": None, "metrics": {}}
    metrics: dict[str, ProbeFigure] = {
        name: {"value": each.value, "low": each.low, "high": each.high} for name, each in version.metrics.items()
    }
    return {
        "kind": version.kind,
        "encoder_id": version.encoder_id,
        "yes": version.yes,
        "no": version.no,
        "threshold": version.threshold,
        "strength": version.strength,
        "text_weight": version.text_weight,
        "fitted_at": version.created_at,
        "held_out_by": version.splits,
        "metrics": metrics,
    }


def _count_labels(
    version: ProbeVersion | None,
    latest: ProbeVersion | None,
    labels: Sequence[ResolvedLabel],
    embedded_ids: Container[str] | None,
) -> LabelFigures:
    counts = AnnotationCounts.count(labels)
    return {
        "yes": counts.yes,
        "no": counts.no,
        "conflicts": counts.conflicts,
        "gone": counts.gone,
        "since": _count_changes(version, labels, embedded_ids),
        "since_fit": _count_changes(latest, labels, embedded_ids),
    }


def _describe_verdict(verdict: Verdict) -> VerdictDocument:
    return {
        "version": verdict.version,
        "over": verdict.over,
        "promoted": verdict.promoted,
        "reason": verdict.reason,
        "by": verdict.by,
        "at": verdict.at,
    }


def _count_changes(
    version: ProbeVersion | None, labels: Iterable[ResolvedLabel], embedded_ids: Container[str] | None
) -> int:
    """Count shots whose label changed since the version's fit: labelled, changed, withdrawn or gone.

    Labelled shots without a vector do not count: no fit can use them.
    """
    truths = version.truths if version else {}
    present = [
        each
        for each in labels
        if not each.missing_reason and (embedded_ids is None or each.latest.shot_id in embedded_ids)
    ]
    now = {each.latest.shot_id: each.value for each in present}
    return sum(truths.get(shot) != now.get(shot) for shot in truths.keys() | now.keys())


def count_annotators(labels: Iterable[ResolvedLabel]) -> list[AnnotatorCounts]:
    """Return ``{"annotator", "yes", "no"}`` for each annotator with valid annotations, most annotations first."""
    votes = [vote for each in labels if not each.missing_reason for vote in each.by_annotator.values()]
    counts = Counter((vote.annotator, bool(vote.value)) for vote in votes)
    names = Counter(vote.annotator for vote in votes)
    return [
        {"annotator": name, "yes": counts[name, True], "no": counts[name, False]}
        for name, _ in sorted(names.items(), key=lambda item: (-item[1], item[0]))
    ]


@dataclass(frozen=True, kw_only=True)
class ProbeExample:
    """A shot with its score, 0 to 1, and its label; ``None`` without a label."""

    shot_id: str
    score: float
    truth: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ProbeExamples:
    """Example shots of one probe. ``false_yes`` and ``missed`` have held-out scores, from fits without the shot."""

    top: tuple[ProbeExample, ...]
    borderline: tuple[ProbeExample, ...]
    false_yes: tuple[ProbeExample, ...]
    missed: tuple[ProbeExample, ...]
    scored: int
    said_yes: int


def find_examples(settings: Settings, version: ProbeVersion, count: int) -> ProbeExamples:
    """Return at most ``count`` shots of each kind: best scores, borderline scores, and errors; clearest first.

    Blank shots are left out of ``top`` and ``borderline``.
    """
    rows = settings.lake.read(scores_table(version.label), columns=["shot_id", "score"])
    scores = dict(zip(rows["shot_id"].to_pylist(), rows["score"].to_pylist(), strict=True))
    shots = settings.lake.read(SHOTS, columns=["shot_id", "is_blank"])
    blank = {shot for shot, is_blank in zip(*(column.to_pylist() for column in shots.columns), strict=True) if is_blank}
    visible = {shot: score for shot, score in scores.items() if shot not in blank}
    unlabelled_ids = [shot for shot in visible if shot not in version.truths]

    def example(shot: str, score: float) -> ProbeExample:
        return ProbeExample(shot_id=shot, score=score, truth=version.truths.get(shot))

    best = sorted(visible, key=lambda shot: (-visible[shot], shot))[:count]
    unsure = sorted(unlabelled_ids, key=lambda shot: (abs(visible[shot] - version.threshold), shot))[:count]
    wrong = [example(shot, score) for shot, score in version.held_out.items() if _is_wrong(version, shot, score)]
    return ProbeExamples(
        top=tuple(example(shot, visible[shot]) for shot in best),
        borderline=tuple(example(shot, visible[shot]) for shot in unsure),
        false_yes=tuple(sorted((each for each in wrong if not each.truth), key=lambda each: -each.score)[:count]),
        missed=tuple(sorted((each for each in wrong if each.truth), key=lambda each: each.score)[:count]),
        scored=len(scores),
        said_yes=sum(score >= version.threshold for score in scores.values()),
    )


def _is_wrong(version: ProbeVersion, shot: str, score: float) -> bool:
    return version.truths[shot] != (score >= version.threshold)
