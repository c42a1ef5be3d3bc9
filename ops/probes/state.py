"""Which version of a probe scores the catalogue, and how it came to that: ``probes/<label>/state.json``.

Each encoder that an upgrade made live has its own state, see ``ops/probes/store.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from ops.core.settings import Settings
from ops.embeddings.pins import EncoderPins
from ops.probes.store import read_document, state_key
from ops.probes.versions import ProbeVersion, read_version


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


def promoted_version(settings: Settings, label: str, encoder_id: str = "") -> ProbeVersion | None:
    """The version that scores the catalogue, or ``None`` where the probe was never fitted; as :func:`read_state`."""
    state = read_state(settings, label, encoder_id)
    return read_version(settings, label, state.promoted) if state.promoted else None


def read_state(settings: Settings, label: str, encoder_id: str = "") -> ProbeState:
    """The state for the live encoder, or for another one; empty where the probe was never fitted.

    An encoder without a state of its own has the one from before the first upgrade.
    """
    content = read_document(settings, _key(settings, label, encoder_id))
    if content is None:
        content = read_document(settings, state_key(label))
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
        key = _key(settings, label, encoder_id)
        if after != before or (encoder_id and not settings.store.exists(key)):
            content = json.dumps(asdict(after), ensure_ascii=False, indent=1)
            settings.store.write_bytes(key, content.encode())
    return after


def _key(settings: Settings, label: str, encoder_id: str) -> str:
    """Before the first upgrade there is one state, and beside it that of the candidate."""
    succession = EncoderPins(settings.home).succession()
    if succession.live:
        return state_key(label, encoder_id or succession.live.encoder_id)
    is_candidate = succession.candidate is not None and succession.candidate.encoder_id == encoder_id
    return state_key(label, encoder_id) if is_candidate else state_key(label)
