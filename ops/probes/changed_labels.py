"""What becomes of labels when people correct the cuts of a film: nothing is deleted, and nothing changes in silence.

A label belongs to a shot id, which names the first frame. A shot that is merged into the one before it takes its labels
out of use until the merge is taken back; a shot that gets another end keeps them, and somebody should look again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ops.core.settings import Settings
from ops.probes.judgements import standing_among
from ops.probes.labels import labels_known, read_judgements
from ops.shots.correcting import CutState

Effect = Literal["unused", "longer", "shorter"]
IN_WORDS: dict[Effect, str] = {
    "unused": "kept, and not used while its shot is merged with the one before",
    "longer": "stays with its shot, which becomes longer: look again",
    "shorter": "stays with the first part of its shot: look again",
}


@dataclass(frozen=True, kw_only=True)
class ChangedLabel:
    """A label whose shot changes with the next ingest."""

    label: str
    shot_id: str
    value: bool
    effect: Effect

    def document(self) -> dict[str, Any]:
        """The change as JSON."""
        return {
            "label": self.label,
            "shot_id": self.shot_id,
            "value": self.value,
            "effect": self.effect,
            "why": IN_WORDS[self.effect],
        }


def find_changed_labels(settings: Settings, state: CutState) -> list[ChangedLabel]:
    """Labels of the film's shots that the corrections which wait for an ingest will change, by shot and label."""
    ends = {each.start_frame: each.end_frame for each in state.planned}
    effects: dict[str, Effect] = {}
    for row in state.rows:
        end = ends.get(row["start_frame"])
        if end is None:
            effects[row["shot_id"]] = "unused"
        elif end != row["end_frame"]:
            effects[row["shot_id"]] = "longer" if end > row["end_frame"] else "shorter"
    if not effects:
        return []
    found = standing_among(read_judgements(settings, labels_known(settings)))
    return [
        ChangedLabel(label=label, shot_id=shot_id, value=each.value, effect=effects[shot_id])
        for (label, shot_id), each in sorted(found.items(), key=lambda item: (item[0][1], item[0][0]))
        if shot_id in effects
    ]
