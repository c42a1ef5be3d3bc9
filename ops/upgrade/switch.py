"""Make the candidate live in one step, with everything that belongs to it, and clean up afterwards.

Stands alone because this step must never be half done. One small file is replaced, only if everything that it needs
exists, and while nothing else computes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any

from ops.core.errors import NeedleError
from ops.core.locks import lock_exclusively
from ops.core.schemas import KEPT_SCORES
from ops.core.settings import Settings
from ops.core.types import StepReport
from ops.embeddings.build import name_table
from ops.embeddings.encoder import ResolvedEncoder, resolve_encoder
from ops.embeddings.ends import name_ends_table
from ops.embeddings.registry import EncoderRecord, EncoderRegistry, RegistryState, UpgradeCandidate
from ops.embeddings.set_aside import set_aside_table
from ops.embeddings.shared_choice import SharedChoice, change_left, list_ids_of_others, read_choice, read_home_id
from ops.index.cached_index import name_cache
from ops.index.index import read_current_version
from ops.index.publishing import drop_index
from ops.probes.promotion import drop_states, keep_scores, keep_state
from ops.probes.versions import list_fitted_probes
from ops.upgrade.candidate import find_missing, require_candidate
from ops.upgrade.compare import Comparison, drop_comparison, read_current_comparison, read_last_comparison
from ops.upgrade.shared_encoder import (
    delete_weights,
    find_shared_state,
    follow_state,
    publish_state,
    share_weights,
)


def switch(settings: Settings, now: datetime) -> StepReport:
    """Make the candidate the live encoder; keep the previous one, with its probes and their scores.

    Waits until nothing is computed. Raises ``NeedleError``, and changes nothing, if the comparison has not passed, or
    if the candidate lacks data that arrived since.
    """
    if require_candidate(settings).how != "follow":
        _share_weights(settings)
    with lock_exclusively(settings.work_lock):
        candidate, before = require_candidate(settings), resolve_encoder(settings)
        if missing := find_missing(settings, candidate.encoder_id):
            raise NeedleError(
                f"{before.spec} stays live: {missing}, because the catalogue changed meanwhile; run the upgrade again"
            )
        if candidate.how == "follow":
            change = _build_following(settings, candidate, before)
        else:
            new = EncoderRecord(
                spec=candidate.spec,
                encoder_id=candidate.encoder_id,
                since=now.isoformat(timespec="seconds"),
                reason=_require_reason(settings, candidate, before),
            )
            for label in list_fitted_probes(settings):
                keep_state(settings, label, before.encoder_id)
                keep_scores(settings, before.encoder_id, label)
            change = _build_switch(settings, new, before, candidate.how)
        state = EncoderRegistry(settings.home).change_state(change)
    new = state.require_live()
    return StepReport(
        changed=1,
        data_version=f"{new.encoder_id}-{new.since}",
        details={
            "live": new.spec,
            "encoder_id": new.encoder_id,
            "index_version": read_current_version(settings, new.encoder_id),
            "reason": new.reason,
            "previous": state.previous.spec if state.previous else None,
            "came_from": before.spec,
        },
    )


def _share_weights(settings: Settings) -> None:
    """Copy the weights of both encoders to the store, before the locks: they may have gigabytes."""
    before, candidate = resolve_encoder(settings), require_candidate(settings)
    share_weights(settings, before.spec, before.encoder_id)
    if not share_weights(settings, candidate.spec, candidate.encoder_id):
        raise NeedleError(
            f"{before.spec} stays live: the weights of {candidate.spec} are not those of {candidate.encoder_id} any "
            f"more, so other homes on {settings.storage_uri} cannot get them; put the old ones back"
        )


def finish_switch(settings: Settings, today: date) -> None:
    """Delete the data of encoders that are neither live nor kept, and record that the switch is complete.

    What other homes on the store still use stays there until :func:`delete_left`.
    """
    registry = EncoderRegistry(settings.home)
    state = registry.read_state()
    candidate_ids = {state.candidate.encoder_id} if state.candidate else set()
    _delete_unused(settings, set(state.to_delete) - _list_kept(state) - candidate_ids, today)
    registry.change_state(lambda before: replace(before, to_delete=(), cleanup_done=True))


def delete_left(settings: Settings, choice: SharedChoice, today: date) -> None:
    """Delete from the store what a switch left there for other homes, if no home uses it any more."""
    state = EncoderRegistry(settings.home).read_state()
    used = choice.list_ids() | list_ids_of_others(settings, choice, today) | _list_kept(state)
    if here := (choice.homes or {}).get(read_home_id(settings)):
        used |= set(here.encoder_ids)
    if choice.knows_homes(today) and (unused := sorted(set(choice.left_ids) - used)):
        for encoder_id in unused:
            _delete_from_store(settings, encoder_id, keep_versions=True)
        change_left(settings, remove=unused)


def discard(settings: Settings, today: date) -> UpgradeCandidate:
    """Withdraw the candidate: delete its record, vectors, index, probe states and comparison.

    Does the same for earlier candidates that were refused. The encoders themselves stay. All data stay of an encoder
    that is kept for a rollback, that other homes on the store use, or that was indexed before it became a candidate.
    Waits for running computations; can be repeated if it is killed. Raises ``NotFoundError`` without a candidate.
    """
    with lock_exclusively(settings.work_lock):
        candidate, registry = require_candidate(settings), EncoderRegistry(settings.home)
        state = registry.read_state()
        kept_ids = _list_kept(state) | {resolve_encoder(settings).encoder_id}
        kept_ids |= {candidate.encoder_id} if candidate.was_indexed else set()
        to_delete = {candidate.encoder_id, *state.to_delete} - kept_ids
        _delete_unused(settings, to_delete, today, unserved_id=candidate.encoder_id)
        drop_comparison(settings, candidate.encoder_id)
        registry.change_state(lambda before: replace(before, candidate=None, to_delete=()))
    return candidate


def describe_upgrade(settings: Settings) -> dict[str, Any]:
    """Return the document of ``needle upgrade --status --json``: the live encoder, and the one to roll back to."""
    state, live = EncoderRegistry(settings.home).read_state(), resolve_encoder(settings)
    shared, choice = find_shared_state(settings), read_choice(settings.store) or SharedChoice()
    here = read_home_id(settings) if choice.homes else ""
    record = asdict(state.live) if state.live else {"spec": live.spec, "encoder_id": live.encoder_id}
    return {
        "live": {"since": None, "reason": live.reason, **record},
        "previous": asdict(state.previous) if state.previous else None,
        "undone": asdict(state.rolled_back_from) if state.rolled_back_from else None,
        "candidate": asdict(state.candidate) if state.candidate else None,
        "refused_because": _list_refusals(settings, state.candidate),
        "settled": state.cleanup_done,
        "shared": asdict(shared.live) if shared else None,
        "other_homes": [asdict(use) for home_id, use in (choice.homes or {}).items() if home_id != here],
        "kept_for_others": list(choice.left_ids),
    }


def _list_refusals(settings: Settings, candidate: UpgradeCandidate | None) -> list[str]:
    """Return the last comparison's reasons against the candidate; empty if it was not refused."""
    comparison = read_last_comparison(settings, candidate.encoder_id) if candidate else None
    return list(comparison.reasons) if comparison and not comparison.passed else []


def _list_kept(state: RegistryState) -> set[str]:
    return {each.encoder_id for each in (state.live, state.previous, state.rolled_back_from) if each}


def _delete_unused(settings: Settings, encoder_ids: set[str], today: date, unserved_id: str | None = None) -> None:
    """Delete all data of encoders that are neither live nor kept here, but what other homes use.

    Vectors stay in the history of features, but those of ``unserved_id``, which was never live, do not.
    """
    if not encoder_ids:
        return
    choice, left_ids, kept_ids = read_choice(settings.store), set[str](), set[str]()
    if choice is not None:  # the store may have other homes
        kept_ids = choice.list_ids()
        used_ids = list_ids_of_others(settings, choice, today) if choice.knows_homes(today) else encoder_ids
        left_ids = encoder_ids & used_ids - kept_ids
    for encoder_id in sorted(encoder_ids):
        _delete_here(settings, encoder_id)
        if encoder_id not in left_ids | kept_ids:
            _delete_from_store(settings, encoder_id, keep_versions=encoder_id != unserved_id)
    if left_ids:
        change_left(settings, add=left_ids)


def _delete_here(settings: Settings, encoder_id: str) -> None:
    """Delete what only this home uses of an encoder; an index on a Qdrant server is not that."""
    if not settings.qdrant_url:
        drop_index(settings, encoder_id)
    shutil.rmtree(name_cache(settings, encoder_id), ignore_errors=True)
    comparison = read_last_comparison(settings, encoder_id)
    if comparison is None or not comparison.passed:  # those that passed are the record of why an encoder went live
        drop_comparison(settings, encoder_id)


def _delete_from_store(settings: Settings, encoder_id: str, *, keep_versions: bool) -> None:
    if settings.qdrant_url:
        drop_index(settings, encoder_id)
    for table in (name_table(encoder_id), name_ends_table(encoder_id), set_aside_table(encoder_id)):
        settings.lake.delete_table(table, keep_versions=keep_versions)
    settings.store.delete_tree(settings.lake.folder(f"{KEPT_SCORES}/{encoder_id}"))
    drop_states(settings, encoder_id)
    delete_weights(settings, encoder_id)


def _require_reason(settings: Settings, candidate: UpgradeCandidate, live: ResolvedEncoder) -> str:
    """Return why the candidate may go live. Raises ``NeedleError`` if it may not."""
    if candidate.how == "rollback":
        return f"rolled back from {live.spec}"
    comparison: Comparison | None = read_current_comparison(settings, candidate, live)
    if comparison is None:
        raise NeedleError(f"{candidate.spec} was not compared with {live.spec} as both are now: run the upgrade again")
    if not comparison.passed:
        raise NeedleError(f"{live.spec} stays live: {'; '.join(comparison.reasons)}")
    return f"a person decided: {comparison.forced}" if comparison.reasons else "not worse than the encoder before"


def _build_switch(
    settings: Settings, new: EncoderRecord, before: ResolvedEncoder, how: str
) -> Callable[[RegistryState], RegistryState]:
    def change(state: RegistryState) -> RegistryState:
        old = state.live or EncoderRecord(
            spec=before.spec, encoder_id=before.encoder_id, since="", reason=before.reason
        )
        is_rollback = how == "rollback"
        stay = {new.encoder_id, old.encoder_id}
        leaving = [each.encoder_id for each in (state.previous, state.rolled_back_from) if each]
        # NEEDLE_ENCODER decides until the first upgrade; a later value was never live.
        setting = [settings.encoder] if state.live is None and settings.encoder != "auto" else []
        replaced_specs = dict.fromkeys([*state.replaced_specs, old.spec, *setting, new.spec])
        after = RegistryState(
            live=new,
            previous=None if is_rollback else old,
            rolled_back_from=old if is_rollback else None,
            candidate=None,
            replaced_specs=tuple(replaced_specs),
            to_delete=tuple(dict.fromkeys(each for each in (*state.to_delete, *leaving) if each not in stay)),
            cleanup_done=False,
        )
        publish_state(settings, after, before.encoder_id)  # first: a home that is killed here follows itself
        return after

    return change


def _build_following(
    settings: Settings, candidate: UpgradeCandidate, before: ResolvedEncoder
) -> Callable[[RegistryState], RegistryState]:
    """Return the change to the encoder of another home, which has kept the states and scores of probes already."""
    shared = find_shared_state(settings)
    if shared is None or shared.live.encoder_id != candidate.encoder_id:
        raise NeedleError(
            f"{before.spec} stays live: another home chose another encoder than {candidate.spec} meanwhile; "
            "run `needle ingest` to follow it"
        )
    return lambda state: follow_state(state, shared, before)
