"""One live encoder for all homes on one bucket: an upgrade in one home is published, and the others follow it.

Stands alone because following is not an upgrade by measurement: the home that published it has compared. A home
follows when its own index holds the encoder's vectors, so its searches never meet vectors of two encoders.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ops.core.errors import EncoderError, NeedleError, SettingsError, UsageError
from ops.core.settings import Settings
from ops.embeddings.encoder import ResolvedEncoder, find_kind, resolve_spec
from ops.embeddings.registry import EncoderRecord, EncoderRegistry, RegistryState, UpgradeCandidate
from ops.embeddings.shared_choice import KEY, read_choice, write_choice
from ops.index.index import read_current_version
from ops.upgrade.candidate import replace_candidate

WEIGHTS = "encoders"
"""Folder of the store for weights that only one home had: ``encoders/<encoder_id>/<file>``."""


@dataclass(frozen=True, kw_only=True)
class SharedState:
    """The state that another home published, with its live encoder."""

    live: EncoderRecord
    state: RegistryState


def publish_state(settings: Settings, state: RegistryState, replaced_id: str) -> None:
    """Make the live encoder of ``state`` that of all homes on this store, if the store can be shared.

    ``replaced_id`` is the live encoder before. Weights are those of :func:`share_weights`, called before. Raises
    ``NeedleError``, and publishes nothing, if another home came first.
    """
    shared = replace(state, candidate=None, to_delete=(), cleanup_done=True)
    while (choice := read_choice(settings.store)) is not None and state.live is not None:
        there = choice.state.live
        if there is not None and there.encoder_id not in (replaced_id, state.live.encoder_id):
            raise NeedleError(
                f"another home on {settings.storage_uri} made {there.spec} live meanwhile: run `needle ingest` to "
                "follow it, and then this again"
            )
        if write_choice(settings.store, replace(choice, state=shared)):
            return


def share_weights(settings: Settings, spec: str, encoder_id: str) -> bool:
    """Copy weights that only this home has into the store, for homes that follow; those that are there stay.

    Returns False if the weights of ``spec`` are gone, or are those of another encoder.
    """
    kind, rest = find_kind(spec)
    folder = kind.find_own_folder(rest, settings.home)
    if folder is None or not settings.store.has_conditions:
        return True
    if EncoderRegistry(settings.home).find_id(spec) != encoder_id:
        return False
    with settings.hold_work_lock():
        settings.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=settings.scratch) as scratch:
            for path in (each for each in folder.iterdir() if each.is_file()):
                key = f"{WEIGHTS}/{encoder_id}/{path.name}"
                status = settings.store.stat(key)
                if status is None or status.size != path.stat().st_size:
                    settings.store.put_file(Path(shutil.copy(path, scratch)), key)
    return True


def delete_weights(settings: Settings, encoder_id: str) -> None:
    """Delete the copy of an encoder's weights in the store."""
    if settings.store.has_conditions:
        settings.store.delete_tree(f"{WEIGHTS}/{encoder_id}")


def find_shared_state(settings: Settings) -> SharedState | None:
    """Return the state that another home on this store published; ``None`` if its encoder is live here, or none was."""
    choice = read_choice(settings.store)
    if choice is None or choice.state.live is None:
        return None
    here = EncoderRegistry(settings.home).read_state().live
    if here and here.encoder_id == choice.state.live.encoder_id:
        return None
    return SharedState(live=choice.state.live, state=choice.state)


def require_followed(settings: Settings) -> None:
    """Raise ``UsageError`` if another home made an encoder live that this one does not use yet.

    States and scores of probes are shared, and those of two encoders would replace each other.
    """
    if shared := find_shared_state(settings):
        raise UsageError(
            f"{shared.live.spec} is live in {settings.storage_uri} since {shared.live.since}, and this home uses "
            "another encoder: run `needle ingest` here first"
        )


def explain_setting_against_shared(settings: Settings, shared: SharedState) -> str:
    """Return a warning if NEEDLE_ENCODER names an encoder that the shared one replaces; empty if they agree.

    Raises ``SettingsError`` if it names one that was live neither here nor in another home, and ``EncoderError`` if it
    names none.
    """
    setting, here = settings.encoder, EncoderRegistry(settings.home).read_state()
    if setting in ("auto", shared.live.spec):
        return ""
    conflict = f"NEEDLE_ENCODER = {setting!r}, but {shared.live.spec} is live in {settings.storage_uri}"
    is_replaced = setting in (*shared.state.replaced_specs, *here.replaced_specs)
    is_used = here.live is None and EncoderRegistry(settings.home).find_id(setting) in _list_indexed(settings)
    if is_replaced or is_used:
        return f"{conflict}, and is used: unset NEEDLE_ENCODER; `needle upgrade` changes the live encoder"
    find_kind(setting)
    raise SettingsError(
        f"{conflict}: unset NEEDLE_ENCODER, or, after an ingest without it, make {setting} live with `needle upgrade "
        f"--encoder {setting}`"
    )


def fetch_encoder(settings: Settings, record: EncoderRecord) -> None:
    """Get the weights of an encoder that another home published, if only homes on this store have them.

    Raises ``EncoderError`` if this home cannot have the encoder, or has another one of that name.
    """
    kind, rest = find_kind(record.spec)
    folder = kind.find_own_folder(rest, settings.home)
    if folder and not folder.exists() and (keys := settings.store.list(f"{WEIGHTS}/{record.encoder_id}")):
        with settings.hold_work_lock():
            _fetch_weights(settings, keys, folder)
    try:
        here = resolve_spec(record.spec, settings.home).encoder_id
    except EncoderError as error:
        raise EncoderError(
            f"{record.spec} is the encoder of the homes on {settings.storage_uri}, and this home cannot have it: "
            f"{error}. Give this home the same weights, at the same place, or run `needle upgrade --rollback` in the "
            f"home that has them, or delete {settings.store.uri(KEY)}: then each home keeps the encoder that it has"
        ) from error
    if here != record.encoder_id:
        remedy = f"move {folder} away, and run this again" if folder else "give this home the same weights"
        raise EncoderError(
            f"{record.spec} of this home is {here}, but that of the homes on {settings.storage_uri} is "
            f"{record.encoder_id}: {remedy}"
        )


def adopt(settings: Settings, shared: SharedState) -> UpgradeCandidate | None:
    """Follow at once if this home has no index of another encoder; otherwise return the candidate to be computed."""
    registry = EncoderRegistry(settings.home)
    if not _list_indexed(settings) - {shared.live.encoder_id}:
        registry.change_state(lambda before: follow_state(before, shared))
        return None

    def change(before: RegistryState) -> RegistryState:
        own = _find_own_candidate(before, shared)
        candidate = UpgradeCandidate(
            spec=shared.live.spec,
            encoder_id=shared.live.encoder_id,
            how="follow",
            interrupted=(own.spec, own.encoder_id) if own else None,
        )
        return replace_candidate(before, candidate)

    return registry.change_state(change).candidate


def follow_state(before: RegistryState, shared: SharedState, replaced: ResolvedEncoder | None = None) -> RegistryState:
    """Return the state of a home that uses the encoder of ``shared``.

    ``replaced`` was used here until now, if the home was not upgraded before. The home's own candidate stays one: its
    vectors may have taken days.
    """
    state, own = shared.state, _find_own_candidate(before, shared)
    kept = {each.encoder_id for each in (state.live, state.previous, state.rolled_back_from) if each}
    leaving = [each for each in (before.live, before.previous, before.rolled_back_from, replaced) if each]
    ids = [*before.to_delete, *(each.encoder_id for each in leaving)]
    if before.candidate and not before.candidate.was_indexed:
        ids.append(before.candidate.encoder_id)
    ids = [each for each in ids if own is None or each != own.encoder_id]
    specs = [*before.replaced_specs, *state.replaced_specs, *([replaced.spec] if replaced else []), shared.live.spec]
    return replace(
        state,
        candidate=own,
        replaced_specs=tuple(dict.fromkeys(specs)),
        to_delete=tuple(dict.fromkeys(each for each in ids if each not in kept)),
        cleanup_done=False,
    )


def _find_own_candidate(before: RegistryState, shared: SharedState) -> UpgradeCandidate | None:
    """Return the candidate that this home was to compare; ``None`` if it has none that differs from the shared ones."""
    own, state = before.candidate, shared.state
    if own and own.how == "follow":
        interrupted = own.interrupted
        own = UpgradeCandidate(spec=interrupted[0], encoder_id=interrupted[1]) if interrupted else None
    kept = {each.encoder_id for each in (state.live, state.previous, state.rolled_back_from) if each}
    return own if own and own.how == "upgrade" and own.encoder_id not in kept else None


def _list_indexed(settings: Settings) -> set[str]:
    """Return the ids of this home's encoders that have an index."""
    return {each for each in EncoderRegistry(settings.home).list_ids() if read_current_version(settings, each)}


def _fetch_weights(settings: Settings, keys: list[str], folder: Path) -> None:
    """Copy objects to the new ``folder``, which appears with all of them."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    settings.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.scratch) as scratch:
        fetched_folder = Path(scratch) / "weights"
        fetched_folder.mkdir()
        for key in keys:
            with settings.store.fetch_local_file(key, settings.scratch) as fetched:
                fetched.rename(fetched_folder / fetched.name)
        fetched_folder.rename(folder)
