"""Where versions and states of probes lie in the object store: ``probes/<label>/<name>.json``, one document each.

A version has its own name. A state is ``state.json``, or, where an upgrade chose the live encoder, one for each
encoder, ``state-<encoder_id>.json``: so the switch to another encoder is the switch to its probes.
"""

from __future__ import annotations

import json
from typing import Any

from ops.core.errors import NeedleError
from ops.core.settings import Settings

_FOLDER = "probes"
_STATE = "state"


def key_of(label: str, version: str) -> str:
    """Key of a version."""
    return f"{_FOLDER}/{label}/{version}.json"


def state_key(label: str, encoder_id: str = "") -> str:
    """Key of a state: that of an encoder, or the one of before the first upgrade."""
    return key_of(label, f"{_STATE}-{encoder_id}" if encoder_id else _STATE)


def versions_of(settings: Settings, label: str) -> list[str]:
    """Names of a probe's versions, sorted."""
    names = (key.rsplit("/", 1)[-1] for key in settings.store.list(f"{_FOLDER}/{label}"))
    return sorted(name.removesuffix(".json") for name in names if not _is_state(name))


def fitted_probes(settings: Settings) -> list[str]:
    """Labels that have a state, sorted, defined or not."""
    keys = (key.split("/") for key in settings.store.list(_FOLDER))
    return sorted({parts[1] for parts in keys if len(parts) == 3 and _is_state(parts[2])})


def _is_state(name: str) -> bool:
    return name == f"{_STATE}.json" or name.startswith(f"{_STATE}-")


def read_document(settings: Settings, key: str) -> dict[str, Any] | None:
    """A document; ``None`` where there is none. Raises ``NeedleError`` where it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(settings.store.read_bytes(key))
        return content
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise NeedleError(f"{settings.store.path(key)} cannot be read: {error}; delete it and fit again") from error
