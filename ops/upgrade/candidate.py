"""The candidate for the live encoder, and everything that it needs before the switch: vectors, index, probes.

Stands alone because nothing here touches live data: everything is stored under the candidate's own id. Each step is a
no-op for existing data, so the next upgrade completes one that was killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ops.core.errors import NotFoundError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import Progress, StepReport
from ops.embeddings.build import build_embeddings, load_vectors
from ops.embeddings.encoder import ResolvedEncoder, resolve_encoder, resolve_spec
from ops.embeddings.registry import EncoderRegistry, RegistryState, UpgradeCandidate
from ops.index.build import build_index, index_is_current
from ops.index.index import read_current_version
from ops.probes.build import has_current_refit, refit_probe
from ops.probes.definitions import load_definitions
from ops.probes.scores import build_scores, has_current_scores
from ops.probes.state import read_state
from ops.shots.build import TABLE as SHOTS
from ops.videos import catalogue


def name_candidate(settings: Settings, spec: str, force: str = "") -> UpgradeCandidate | None:
    """Record the encoder of ``spec``, or of that id, as the candidate; return ``None`` if it is live already.

    Raises ``NotFoundError`` if nothing is indexed by the live encoder, ``EncoderError`` if ``spec`` names no usable
    encoder.
    """
    live = resolve_encoder(settings)
    spec = EncoderRegistry(settings.home).find_spec(spec) or spec
    encoder_spec = resolve_spec(spec, settings.home)
    _require_indexed(settings, live)
    if encoder_spec.encoder_id == live.encoder_id:
        return None
    candidate = UpgradeCandidate(spec=spec, encoder_id=encoder_spec.encoder_id, force=force)
    is_indexed = read_current_version(settings, encoder_spec.encoder_id) is not None
    state = EncoderRegistry(settings.home).change_state(
        lambda before: replace_candidate(
            before, replace(candidate, was_indexed=is_indexed and _is_foreign(before, candidate))
        )
    )
    return state.candidate


def name_previous(settings: Settings) -> UpgradeCandidate:
    """Record the encoder before the live one as the candidate. Raises ``NotFoundError`` if none is kept."""
    state = EncoderRegistry(settings.home).read_state()
    previous = state.previous
    if previous is None:
        status = f"{state.live.spec} is live since {state.live.since}" if state.live else "never upgraded"
        again = (
            f"; `needle upgrade --encoder {state.rolled_back_from.spec}` goes forward again"
            if state.rolled_back_from
            else ""
        )
        raise NotFoundError(f"nothing to roll back to: {status}{again}")
    candidate = UpgradeCandidate(spec=previous.spec, encoder_id=previous.encoder_id, how="rollback")
    EncoderRegistry(settings.home).change_state(lambda before: replace_candidate(before, candidate))
    return candidate


def require_candidate(settings: Settings) -> UpgradeCandidate:
    """Return the candidate. Raises ``NotFoundError`` if there is none."""
    candidate = EncoderRegistry(settings.home).read_state().candidate
    if candidate is None:
        raise NotFoundError("no encoder is a candidate to become live: `needle upgrade --encoder SPEC` names one")
    return candidate


def embed_candidate(settings: Settings, partitions: Sequence[str], now: datetime, progress: Progress) -> StepReport:
    """Compute the candidate's vectors of the partitions' shots, stored next to those of the live encoder."""
    candidate = require_candidate(settings)
    report = build_embeddings(settings, candidate.encoder_id, partitions, now, progress)
    return _add_encoder(report, candidate)


def index_candidate(settings: Settings, progress: Progress) -> StepReport:
    """Build a version of the candidate's own index, which is not searched yet."""
    candidate = require_candidate(settings)
    return _add_encoder(build_index(settings, candidate.encoder_id, progress), candidate)


def fit_candidate_probes(settings: Settings, now: datetime, progress: Progress) -> StepReport:
    """Fit every fitted probe again on the candidate's vectors, and compute its scores."""
    candidate = require_candidate(settings)
    worse: dict[str, str] = {}
    versions = []
    changes = 0
    for label in list_probes_to_refit(settings):
        fit_report = refit_probe(settings, candidate.encoder_id, label, now, progress)
        score_report = build_scores(settings, label, now, progress, kept_for=candidate.encoder_id)
        changes += fit_report.changed + score_report.changed
        versions.append((label, str(fit_report.details["version"])))
        if not fit_report.checks[0].passed:
            worse[label] = str(fit_report.checks[0].details["why"])
    details = {"probes": dict(versions), "worse": worse}
    return _add_encoder(StepReport(changed=changes, data_version=compute_digest(versions), details=details), candidate)


def list_probes_to_refit(settings: Settings) -> list[str]:
    """Return the defined probes that score the catalogue now."""
    return [label for label in load_definitions(settings) if read_state(settings, label).promoted]


def list_partitions_to_embed(settings: Settings, encoder_id: str) -> list[str]:
    """Return partitions with a shot whose vector of this encoder is missing or out of date."""
    due = []
    for partition in settings.lake.list_partitions(SHOTS):
        for video in catalogue.read_videos(settings.lake, [partition]):
            if not load_vectors(settings, encoder_id, video["video_id"]).is_current:
                due.append(partition)
                break
    return due


def find_missing(settings: Settings, encoder_id: str) -> str:
    """Describe what the candidate still lacks to go live; empty if it is complete."""
    if due := list_partitions_to_embed(settings, encoder_id):
        return f"shots of {plural(len(due), 'partition')} are not embedded by it"
    if not index_is_current(settings, encoder_id):
        return "its index does not have the rows of the lake"
    for label in list_probes_to_refit(settings):
        if not has_current_refit(settings, encoder_id, label):
            return f"the probe {label} is not fitted on its vectors"
        if not has_current_scores(settings, label, kept_for=encoder_id):
            return f"the catalogue is not scored by its probe {label}"
    return ""


def replace_candidate(before: RegistryState, candidate: UpgradeCandidate) -> RegistryState:
    """Replace the candidate; mark the last one's vectors for deletion, unless others may search them.

    A candidate that is only interrupted keeps them too.
    """
    last = before.candidate
    is_left = last is not None and last.encoder_id != candidate.encoder_id and not last.was_indexed
    is_left = is_left and candidate.interrupted is None
    to_delete = (*before.to_delete, last.encoder_id) if last and is_left else before.to_delete
    return replace(before, candidate=candidate, to_delete=tuple(dict.fromkeys(to_delete)))


def _require_indexed(settings: Settings, live: ResolvedEncoder) -> None:
    if read_current_version(settings, live.encoder_id) is None:
        raise NotFoundError(
            f"nothing is indexed by {live.spec} ({live.reason}), so there is nothing to upgrade: set NEEDLE_ENCODER to "
            "its value during `needle ingest`, or ingest with the new encoder from the start"
        )


def _is_foreign(before: RegistryState, candidate: UpgradeCandidate) -> bool:
    """Whether an index of this encoder comes from an ingest before the first upgrade, not from an earlier try."""
    if before.candidate and before.candidate.encoder_id == candidate.encoder_id:
        return before.candidate.was_indexed
    return before.live is None and candidate.encoder_id not in before.to_delete


def _add_encoder(report: StepReport, candidate: UpgradeCandidate) -> StepReport:
    names = {"encoder": candidate.spec, "encoder_id": candidate.encoder_id}
    return replace(report, details={**names, **report.details})
