"""Bring one probe up to date with its labels and vectors.

Stands alone because this is where a re-run becomes a no-op (the version's name says what it was made of), and where
it is decided whether a new version takes its predecessor's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

import numpy as np

from ops.core.settings import Settings
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.embeddings.encoder import Encoder, load_encoder
from ops.probes.definitions import ProbeDefinition, definition_of
from ops.probes.fit import LEAST, LabelledShot, fit_version, version_name
from ops.probes.folds import groups_of
from ops.probes.judgements import Tally
from ops.probes.labels import labels_digest, labels_known, standing_of
from ops.probes.notes import Usable
from ops.probes.promotion import reason_against, scores_unseen, worse_on_the_same
from ops.probes.scores import scores_are_current
from ops.probes.state import ProbeState, Verdict, change_state, promoted_version, read_state
from ops.probes.vectors import catalogue_digest, catalogue_text_scores, labelled_shots
from ops.probes.versions import ProbeVersion, has_version, read_version, write_version
from ops.probes.words import TextEncoder, text_direction, zero_shot, zero_shot_name

LEAST_GROUPS = 5
"""Drawn from fewer groups, an interval is made of so few different draws that chance often looks like a loss."""


@dataclass(frozen=True, kw_only=True)
class _Input:
    """Everything that a fit depends on; ``usable`` tells of labels that it could not use."""

    definition: ProbeDefinition
    encoder_id: str
    shots: list[LabelledShot]
    usable: Usable

    @property
    def is_enough(self) -> bool:
        yes = sum(shot.truth for shot in self.shots)
        return min(yes, len(self.shots) - yes) >= LEAST


def probe_is_current(settings: Settings, encoder_id: str, label: str) -> bool:
    """Whether the last fit is of the present labels, vectors and definition."""
    given = _input(settings, encoder_id, label)
    return read_state(settings, label).latest == _name(settings, given)


def build_labels(settings: Settings) -> StepReport:
    """What the ``labels`` asset tells: it is people who write the table."""
    labels = labels_known(settings)
    standing = standing_of(settings, labels)
    tallies = {label: Tally.of(each for each in standing if each.latest.label == label) for label in labels}
    return StepReport(
        changed=0,
        data_version=labels_digest(settings),
        details={
            "labels": {label: f"{tally.yes} yes, {tally.no} no" for label, tally in tallies.items()},
            "in_conflict": [f"{e.latest.label} {e.latest.shot_id}" for e in standing if e.in_conflict],
            "of_shots_that_are_gone": sum(tally.gone for tally in tallies.values()),
        },
    )


def build_probe(
    settings: Settings,
    encoder_id: str,
    label: str,
    now: datetime,
    progress: Progress,
    encode: TextEncoder | None = None,
) -> StepReport:
    """Fit the probe where its labels, vectors or definition changed; keep the better of it and its predecessor.

    With fewer than three labels of a kind it is the text score of its queries; where nothing scores yet, these words
    are the predecessor of the first fit. ``encode`` turns texts into unit vectors (B, D); by default the encoder is
    loaded for it, where there is something to fit. Raises ``NotFoundError`` where the probe is not defined.
    """
    encode = encode or _text_encoder(settings, encoder_id)
    with settings.working():
        given = _input(settings, encoder_id, label)
        progress.start(f"probe {label}", 1, "fits")
        version, is_new = _version(settings, given, now, encode)
        words, asked = None, read_state(settings, label)
        if version.kind != "zero_shot" and not asked.promoted:
            words, _ = _version(settings, replace(given, shots=[]), now, encode)

        def decide(before: ProbeState) -> ProbeState:
            if words and not before.promoted:
                before = _decided(settings, before, words, given, now)
            return _decided(settings, before, version, given, now)

        state = change_state(settings, label, decide)
        notes = _notes(given, read_version(settings, label, state.promoted))
        for note in notes:
            progress.note(f"probe {label}", note)
        progress.advance(f"probe {label}")
        progress.finish(f"probe {label}")
    report = _report(version, state, notes, changed=int(is_new))
    # A refusal stops what follows only when it is new, and only where the version that stays has scored everything.
    stops = state.latest != asked.latest and scores_are_current(settings, label)
    return replace(report, checks=[replace(check, blocking=stops) for check in report.checks])


def _input(settings: Settings, encoder_id: str, label: str) -> _Input:
    definition = definition_of(settings, label)
    standing = standing_of(settings, [label]) if label in labels_known(settings) else []
    labels = {each.latest.shot_id: each.value for each in standing if not each.gone}
    shots = labelled_shots(settings, encoder_id, labels)
    usable = Usable.of(standing, {shot.shot_id for shot in shots})
    return _Input(definition=definition, encoder_id=encoder_id, shots=shots, usable=usable)


def _notes(given: _Input, scoring: ProbeVersion) -> list[str]:
    """What people must know of the labels, next to the version that scores now."""
    queries = given.definition.queries if scoring.kind == "zero_shot" else ()
    return given.usable.notes(given.definition.label, queries, given.encoder_id)


def _name(settings: Settings, given: _Input) -> str:
    if given.is_enough:
        return version_name(given.definition, given.encoder_id, given.shots)
    return zero_shot_name(given.definition, given.encoder_id, catalogue_digest(settings, given.encoder_id))


def _version(settings: Settings, given: _Input, now: datetime, encode: TextEncoder) -> tuple[ProbeVersion, bool]:
    """The version made of this input, and whether it was fitted now."""
    label, name = given.definition.label, _name(settings, given)
    is_new = not has_version(settings, label, name)
    if is_new:
        write_version(settings, _fitted(settings, given, now, encode))
    return read_version(settings, label, name), is_new


def _text_encoder(settings: Settings, encoder_id: str) -> TextEncoder:
    """The encoder's texts; it is loaded when the first one is asked for."""

    @cache
    def encoder() -> Encoder:
        return load_encoder(encoder_id, settings.home, part="text")

    return lambda texts: encoder().encode_text(texts)


def _fitted(settings: Settings, given: _Input, now: datetime, encode: TextEncoder) -> ProbeVersion:
    text = text_direction(encode, given.definition.queries)
    created_at = now.isoformat(timespec="seconds")
    if given.is_enough:
        return fit_version(given.definition, given.encoder_id, given.shots, text, created_at)
    digest = catalogue_digest(settings, given.encoder_id)
    scores = catalogue_text_scores(settings, given.encoder_id, text, digest)
    return zero_shot(given.definition, given.encoder_id, text, scores, created_at)


def _decided(settings: Settings, before: ProbeState, version: ProbeVersion, given: _Input, now: datetime) -> ProbeState:
    """The state after a fit. A version is looked at once, when it is new: what a person decided since stays."""
    if before.latest == version.version:
        return before
    against, reason = "", "the first version"
    if before.promoted == version.version:
        reason = "it scores already: labels, queries and vectors are again those that it was made of"
    elif before.promoted:
        old = read_version(settings, version.label, before.promoted)
        against = reason_against(version, old, scores_unseen(old, given.encoder_id, given.shots), _groups(given.shots))
        reason = against or f"not worse than {old.version} ({old.kind})"
    verdict = Verdict(
        version=version.version,
        over=before.promoted,
        promoted=not against,
        reason=reason,
        by="rule",
        at=now.isoformat(timespec="seconds"),
    )
    promoted = before.promoted if against else version.version
    return ProbeState(promoted=promoted, latest=version.version, verdicts=(*before.verdicts, verdict))


def refit_probe(
    settings: Settings,
    encoder_id: str,
    label: str,
    now: datetime,
    progress: Progress,
    encode: TextEncoder | None = None,
) -> StepReport:
    """Fit the probe on the vectors of an encoder that is not live, as what will score the catalogue when it is.

    A no-op where it is fitted so already, whichever version was chosen then; what the live encoder's probe does is
    left as it is. Where the words score now, they score on the new vectors too, unless the fit is not worse there.
    The check ``not_worse`` compares the live version with the one that will score, on the same labels. ``encode``
    and errors as of :func:`build_probe`.
    """
    encode = encode or _text_encoder(settings, encoder_id)
    with settings.working():
        given = _input(settings, encoder_id, label)
        progress.start(f"probe {label}", 1, "fits")
        version, is_new = _version(settings, given, now, encode)
        live, words = promoted_version(settings, label), None
        if version.kind != "zero_shot" and (live is None or live.kind == "zero_shot"):
            words, _ = _version(settings, replace(given, shots=[]), now, encode)

        def decide(before: ProbeState) -> ProbeState:
            if _is_fitted(settings, before, version.version, label, encoder_id):
                return before
            if words is None:
                return _taken(before, version, reason_against_refit(settings, label, version), now)
            before = _decided(settings, ProbeState(verdicts=before.verdicts), words, given, now)
            return _decided(settings, before, version, given, now)

        state = change_state(settings, label, decide, encoder_id)
        progress.advance(f"probe {label}")
        progress.finish(f"probe {label}")
    scoring = read_version(settings, label, state.promoted)
    report = _report(version, state, _notes(given, scoring), changed=int(is_new))
    against = reason_against_refit(settings, label, scoring)
    check = CheckOutcome(name="not_worse", passed=not against, details={"label": label, "why": against})
    return replace(report, checks=[check])


def refit_is_current(settings: Settings, encoder_id: str, label: str) -> bool:
    """Whether the encoder's own state has a fit of the present labels, vectors and definition."""
    name = _name(settings, _input(settings, encoder_id, label))
    return _is_fitted(settings, read_state(settings, label, encoder_id), name, label, encoder_id)


def _is_fitted(settings: Settings, state: ProbeState, name: str, label: str, encoder_id: str) -> bool:
    """Whether ``name`` was the last fit, and what scores reads this encoder's vectors."""
    chosen = state.latest == name and bool(state.promoted)
    return chosen and read_version(settings, label, state.promoted).encoder_id == encoder_id


def reason_against_refit(settings: Settings, label: str, new: ProbeVersion) -> str:
    """Why a probe on another encoder's vectors is worse than the live one on the same labels; empty where it is not."""
    old = promoted_version(settings, label)
    if old is None or old.version == new.version:
        return ""
    shots = _input(settings, new.encoder_id, label).shots
    # Each on its own encoder's vectors.
    seen_by_old = _input(settings, old.encoder_id, label).shots
    return worse_on_the_same(new, scores_unseen(old, old.encoder_id, seen_by_old), _groups(shots))


def _taken(before: ProbeState, version: ProbeVersion, against: str, now: datetime) -> ProbeState:
    """The state with a version that comes with its encoder, whatever the rule says: the upgrade's check decides."""
    verdict = Verdict(
        version=version.version,
        over=before.promoted,
        promoted=True,
        reason=f"it comes with its encoder, though {against}" if against else "it comes with its encoder",
        by="rule",
        at=now.isoformat(timespec="seconds"),
    )
    return ProbeState(promoted=version.version, latest=version.version, verdicts=(*before.verdicts, verdict))


def _groups(shots: list[LabelledShot]) -> Mapping[str, int]:
    """Which labelled shots are drawn together when two fits are compared, by id: as they are held out together.

    Where these groups are too few to be drawn from, each shot by itself.
    """
    if len({shot.truth for shot in shots}) == 2:
        groups, _ = groups_of([shot.place for shot in shots], np.array([shot.truth for shot in shots], bool))
        if len(np.unique(groups)) >= LEAST_GROUPS:
            return {shot.shot_id: int(group) for shot, group in zip(shots, groups, strict=True)}
    return {shot.shot_id: number for number, shot in enumerate(shots)}


def _report(version: ProbeVersion, state: ProbeState, notes: list[str], changed: int) -> StepReport:
    refused = state.refused
    figures = {name: f"{f.value:.3f} ({f.low:.3f} to {f.high:.3f})" for name, f in version.metrics.items()}
    return StepReport(
        changed=changed,
        data_version=f"{version.version}-{state.promoted}",
        details={
            "version": version.version,
            "kind": version.kind,
            "promoted": state.promoted,
            "encoder_id": version.encoder_id,
            "yes": version.yes,
            "no": version.no,
            "held_out_by": version.splits,
            "notes": notes,
            **figures,
        },
        checks=[
            CheckOutcome(
                name="not_worse",
                passed=refused is None,
                details={"version": version.version, "promoted": state.promoted, "why": _why(version.label, refused)},
            )
        ],
    )


def _why(label: str, refused: Verdict | None) -> str:
    if refused is None:
        return "the last fit scores the catalogue, or a person chose another"
    return f"{refused.reason}; `needle probe promote {label} {refused.version}` takes it all the same"
