"""Versions of probes in the object store: ``probes/<label>/<name>.json``, plain numbers, never changed.

A version has its own name. A state (:mod:`ops.probes.state`) is ``state.json``, or, after an upgrade of the encoder,
one for each encoder, ``state-<encoder_id>.json``. The switch to another encoder is also the switch to its probes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from ops.core.errors import NeedleError, NotFoundError
from ops.core.settings import Settings
from ops.evaluation.classification import Interval
from ops.probes.linear import LinearProbe

_FOLDER = "probes"
_STATE = "state"


@dataclass(frozen=True, kw_only=True)
class ProbeVersion:
    """One fit. ``held_out`` has, by labelled shot, the score from a fit without the shot's group.

    ``folds`` numbers the fit that gave each of them; versions before ``logistic-2`` (28 November 2026) have none.
    ``metrics`` are of those scores, with 95 % intervals. ``threshold`` is the lowest score that counts as yes, by the
    probe's policy. ``splits`` names the unit that was held out together. ``yes`` and ``no`` count the labels of the
    fit. A ``zero_shot`` version is the text score of its queries alone: it has neither labels nor figures.
    """

    label: str
    version: str
    kind: Literal["logistic", "zero_shot"]
    recipe: str
    encoder_id: str
    queries: tuple[str, ...]
    policy: str
    created_at: str
    weights: tuple[float, ...]
    bias: float
    threshold: float
    yes: int = 0
    no: int = 0
    splits: str = ""
    strength: float = 0.0
    text_weight: float = 0.0
    metrics: dict[str, Interval] = field(default_factory=dict)
    curve: tuple[tuple[float, float, float], ...] = ()
    held_out: dict[str, float] = field(default_factory=dict)
    folds: dict[str, int] = field(default_factory=dict)
    truths: dict[str, bool] = field(default_factory=dict)

    @property
    def linear(self) -> LinearProbe:
        """The classifier itself."""
        return LinearProbe(
            weights=np.asarray(self.weights, np.float64),
            bias=self.bias,
            strength=self.strength,
            text_weight=self.text_weight,
        )


def hash_inputs(content: list[Any]) -> str:
    """Return 12 hex digits of all inputs of a fit: the same inputs make the same name."""
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=6).hexdigest()


def write_version(settings: Settings, version: ProbeVersion) -> None:
    """Write a version; the same name means the same content, so writing it again changes nothing."""
    content = json.dumps(asdict(version), allow_nan=False, ensure_ascii=False)
    settings.store.write_bytes(version_key(version.label, version.version), content.encode())


def has_version(settings: Settings, label: str, version: str) -> bool:
    return settings.store.exists(version_key(label, version))


def read_version(settings: Settings, label: str, version: str) -> ProbeVersion:
    """Read one version. Raises ``NotFoundError`` if it does not exist, ``NeedleError`` if it cannot be read."""
    content = read_document(settings, version_key(label, version))
    if content is None:
        names = ", ".join(list_versions(settings, label)) or "none"
        raise NotFoundError(f"probe {label!r} has no version {version!r}: there is {names}")
    content["metrics"] = {name: Interval(**figures) for name, figures in content["metrics"].items()}
    content["curve"] = tuple(map(tuple, content["curve"]))
    lists = {name: tuple(content[name]) for name in ("queries", "weights")}
    # Versions from before 2026-11-23 also hold notes on the labels of their day, which are not part of a fit.
    obsolete = {"conflicts", "left_out", "notes"}
    return ProbeVersion(**{name: value for name, value in (content | lists).items() if name not in obsolete})


def version_key(label: str, version: str) -> str:
    """Return the key of a version."""
    return f"{_FOLDER}/{label}/{version}.json"


def state_key(label: str, encoder_id: str = "") -> str:
    """Return the key of the state for an encoder, or of the one from before the first upgrade."""
    return version_key(label, f"{_STATE}-{encoder_id}" if encoder_id else _STATE)


def list_versions(settings: Settings, label: str) -> list[str]:
    """Return the names of a probe's versions, sorted."""
    names = (key.rsplit("/", 1)[-1] for key in settings.store.list(f"{_FOLDER}/{label}"))
    return sorted(name.removesuffix(".json") for name in names if not _is_state(name))


def list_fitted_probes(settings: Settings) -> list[str]:
    """Return the labels that have a state, sorted, defined or not."""
    keys = (key.split("/") for key in settings.store.list(_FOLDER))
    return sorted({parts[1] for parts in keys if len(parts) == 3 and _is_state(parts[2])})


def _is_state(name: str) -> bool:
    return name == f"{_STATE}.json" or name.startswith(f"{_STATE}-")


def read_document(settings: Settings, key: str) -> dict[str, Any] | None:
    """Read a document; ``None`` if it does not exist. Raises ``NeedleError`` if it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(settings.store.read_bytes(key))
        return content
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise NeedleError(f"{settings.store.path(key)} cannot be read: {error}; delete it and fit again") from error
