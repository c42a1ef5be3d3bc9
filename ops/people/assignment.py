"""Give faces to a person: faces of other people, and faces without a person.

Stands alone because it decides which faces may be given: clear ones, and one of each frame.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.core.errors import NotFoundError, UsageError
from ops.core.names import fold_name
from ops.core.rows import LakeFace, LakePerson
from ops.core.settings import Settings
from ops.people.catalogue import read_people
from ops.people.changes import PersonChange, apply_changes, read_changes
from ops.people.clusters import make_person_id
from ops.people.editing import (
    MOST_NAMED,
    apply_now,
    find_person,
    hold_people,
    is_person_id,
    read_faces,
    require_person_name,
)
from ops.people.face_model import LEAST_QUALITY
from ops.people.rows import has_quality

_FACE_OR_SHOT = re.compile(r"[0-9a-f]{16}:[0-9]{1,15}(:face[0-9]{1,4}(-[0-9a-f]{6})?)?")


@dataclass(frozen=True, kw_only=True)
class AssignedFaces:
    """Faces that were given to ``person``.

    ``former`` are their number by the person whose they were, ``None`` for no person. ``faceless`` are those of these
    people who have no face left, with their names, which may be empty.
    """

    person: LakePerson
    is_new: bool
    former: dict[str | None, int]
    faceless: dict[str, str]


def is_face_or_shot(text: str) -> bool:
    """Return True if a text has the form of the id of a face or of a shot."""
    return bool(_FACE_OR_SHOT.fullmatch(text))


def read_shot_faces(settings: Settings, face_or_shot: str) -> list[LakeFace]:
    """Return the faces of a shot, or of the shot of a face, by frame. Raises ``NotFoundError`` if there are none."""
    faces = read_faces(settings, [face_or_shot])
    shots = {face["shot_id"] for face in faces if face_or_shot in (face["face_id"], face["shot_id"])}
    if not shots:
        raise _report_unknown(face_or_shot)
    return [face for face in faces if face["shot_id"] in shots]


def assign_faces(
    settings: Settings, person: str, faces: Sequence[str], author: str, now: datetime, *, must_be_new: bool = False
) -> AssignedFaces:
    """Give faces to a person, whoever has them now.

    ``person`` is an id or a name; a person without faces is found, too, if a change names them. A new name makes a
    person of faces that have none. ``faces`` are ids of faces, or of shots that show one person.

    Raises ``NotFoundError`` for an unknown person or face, and ``UsageError`` for an unclear face, a shot with several
    people, two faces of one frame, or a person with faces who ``must_be_new``.
    """
    with hold_people(settings):
        before = {each["person_id"]: each for each in read_people(settings)}
        chosen = _select(settings, faces)
        person_id = _find_target(settings, person)
        new_name = ""
        if must_be_new and person_id in before:
            raise UsageError(f"{person_id} is called {person!r} already: give the faces to that person")
        if person_id is None:
            new_name = _require_new(person, chosen, before)
            person_id = make_person_id(f"{chosen[0]['face_id']} {now.isoformat()}")
        given = [face for face in chosen if face["person_id"] != person_id]
        if not given:
            raise UsageError(f"these are faces of {person!r} already")
        _require_one_a_frame(settings, person_id, given)
        changes = _build_changes(person_id, given, author, now)
        if new_name:
            changes.append(
                PersonChange(action="named", person_id=person_id, author=author, created_at=now, name=new_name)
            )
        apply_now(settings, changes, now)
        after = {each["person_id"] for each in read_people(settings)}
        return AssignedFaces(
            person=find_person(settings, person_id),
            is_new=bool(new_name),
            former={each.other_id or None: len(each.face_ids) for each in changes if each.face_ids},
            faceless={each: row["name"] or "" for each, row in before.items() if each not in after},
        )


def _find_target(settings: Settings, person: str) -> str | None:
    """Return the id of a person, also of one without faces; ``None`` if the name is new.

    Raises ``NotFoundError`` for an unknown id.
    """
    try:
        return find_person(settings, person)["person_id"]
    except NotFoundError:
        history = read_changes(settings)
        identities = apply_changes(history)
        folded_name = fold_name(person)
        for person_id, name in identities.names.items():
            if fold_name(name) == folded_name:
                return person_id
        if not is_person_id(person):
            return None
        if folded_name in {each for change in history for each in (change.person_id, change.other_id)}:
            return identities.find(folded_name)
        raise


def _require_new(name: str, faces: Sequence[LakeFace], people: Mapping[str, LakePerson]) -> str:
    """Return the name of a new person. Raises ``NotFoundError`` if a face has a person: the name may be a slip."""
    text = require_person_name(name)
    owned = next((face for face in faces if face["person_id"]), None)
    if owned is None:
        return text
    owner, face_id = owned["person_id"] or "", owned["face_id"]
    owner_name = people[owner]["name"] if owner in people else None
    rename = "" if owner_name else f'to name that person, `needle people --name {owner} "{text}"`; '
    raise NotFoundError(
        f"no person {name!r}, and {face_id} is a face of {owner_name or owner}: {rename}to make the face another "
        f"person, `needle people --split {owner} {face_id}`"
    )


def _select(settings: Settings, names: Sequence[str]) -> list[LakeFace]:
    """Return the faces with these ids, or of these shots."""
    for each in names:
        if not is_face_or_shot(each):
            raise UsageError(
                f"{each!r} is not the id of a face or a shot: `needle people PERSON` lists the faces of a person, "
                "`needle people SHOT` those of a shot"
            )
    rows = read_faces(settings, names)
    chosen: dict[str, LakeFace] = {}
    people = {each["person_id"]: each["name"] or each["person_id"] for each in read_people(settings)}
    for each in names:
        matching = [face for face in rows if face["face_id"] == each]
        if matching and not has_quality(matching[0]):
            raise UsageError(
                f"{each} is too small, dark, turned or blurred to be compared: its quality is "
                f"{matching[0]['quality']:.2f}, and a face of a person needs {LEAST_QUALITY:.2f}"
            )
        matching = matching or _select_of_shot(each, rows, people)
        chosen |= {face["face_id"]: face for face in matching}
    if not chosen:
        raise UsageError("name faces: `needle people PERSON` lists those of a person, `needle people SHOT` of a shot")
    return list(chosen.values())


def _select_of_shot(shot_id: str, rows: Sequence[LakeFace], people: Mapping[str, str]) -> list[LakeFace]:
    """Return the clear faces of a shot that shows one person; ``people`` are names by id."""
    faces = [face for face in rows if face["shot_id"] == shot_id]
    if not faces:
        raise _report_unknown(shot_id)
    clear = [face for face in faces if has_quality(face)]
    if not clear:
        raise UsageError(f"no face of shot {shot_id} is clear enough: `needle people {shot_id}` lists them")
    owners = {face["person_id"] for face in clear} - {None}
    if len(owners) > 1 or len({face["frame"] for face in clear}) < len(clear):
        described = [f"{face['face_id']} ({people.get(face['person_id'] or '', 'no person')})" for face in clear]
        more = ", …" if len(described) > MOST_NAMED else ""
        raise UsageError(
            f"shot {shot_id} shows several people: name the faces instead of the shot. They are "
            f"{', '.join(described[:MOST_NAMED])}{more}; `needle people {shot_id}` lists all"
        )
    return clear


def _report_unknown(name: str) -> NotFoundError:
    return NotFoundError(
        f"{name!r} is not a stored face, nor a shot with one: `needle people PERSON` lists the faces of a person"
    )


def _require_one_a_frame(settings: Settings, person_id: str, given: Sequence[LakeFace]) -> None:
    """Raise ``UsageError`` if a person would have two faces in one frame.

    A face that was taken from this person comes back in any case: two people of one frame may have been merged.
    """
    face_ids = [face["face_id"] for face in given]
    returning = _find_returning(settings, person_id, face_ids)
    stored = [face for face in read_faces(settings, face_ids) if face["person_id"] == person_id]
    faces_at = {(face["video_id"], face["frame"]): face["face_id"] for face in stored}
    for face in given:
        if face["face_id"] in returning:
            continue
        other = faces_at.setdefault((face["video_id"], face["frame"]), face["face_id"])
        if other != face["face_id"]:
            remove = f"take the first away before, `needle people --not {person_id} {other}`"
            raise UsageError(
                f"{other} and {face['face_id']} are two faces of one frame, and cannot be one person: "
                f"{'choose one' if other in face_ids else remove}"
            )


def _find_returning(settings: Settings, person_id: str, face_ids: Sequence[str]) -> set[str]:
    """Return those of the faces whose last change took them from this person."""
    history = read_changes(settings)
    identities = apply_changes(history)
    last_changes = {face_id: change for change in history for face_id in change.face_ids}
    owners = {
        face_id: change.other_id if change.action == "assigned" else change.person_id
        for face_id, change in last_changes.items()
    }
    return {face_id for face_id in face_ids if identities.find(owners.get(face_id, "")) == person_id}


def _build_changes(person_id: str, given: Sequence[LakeFace], author: str, now: datetime) -> list[PersonChange]:
    """Return one change for each person whose faces these were."""
    by_owner: dict[str, list[str]] = {}
    for face in given:
        by_owner.setdefault(face["person_id"] or "", []).append(face["face_id"])
    return [
        PersonChange(
            action="assigned",
            person_id=person_id,
            other_id=owner,
            author=author,
            created_at=now,
            face_ids=tuple(face_ids),
        )
        for owner, face_ids in by_owner.items()
    ]
