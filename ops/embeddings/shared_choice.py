"""The choice of encoder that all homes on one bucket share: ``<store>/encoder.json``.

Stands alone because it is not what a home searches with: that is what its own index holds, and its own record
(:mod:`ops.embeddings.registry`) names it. An upgrade in one home writes this choice, and the others follow
(:mod:`ops.upgrade.shared_encoder`). Only stores with conditional writes (S3) have it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ops.core.errors import EncoderError
from ops.core.storage import ObjectStore
from ops.embeddings.registry import RegistryState, dump_state, parse_state

KEY = "encoder.json"


@dataclass(frozen=True, kw_only=True)
class SharedChoice:
    """The choice of ``auto`` of the homes on one bucket, and their live encoder after the first upgrade.

    ``version`` is that of the object; ``None`` if it does not exist.
    """

    auto: tuple[str, str] | None = None
    state: RegistryState = field(default_factory=RegistryState)
    version: str | None = None


def read_choice(store: ObjectStore) -> SharedChoice | None:
    """Return the choice of the homes on this store, empty before the first one; ``None`` if it cannot be shared.

    Raises ``EncoderError`` if the object cannot be read.
    """
    if not store.has_conditions:
        return None
    try:
        content, version = store.read_version(KEY)
    except FileNotFoundError:
        return SharedChoice()
    try:
        document = json.loads(content)
        auto = document["auto"]
        return SharedChoice(
            auto=(str(auto["spec"]), str(auto["reason"])) if auto else None,
            state=parse_state(document["succession"]),
            version=version,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"{store.uri(KEY)} cannot be read ({error}): delete it, and each home keeps the encoder that it has"
        ) from error


def list_shared_ids(store: ObjectStore) -> set[str]:
    """Return the ids of the encoders that homes on this store use or may roll back to."""
    choice = read_choice(store)
    state = choice.state if choice else RegistryState()
    return {each.encoder_id for each in (state.live, state.previous, state.rolled_back_from) if each}


def share_auto(store: ObjectStore, choose: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """Return ``(spec, reason)`` of ``auto`` for the homes on this store; ``choose`` decides if none has decided."""
    chosen: tuple[str, str] | None = None
    while (choice := read_choice(store)) is not None:
        if choice.auto is not None:
            return choice.auto
        chosen = chosen or choose()
        if write_choice(store, replace(choice, auto=chosen)):
            break
    return chosen or choose()


def write_choice(store: ObjectStore, choice: SharedChoice) -> bool:
    """Write the choice over the version that it was read from; return false, and write nothing, if that changed."""
    auto = {"spec": choice.auto[0], "reason": choice.auto[1]} if choice.auto else None
    document = {"auto": auto, "succession": dump_state(choice.state) if choice.state.live else None}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    return store.write_if(KEY, text.encode(), choice.version)
