"""Group faces into people by their vectors: pure functions.

Two faces of one frame are two people. Faces that stay in one place from look to look are one, if their vectors agree.
Groups of tracks are merged by average linkage, and then join the nearest known person or become a new one. No known
person changes by it: ids are stable, and only users merge people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.people.face_model import Box

SAME_PLACE = 0.3
"""Overlap (intersection over union) of the boxes of a face that stays from one look to the next."""
TRACK_SLACK = 1.2
"""Within a track, vectors may differ by this multiple of the model's distance: the place is evidence, too."""
APART = 10.0
"""The distance of faces that must not be one person."""
MOST_TRACKS = 4_000
"""Tracks that are compared with each other at once: 64 MB of distances."""
MOST_EXAMPLES = 20
"""Vectors of a known person with which new groups are compared."""
NEAREST = 5
"""The number of the nearest ones that count."""
CANDIDATES = 20
"""People with the nearest mean vector, who are compared example by example."""


@dataclass(frozen=True, kw_only=True)
class PlacedFace:
    """A face to be grouped; ``look`` is the number of its look in the shot."""

    face_id: str
    shot_id: str
    frame: int
    look: int
    box: Box
    vector_D: NDArray[np.float32]


def measure_overlap(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union, 0 to 1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def make_person_id(face_id: str) -> str:
    """Return the id of a group that begins with a face: ``p`` and 12 hex digits."""
    return "p" + hashlib.blake2b(face_id.encode(), digest_size=6).hexdigest()


def follow_faces(faces: Sequence[PlacedFace], same_distance: float) -> list[list[int]]:
    """Return the tracks of a video as positions in ``faces``, which are ordered by shot and frame."""
    tracks: list[list[int]] = []
    open_tracks: list[list[int]] = []
    for position, face in enumerate(faces):
        open_tracks = [
            track
            for track in open_tracks
            if faces[track[-1]].shot_id == face.shot_id and face.look - faces[track[-1]].look <= 1
        ]
        best, best_distance = None, TRACK_SLACK * same_distance
        for track in open_tracks:
            last = faces[track[-1]]
            distance = float(np.linalg.norm(last.vector_D - face.vector_D))
            if last.look < face.look and distance < best_distance and measure_overlap(last.box, face.box) >= SAME_PLACE:
                best, best_distance = track, distance
        if best is None:
            tracks.append([position])
            open_tracks.append(tracks[-1])
        else:
            best.append(position)
    return tracks


def group_faces(
    faces: Sequence[PlacedFace],
    known_vectors: Mapping[str, NDArray[np.float32]],
    same_distance: float,
    known_frames: Mapping[str, Collection[tuple[str, int]]] | None = None,
) -> dict[str, str]:
    """Return the group of each face by its id. ``known_vectors`` are examples (N, D) of the people so far, by id.

    ``known_frames`` are shot and frame of other faces of these people: no second face of such a frame joins them.
    """
    tracks = follow_faces(faces, same_distance)
    groups: dict[str, str] = {}
    examples = dict(known_vectors)
    people_at = _list_people_at(known_frames or {})
    for start in range(0, len(tracks), MOST_TRACKS):
        vectors_by_person: dict[str, list[NDArray[np.float32]]] = {}
        people = list(examples)
        means_PD = np.stack([examples[person].mean(0) for person in people]) if people else None
        for members in _merge_tracks(faces, tracks[start : start + MOST_TRACKS], same_distance):
            vectors_ND = np.stack([faces[position].vector_D for position in members])
            places = {(faces[position].shot_id, faces[position].frame) for position in members}
            excluded_people = {each for place in places for each in people_at.get(place, ())}
            nearest = [] if means_PD is None else _list_nearest(vectors_ND, people, means_PD, excluded_people)
            same = _find_same(vectors_ND, {each: examples[each] for each in nearest}, same_distance)
            person = same or make_person_id(faces[members[0]].face_id)
            for place in places:
                people_at.setdefault(place, set()).add(person)
            vectors_by_person.setdefault(person, []).append(vectors_ND)
            groups |= {faces[position].face_id: person for position in members}
        # Groups of one part are apart already.
        for person, parts in vectors_by_person.items():
            before = [examples[person]] if person in examples else []
            examples[person] = np.concatenate([*before, *parts])[:MOST_EXAMPLES]
    return groups


def _list_people_at(
    known_frames: Mapping[str, Collection[tuple[str, int]]],
) -> dict[tuple[str, int], set[str]]:
    """Return the people of each shot and frame."""
    people_at: dict[tuple[str, int], set[str]] = {}
    for person, places in known_frames.items():
        for place in places:
            people_at.setdefault(place, set()).add(person)
    return people_at


def _merge_tracks(faces: Sequence[PlacedFace], tracks: list[list[int]], same_distance: float) -> list[list[int]]:
    """Return groups of tracks as sorted positions of faces, by average linkage."""
    if len(tracks) < 2:
        return [list(track) for track in tracks]
    from sklearn.cluster import AgglomerativeClustering

    means_ND = np.stack([np.mean([faces[at].vector_D for at in track], axis=0) for track in tracks])
    distances_NN = measure_distances(means_ND, means_ND)
    frames = [{(faces[at].shot_id, faces[at].frame) for at in track} for track in tracks]
    by_frame: dict[tuple[str, int], list[int]] = {}
    for number, places in enumerate(frames):
        for place in places:
            by_frame.setdefault(place, []).append(number)
    for numbers in by_frame.values():
        for one in numbers:
            distances_NN[one, [other for other in numbers if other != one]] = APART
    labels = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=same_distance
    ).fit_predict(distances_NN)
    groups: dict[int, list[int]] = {}
    for label, track in zip(labels, tracks, strict=True):
        groups.setdefault(int(label), []).extend(track)
    return sorted((sorted(members) for members in groups.values()), key=lambda members: members[0])


def _list_nearest(
    vectors_ND: NDArray[np.float32],
    people: Sequence[str],
    means_PD: NDArray[np.float32],
    excluded_people: Collection[str],
) -> list[str]:
    """Return the people with the nearest mean vectors, the nearest first, without those who are excluded."""
    order = np.argsort(measure_distances(vectors_ND.mean(0, keepdims=True), means_PD)[0], kind="stable")
    nearest = [people[int(position)] for position in order[: CANDIDATES + len(excluded_people)]]
    return [person for person in nearest if person not in excluded_people][:CANDIDATES]


def _find_same(
    vectors_ND: NDArray[np.float32], examples: Mapping[str, NDArray[np.float32]], same_distance: float
) -> str | None:
    """Return the nearest of these people, if the vectors are near enough to be theirs."""
    best, best_distance = None, same_distance
    for person, examples_ND in examples.items():
        distance = measure_mean_distance(vectors_ND, examples_ND)
        if distance < best_distance:
            best, best_distance = person, distance
    return best


def measure_mean_distance(vectors_ND: NDArray[np.float32], examples_ND: NDArray[np.float32]) -> float:
    """Return the mean distance of each vector to its nearest few examples."""
    distances_NM = np.sort(measure_distances(vectors_ND, examples_ND), axis=1)
    return float(distances_NM[:, :NEAREST].mean())


def measure_distances(one_ND: NDArray[np.float32], other_MD: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the Euclidean distances (N, M) of two sets of vectors."""
    one, other = np.asarray(one_ND, np.float64), np.asarray(other_MD, np.float64)
    squares_NM = (one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * one @ other.T
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squares_NM, 0))
    return distances


def inherit_groups(
    faces: Sequence[PlacedFace], earlier: Sequence[tuple[int, Box, str]], frames_near: int
) -> dict[str, str]:
    """Return groups of faces that were in the same place before they were looked for again, by face id.

    ``earlier`` are frame, box and group of the stored faces of the video; an empty group is one that a person refused.
    """
    groups: dict[str, str] = {}
    for face in faces:
        near = [
            (abs(frame - face.frame), group)
            for frame, box, group in earlier
            if abs(frame - face.frame) <= frames_near and measure_overlap(box, face.box) >= 0.5
        ]
        if near:
            groups[face.face_id] = min(near, key=lambda each: each[0])[1]
    return groups
