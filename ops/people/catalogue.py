"""The ``people`` table, and the example vectors of the people so far, both from the faces of the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ops.core.rows import LakePerson
from ops.core.settings import Settings
from ops.people.changes import Identities
from ops.people.clusters import MOST_EXAMPLES
from ops.people.face_model import LEAST_QUALITY

TABLE, PARTITION = "people", "all"
_COLUMNS = ("face_id", "shot_id", "video_id", "quality", "person_id", "event_timestamp")


@dataclass
class _Count:
    faces: int = 0
    shots: set[str] = field(default_factory=set)
    videos: set[str] = field(default_factory=set)
    best: tuple[float, str] = (-1.0, "")
    since: datetime | None = None


def count_people(settings: Settings, identities: Identities, now: datetime) -> list[LakePerson]:
    """Return the rows of ``people`` for the stored faces, those with most shots first."""
    counts: dict[str, _Count] = {}
    for row in settings.lake.read("faces", None, _COLUMNS).to_pylist():
        if row["person_id"] is None:
            continue
        count = counts.setdefault(row["person_id"], _Count())
        count.faces += 1
        count.shots.add(row["shot_id"])
        count.videos.add(row["video_id"])
        count.best = max(count.best, (row["quality"], row["face_id"]))
        count.since = min(count.since or row["event_timestamp"], row["event_timestamp"])
    return [
        {
            "person_id": person,
            "name": identities.names.get(person),
            "faces": count.faces,
            "shots": len(count.shots),
            "videos": len(count.videos),
            "face_id": count.best[1],
            "event_timestamp": count.since or now,
            "created_timestamp": now,
        }
        for person, count in sorted(counts.items(), key=lambda each: (-len(each[1].shots), -each[1].faces, each[0]))
    ]


def write_people(settings: Settings, identities: Identities, now: datetime) -> bool:
    """Write the ``people`` table; return True if it changed. An empty catalogue without the table stays without it."""
    rows = count_people(settings, identities, now)
    if not rows and not settings.lake.exists(TABLE, PARTITION):
        return False
    return settings.lake.write(TABLE, PARTITION, rows)


def read_people(settings: Settings) -> list[LakePerson]:
    """Return the people of the catalogue, those with most shots first."""
    rows: list[LakePerson] = settings.lake.read(TABLE, [PARTITION]).to_pylist()
    return rows


def read_vectors(
    settings: Settings, model_id: str, partitions: Iterable[str] | None = None
) -> tuple[list[str], list[str | None], NDArray[np.float32]]:
    """Return ids, people and vectors (N, D) of the stored faces of one model that have enough quality, best first."""
    rows = settings.lake.read("faces", partitions, ("face_id", "quality", "model", "embedding", "person_id"))
    rows = rows.filter(pc.and_(pc.equal(rows["model"], model_id), pc.greater_equal(rows["quality"], LEAST_QUALITY)))
    rows = rows.sort_by([("quality", "descending"), ("face_id", "ascending")])
    vectors_ND = _stack(rows["embedding"])
    return rows["face_id"].to_pylist(), rows["person_id"].to_pylist(), vectors_ND


def read_examples(settings: Settings, model_id: str) -> dict[str, NDArray[np.float32]]:
    """Return example vectors (N, D) of each person: those of the best faces."""
    _, people, vectors_ND = read_vectors(settings, model_id)
    positions: dict[str, list[int]] = {}
    for position, person in enumerate(people):
        if person is not None and len(known := positions.setdefault(person, [])) < MOST_EXAMPLES:
            known.append(position)
    return {person: vectors_ND[members] for person, members in positions.items()}


def _stack(column: pa.ChunkedArray) -> NDArray[np.float32]:
    if not len(column):
        return np.zeros((0, 1), np.float32)
    flat = pc.list_flatten(column).to_numpy()
    return np.asarray(flat, np.float32).reshape(len(column), -1)
