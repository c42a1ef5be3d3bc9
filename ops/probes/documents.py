"""A probe as people and programs are told of it: definition, the version that scores, its figures, its history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ops.core.settings import Settings
from ops.probes.definitions import ProbeDefinition, definitions_of
from ops.probes.labels import Standing
from ops.probes.versions import ProbeVersion, promoted_version, read_state, versions_of


def probe_document(
    settings: Settings, label: str, definitions: dict[str, ProbeDefinition] | None = None
) -> dict[str, Any]:
    """The document of ``needle probe show --json``; empty texts where the probe is not defined or not fitted yet.

    Figures (``metrics``: value, low, high of the 95 % interval) are those of the ``promoted`` version, which scores
    the catalogue. ``definitions`` saves reading them again.
    """
    definition = (definitions_of(settings) if definitions is None else definitions).get(label)
    state, version = read_state(settings, label), promoted_version(settings, label)
    return {
        "label": label,
        "description": definition.description if definition else "",
        "queries": list(definition.queries) if definition else [],
        "policy": definition.threshold if definition else "",
        "promoted": state.promoted,
        "latest": state.latest,
        "versions": versions_of(settings, label),
        **_figures(version),
        "verdicts": [asdict(verdict) for verdict in state.verdicts],
    }


def _figures(version: ProbeVersion | None) -> dict[str, Any]:
    if version is None:
        return {"kind": "", "fitted_at": None, "yes": 0, "no": 0, "threshold": None, "metrics": {}, "notes": []}
    names = ("kind", "encoder_id", "yes", "no", "conflicts", "left_out", "threshold", "strength", "text_weight")
    figures = {
        name: {"value": each.value, "low": each.low, "high": each.high} for name, each in version.metrics.items()
    }
    told: dict[str, Any] = {name: getattr(version, name) for name in names}
    told |= {"fitted_at": version.created_at, "held_out_by": version.splits}
    return told | {"metrics": figures, "notes": list(version.notes)}


def labels_since(version: ProbeVersion | None, standing: Iterable[Standing]) -> int:
    """Shots whose label the version has not learnt as it is now: labelled, changed, taken back or gone since."""
    truths = version.truths if version else {}
    now = {each.latest.shot_id: each.value for each in standing if not each.gone}
    return sum(truths.get(shot) != now.get(shot) for shot in truths.keys() | now.keys())


def people_of(standing: Iterable[Standing]) -> list[dict[str, Any]]:
    """``{"annotator", "yes", "no"}`` of everybody whose judgements stand, who said most first."""
    votes = [vote for each in standing if not each.gone for vote in each.by_annotator.values()]
    counts = Counter((vote.annotator, bool(vote.value)) for vote in votes)
    names = Counter(vote.annotator for vote in votes)
    return [
        {"annotator": name, "yes": counts[name, True], "no": counts[name, False]}
        for name, _ in sorted(names.items(), key=lambda item: (-item[1], item[0]))
    ]
