"""The ``labels`` table: who annotated which shot, how, when, and in which feed.

Append-only, one file per label: an annotation is never changed. A later one replaces it, and one without a value
withdraws it. Rows are appended under the table's lock, so that two processes that annotate at the same time lose
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from ops.core.columns import LABELS
from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.core.tables import Lake, compute_digest
from ops.probes.annotations import (
    SETTLED_KEY,
    Annotation,
    CatalogueShots,
    ResolvedLabel,
    ShotLookup,
    require_name,
    resolve_annotations,
)

TABLE = "labels"


@dataclass(frozen=True, kw_only=True)
class Appended:
    """The result of appending annotations: written, unchanged, or refused with a reason."""

    written: int = 0
    unchanged: int = 0
    refused: tuple[tuple[str, str], ...] = ()


def append_annotations(
    settings: Settings, annotations: Sequence[Annotation], now: datetime, *, affirm: bool = True
) -> Appended:
    """Append annotations of one or more labels; skip and report those that cannot be used.

    An annotation that repeats its annotator's last one writes nothing. Exceptions (``affirm``): somebody else has
    contradicted it since, or it settles a conflict; it then becomes the latest. A withdrawal without an earlier
    annotation writes nothing. Raises ``UsageError`` for a name that cannot be a label.
    """
    shots = CatalogueShots(settings)
    shots = CatalogueShots(settings)
    refusals: list[tuple[str, str]] = []
    by_label: dict[str, list[Annotation]] = {}
    for each in annotations:
        require_name(each.label)
        if reason := shots.rejection_reason(each.shot_id):
            refusals.append((each.shot_id, reason))
        else:
            by_label.setdefault(each.label, []).append(each)
    rows_written = sum(_append(settings.lake, label, group, now, affirm) for label, group in by_label.items())
    accepted_count = len(annotations) - len(refusals)
    return Appended(written=rows_written, unchanged=accepted_count - rows_written, refused=tuple(refusals))


def _append(lake: Lake, label: str, annotations: Sequence[Annotation], now: datetime, affirm: bool) -> int:
    """Append to the file of one label; return the number of rows written."""
    with lake.hold_lock(f"{TABLE}-{label}"):
        stored_rows = lake.read(TABLE, [label])
        resolved_labels = resolve_annotations(_parse_rows(stored_rows))
        stored_ids = set(stored_rows["label_id"].to_pylist())
        new: list[Annotation] = []
        for each in annotations:
            before = resolved_labels.pop((each.label, each.shot_id), None)
            votes = list(before.by_annotator.values()) if before else []
            if each.label_id not in stored_ids and not _is_repetition(before, each, affirm):
                stored_ids.add(each.label_id)
                new.append(each)
                votes.append(each)
            resolved_labels.update(resolve_annotations(votes))
        if new:
            rows = pa.Table.from_pylist([_build_row(each, now) for each in new], LABELS)
            lake.write(TABLE, label, pa.concat_tables([stored_rows, rows]))
    return len(new)


def _is_repetition(before: ResolvedLabel | None, annotation: Annotation, affirm: bool) -> bool:
    last = before.by_annotator.get(annotation.annotator) if before else None
    if before is None or last is None:
        return annotation.value is None
    is_contradicted = before.latest.value != annotation.value
    settles = annotation.origin == SETTLED_KEY and before.in_conflict
    return last.value == annotation.value and not settles and not (affirm and is_contradicted)


def list_labels(settings: Settings) -> list[str]:
    """Return the labels that were ever used, sorted."""
    return settings.lake.list_partitions(TABLE)


def read_annotations(settings: Settings, labels: Iterable[str] | None = None) -> list[Annotation]:
    """Return every annotation of the labels (default: all labels), in the order of appending.

    Raises ``NotFoundError``, naming the existing labels, for a label that was never used.
    """
    known_labels = list_labels(settings)
    names = list(known_labels if labels is None else labels)
    if missing := sorted(set(names) - set(known_labels)):
        choices = f"there are {', '.join(known_labels)}" if known_labels else "there are none yet"
        raise NotFoundError(
            f"no label {missing[0]!r}: {choices}; `needle label {missing[0]} SHOT --value yes` begins one"
        )
    return _parse_rows(settings.lake.read(TABLE, names))


def resolve_labels(
    settings: Settings, labels: Iterable[str] | None = None, shots: ShotLookup | None = None
) -> list[ResolvedLabel]:
    """Resolve each (label, shot), sorted by both, with conflicts and missing shots.

    ``shots`` looks up missing shots; by default in the lake.
    """
    shots = shots or CatalogueShots(settings)
    resolved_labels = resolve_annotations(read_annotations(settings, labels))
    return [
        ResolvedLabel(latest=each.latest, by_annotator=each.by_annotator, missing_reason=shots.missing_reason(shot_id))
        for (_, shot_id), each in sorted(resolved_labels.items())
    ]


def digest_labels(settings: Settings) -> str:
    """Return a digest of all annotations that does not depend on their order."""
    return compute_digest((each.label_id, "") for each in read_annotations(settings))


def _parse_rows(table: pa.Table) -> list[Annotation]:
    names = ("label", "shot_id", "value", "annotator", "created_at", "origin")
    return [Annotation(**{name: row[name] for name in names}) for row in table.select(names).to_pylist()]


def _build_row(annotation: Annotation, now: datetime) -> dict[str, Any]:
    return {
        "label_id": annotation.label_id,
        "label": annotation.label,
        "shot_id": annotation.shot_id,
        "value": annotation.value,
        "annotator": annotation.annotator,
        "created_at": annotation.created_at,
        "origin": annotation.origin,
        "event_timestamp": annotation.created_at,
        "created_timestamp": now,
    }
