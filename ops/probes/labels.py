"""The ``labels`` table: who judged which shot how, when, and where it was offered.

Append-only, one file a label: a judgement is never changed, a later one counts in its place, and one without a value
takes back what its annotator said. Appending is done under the table's lock, so that two processes that label at
once lose nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from ops.core.errors import NotFoundError
from ops.core.schemas import LABELS
from ops.core.settings import Settings
from ops.core.tables import Lake, digest_of
from ops.probes.judgements import SETTLED, Judgement, Standing, standing_among
from ops.probes.names import require_name
from ops.probes.register import Register, ShotRegister

TABLE = "labels"


@dataclass(frozen=True, kw_only=True)
class Appended:
    """What became of judgements: written, the same as before, or refused with a reason."""

    written: int = 0
    unchanged: int = 0
    refused: tuple[tuple[str, str], ...] = ()


def append_judgements(
    settings: Settings, judgements: Sequence[Judgement], now: datetime, *, affirm: bool = True
) -> Appended:
    """Append judgements, of one or more labels; what cannot be taken is named and the rest goes on.

    One that says what its annotator said last of the shot writes nothing, unless (``affirm``) somebody else
    contradicted since, or it settles a conflict: saying it again then makes it the latest. Nor does one that takes
    back what was never said. Raises ``UsageError`` for a name that cannot be a label.
    """
    shots = ShotRegister(settings)
    refused: list[tuple[str, str]] = []
    by_label: dict[str, list[Judgement]] = {}
    for each in judgements:
        require_name(each.label)
        if why := shots.refusal(each.shot_id):
            refused.append((each.shot_id, why))
        else:
            by_label.setdefault(each.label, []).append(each)
    written = sum(_append(settings.lake, label, some, now, affirm) for label, some in by_label.items())
    taken = len(judgements) - len(refused)
    return Appended(written=written, unchanged=taken - written, refused=tuple(refused))


def _append(lake: Lake, label: str, judgements: Sequence[Judgement], now: datetime, affirm: bool) -> int:
    """Rows written to the file of one label."""
    with lake.locked(f"{TABLE}-{label}"):
        stored = lake.read(TABLE, [label])
        standing = standing_among(_judgements_in(stored))
        seen = set(stored["label_id"].to_pylist())
        new: list[Judgement] = []
        for each in judgements:
            before = standing.pop((each.label, each.shot_id), None)
            votes = list(before.by_annotator.values()) if before else []
            if each.label_id not in seen and not _says_nothing_new(before, each, affirm):
                seen.add(each.label_id)
                new.append(each)
                votes.append(each)
            standing.update(standing_among(votes))
        if new:
            rows = pa.Table.from_pylist([_row(each, now) for each in new], LABELS)
            lake.write(TABLE, label, pa.concat_tables([stored, rows]))
    return len(new)


def _says_nothing_new(before: Standing | None, judgement: Judgement, affirm: bool) -> bool:
    own = before.by_annotator.get(judgement.annotator) if before else None
    if before is None or own is None:
        return judgement.value is None
    contradicted = before.latest.value != judgement.value
    settles = judgement.origin == SETTLED and before.in_conflict
    return own.value == judgement.value and not settles and not (affirm and contradicted)


def labels_known(settings: Settings) -> list[str]:
    """Labels that anybody ever gave, sorted."""
    return settings.lake.partitions(TABLE)


def read_judgements(settings: Settings, labels: Iterable[str] | None = None) -> list[Judgement]:
    """Every judgement ever made of the labels (default: of all), in the order in which they were appended.

    Raises ``NotFoundError``, naming those that exist, for a label that nobody gave.
    """
    known = labels_known(settings)
    wanted = list(known if labels is None else labels)
    if missing := sorted(set(wanted) - set(known)):
        there = f"there are {', '.join(known)}" if known else "there are none yet"
        raise NotFoundError(
            f"no label {missing[0]!r}: {there}; `needle label {missing[0]} SHOT --value yes` begins one"
        )
    return _judgements_in(settings.lake.read(TABLE, wanted))


def standing_of(
    settings: Settings, labels: Iterable[str] | None = None, shots: Register | None = None
) -> list[Standing]:
    """What counts of each (label, shot), sorted by both, with conflicts and shots that are gone marked.

    ``shots`` tells which are gone; by default the files of the lake are asked.
    """
    shots = shots or ShotRegister(settings)
    found = standing_among(read_judgements(settings, labels))
    return [
        Standing(latest=each.latest, by_annotator=each.by_annotator, gone=shots.gone(shot_id))
        for (_, shot_id), each in sorted(found.items())
    ]


def labels_digest(settings: Settings) -> str:
    """Order-free digest of all judgements."""
    return digest_of((each.label_id, "") for each in read_judgements(settings))


def _judgements_in(table: pa.Table) -> list[Judgement]:
    names = ("label", "shot_id", "value", "annotator", "created_at", "origin")
    return [Judgement(**{name: row[name] for name in names}) for row in table.select(names).to_pylist()]


def _row(judgement: Judgement, now: datetime) -> dict[str, Any]:
    return {
        "label_id": judgement.label_id,
        "label": judgement.label,
        "shot_id": judgement.shot_id,
        "value": judgement.value,
        "annotator": judgement.annotator,
        "created_at": judgement.created_at,
        "origin": judgement.origin,
        "event_timestamp": judgement.created_at,
        "created_timestamp": now,
    }
