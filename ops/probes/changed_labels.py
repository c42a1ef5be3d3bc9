"""Labels that change if people correct the cuts of a video: nothing is deleted, and every change is reported.

A label belongs to a shot id, which names the first frame. If a shot is merged into the one before it, its labels are
not used until the merge is undone. A shot with another end keeps its labels, and a person should check them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ops.core.settings import Settings
from ops.probes.annotations import resolve_annotations
from ops.probes.labels import list_labels, read_annotations
from ops.shots.correcting import CutState

Effect = Literal["unused", "longer", "shorter"]
IN_WORDS: dict[Effect, str] = {
    "unused": "kept, and not used while its shot is merged with the one before",
    "longer": "stays with its shot, which becomes longer: look again",
    "shorter": "stays with the first part of its shot: look again",
}


@dataclass(frozen=True, kw_only=True)
class RecutLabel:
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


def find_changed_labels(settings: Settings, state: CutState) -> list[RecutLabel]:
    """Return labels that corrections of the video will change with the next ingest, by shot and label."""
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
    resolved_labels = resolve_annotations(read_annotations(settings, list_labels(settings)))
    return [
        RecutLabel(label=label, shot_id=shot_id, value=each.value, effect=effects[shot_id])
        for (label, shot_id), each in sorted(resolved_labels.items(), key=lambda item: (item[0][1], item[0][0]))
        if shot_id in effects
    ]
