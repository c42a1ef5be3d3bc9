"""The ``people`` table, and the example vectors of the people so far, both from the faces of the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
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


@dataclass(frozen=True, kw_only=True)
class FacePlace:
    """A stored face without its vector."""

    face_id: str
    shot_id: str
    show: str
    frame: int
    quality: float
    person_id: str | None


@dataclass(frozen=True, kw_only=True)
class FaceVectors:
    """Stored faces of one model that have enough quality, the best first; ``vectors_ND`` is float32."""

    places: list[FacePlace]
    vectors_ND: NDArray[np.float32]


_PLACE = tuple(each.name for each in fields(FacePlace))


def read_vectors(settings: Settings, model_id: str, partitions: Iterable[str] | None = None) -> FaceVectors:
    """Return the faces of one model in these partitions, or in all."""
    rows = settings.lake.read("faces", partitions, (*_PLACE, "model", "embedding"))
    rows = rows.filter(pc.and_(pc.equal(rows["model"], model_id), pc.greater_equal(rows["quality"], LEAST_QUALITY)))
    rows = rows.sort_by([("quality", "descending"), ("face_id", "ascending")])
    places = [FacePlace(**row) for row in rows.select(_PLACE).to_pylist()]
    return FaceVectors(places=places, vectors_ND=_stack(rows["embedding"]))


@dataclass(frozen=True, order=True)
class _Example:
    """A face of a person; the best ones come first in their order."""

    rank: tuple[float, str]
    partition: str = field(compare=False)
    vector_D: NDArray[np.float32] = field(compare=False)


class KnownPeople:
    """Example vectors of the people so far, of one model: those of their best faces.

    :meth:`read` reads only the partitions whose faces changed since the last time, so that a run over many videos costs
    what it adds.
    """

    def __init__(self, settings: Settings, model_id: str) -> None:
        self._settings = settings
        self._model_id = model_id
        self._stamps: dict[str, str] = {}
        self._partitions: dict[str, set[str]] = {}
        self._examples: dict[str, list[_Example]] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def read(self) -> dict[str, NDArray[np.float32]]:
        """Return example vectors (N, D) of each person, the best first."""
        stamps = self._settings.lake.stat_partitions("faces")
        partitions = {name for name in {*stamps, *self._stamps} if stamps.get(name) != self._stamps.get(name)}
        while partitions:
            partitions |= self._read_again(partitions.pop())
        self._stamps = stamps
        return dict(self._vectors)

    def _read_again(self, partition: str) -> set[str]:
        """Take the examples of a partition; return further partitions, which may have some for those that are lost."""
        fresh = self._read_best(partition)
        further: set[str] = set()
        for person in {*fresh, *(each for each, names in self._partitions.items() if partition in names)}:
            before = self._examples.get(person, [])
            lost = {each.rank for each in before if each.partition == partition}
            kept = [each for each in before if each.partition != partition]
            self._keep(person, sorted([*kept, *fresh.get(person, ())])[:MOST_EXAMPLES])
            names = self._partitions.setdefault(person, set())
            (names.add if person in fresh else names.discard)(partition)
            if len(before) == MOST_EXAMPLES and lost - {each.rank for each in fresh.get(person, ())}:
                further |= names - {partition}
        return further

    def _keep(self, person: str, examples: list[_Example]) -> None:
        self._examples[person] = examples
        if examples:
            self._vectors[person] = np.stack([each.vector_D for each in examples])
        else:
            self._vectors.pop(person, None)

    def _read_best(self, partition: str) -> dict[str, list[_Example]]:
        """Return the best faces of each person in a partition."""
        faces = read_vectors(self._settings, self._model_id, [partition])
        examples: dict[str, list[_Example]] = {}
        for face, vector_D in zip(faces.places, faces.vectors_ND, strict=True):
            person = face.person_id
            if person is not None and len(known := examples.setdefault(person, [])) < MOST_EXAMPLES:
                known.append(_Example((-face.quality, face.face_id), partition, vector_D.copy()))
        return examples


def _stack(column: pa.ChunkedArray) -> NDArray[np.float32]:
    if not len(column):
        return np.zeros((0, 1), np.float32)
    flat = pc.list_flatten(column).to_numpy()
    return np.asarray(flat, np.float32).reshape(len(column), -1)
