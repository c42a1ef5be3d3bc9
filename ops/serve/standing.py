"""How labels stand, with what the service knows of the shots: no file of the catalogue is read for a thumb."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ops.probes.annotations import FORGOTTEN, ResolvedLabel, reason_for_missing
from ops.probes.labels import list_labels, resolve_labels
from ops.serve.service import Service
from ops.shots.corrections import CurrentCorrections
from ops.videos.forgotten import forgotten_ids


def standing_now(service: Service, labels: Sequence[str]) -> list[ResolvedLabel]:
    """What counts of each (label, shot) of the labels; a label that nobody gave has nothing."""
    known = list_labels(service.settings)
    return resolve_labels(service.settings, [label for label in labels if label in known], _ServedShots(service))


def by_label(standing: Iterable[ResolvedLabel]) -> dict[str, list[ResolvedLabel]]:
    """The same, by label."""
    found: dict[str, list[ResolvedLabel]] = defaultdict(list)
    for each in standing:
        found[each.latest.label].append(each)
    return found


class _ServedShots:
    """Which shots there are, as far as the service knows: at most as old as its last look at the catalogue."""

    def __init__(self, service: Service) -> None:
        self._details = service.details
        self._forgotten = forgotten_ids(service.settings.store)
        self._corrections = CurrentCorrections(service.settings)

    def missing_reason(self, shot_id: str) -> str:
        """Why a shot is not there; empty where it is there."""
        if shot_id.partition(":")[0] in self._forgotten:
            return FORGOTTEN
        return "" if self._details.of([shot_id]) else reason_for_missing(self._corrections, shot_id)
