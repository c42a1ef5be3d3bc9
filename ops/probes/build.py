"""Bring one probe up to date with its labels and vectors.

Stands alone because two decisions are made here: whether a re-run is a no-op (the version's name identifies its
inputs), and whether a new version replaces its predecessor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

import numpy as np

from ops.core.settings import Settings
from ops.core.tables import count_digested
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.embeddings.encoder import Encoder, load_encoder
from ops.probes.annotations import AnnotationCounts
from ops.probes.definitions import ProbeDefinition, find_definition
from ops.probes.fit import LEAST, LabelCoverage, LabelledShot, fit_version, name_version
from ops.probes.folds import group_shots
from ops.probes.labels import digest_labels, list_labels, resolve_labels
from ops.probes.pictures import picture_held_out
from ops.probes.promotion import compare_on_same_labels, find_reason_against, score_unseen
from ops.probes.scores import has_current_scores
from ops.probes.state import ProbeState, Verdict, change_state, read_promoted_version, read_state
from ops.probes.vectors import digest_vectors, measure_text_scores, read_labelled_shots
from ops.probes.versions import ProbeVersion, has_version, read_version, write_version
from ops.probes.zero_shot import TextEncoder, build_zero_shot, encode_queries, name_zero_shot

LEAST_GROUPS = 5
"""With fewer groups an interval has so few different resamples that chance often looks like a loss."""


@dataclass(frozen=True, kw_only=True)
class _Input:
    """All inputs of a fit; ``coverage`` also counts labels that it cannot use."""

    definition: ProbeDefinition
    encoder_id: str
    shots: list[LabelledShot]
    coverage: LabelCoverage

    @property
    def is_enough(self) -> bool:
        yes = sum(shot.truth for shot in self.shots)
        return min(yes, len(self.shots) - yes) >= LEAST


def probe_is_current(settings: Settings, encoder_id: str, label: str) -> bool:
    """Whether the last fit has the present labels, vectors and definition."""
    inputs = _load_input(settings, encoder_id, label)
    return read_state(settings, label).latest == _name_input(settings, inputs)


def build_labels(settings: Settings) -> StepReport:
    """Report the ``labels`` table for its asset; people write the table."""
    labels = list_labels(settings)
    resolved_labels = resolve_labels(settings, labels)
    counts = {
        label: AnnotationCounts.count(each for each in resolved_labels if each.latest.label == label)
        for label in labels
    }
    digest = digest_labels(settings)
    return StepReport(
        changed=0,
        data_version=digest,
        details={
            "labels": {label: f"{each.yes} yes, {each.no} no" for label, each in counts.items()},
            "in_conflict": [f"{e.latest.label} {e.latest.shot_id}" for e in resolved_labels if e.in_conflict],
            "of_shots_that_are_gone": sum(each.gone for each in counts.values()),
        },
        rows=count_digested(digest),
    )


def build_probe(
    settings: Settings,
    encoder_id: str,
    label: str,
    now: datetime,
    progress: Progress,
    encode: TextEncoder | None = None,
) -> StepReport:
    """Fit the probe if its labels, vectors or definition changed; keep the better of it and its predecessor.

    With fewer than three labels of a kind the probe is the text score of its queries. If nothing scores yet, that is
    the predecessor of the first fit. ``encode`` turns texts into unit vectors (B, D); by default the encoder is loaded
    if there is something to fit. Raises ``NotFoundError`` if the probe is not defined.
    """
    encode = encode or _load_text_encoder(settings, encoder_id)
    with settings.hold_work_lock():
        inputs = _load_input(settings, encoder_id, label)
        progress.start(f"probe {label}", 1, "fits")
        version, is_new = _ensure_version(settings, inputs, now, encode)
        zero_shot, previous = None, read_state(settings, label)
        if version.kind != "zero_shot" and not previous.promoted:
            zero_shot, _ = _ensure_version(settings, replace(inputs, shots=[]), now, encode)

        def decide(before: ProbeState) -> ProbeState:
            if zero_shot and not before.promoted:
                before = _decide(settings, before, zero_shot, inputs, now)
            return _decide(settings, before, version, inputs, now)

        state = change_state(settings, label, decide)
        notes = _collect_notes(inputs, read_version(settings, label, state.promoted))
        for note in notes:
            progress.note(f"probe {label}", note)
        progress.advance(f"probe {label}")
        progress.finish(f"probe {label}")
    scoring = read_version(settings, label, state.promoted)
    report = _build_report(version, scoring, state, notes, changes=int(is_new))
    report = replace(report, pictures=picture_held_out(settings, scoring))
    # A refusal stops later steps only if it is new, and only if the version that stays has scored everything.
    stops = state.latest != previous.latest and has_current_scores(settings, label)
    return replace(report, checks=[replace(check, blocking=stops) for check in report.checks])


def _load_input(settings: Settings, encoder_id: str, label: str) -> _Input:
    definition = find_definition(settings, label)
    resolved_labels = resolve_labels(settings, [label]) if label in list_labels(settings) else []
    labels = {each.latest.shot_id: each.value for each in resolved_labels if not each.missing_reason}
    shots = read_labelled_shots(settings, encoder_id, labels)
    coverage = LabelCoverage.measure(resolved_labels, {shot.shot_id for shot in shots})
    return _Input(definition=definition, encoder_id=encoder_id, shots=shots, coverage=coverage)


def _collect_notes(inputs: _Input, scoring: ProbeVersion) -> list[str]:
    """Return notes on the labels, for the version that scores now."""
    queries = inputs.definition.queries if scoring.kind == "zero_shot" else ()
    return inputs.coverage.notes(inputs.definition.label, queries, inputs.encoder_id)


def _name_input(settings: Settings, inputs: _Input) -> str:
    if inputs.is_enough:
        return name_version(inputs.definition, inputs.encoder_id, inputs.shots)
    return name_zero_shot(inputs.definition, inputs.encoder_id, digest_vectors(settings, inputs.encoder_id))


def _ensure_version(
    settings: Settings, inputs: _Input, now: datetime, encode: TextEncoder
) -> tuple[ProbeVersion, bool]:
    """Return the version of these inputs, and whether it was fitted now."""
    label, name = inputs.definition.label, _name_input(settings, inputs)
    is_new = not has_version(settings, label, name)
    if is_new:
        write_version(settings, _fit(settings, inputs, now, encode))
    return read_version(settings, label, name), is_new


def _load_text_encoder(settings: Settings, encoder_id: str) -> TextEncoder:
    """Return the encoder's text side, which is loaded at its first use."""

    @cache
    def encoder() -> Encoder:
        return load_encoder(encoder_id, settings.home, part="text")

    return lambda texts: encoder().encode_text(texts)


def _fit(settings: Settings, inputs: _Input, now: datetime, encode: TextEncoder) -> ProbeVersion:
    text = encode_queries(encode, inputs.definition.queries)
    created_at = now.isoformat(timespec="seconds")
    if inputs.is_enough:
        return fit_version(inputs.definition, inputs.encoder_id, inputs.shots, text, created_at)
    digest = digest_vectors(settings, inputs.encoder_id)
    scores = measure_text_scores(settings, inputs.encoder_id, text, digest)
    return build_zero_shot(inputs.definition, inputs.encoder_id, text, scores, created_at)


def _decide(settings: Settings, before: ProbeState, version: ProbeVersion, inputs: _Input, now: datetime) -> ProbeState:
    """Return the state after a fit. A version is judged once, when it is new: a person's later decision stays."""
    if before.latest == version.version:
        return before
    against, reason = "", "the first version"
    if before.promoted == version.version:
        reason = "it scores already: labels, queries and vectors are again those of its fit"
    elif before.promoted:
        old = read_version(settings, version.label, before.promoted)
        unseen = score_unseen(old, inputs.encoder_id, inputs.shots)
        against = find_reason_against(version, old, unseen, _group_labelled(inputs.shots))
        reason = against or f"not worse than {old.version} ({old.kind})"
    verdict = Verdict(
        version=version.version,
        over=before.promoted,
        promoted=not against,
        reason=reason,
        by="rule",
        at=now.isoformat(timespec="seconds"),
    )
    promoted_version = before.promoted if against else version.version
    return ProbeState(promoted=promoted_version, latest=version.version, verdicts=(*before.verdicts, verdict))


def refit_probe(
    settings: Settings,
    encoder_id: str,
    label: str,
    now: datetime,
    progress: Progress,
    encode: TextEncoder | None = None,
) -> StepReport:
    """Fit the probe on the vectors of an encoder that is not live, to score the catalogue when that encoder is live.

    A no-op if that fit exists, whichever version was chosen then; the live encoder's probe does not change. If the text
    score is used now, it is used on the new vectors too, unless the fit is not worse there. The check ``not_worse``
    compares the live version with the one that will score, on the same labels. ``encode`` and errors as of
    :func:`build_probe`.
    """
    encode = encode or _load_text_encoder(settings, encoder_id)
    with settings.hold_work_lock():
        inputs = _load_input(settings, encoder_id, label)
        progress.start(f"probe {label}", 1, "fits")
        version, is_new = _ensure_version(settings, inputs, now, encode)
        live, zero_shot = read_promoted_version(settings, label), None
        if version.kind != "zero_shot" and (live is None or live.kind == "zero_shot"):
            zero_shot, _ = _ensure_version(settings, replace(inputs, shots=[]), now, encode)

        def decide(before: ProbeState) -> ProbeState:
            if _is_fitted(settings, before, version.version, label, encoder_id):
                return before
            if zero_shot is None:
                return _accept(before, version, find_reason_against_refit(settings, label, version), now)
            before = _decide(settings, ProbeState(verdicts=before.verdicts), zero_shot, inputs, now)
            return _decide(settings, before, version, inputs, now)

        state = change_state(settings, label, decide, encoder_id)
        progress.advance(f"probe {label}")
        progress.finish(f"probe {label}")
    scoring = read_version(settings, label, state.promoted)
    report = _build_report(version, scoring, state, _collect_notes(inputs, scoring), changes=int(is_new))
    against = find_reason_against_refit(settings, label, scoring)
    check = CheckOutcome(name="not_worse", passed=not against, details={"label": label, "why": against})
    return replace(report, checks=[check])


def has_current_refit(settings: Settings, encoder_id: str, label: str) -> bool:
    """Whether the state of this encoder has a fit of the present labels, vectors and definition."""
    name = _name_input(settings, _load_input(settings, encoder_id, label))
    return _is_fitted(settings, read_state(settings, label, encoder_id), name, label, encoder_id)


def _is_fitted(settings: Settings, state: ProbeState, name: str, label: str, encoder_id: str) -> bool:
    """Whether ``name`` is the last fit, and the promoted version reads this encoder's vectors."""
    is_latest = state.latest == name and bool(state.promoted)
    return is_latest and read_version(settings, label, state.promoted).encoder_id == encoder_id


def find_reason_against_refit(settings: Settings, label: str, new: ProbeVersion) -> str:
    """Return why a probe on another encoder's vectors is worse than the live one on the same labels; empty if not."""
    old = read_promoted_version(settings, label)
    if old is None or old.version == new.version:
        return ""
    shots = _load_input(settings, new.encoder_id, label).shots
    # Each with its own encoder's vectors.
    seen_by_old = _load_input(settings, old.encoder_id, label).shots
    return compare_on_same_labels(new, score_unseen(old, old.encoder_id, seen_by_old), _group_labelled(shots))


def _accept(before: ProbeState, version: ProbeVersion, against: str, now: datetime) -> ProbeState:
    """Promote a version together with its encoder, whatever the rule decides: the upgrade's check decides."""
    verdict = Verdict(
        version=version.version,
        over=before.promoted,
        promoted=True,
        reason=f"it comes with its encoder, though {against}" if against else "it comes with its encoder",
        by="rule",
        at=now.isoformat(timespec="seconds"),
    )
    return ProbeState(promoted=version.version, latest=version.version, verdicts=(*before.verdicts, verdict))


def _group_labelled(shots: list[LabelledShot]) -> Mapping[str, int]:
    """Map each labelled shot to its group for the comparison of two fits: the groups that are held out together.

    If there are too few groups to resample, each shot is a group.
    """
    if len({shot.truth for shot in shots}) == 2:
        groups, _ = group_shots([shot.place for shot in shots], np.array([shot.truth for shot in shots], bool))
        if len(np.unique(groups)) >= LEAST_GROUPS:
            return {shot.shot_id: int(group) for shot, group in zip(shots, groups, strict=True)}
    return {shot.shot_id: number for number, shot in enumerate(shots)}


def _build_report(
    fit: ProbeVersion, scoring: ProbeVersion, state: ProbeState, notes: list[str], changes: int
) -> StepReport:
    """Report the version that scores the catalogue; figures of a fit that was refused belong to its check alone."""
    refusal = state.refused
    return StepReport(
        changed=changes,
        data_version=f"{fit.version}-{state.promoted}",
        details={
            "version": scoring.version,
            "kind": scoring.kind,
            "promoted": state.promoted,
            "last_fit": fit.version,
            "encoder_id": scoring.encoder_id,
            "yes": scoring.yes,
            "no": scoring.no,
            "held_out_by": scoring.splits,
            "notes": notes,
            **_list_figures(scoring),
        },
        checks=[
            CheckOutcome(
                name="not_worse",
                passed=refusal is None,
                details={
                    "version": fit.version,
                    "promoted": state.promoted,
                    "why": _explain(fit.label, refusal),
                    **_list_figures(fit),
                },
            )
        ],
    )


def _list_figures(version: ProbeVersion) -> dict[str, float]:
    """Return each figure of a version, with the ends of its interval, as numbers that can be plotted over time."""
    figures: dict[str, float] = {}
    for name, figure in version.metrics.items():
        figures |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return {name: round(value, 4) for name, value in figures.items()}


def _explain(label: str, refusal: Verdict | None) -> str:
    if refusal is None:
        return "the last fit scores the catalogue, or a person chose another"
    return f"{refusal.reason}; `needle probe promote {label} {refusal.version}` promotes it all the same"
