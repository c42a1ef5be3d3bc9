"""One live encoder for all homes on one bucket: an upgrade in one home is published, and the others follow it.

Stands alone because following is not an upgrade by measurement: the home that published it has compared. A home
follows when its own index holds the encoder's vectors, so its searches never meet vectors of two encoders.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ops.core.errors import EncoderError, NeedleError
from ops.core.settings import Settings
from ops.embeddings.encoder import find_kind, resolve_encoder, resolve_spec
from ops.embeddings.registry import EncoderRecord, EncoderRegistry, RegistryState, UpgradeCandidate
from ops.embeddings.shared_choice import read_choice, write_choice
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

    ``replaced_id`` is the live encoder before. Raises ``NeedleError``, and publishes nothing, if another home came
    first.
    """
    choice = read_choice(settings.store)
    if choice is None or state.live is None:
        return
    there = choice.state.live
    is_expected = there is None or there.encoder_id in (replaced_id, state.live.encoder_id)
    if is_expected:
        for record in (state.live, state.previous):
            if record:
                _share_weights(settings, record)
        shared = replace(state, candidate=None, to_delete=(), cleanup_done=True)
        is_expected = write_choice(settings.store, replace(choice, state=shared))
    if not is_expected:
        raise NeedleError(
            f"another home on {settings.storage_uri} made another encoder live meanwhile: run `needle ingest` to "
            "follow it, and then this again"
        )


def find_shared_state(settings: Settings) -> SharedState | None:
    """Return what another home on this store made live; ``None`` if that is live here, or if nothing was."""
    choice = read_choice(settings.store)
    if choice is None or choice.state.live is None:
        return None
    here = EncoderRegistry(settings.home).read_state().live
    if here and here.encoder_id == choice.state.live.encoder_id:
        return None
    return SharedState(live=choice.state.live, state=choice.state)


def fetch_encoder(settings: Settings, record: EncoderRecord) -> None:
    """Get the weights of an encoder that another home published, if only homes on this store have them.

    Raises ``EncoderError`` if this home cannot have the encoder, or has another one of that name.
    """
    kind, rest = find_kind(record.spec)
    folder = kind.find_own_folder(rest, settings.home)
    if folder and not folder.exists() and (keys := settings.store.list(f"{WEIGHTS}/{record.encoder_id}")):
        _fetch_weights(settings, keys, folder)
    here = resolve_spec(record.spec, settings.home).encoder_id
    if here != record.encoder_id:
        remedy = f"move {folder} away, and run this again" if folder else "give this home the same weights"
        raise EncoderError(
            f"{record.spec} of this home is {here}, but that of the homes on {settings.storage_uri} is "
            f"{record.encoder_id}: {remedy}"
        )


def adopt(settings: Settings, shared: SharedState) -> UpgradeCandidate | None:
    """Follow at once if this home has no index of another encoder; otherwise return the candidate to be computed."""
    registry = EncoderRegistry(settings.home)
    others = [each for each in registry.list_ids() if read_current_version(settings, each)]
    if set(others) <= {shared.live.encoder_id} or resolve_encoder(settings).encoder_id not in others:
        registry.change_state(lambda before: follow_state(before, shared, ()))
        return None
    candidate = UpgradeCandidate(spec=shared.live.spec, encoder_id=shared.live.encoder_id, how="follow")
    return registry.change_state(lambda before: replace_candidate(before, candidate)).candidate


def follow_state(before: RegistryState, shared: SharedState, replaced_specs: Iterable[str]) -> RegistryState:
    """Return the state of a home that uses what ``shared`` names; ``replaced_specs`` were live here until now."""
    state = shared.state
    kept = {each.encoder_id for each in (state.live, state.previous, state.rolled_back_from) if each}
    leaving = [each.encoder_id for each in (before.live, before.previous, before.rolled_back_from) if each]
    return replace(
        state,
        replaced_specs=tuple(dict.fromkeys([*before.replaced_specs, *state.replaced_specs, *replaced_specs])),
        to_delete=tuple(dict.fromkeys(each for each in (*before.to_delete, *leaving) if each not in kept)),
        cleanup_done=False,
    )


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


def _share_weights(settings: Settings, record: EncoderRecord) -> None:
    """Copy weights that only this home has into the store; not if they are gone or were replaced."""
    kind, rest = find_kind(record.spec)
    folder = kind.find_own_folder(rest, settings.home)
    if folder is None or EncoderRegistry(settings.home).find_id(record.spec) != record.encoder_id:
        return
    settings.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.scratch) as scratch:
        for path in (each for each in folder.iterdir() if each.is_file()):
            settings.store.put_file(Path(shutil.copy(path, scratch)), f"{WEIGHTS}/{record.encoder_id}/{path.name}")
