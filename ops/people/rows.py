"""Rows of ``faces`` and ``shot_people``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.core.rows import LakeFace, LakeShot, LakeShotPeople
from ops.people.changes import Identities
from ops.people.face_model import LEAST_QUALITY, Box, SeenFace


@dataclass(frozen=True, kw_only=True)
class ShotFaces:
    """The faces of one shot by look, or the reason why it was not read; neither if the setting is off."""

    shot: LakeShot
    looks: list[tuple[int, list[SeenFace]]] | None
    reason: str | None
    input_hash: str


def make_face_id(video_id: str, frame: int, number: int, model_id: str) -> str:
    """Return the id of a face. A hash of the model is part of it, because models number other faces of a frame.

    So what people changed about a face does not concern one of another model. Rows of earlier versions have ids
    without the hash, and keep them.
    """
    return f"{video_id}:{frame}:face{number}-{hashlib.blake2b(model_id.encode(), digest_size=3).hexdigest()}"


def build_face_rows(each: ShotFaces, model_id: str, now: datetime) -> list[LakeFace]:
    """Return rows of ``faces``, in the order of frames and from left to right, without groups and people."""
    return [
        {
            "face_id": make_face_id(each.shot["video_id"], frame, number, model_id),
            "video_id": each.shot["video_id"],
            "show": each.shot["show"],
            "shot_id": each.shot["shot_id"],
            "index": each.shot["index"],
            "frame": frame,
            "box": [round(1000 * side) for side in face.box],
            "quality": face.quality,
            "model": model_id,
            "embedding": [float(part) for part in face.vector_D],
            "vector_hash": hashlib.blake2b(face.vector_D.tobytes(), digest_size=8).hexdigest(),
            "cluster_id": None,
            "person_id": None,
            "input_hash": each.input_hash,
            "event_timestamp": each.shot["event_timestamp"],
            "created_timestamp": now,
        }
        for frame, faces in each.looks or ()
        for number, face in enumerate(faces)
    ]


def has_quality(face: LakeFace) -> bool:
    """Return True if a face may belong to a person."""
    return face["quality"] >= LEAST_QUALITY


def name_people(rows: Sequence[LakeFace], groups: Mapping[str, str], identities: Identities) -> list[LakeFace]:
    """Return the rows with their groups, from ``groups`` if they had none, and the people whom these are now."""
    named_rows = []
    for row in rows:
        cluster = row["cluster_id"] if row["cluster_id"] is not None else groups.get(row["face_id"])
        cluster = cluster if has_quality(row) else None
        person = identities.resolve(row["face_id"], cluster) if has_quality(row) else None
        named_rows.append(row | {"cluster_id": cluster, "person_id": person})
    return named_rows


def build_shot_row(
    shot: LakeShot,
    faces: Sequence[LakeFace] | None,
    looks: int,
    reason: str | None,
    input_hash: str,
    now: datetime,
) -> LakeShotPeople:
    """Return the row of ``shot_people`` for the faces of a shot; ``None`` if it was not read.

    ``looks`` is the number of sampled frames.
    """
    row: LakeShotPeople = {
        "shot_id": shot["shot_id"],
        "video_id": shot["video_id"],
        "show": shot["show"],
        "index": shot["index"],
        "faces": None,
        "people": None,
        "shares": None,
        "sizes": None,
        "largest_face": None,
        "reason": reason,
        "input_hash": input_hash,
        "event_timestamp": shot["event_timestamp"],
        "created_timestamp": now,
    }
    return row if faces is None else row | sum_up(faces, looks)  # type: ignore[return-value]


def sum_up(faces: Sequence[LakeFace], looks: int) -> dict[str, object]:
    """Return the columns of ``shot_people`` that follow from the faces of a shot in ``looks`` sampled frames."""
    frames: dict[str, set[int]] = {}
    sizes: dict[str, float] = {}
    counts: dict[int, int] = {}
    for face in faces:
        counts[face["frame"]] = counts.get(face["frame"], 0) + 1
        person = face["person_id"]
        if person is not None:
            frames.setdefault(person, set()).add(face["frame"])
            sizes[person] = max(sizes.get(person, 0.0), measure_height(face))
    people = sorted(frames, key=lambda person: (-len(frames[person]), -sizes[person], person))
    return {
        "faces": max(counts.values(), default=0),
        "people": ",".join(people),
        "shares": ",".join(f"{min(len(frames[person]) / max(looks, 1), 1):.2f}" for person in people),
        "sizes": ",".join(f"{sizes[person]:.2f}" for person in people),
        "largest_face": max(map(measure_height, faces), default=None),
    }


def measure_height(face: LakeFace) -> float:
    """Return the height of a face as a share of the picture's."""
    return round((face["box"][3] - face["box"][1]) / 1000, 3)


def read_box(sides: Sequence[int]) -> Box:
    """Return a stored box as shares of the picture."""
    left, top, right, bottom = (side / 1000 for side in sides)
    return (left, top, right, bottom)
