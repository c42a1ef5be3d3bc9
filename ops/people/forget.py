"""Remove people from the lake, permanently: one person, everybody, or what is left of a forgotten video.

The caller holds the work lock exclusively, and updates the feature store. Names, boxes and vectors are stored in these
tables only; pictures of faces are cut from proxies when they are shown, and never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ops.core.errors import NotFoundError
from ops.core.history import forget_rows, forget_versions
from ops.core.names import fold_name
from ops.core.rows import LakeFace, LakePerson
from ops.core.settings import Settings
from ops.core.tables import DAMAGE_FOLDER
from ops.core.types import SilentProgress
from ops.people import catalogue
from ops.people.build import (
    TABLES,
    VideoFaces,
    build_under_lock,
    delete_people_tables,
    has_people_tables,
    list_partitions,
    list_stored_videos,
)
from ops.people.changes import FACE_ACTIONS, LOCK, Identities, PersonChange, apply_changes, read_changes, write_changes
from ops.people.clusters import TRACK_SLACK, measure_distances
from ops.people.editing import TICK, find_person, write_video
from ops.people.face_model import SAME_DISTANCES
from ops.people.rows import has_quality

CLEARLY_NEARER = 1.2
"""A face is another person's if that one is nearer by this factor: vectors of one person vary as much within a shot."""


def find_stored_person(settings: Settings, person: str) -> LakePerson:
    """Return the person with this id or name, also if no face but a change of them is left.

    Raises ``NotFoundError``.
    """
    try:
        return find_person(settings, person)
    except NotFoundError:
        history = read_changes(settings)
        identities = apply_changes(history)
        faceless = {each.person_id for each in history} - {row["person_id"] for row in catalogue.read_people(settings)}
        for each in reversed(history):
            person_id = identities.find(each.person_id)
            if person_id in faceless and fold_name(person) in (person_id, fold_name(each.name) or None):
                return {
                    "person_id": person_id,
                    "name": identities.names.get(person_id) or each.name or None,
                    "faces": 0,
                    "shots": 0,
                    "videos": 0,
                    "face_id": "",
                    "event_timestamp": each.created_at,
                    "created_timestamp": each.created_at,
                }
        raise


def list_names(settings: Settings, person: LakePerson) -> set[str]:
    """Return every id and name that a person has or had, without names that others have now."""
    history = read_changes(settings)
    return _list_names(history, apply_changes(history), person)


def _list_names(history: Sequence[PersonChange], identities: Identities, person: LakePerson) -> set[str]:
    all_ids = {each for change in history for each in (change.person_id, change.other_id)}
    ids = {each for each in all_ids if each and identities.find(each) == person["person_id"]} | {person["person_id"]}
    other_names = {fold_name(name) for each, name in identities.names.items() if each != person["person_id"]}
    names = {person["name"] or "", *(change.name for change in history if change.person_id in ids)} - {""}
    return ids | {name for name in names if fold_name(name) not in other_names}


@dataclass(frozen=True, kw_only=True)
class LostFaces:
    """The faces that go with a person: all of them, those among them without a person, and the shots with them."""

    faces: int
    unknown: int
    shots: int


def count_lost_faces(settings: Settings, person: LakePerson) -> LostFaces:
    """Return what :func:`forget_person` would remove. Raises ``DamagedTableError``.

    Faces without a person count if they are unclear and in a shot of the person, or look like the person and are not
    clearly nearer to another one: in doubt they may be theirs.
    """
    videos = list_stored_videos(settings, settings.lake.list_partitions("faces"))
    lost_ids = _select_lost(videos, person["person_id"])
    rows = [row for video in videos for row in video.face_rows if row["face_id"] in lost_ids]
    return LostFaces(
        faces=len(rows),
        unknown=sum(row["person_id"] is None for row in rows),
        shots=len({row["shot_id"] for row in rows}),
    )


def forget_person(settings: Settings, person: LakePerson, now: datetime) -> list[str]:
    """Remove a person: faces, vectors, name and changes; return the ids of the shots with them.

    Faces without a person that may be theirs are removed, too: see :func:`count_lost_faces`.
    """
    with settings.lake.hold_lock(LOCK):
        history = read_changes(settings)
        identities = apply_changes(history)
        person_id = person["person_id"]
        videos = list_stored_videos(settings, settings.lake.list_partitions("faces"))
        lost_ids, shots = _select_lost(videos, person_id), set[str]()
        for video in videos:
            lost_shots = {row["shot_id"] for row in video.face_rows if row["face_id"] in lost_ids}
            if not lost_shots:
                continue
            shots |= lost_shots
            rows = [
                _fix_group(row, history, identities, person_id)
                for row in video.face_rows
                if row["face_id"] not in lost_ids
            ]
            write_video(settings, video, rows, now, keep_versions=False)
            partition = settings.resolve_partition(video.video_id)
            forget_versions(settings.store, {video.video_id: partition}, "shot_people")
        _forget_versions_with(settings, person_id, history, identities)
        _delete_damaged(settings)
        remaining = [each for each in history if not _concerns(each, person_id, identities)]
        remaining = _drop_faces(remaining, lost_ids.__contains__)
        names = {each: name for each, name in identities.names.items() if identities.find(each) != person_id}
        remaining = _drop_names(remaining, _list_names(history, identities, person), names)
        write_changes(settings, remaining)
        catalogue.write_people(settings, apply_changes(remaining), now)
    return sorted(shots)


def _forget_versions_with(
    settings: Settings, person_id: str, history: Sequence[PersonChange], identities: Identities
) -> None:
    """Delete earlier versions of shots with the person, also of videos in which no face is theirs any more."""
    all_ids = {each for change in history for each in (change.person_id, change.other_id)}
    ids = {each for each in all_ids if identities.find(each) == person_id} | {person_id}

    def is_lost(rows: pa.Table) -> pa.Array:
        lists = [(each or "").split(",") for each in rows["people"].to_pylist()]
        return pa.array([not ids.isdisjoint(each) for each in lists], pa.bool_())

    forget_rows(settings.store, "shot_people", is_lost)


def forget_all_people(settings: Settings, now: datetime) -> list[str]:
    """Remove all faces and people, as the next ingest does if NEEDLE_PEOPLE is off; return the ids of the shots."""
    lake = settings.lake
    rows = lake.read("shot_people", None, ("shot_id", "faces")).to_pylist()
    shots = [row["shot_id"] for row in rows if row["faces"] is not None]
    partitions = list_partitions(settings)
    off = settings.model_copy(update={"people": "off"})
    build_under_lock(off, partitions, now, SilentProgress())
    with lake.hold_lock(LOCK):
        delete_people_tables(settings)
        # Videos whose files are gone keep their rows otherwise.
        for partition in lake.list_partitions("faces"):
            lake.write("faces", partition, [])
        for partition in lake.list_partitions("shot_people"):
            table = lake.read("shot_people", [partition])
            lake.write("shot_people", partition, table.filter(pc.is_null(table["faces"])), keep_versions=False)
            video_ids = set(table["video_id"].to_pylist())
            forget_versions(settings.store, dict.fromkeys(video_ids, partition), "shot_people")
    return shots


def forget_videos(settings: Settings, video_ids: Collection[str], now: datetime) -> None:
    """Remove what other tables than those of the videos hold: counts, best faces, changes of their faces.

    The name of a person who was in no other video is removed, also as a former name of others. That of a person who
    had no face before is kept while a change of another face of theirs is.
    """
    if not has_people_tables(settings):
        _delete_damaged(settings)
        return
    with settings.lake.hold_lock(LOCK):
        history = read_changes(settings)
        identities = apply_changes(history)
        changes = _drop_faces(history, lambda face: face.split(":")[0] in video_ids)
        listed_ids = {row["person_id"] for row in catalogue.read_people(settings)}
        faceless_ids = {
            identities.find(person)
            for each in changes
            for person in (each.person_id, each.other_id)
            if each.face_ids and person
        } - listed_ids
        kept_ids = _read_known_ids(settings) | faceless_ids
        remaining = [
            each
            for each in changes
            if each.face_ids or {identities.find(each.person_id), identities.find(each.other_id)} & kept_ids
        ]
        names = apply_changes(remaining).names
        lost_names = {each.name for each in set(changes) - set(remaining)} - {""}
        remaining = _drop_names(remaining, {each for each in lost_names if not _has_name(names, each)}, names)
        if remaining != history:
            write_changes(settings, remaining)
        catalogue.write_people(settings, apply_changes(remaining), now)
        _delete_damaged(settings)


def _has_name(names: Mapping[str, str], name: str) -> bool:
    return fold_name(name) in map(fold_name, names.values())


def _drop_faces(history: Sequence[PersonChange], is_lost: Callable[[str], bool]) -> list[PersonChange]:
    """Return the changes without lost faces, and without those of which no face is left."""
    changes = [replace(each, face_ids=tuple(face for face in each.face_ids if not is_lost(face))) for each in history]
    return [each for each in changes if each.face_ids or each.action not in FACE_ACTIONS]


def _drop_names(
    history: Sequence[PersonChange], lost_names: Collection[str], names: Mapping[str, str]
) -> list[PersonChange]:
    """Return the changes without those by which others once had a lost name. ``names`` are the present ones by person.

    If present names would not follow from the rest, because people were merged and came apart again, such a change
    stays without its name, and a name that differs even so is given once more.
    """
    folded_names = set(map(fold_name, lost_names))
    if not folded_names:
        return list(history)

    def is_lost(change: PersonChange) -> bool:
        return change.action == "named" and fold_name(change.name) in folded_names

    remaining = [each for each in history if not is_lost(each)]
    if apply_changes(remaining).names == names:
        return remaining
    nameless = [replace(each, name="") if is_lost(each) else each for each in history]
    before = apply_changes(nameless).names
    differing = sorted(each for each in {*before, *names} if before.get(each) != names.get(each))
    last = nameless[-1]
    fixes = [
        PersonChange(
            action="named",
            person_id=each,
            author=last.author,
            created_at=last.created_at + number * TICK,
            name=names.get(each, ""),
        )
        for number, each in enumerate(differing, 1)
    ]
    return [*nameless, *fixes]


def _read_known_ids(settings: Settings) -> set[str]:
    """Return the ids of people with faces; those of a damaged file, which comes again, are still in ``shot_people``."""
    ids = set(settings.lake.read("faces", None, ("person_id",))["person_id"].to_pylist())
    for people in settings.lake.read("shot_people", None, ("people",))["people"].to_pylist():
        ids |= set((people or "").split(","))
    return ids - {None, ""}


def _select_lost(videos: Sequence[VideoFaces], person_id: str) -> set[str]:
    """Return the ids of the faces that go with a person.

    A face without a person goes if it is unclear and in a shot of the person, or if it looks like the person, unless it
    is clearly nearer to another one.
    """
    rows = [row for video in videos for row in video.face_rows]
    own_rows = [row for row in rows if row["person_id"] == person_id]
    shots = {row["shot_id"] for row in own_rows}
    lost_ids = {row["face_id"] for row in own_rows}
    by_model: dict[str, list[LakeFace]] = {}
    for row in rows:
        if row["person_id"] is None and row["shot_id"] in shots and not has_quality(row):
            lost_ids.add(row["face_id"])
        elif row["person_id"] is None:
            by_model.setdefault(row["model"], []).append(row)
    for model, unknown_rows in by_model.items():
        own_N = _measure_nearest(unknown_rows, [row for row in own_rows if row["model"] == model])
        same_distance = SAME_DISTANCES[model.split("-")[0]]
        like = [at for at, distance in enumerate(own_N) if distance < TRACK_SLACK * same_distance]
        like_rows = [unknown_rows[at] for at in like]
        other_N = np.full(len(like), np.inf)
        for video in videos if like else ():
            known_rows = [row for row in video.face_rows if row["model"] == model]
            known_rows = [row for row in known_rows if row["person_id"] not in (None, person_id)]
            other_N = np.minimum(other_N, _measure_nearest(like_rows, known_rows))
        is_others_N = (other_N < same_distance) & (CLEARLY_NEARER * other_N < own_N[like])
        lost_ids |= {row["face_id"] for row, is_others in zip(like_rows, is_others_N, strict=True) if not is_others}
    return lost_ids


def _measure_nearest(rows: Sequence[LakeFace], others: Sequence[LakeFace]) -> NDArray[np.float64]:
    """Return the distance (N,) of each face to the nearest of the others; infinite if there are none."""
    if not rows or not others:
        return np.full(len(rows), np.inf)
    vectors = (np.asarray([row["embedding"] for row in each], np.float32) for each in (rows, others))
    nearest_N: NDArray[np.float64] = measure_distances(*vectors).min(axis=1)
    return nearest_N


def _fix_group(row: LakeFace, history: list[PersonChange], identities: Identities, person_id: str) -> LakeFace:
    """Return a remaining face with the group that the removed changes gave it."""
    own_changes = [each for each in history if _concerns(each, person_id, identities)]
    if any(row["face_id"] in each.face_ids for each in own_changes):
        return row | {"cluster_id": row["person_id"] or ""}
    return row


def _concerns(change: PersonChange, person_id: str, identities: Identities) -> bool:
    ids = {change.person_id, change.other_id} - {""}
    return any(identities.find(each) == person_id for each in ids)


def _delete_damaged(settings: Settings) -> None:
    """Delete damaged files of faces and people, which may hold anybody; sound ones are computed in their place."""
    for table in (*TABLES, catalogue.TABLE):
        settings.store.delete_tree(f"{DAMAGE_FOLDER}/{table}")
