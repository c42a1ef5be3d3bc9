"""The version of a probe that scores the catalogue, and the decisions about it: ``probes/<label>/state.json``.

Each encoder that an upgrade made live has its own state, see :mod:`ops.probes.versions`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from ops.core.settings import Settings
from ops.embeddings.registry import EncoderRegistry
from ops.probes.versions import ProbeVersion, read_document, read_version, state_key


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a version replaced its predecessor, and why (not)."""

    version: str
    over: str
    promoted: bool
    reason: str
    by: Literal["rule", "person"]
    at: str


@dataclass(frozen=True, kw_only=True)
class ProbeState:
    """``promoted`` scores the catalogue, ``latest`` is the last fit; ``verdicts`` are the decisions, in order."""

    promoted: str = ""
    latest: str = ""
    verdicts: tuple[Verdict, ...] = ()

    @property
    def refused(self) -> Verdict | None:
        """Why the last fit did not replace its predecessor; ``None`` if it did, or if a person decided since."""
        last = self.verdicts[-1] if self.verdicts else None
        return last if last and not last.promoted and last.version == self.latest else None


def read_promoted_version(settings: Settings, label: str, encoder_id: str = "") -> ProbeVersion | None:
    """Return the version that scores the catalogue, ``None`` if the probe was never fitted; as :func:`read_state`."""
    state = read_state(settings, label, encoder_id)
    return read_version(settings, label, state.promoted) if state.promoted else None


def read_state(settings: Settings, label: str, encoder_id: str = "") -> ProbeState:
    """Read the state for the live encoder, or for another one; empty if the probe was never fitted.

    An encoder without its own state has the one from before the first upgrade.
    """
    content = read_document(settings, _choose_key(settings, label, encoder_id))
    if content is None:
        content = read_document(settings, state_key(label))
    if content is None:
        return ProbeState()
    verdicts = tuple(Verdict(**each) for each in content["verdicts"])
    return ProbeState(promoted=content["promoted"], latest=content["latest"], verdicts=verdicts)


def change_state(
    settings: Settings, label: str, change: Callable[[ProbeState], ProbeState], encoder_id: str = ""
) -> ProbeState:
    """Replace a probe's state by ``change`` of it, under a lock of this machine's processes; as :func:`read_state`."""
    with settings.lake.hold_lock(f"probe-{label}"):
        before = read_state(settings, label, encoder_id)
        after = change(before)
        key = _choose_key(settings, label, encoder_id)
        if after != before or (encoder_id and not settings.store.exists(key)):
            content = json.dumps(asdict(after), ensure_ascii=False, indent=1)
            settings.store.write_bytes(key, content.encode())
    return after


def _choose_key(settings: Settings, label: str, encoder_id: str) -> str:
    """Return the key of the state. Before the first upgrade there is one state, and that of the candidate."""
    state = EncoderRegistry(settings.home).read_state()
    if state.live:
        return state_key(label, encoder_id or state.live.encoder_id)
    is_candidate = state.candidate is not None and state.candidate.encoder_id == encoder_id
    return state_key(label, encoder_id) if is_candidate else state_key(label)
