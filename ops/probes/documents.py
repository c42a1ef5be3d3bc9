"""A probe as people and programs are told of it: definition, labels, the version that scores, its figures, its history.

What is told of labels is of today's; a version's ``yes`` and ``no`` are what it learnt from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from ops.core.settings import Settings
from ops.probes.definitions import ProbeDefinition, definitions_of
from ops.probes.judgements import Standing, Tally
from ops.probes.labels import labels_known, standing_of
from ops.probes.notes import Usable
from ops.probes.state import promoted_version, read_state
from ops.probes.store import versions_of
from ops.probes.vectors import embedded_among
from ops.probes.versions import ProbeVersion, read_version


def probe_document(
    settings: Settings,
    label: str,
    definitions: dict[str, ProbeDefinition] | None = None,
    standing: Sequence[Standing] | None = None,
    embedded: Container[str] | None = None,
) -> dict[str, Any]:
    """The document of ``needle probe show --json``; empty texts where the probe is not defined or not fitted yet.

    Figures (``metrics``: value, low, high of the 95 % interval) are those of the ``promoted`` version, which scores
    the catalogue. ``definitions``, ``standing`` (how the label stands) and ``embedded`` (the shots that have a
    vector) save reading them again.
    """
    definition = (definitions_of(settings) if definitions is None else definitions).get(label)
    state, version = read_state(settings, label), promoted_version(settings, label)
    latest = version if state.latest in ("", state.promoted) else read_version(settings, label, state.latest)
    if standing is None:
        standing = standing_of(settings, [label]) if label in labels_known(settings) else []
    queries = list(definition.queries) if definition else []
    return {
        "label": label,
        "description": definition.description if definition else "",
        "queries": queries,
        "policy": definition.threshold if definition else "",
        "promoted": state.promoted,
        "latest": state.latest,
        "versions": versions_of(settings, label),
        **_figures(version),
        **_of_labels(settings, label, queries, version, latest, standing, embedded),
        "verdicts": [asdict(verdict) for verdict in state.verdicts],
    }


def _figures(version: ProbeVersion | None) -> dict[str, Any]:
    if version is None:
        return {"kind": "", "fitted_at": None, "yes": 0, "no": 0, "threshold": None, "metrics": {}}
    names = ("kind", "encoder_id", "yes", "no", "threshold", "strength", "text_weight")
    figures = {
        name: {"value": each.value, "low": each.low, "high": each.high} for name, each in version.metrics.items()
    }
    told: dict[str, Any] = {name: getattr(version, name) for name in names}
    return told | {"fitted_at": version.created_at, "held_out_by": version.splits, "metrics": figures}


def _of_labels(
    settings: Settings,
    label: str,
    queries: Sequence[str],
    version: ProbeVersion | None,
    latest: ProbeVersion | None,
    standing: Sequence[Standing],
    embedded: Container[str] | None,
) -> dict[str, Any]:
    encoder_id = version.encoder_id if version else ""
    if version and embedded is None:
        embedded = embedded_among(settings, encoder_id, (each.latest.shot_id for each in standing))
    usable = Usable.of(standing, embedded if version else None)
    return {
        "labels": {
            **asdict(Tally.of(standing)),
            "since": _labels_since(version, standing, embedded),
            "since_fit": _labels_since(latest, standing, embedded),
        },
        "conflicts": usable.conflicts,
        "left_out": usable.left_out,
        "notes": usable.notes(label, () if version and version.kind == "logistic" else queries, encoder_id),
    }


def _labels_since(version: ProbeVersion | None, standing: Iterable[Standing], embedded: Container[str] | None) -> int:
    """Shots whose label the version has not learnt as it is now: labelled, changed, taken back or gone since.

    Labelled shots without a vector do not count: no fit can learn them.
    """
    truths = version.truths if version else {}
    there = [each for each in standing if not each.gone and (embedded is None or each.latest.shot_id in embedded)]
    now = {each.latest.shot_id: each.value for each in there}
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
