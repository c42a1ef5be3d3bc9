"""Faces like a face: of the catalogue, or of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NotFoundError, UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.people.catalogue import read_vectors
from ops.people.choice import describe_model, load_model
from ops.people.clusters import measure_distances
from ops.people.face_model import LEAST_QUALITY, SAME_DISTANCES, SeenFace

_LOCK = Lock()
"""Held while a model looks at a picture: detectors keep state, and a service has several threads."""


@dataclass(frozen=True, kw_only=True)
class SimilarFace:
    """A face of the catalogue at a distance (0: the same vector) from the one that was asked about.

    ``is_near``: near enough to be the same person.
    """

    face_id: str
    shot_id: str
    show: str
    frame: int
    is_near: bool
    person_id: str | None
    distance: float


def find_faces_like_face(settings: Settings, face_id: str, limit: int) -> list[SimilarFace]:
    """Return the faces nearest to a stored one, which is left out. Raises ``NotFoundError`` for an unknown one."""
    partition = settings.resolve_partition(face_id.split(":")[0])
    rows = settings.lake.read("faces", [partition], ("face_id", "model", "embedding")).to_pylist()
    for row in rows:
        if row["face_id"] == face_id:
            near = _rank(settings, row["model"], np.asarray(row["embedding"], np.float32), limit + 1)
            return [each for each in near if each.face_id != face_id][:limit]
    raise NotFoundError(f"no face {face_id!r}: `needle people PERSON` lists the faces of a person")


@dataclass(frozen=True, kw_only=True)
class PictureFaces:
    """Faces like one in a picture. Faces of the picture are numbered from 1, from left to right.

    ``used`` is the number of the face that was compared, ``usable`` are those of all that are clear enough.
    """

    count: int
    used: int
    usable: tuple[int, ...]
    faces: list[SimilarFace]


def find_faces_like_picture(
    settings: Settings, picture_HWC: NDArray[np.uint8], limit: int, number: int | None = None
) -> PictureFaces:
    """Return the faces nearest to the face of an RGB picture with this number, or to its clearest one.

    Raises ``UsageError`` if the picture does not have a clear face, or not one with this number, and ``MediaError``
    without a model.
    """
    model = load_model(settings.model_copy(update={"people": "on"}))
    with _LOCK:
        faces = model.find_faces(picture_HWC)
    used = _choose_face(faces, number)
    return PictureFaces(
        count=len(faces),
        used=used,
        usable=tuple(at for at, face in enumerate(faces, 1) if face.quality >= LEAST_QUALITY),
        faces=_rank(settings, describe_model(settings), faces[used - 1].vector_D, limit),
    )


def _choose_face(faces: Sequence[SeenFace], number: int | None) -> int:
    """Return the number of the clearest face, or ``number`` if it can be compared. Raises ``UsageError``."""
    if faces and number is not None and number > len(faces):
        raise UsageError(f"the picture has no face {number}: {plural(len(faces), 'face is', 'faces are')} found in it")
    best = max(range(len(faces)), key=lambda at: faces[at].quality, default=0)
    used = best + 1 if number is None else number
    if not faces or faces[used - 1].quality < LEAST_QUALITY:
        whose = "its face" if len(faces) == 1 else f"face {number} of {len(faces)}" if number else "each of its faces"
        why = f"{whose} is too small, dark, turned or blurred" if faces else "no face is found"
        raise UsageError(f"the picture cannot be compared: {why}; it needs one that looks at the camera")
    return used


def _rank(settings: Settings, model_id: str, vector_D: NDArray[np.float32], limit: int) -> list[SimilarFace]:
    faces = read_vectors(settings, model_id)
    near = SAME_DISTANCES[model_id.split("-")[0]]
    if not faces.places:
        return []
    distances_N = measure_distances(vector_D[None], faces.vectors_ND)[0]
    nearest = [(faces.places[int(at)], float(distances_N[at])) for at in np.argsort(distances_N, kind="stable")[:limit]]
    return [
        SimilarFace(
            face_id=place.face_id,
            shot_id=place.shot_id,
            show=place.show,
            frame=place.frame,
            person_id=place.person_id,
            distance=round(distance, 4),
            is_near=distance < near,
        )
        for place, distance in nearest
    ]
