"""Versions of probes in the object store: ``probes/<label>/<version>.json``, plain numbers, never changed.

Which of them scores the catalogue stands in ``probes/<label>/state.json``, with how it came to that. Where an upgrade
chose the live encoder, each encoder has its own, ``state-<encoder_id>.json``: so the switch to another encoder is the
switch to its probes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np

from ops.core.errors import NeedleError, NotFoundError, UsageError
from ops.core.settings import Settings
from ops.embeddings.build import table_of
from ops.embeddings.pins import EncoderPins
from ops.evaluation.classification import Interval
from ops.probes.linear import LinearProbe

FOLDER = "probes"
_STATE = "state"


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


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a version took its predecessor's place, and why (not)."""

    version: str
    over: str
    promoted: bool
    reason: str
    by: Literal["rule", "person"]
    at: str


@dataclass(frozen=True, kw_only=True)
class ProbeState:
    """``promoted`` scores the catalogue, ``latest`` is the last fit; ``verdicts`` tell how, the last one last."""

    promoted: str = ""
    latest: str = ""
    verdicts: tuple[Verdict, ...] = ()

    @property
    def refused(self) -> Verdict | None:
        """Why the last fit did not take its predecessor's place; ``None`` where it did, or a person chose since."""
        last = self.verdicts[-1] if self.verdicts else None
        return last if last and not last.promoted and last.version == self.latest else None


def key_of(label: str, version: str) -> str:
    """Key of a version in the object store."""
    return f"{FOLDER}/{label}/{version}.json"


def fitted_probes(settings: Settings) -> list[str]:
    """Labels that have a state, sorted, defined or not."""
    keys = (key.split("/") for key in settings.store.list(FOLDER))
    return sorted({parts[1] for parts in keys if len(parts) == 3 and _is_state(parts[2])})


def _is_state(name: str) -> bool:
    return name == f"{_STATE}.json" or name.startswith(f"{_STATE}-")


def write_version(settings: Settings, version: ProbeVersion) -> None:
    """Write a version; the same name is the same content, so writing it again changes nothing."""
    content = json.dumps(asdict(version), allow_nan=False, ensure_ascii=False)
    settings.store.write_bytes(key_of(version.label, version.version), content.encode())


def has_version(settings: Settings, label: str, version: str) -> bool:
    return settings.store.exists(key_of(label, version))


def read_version(settings: Settings, label: str, version: str) -> ProbeVersion:
    """One version. Raises ``NotFoundError`` where there is none, ``NeedleError`` where it cannot be read."""
    content = _read(settings, key_of(label, version))
    if content is None:
        known = ", ".join(versions_of(settings, label)) or "none"
        raise NotFoundError(f"probe {label!r} has no version {version!r}: there is {known}")
    content["metrics"] = {name: Interval(**figures) for name, figures in content["metrics"].items()}
    content["curve"] = tuple(map(tuple, content["curve"]))
    lists = {name: tuple(content[name]) for name in ("queries", "weights")}
    # Versions of before 2026-11-23 hold what was to be known of their labels that day: no part of a fit.
    told = {"conflicts", "left_out", "notes"}
    return ProbeVersion(**{name: value for name, value in (content | lists).items() if name not in told})


def versions_of(settings: Settings, label: str) -> list[str]:
    """Names of a probe's versions, sorted by name."""
    names = (key.rsplit("/", 1)[-1] for key in settings.store.list(f"{FOLDER}/{label}"))
    return sorted(name.removesuffix(".json") for name in names if not _is_state(name))


def promoted_version(settings: Settings, label: str, encoder_id: str = "") -> ProbeVersion | None:
    """The version that scores the catalogue, or ``None`` where the probe was never fitted; as :func:`read_state`."""
    state = read_state(settings, label, encoder_id)
    return read_version(settings, label, state.promoted) if state.promoted else None


def read_state(settings: Settings, label: str, encoder_id: str = "") -> ProbeState:
    """The state for the live encoder, or for another one; empty where the probe was never fitted.

    An encoder without a state of its own has the one from before the first upgrade.
    """
    content = _read(settings, _state_key(settings, label, encoder_id))
    if content is None:
        content = _read(settings, key_of(label, _STATE))
    if content is None:
        return ProbeState()
    verdicts = tuple(Verdict(**each) for each in content["verdicts"])
    return ProbeState(promoted=content["promoted"], latest=content["latest"], verdicts=verdicts)


def change_state(
    settings: Settings, label: str, change: Callable[[ProbeState], ProbeState], encoder_id: str = ""
) -> ProbeState:
    """Replace a probe's state by ``change`` of it, alone among the processes of this machine; as :func:`read_state`."""
    with settings.lake.locked(f"probe-{label}"):
        before = read_state(settings, label, encoder_id)
        after = change(before)
        key = _state_key(settings, label, encoder_id)
        if after != before or (encoder_id and not settings.store.exists(key)):
            content = json.dumps(asdict(after), ensure_ascii=False, indent=1)
            settings.store.write_bytes(key, content.encode())
    return after


def _state_key(settings: Settings, label: str, encoder_id: str) -> str:
    """Before the first upgrade there is one state, and beside it that of the candidate."""
    succession = EncoderPins(settings.home).succession()
    if succession.live:
        return _own_key(label, encoder_id or succession.live.encoder_id)
    is_candidate = succession.candidate is not None and succession.candidate.encoder_id == encoder_id
    return _own_key(label, encoder_id) if is_candidate else key_of(label, _STATE)


def _own_key(label: str, encoder_id: str) -> str:
    return key_of(label, f"{_STATE}-{encoder_id}")


def keep_state(settings: Settings, label: str, encoder_id: str) -> None:
    """Write the live state as the own one of ``encoder_id``, the live encoder, which is about to be replaced."""
    with settings.lake.locked(f"probe-{label}"):
        content = json.dumps(asdict(read_state(settings, label)), ensure_ascii=False, indent=1)
        settings.store.write_bytes(_own_key(label, encoder_id), content.encode())


def drop_states(settings: Settings, encoder_id: str) -> None:
    """Delete the states of all probes for an encoder that has gone; their versions stay."""
    for label in fitted_probes(settings):
        settings.store.delete(_own_key(label, encoder_id))


def promote(settings: Settings, encoder_id: str, label: str, version: str, now: datetime) -> ProbeState:
    """Let a version score the catalogue because a person says so; ``encoder_id`` is the live encoder's.

    Raises ``NotFoundError`` where there is none, ``UsageError`` where it reads the vectors of another encoder.
    """
    own = read_version(settings, label, version).encoder_id
    if own != encoder_id:
        raise UsageError(
            f"version {version} of {label} was fitted on the vectors of {own}, and {encoder_id} is live now: "
            f"`needle probe fit {label}` fits the labels on the live one's vectors, and {_way_back(settings, own)}"
        )

    def change(state: ProbeState) -> ProbeState:
        if state.promoted == version:
            return state
        verdict = Verdict(
            version=version,
            over=state.promoted,
            promoted=True,
            reason="a person said so",
            by="person",
            at=now.isoformat(timespec="seconds"),
        )
        return ProbeState(promoted=version, latest=state.latest, verdicts=(*state.verdicts, verdict))

    return change_state(settings, label, change)


def _way_back(settings: Settings, encoder_id: str) -> str:
    previous = EncoderPins(settings.home).succession().previous
    if previous and previous.encoder_id == encoder_id:
        return "`needle upgrade --rollback` makes the other live again, with its probes"
    if settings.lake.partitions(table_of(encoder_id)):
        return f"`needle upgrade --encoder {encoder_id}` makes the other live"
    return "of the other the catalogue has none any more"


def _read(settings: Settings, key: str) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(settings.store.read_bytes(key))
        return content
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise NeedleError(f"{settings.store.path(key)} cannot be read: {error}; delete it and fit again") from error
