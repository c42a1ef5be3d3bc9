"""Resolved labels, from details that the service has cached: a label from the page reads no file of the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ops.probes.annotations import FORGOTTEN, ResolvedLabel, explain_missing
from ops.probes.labels import list_labels, resolve_labels
from ops.serve.service import Service
from ops.shots.corrections import CurrentCorrections
from ops.videos.forgotten import read_forgotten_ids


def resolve_served_labels(service: Service, labels: Sequence[str]) -> list[ResolvedLabel]:
    """Return the resolved label of each (label, shot) of the labels; a label without annotations has none."""
    names = list_labels(service.settings)
    return resolve_labels(service.settings, [label for label in labels if label in names], _ServedShots(service))


def group_by_label(resolved_labels: Iterable[ResolvedLabel]) -> dict[str, list[ResolvedLabel]]:
    """Return the same, by label."""
    groups: dict[str, list[ResolvedLabel]] = defaultdict(list)
    for each in resolved_labels:
        groups[each.latest.label].append(each)
    return groups


class _ServedShots:
    """The existing shots, as cached by the service: at most as old as its last check of the catalogue."""

    def __init__(self, service: Service) -> None:
        self._details = service.details
        self._forgotten_ids = read_forgotten_ids(service.settings.store)
        self._corrections = CurrentCorrections(service.settings)

    def missing_reason(self, shot_id: str) -> str:
        """Return the reason why a shot is missing; empty if it exists."""
        if shot_id.partition(":")[0] in self._forgotten_ids:
            return FORGOTTEN
        return "" if self._details.read([shot_id]) else explain_missing(self._corrections, shot_id)
