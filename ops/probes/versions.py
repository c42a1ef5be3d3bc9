"""Versions of probes in the object store: ``probes/<label>/<version>.json``, plain numbers, never changed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.evaluation.classification import Interval
from ops.probes.linear import LinearProbe
from ops.probes.store import key_of, read_document, versions_of


@dataclass(frozen=True, kw_only=True)
class ProbeVersion:
    """One fit. ``held_out`` has, by labelled shot, the score from a fit that had not seen its group.

    ``metrics`` are of those scores, with 95 % intervals; ``threshold`` is the score from which on the probe says yes
    by its policy; ``splits`` tells what was held out together; ``yes`` and ``no`` count what it learnt from. A
    ``zero_shot`` version is the text score of its queries alone: it learnt from no label and has no figures.
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


def write_version(settings: Settings, version: ProbeVersion) -> None:
    """Write a version; the same name is the same content, so writing it again changes nothing."""
    content = json.dumps(asdict(version), allow_nan=False, ensure_ascii=False)
    settings.store.write_bytes(key_of(version.label, version.version), content.encode())


def has_version(settings: Settings, label: str, version: str) -> bool:
    return settings.store.exists(key_of(label, version))


def read_version(settings: Settings, label: str, version: str) -> ProbeVersion:
    """One version. Raises ``NotFoundError`` where there is none, ``NeedleError`` where it cannot be read."""
    content = read_document(settings, key_of(label, version))
    if content is None:
        known = ", ".join(versions_of(settings, label)) or "none"
        raise NotFoundError(f"probe {label!r} has no version {version!r}: there is {known}")
    content["metrics"] = {name: Interval(**figures) for name, figures in content["metrics"].items()}
    content["curve"] = tuple(map(tuple, content["curve"]))
    lists = {name: tuple(content[name]) for name in ("queries", "weights")}
    # Versions of before 2026-11-23 hold what was to be known of their labels that day: no part of a fit.
    told = {"conflicts", "left_out", "notes"}
    return ProbeVersion(**{name: value for name, value in (content | lists).items() if name not in told})
