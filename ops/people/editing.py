"""Name, merge and split people, and take faces away from them; each is a change by an author, applied at once.

Groups that faces form by their vectors are never altered. A killed change is completed by the next ingest.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow.compute as pc

from ops.core.errors import NotFoundError, UsageError
from ops.core.names import find_invisible, fold_name, require_name
from ops.core.rows import LakeFace, LakePerson
from ops.core.settings import Settings
from ops.people import catalogue
from ops.people.build import VideoFaces, list_stored_videos
from ops.people.changes import LOCK, Identities, PersonChange, apply_changes, read_changes, write_changes
from ops.people.clusters import make_person_id
from ops.people.rows import name_people, sum_up
from ops.people.sampling import count_looks
from ops.videos.catalogue import require_same_division

MOST_NAMED = 10
TICK = timedelta(microseconds=1)
"""Time between two changes of one command."""
_ID = re.compile(r"p[0-9a-f]{12}")
_COLUMNS = tuple(name for name in LakeFace.__annotations__ if name != "embedding")


def find_person(settings: Settings, person: str) -> LakePerson:
    """Return the person with this id or name, or the one into whom the id was merged.

    Raises ``NotFoundError``, naming others, if there is none.
    """
    people = catalogue.read_people(settings)
    folded_name = fold_name(person)
    if is_person_id(person) and all(each["person_id"] != folded_name for each in people):
        folded_name = apply_changes(read_changes(settings)).find(folded_name)
    for each in people:
        if folded_name in (each["person_id"], fold_name(each["name"] or "") or None):
            return each
    names = [each["name"] for each in people if each["name"]]
    if not people:
        why = "no people are known: set NEEDLE_PEOPLE=on and run `needle ingest`"
    elif names:
        why = f"the names are {', '.join(map(str, names[:MOST_NAMED]))}; `needle people` lists all"
    else:
        why = f"none of the {len(people)} people has a name yet: `needle people` lists them"
    raise NotFoundError(f"no person {person!r}: {why}")


def is_person_id(text: str) -> bool:
    """Return True if a text has the form of a person's id."""
    return bool(_ID.fullmatch(fold_name(text)))


def name_person(settings: Settings, person: str, name: str, author: str, now: datetime) -> LakePerson:
    """Give a person a name; an empty one takes it away. Raises ``UsageError`` if another person has it.

    A person without faces, whose name is only kept for later, loses it to this one.
    """
    name = require_person_name(name) if name.strip() else ""
    with hold_people(settings):
        row = find_person(settings, person)
        people = catalogue.read_people(settings)
        for each in people if name else ():
            if each["person_id"] != row["person_id"] and fold_name(each["name"] or "") == fold_name(name):
                raise UsageError(
                    f"{each['person_id']} is called {each['name']!r} already: if they are one person, "
                    f"needle people --merge {each['person_id']} {row['person_id']}"
                )
        ids = {each["person_id"] for each in people}
        kept_names = apply_changes(read_changes(settings)).names
        losers = [each for each, kept in kept_names.items() if each not in ids and fold_name(kept) == fold_name(name)]
        changes = [
            PersonChange(action="named", person_id=each, author=author, created_at=now, name=given)
            for each, given in [*((loser, "") for loser in losers), (row["person_id"], name)]
        ]
        apply_now(settings, changes, now)
        return find_person(settings, row["person_id"])


def require_person_name(name: str) -> str:
    """Return a name that ``person:"NAME"`` finds. Raises ``UsageError`` for any other."""
    text = " ".join(require_name(name, "person").split())
    if '"' in text or text == "*" or is_person_id(text):
        raise UsageError(f"{text!r} cannot be the name of a person: no quotes, no id of a person, and not * alone")
    if sign := find_invisible(text):
        character = f"U+{ord(sign):04X} {unicodedata.name(sign, 'control character')}"
        raise UsageError(
            f"{text!r} cannot be the name of a person: it has the invisible character {character}; type it without"
        )
    return text


def merge_people(settings: Settings, person: str, other: str, author: str, now: datetime) -> LakePerson:
    """Make two people one, with the id of the first, and its name if it has one. Raises ``UsageError`` if they are."""
    with hold_people(settings):
        first, second = find_person(settings, person), find_person(settings, other)
        if first["person_id"] == second["person_id"]:
            raise UsageError(f"{person!r} and {other!r} are one person already")
        change = PersonChange(
            action="merged",
            person_id=first["person_id"],
            other_id=second["person_id"],
            author=author,
            created_at=now,
        )
        apply_now(settings, [change], now)
        return find_person(settings, first["person_id"])


def unmerge_people(settings: Settings, person: str, other: str, author: str, now: datetime) -> LakePerson:
    """Undo a merge: ``other``, an id that was merged into ``person``, is a person again, with the name from before.

    Faces that were given to ``person`` since stay there. Raises ``NotFoundError``, naming the ids that were merged, if
    ``other`` is none of them, and ``UsageError`` if it has no face any more.
    """
    with hold_people(settings):
        row = find_person(settings, person)
        identities = apply_changes(read_changes(settings))
        merged = sorted(each for each in identities.parents if identities.find(each) == row["person_id"])
        other_id = fold_name(other)
        if other_id not in merged:
            who = row["name"] or row["person_id"]
            known = f"these were: {', '.join(merged)}" if merged else "none was"
            raise NotFoundError(f"{other!r} is not the id of a person who was merged into {who}: {known}")
        change = PersonChange(
            action="unmerged", person_id=row["person_id"], other_id=other_id, author=author, created_at=now
        )
        identities.apply(change)
        groups = settings.lake.read("faces", None, ("face_id", "cluster_id")).to_pylist()
        if all(identities.resolve(face["face_id"], face["cluster_id"]) != other_id for face in groups):
            raise UsageError(f"{other_id} has no face any more: nothing would come apart")
        apply_now(settings, [change], now)
        return find_person(settings, other_id)


def split_faces(settings: Settings, person: str, faces: Sequence[str], author: str, now: datetime) -> LakePerson:
    """Make some faces of a person another person, and return that one. ``faces`` are ids of faces or of shots."""
    with hold_people(settings):
        row = find_person(settings, person)
        face_ids = _select_faces(settings, row, faces)
        if len(face_ids) == row["faces"]:
            raise UsageError(f"these are all faces of {person!r}: nothing would be left to split off")
        new_id = make_person_id(f"{face_ids[0]} {now.isoformat()}")
        change = PersonChange(
            action="split",
            person_id=row["person_id"],
            other_id=new_id,
            author=author,
            created_at=now,
            face_ids=face_ids,
        )
        apply_now(settings, [change], now)
        return find_person(settings, new_id)


def reject_faces(settings: Settings, person: str, faces: Sequence[str], author: str, now: datetime) -> tuple[str, ...]:
    """Take faces away from a person: they have no person then. Return their ids."""
    with hold_people(settings):
        row = find_person(settings, person)
        face_ids = _select_faces(settings, row, faces)
        change = PersonChange(
            action="rejected", person_id=row["person_id"], author=author, created_at=now, face_ids=face_ids
        )
        apply_now(settings, [change], now)
        return face_ids


def read_person_faces(settings: Settings, person_id: str) -> list[LakeFace]:
    """Return the faces of a person without their vectors, by video and frame."""
    rows = settings.lake.read("faces", None, _COLUMNS)
    return _sort_faces(rows.filter(pc.equal(rows["person_id"], person_id)).to_pylist())


def read_faces(settings: Settings, ids: Collection[str]) -> list[LakeFace]:
    """Return all faces of the partitions with these faces or shots, without their vectors, by video and frame."""
    return _sort_faces(settings.lake.read("faces", find_face_partitions(settings, ids), _COLUMNS).to_pylist())


def _sort_faces(faces: list[LakeFace]) -> list[LakeFace]:
    return sorted(faces, key=lambda face: (face["video_id"], face["frame"], face["face_id"]))


def _select_faces(settings: Settings, person: LakePerson, names: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of the named faces of a person. Raises ``NotFoundError`` for one that is not theirs."""
    faces = read_person_faces(settings, person["person_id"])
    face_ids: dict[str, None] = {}
    for each in names:
        matching = [face["face_id"] for face in faces if each in (face["face_id"], face["shot_id"])]
        if not matching:
            raise NotFoundError(
                f"{each!r} is not a face of {person['name'] or person['person_id']}, nor a shot with one: "
                f"`needle people {person['person_id']}` lists them"
            )
        face_ids |= dict.fromkeys(matching)
    if not face_ids:
        raise UsageError(f"name faces: `needle people {person['person_id']}` lists them")
    return tuple(face_ids)


@contextmanager
def hold_people(settings: Settings) -> Iterator[None]:
    """Hold the locks for one change: who is who stays as it was checked until the change is written."""
    with settings.hold_work_lock(), settings.lake.hold_lock(LOCK):
        require_same_division(settings)
        yield


def apply_now(settings: Settings, changes: Sequence[PersonChange], now: datetime) -> None:
    """Write changes in this order and apply them; the caller holds the locks of :func:`hold_people`.

    They get the time ``now``, or later ones: the order counts, also if the clock of this machine is behind.
    """
    history = read_changes(settings)
    at = max([now, *(each.created_at + TICK for each in history)])
    stamped = [replace(change, created_at=at + number * TICK) for number, change in enumerate(changes)]
    write_changes(settings, [*history, *stamped])
    identities = apply_changes([*history, *stamped])
    renew_people(settings, _find_changed_partitions(settings, stamped), identities, now)
    catalogue.write_people(settings, identities, now)


def _find_changed_partitions(settings: Settings, changes: Sequence[PersonChange]) -> list[str]:
    merged = [each for each in changes if each.action in ("merged", "unmerged")]
    partitions = find_face_partitions(settings, [face for each in changes for face in each.face_ids])
    if merged:
        people = {person for each in merged for person in (each.person_id, each.other_id)}
        partitions += find_partitions(settings, people)
    return sorted(set(partitions))


def find_partitions(settings: Settings, person_ids: Collection[str]) -> list[str]:
    """Return the partitions with faces of these people."""
    rows = settings.lake.read("faces", None, ("video_id", "person_id")).to_pylist()
    return sorted({settings.resolve_partition(row["video_id"]) for row in rows if row["person_id"] in person_ids})


def find_face_partitions(settings: Settings, ids: Collection[str]) -> list[str]:
    """Return the partitions of these faces or shots, whose ids begin with that of their video."""
    return sorted({settings.resolve_partition(each.split(":")[0]) for each in ids})


def renew_people(settings: Settings, partitions: Sequence[str], identities: Identities, now: datetime) -> None:
    """Write the people of the stored faces of some partitions again. The caller holds the lock of changes."""
    for video in list_stored_videos(settings, partitions):
        rows = name_people(video.face_rows, {}, identities)
        write_video(settings, video, rows, now)


def write_video(
    settings: Settings, video: VideoFaces, rows: list[LakeFace], now: datetime, *, keep_versions: bool = True
) -> None:
    """Write the faces of a video and what follows from them for its shots, without looking at any frame.

    Without ``keep_versions`` rows do not go to the history, and those of shots that are gone are deleted.
    """
    by_shot: dict[str, list[LakeFace]] = {}
    for row in rows:
        by_shot.setdefault(row["shot_id"], []).append(row)
    shots = {shot["shot_id"]: shot for shot in video.shots}
    shot_rows = [
        row | sum_up(by_shot.get(row["shot_id"], ()), count_looks(shots[row["shot_id"]])) | {"created_timestamp": now}
        if row["shot_id"] in shots and row["faces"] is not None
        else row
        for row in video.shot_rows
        if keep_versions or row["shot_id"] in shots
    ]
    partition = settings.resolve_partition(video.video_id)
    settings.lake.update("faces", partition, video.video_id, [row | {"created_timestamp": now} for row in rows])
    settings.lake.update("shot_people", partition, video.video_id, shot_rows, keep_versions=keep_versions)
