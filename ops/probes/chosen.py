"""What beside a fit changes which version scores: a person's word, and an upgrade to another encoder."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime

from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.embeddings.build import table_of
from ops.embeddings.pins import EncoderPins
from ops.probes.scores import kept_table
from ops.probes.scores import table_of as scores_of
from ops.probes.state import ProbeState, Verdict, change_state, read_state
from ops.probes.store import fitted_probes, state_key
from ops.probes.versions import read_version


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


def keep_state(settings: Settings, label: str, encoder_id: str) -> None:
    """Write the live state as the own one of ``encoder_id``, the live encoder, which is about to be replaced."""
    with settings.lake.locked(f"probe-{label}"):
        content = json.dumps(asdict(read_state(settings, label)), ensure_ascii=False, indent=1)
        settings.store.write_bytes(state_key(label, encoder_id), content.encode())


def keep_scores(settings: Settings, encoder_id: str, label: str) -> None:
    """Copy a probe's scores to where they are kept for an encoder; the caller holds the work lock."""
    kept, lake = kept_table(encoder_id, label), settings.lake
    names = lake.partitions(scores_of(label))
    for partition in names:
        lake.write(kept, partition, lake.read(scores_of(label), [partition]))
    for stale in set(lake.partitions(kept)) - set(names):
        lake.delete(kept, stale)


def drop_states(settings: Settings, encoder_id: str) -> None:
    """Delete the states of all probes for an encoder that has gone; their versions stay."""
    for label in fitted_probes(settings):
        settings.store.delete(state_key(label, encoder_id))
