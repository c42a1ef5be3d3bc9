"""Faces are given to people: whoever had them, one of each frame, and with nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.people import editing
from ops.people.assignment import assign_faces, read_shot_faces
from ops.people.build import build_faces, find_due
from ops.people.catalogue import read_people
from ops.people.changes import read_changes
from ops.people.forget import find_stored_person, forget_all_people, forget_person, forget_videos
from ops.people.rows import make_face_id
from ops.search.people import PeopleShots
from ops.videos import catalogue
from tests.builders.faces import LEFT, RIGHT, FaceSpec, NumberFaces
from tests.builders.lakes import COMPUTED, video_id
from tests.builders.upgrades import SHOTS, add_film

VIDEO = video_id(0)
FIRST_SHOT, SECOND_SHOT = f"{VIDEO}:0", f"{VIDEO}:24"


def cast(number: int) -> Sequence[FaceSpec]:
    """In every shot: person 0 on the left, person 1 on the right at first, and a blurred face at the end."""
    faces: list[FaceSpec] = [(0, LEFT, 0.9)]
    if number <= 12:
        faces.append((1, RIGHT, 0.8))
    if number >= 18:
        faces.append((2, RIGHT, 0.3))
    return faces


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = load_settings(home=tmp_path / "home", people="on")
    add_film(settings, tmp_path, 0, captions=False, proxies=True)
    build(settings)
    return settings


def build(settings: Settings, number: int = 0) -> int:
    model = NumberFaces(cast)
    return build_faces(settings, [video_id(number)], COMPUTED, SilentProgress(), make=lambda _: model).changed


def face(frame: int, number: int) -> str:
    return make_face_id(VIDEO, frame, number, "dlib-numbers")


def owner(settings: Settings, face_id: str) -> str | None:
    (row,) = (row for row in settings.lake.read("faces", [VIDEO]).to_pylist() if row["face_id"] == face_id)
    person: str | None = row["person_id"]
    return person


def people_of(settings: Settings) -> list[str]:
    return [row["person_id"] for row in read_people(settings)]


def give(settings: Settings, person: str, *faces: str):
    return assign_faces(settings, person, faces, "me", COMPUTED)


def test_a_rejected_face_is_given_back_or_to_another_person(home: Settings) -> None:
    first, second = people_of(home)
    editing.name_person(home, second, "Nora", "me", COMPUTED)
    editing.reject_faces(home, "Nora", [face(4, 1)], "me", COMPUTED)
    assert owner(home, face(4, 1)) is None
    back = give(home, "Nora", face(4, 1))
    assert back.former == {None: 1} and not back.faceless and back.person["faces"] == 2 * SHOTS
    editing.reject_faces(home, first, [face(4, 0)], "me", COMPUTED)
    editing.reject_faces(home, second, [face(4, 1)], "me", COMPUTED)
    given = give(home, first, face(4, 1))
    assert given.person["person_id"] == first and owner(home, face(4, 1)) == first
    shots = {row["shot_id"]: row["people"].split(",") for row in home.lake.read("shot_people", [VIDEO]).to_pylist()}
    assert second in shots[FIRST_SHOT] and first in shots[FIRST_SHOT]
    assert not find_due(home, [VIDEO]) and build(home) == 0, "a change is applied at once"


def test_a_person_who_loses_the_last_face_is_reported_and_keeps_the_name(home: Settings) -> None:
    first, second = people_of(home)
    editing.name_person(home, second, "Nora", "me", COMPUTED)
    rights = [row["face_id"] for row in editing.read_person_faces(home, second)]
    for each in rights:
        editing.reject_faces(home, first, [each.replace(":face1-", ":face0-")], "me", COMPUTED)
    taken = give(home, first, *rights)
    assert taken.former == {second: 2 * SHOTS} and taken.faceless == {second: "Nora"}
    assert people_of(home) == [first]
    with pytest.raises(NotFoundError):
        editing.find_person(home, "Nora")
    again = give(home, "nora", rights[0])
    assert (again.person["person_id"], again.person["name"], again.is_new) == (second, "Nora", False)


def test_the_name_of_a_person_without_faces_may_be_given_to_another(home: Settings) -> None:
    first, second = people_of(home)
    editing.name_person(home, second, "Nora", "me", COMPUTED)
    rights = [row["face_id"] for row in editing.read_person_faces(home, second)]
    editing.reject_faces(home, second, rights, "me", COMPUTED)
    editing.name_person(home, first, "Nora", "me", COMPUTED)
    assert give(home, second, rights[0]).person["name"] is None
    assert [row["name"] for row in read_people(home)] == ["Nora", None]


def test_a_new_name_makes_a_person_of_faces_that_have_none(home: Settings) -> None:
    first, second = people_of(home)
    editing.reject_faces(home, second, [face(4, 1), face(28, 1)], "me", COMPUTED)
    made = give(home, " Ann  Lee ", face(4, 1), face(28, 1))
    assert made.is_new and (made.person["name"], made.person["faces"]) == ("Ann Lee", 2)
    assert made.person["person_id"] not in (first, second)
    with pytest.raises(NotFoundError, match=f"no person 'An Lee', and .* is a face of {first}: to name that person"):
        give(home, "An Lee", face(4, 0))
    with pytest.raises(NotFoundError, match="no person 'p000000000000'"):
        give(home, "p000000000000", face(4, 0))
    with pytest.raises(UsageError, match="already: give the faces to that person"):
        assign_faces(home, "ann lee", [face(4, 0)], "me", COMPUTED, must_be_new=True)


def test_a_shot_stands_for_its_faces_if_it_shows_one_person(home: Settings) -> None:
    first, second = people_of(home)
    with pytest.raises(UsageError, match=rf"shows several people.* {face(4, 0)} \({first}\), {face(4, 1)} \({second}"):
        give(home, second, FIRST_SHOT)
    editing.reject_faces(home, second, [SECOND_SHOT], "me", COMPUTED)
    with pytest.raises(UsageError, match="shows several people"):
        give(home, second, SECOND_SHOT)
    assert {row["person_id"] for row in read_shot_faces(home, face(28, 1))} == {first, None}
    rows = home.lake.read("faces", [VIDEO]).to_pylist()
    home.lake.write("faces", VIDEO, [row for row in rows if row["shot_id"] != SECOND_SHOT or row["person_id"]])
    assert give(home, second, SECOND_SHOT).former == {first: 3}, "unclear faces count for nothing"
    home.lake.write("faces", VIDEO, [row for row in rows if row["quality"] < 0.5])
    with pytest.raises(UsageError, match=r"no face of shot .* is clear enough"):
        give(home, first, FIRST_SHOT)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (f"{VIDEO}:9", NotFoundError, "is not a stored face, nor a shot"),
        (f"{VIDEO}:4:face7-000000", NotFoundError, "is not a stored face, nor a shot"),
        ("Thom", UsageError, "is not the id of a face or a shot"),
        (face(4, 1), UsageError, "are two faces of one frame, and cannot be one person: take the first away before"),
        (face(4, 0), UsageError, "these are faces of 'Thom' already"),
        (face(20, 1), UsageError, "too small, dark, turned or blurred to be compared: its quality is 0.30"),
    ],
)
def test_what_cannot_be_given_is_an_error(home: Settings, name: str, error: type[Exception], message: str) -> None:
    first = people_of(home)[0]
    editing.name_person(home, first, "Thom", "me", COMPUTED)
    before = read_changes(home)
    with pytest.raises(error, match=message):
        give(home, "Thom", name)
    assert read_changes(home) == before


def test_of_two_new_faces_of_one_frame_one_must_be_chosen(home: Settings) -> None:
    first, second = people_of(home)
    editing.reject_faces(home, first, [face(4, 0)], "me", COMPUTED)
    editing.reject_faces(home, second, [face(4, 1)], "me", COMPUTED)
    with pytest.raises(UsageError, match="one person: choose one"):
        give(home, "Ann", face(4, 0), face(4, 1))


def test_the_id_of_a_merged_person_finds_the_other(home: Settings) -> None:
    first, second = people_of(home)
    shots = PeopleShots(home)
    alone = shots.find_shots(second)
    merged = editing.merge_people(home, first, second, "me", COMPUTED)
    assert editing.find_person(home, second) == merged
    shots.forget()
    assert alone and shots.find_shots(second) == shots.find_shots(first)
    with pytest.raises(UsageError, match="one person already"):
        editing.merge_people(home, first, second, "me", COMPUTED)
    assert editing.name_person(home, second, "Thom", "me", COMPUTED)["person_id"] == first
    with pytest.raises(NotFoundError):
        editing.find_person(home, "p000000000000")


def test_what_was_taken_from_a_person_comes_back_in_any_case(home: Settings) -> None:
    first, second = people_of(home)
    editing.merge_people(home, first, second, "me", COMPUTED)  # both are in each frame
    editing.reject_faces(home, first, [face(4, 1)], "me", COMPUTED)
    editing.split_faces(home, first, [face(28, 1)], "me", COMPUTED)
    back = give(home, second, face(4, 1), face(28, 1))
    assert back.person["person_id"] == first and people_of(home) == [first]


def find_traces(settings: Settings, *words: str) -> set[str]:
    """Files of the home that have one of the words."""
    return {
        str(path.relative_to(settings.home))
        for path in settings.home.rglob("*")
        if path.is_file() and any(word.encode() in path.read_bytes() for word in words)
    }


@pytest.mark.parametrize("forgotten", ["giver", "receiver"])
def test_a_forgotten_person_leaves_no_given_face(home: Settings, forgotten: str) -> None:
    first, second = people_of(home)
    editing.name_person(home, second, "Nora", "me", COMPUTED)
    editing.name_person(home, first, "Thomasina", "me", COMPUTED)
    editing.reject_faces(home, first, [face(4, 0)], "me", COMPUTED)
    give(home, first, face(4, 1))
    person, name = (second, "Nora") if forgotten == "giver" else (first, "Thomasina")
    forget_person(home, find_stored_person(home, name), COMPUTED)
    assert not find_traces(home, person, name)
    left = first if forgotten == "giver" else second
    assert people_of(home) == [left] and not find_due(home, [VIDEO]) and build(home) == 0
    faces = {row["face_id"]: row["person_id"] for row in home.lake.read("faces", [VIDEO]).to_pylist()}
    assert faces.get(face(4, 1)) == (first if forgotten == "giver" else None)
    changed = {each for change in read_changes(home) for each in change.face_ids}
    assert changed <= faces.keys(), "no change names a face that is gone"


def test_off_removes_given_faces_and_new_people(home: Settings) -> None:
    first, second = people_of(home)
    editing.reject_faces(home, second, [face(4, 1)], "me", COMPUTED)
    made = give(home, "Thomasina", face(4, 1)).person["person_id"]
    forget_all_people(home, COMPUTED)
    assert not read_changes(home) and not find_traces(home, "Thomasina", made, first)


def test_changes_of_other_videos_stay_when_a_video_is_forgotten(home: Settings, tmp_path: Path) -> None:
    first, second = people_of(home)
    add_film(home, tmp_path, 1, captions=False, proxies=True)
    build(home, 1)
    editing.name_person(home, second, "Nora", "me", COMPUTED)
    rights = [row["face_id"] for row in editing.read_person_faces(home, second)]
    editing.reject_faces(home, second, rights, "me", COMPUTED)
    for table in ("faces", "shot_people"):
        catalogue.drop_rows(home, table, video_id(1), keep_versions=False)
    forget_videos(home, [video_id(1)], COMPUTED)
    assert [each.action for each in read_changes(home)] == ["named", "rejected"], "the faces would be hers again"
    assert build(home) == 0 and people_of(home) == [first]
    assert give(home, "Nora", face(4, 1)).person["person_id"] == second
    for table in ("faces", "shot_people"):
        catalogue.drop_rows(home, table, VIDEO, keep_versions=False)
    forget_videos(home, [VIDEO], COMPUTED)
    assert not read_changes(home) and not find_traces(home, "Nora")
