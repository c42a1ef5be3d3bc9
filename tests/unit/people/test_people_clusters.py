"""Grouping of faces by their vectors, and the changes that people make: pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ops.people.changes import Identities, PersonChange, apply_changes
from ops.people.clusters import PlacedFace, follow_faces, group_faces, inherit_groups, measure_overlap
from ops.people.sampling import LEAST_LOOKS, MOST_LOOKS, choose_looks

SAME = 0.35
LEFT, RIGHT = (0.1, 0.2, 0.3, 0.5), (0.6, 0.2, 0.8, 0.5)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def vector(person: int, noise: float = 0.0, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(1000 * person + seed)
    base = np.zeros(128)
    base[person] = 1.0
    direction = rng.normal(size=128)
    mixed = base + noise * direction / np.linalg.norm(direction)
    return np.asarray(mixed / np.linalg.norm(mixed), np.float32)


def face(number: int, person: int, *, shot: int = 0, look: int = 0, box=LEFT, noise: float = 0.1) -> PlacedFace:
    return PlacedFace(
        face_id=f"v:{shot}-{look}:face{number}",
        shot_id=f"v:{shot}",
        frame=100 * shot + 10 * look,
        look=look,
        box=box,
        vector_D=vector(person, noise, number),
    )


def test_people_are_grouped_over_shots() -> None:
    faces = [face(n, n % 3, shot=n, look=0) for n in range(12)]
    groups = group_faces(faces, {}, SAME)
    by_person = [{groups[each.face_id] for each in faces[person::3]} for person in range(3)]
    assert all(len(ids) == 1 for ids in by_person) and len(set.union(*by_person)) == 3


def test_two_faces_of_one_frame_are_two_people_even_if_they_look_alike() -> None:
    twins = [face(1, 0, box=LEFT, noise=0.01), face(2, 0, box=RIGHT, noise=0.01)]
    assert len(set(group_faces(twins, {}, SAME).values())) == 2


def test_nobody_is_twice_in_a_frame_of_which_one_face_is_known() -> None:
    known = {"p1": np.stack([vector(0, 0.1, n) for n in range(4)])}
    twin = face(1, 0)
    assert group_faces([twin], known, SAME) == {twin.face_id: "p1"}
    assert group_faces([twin], known, SAME, {"p1": {(twin.shot_id, twin.frame)}})[twin.face_id] != "p1"


def test_a_face_that_stays_in_its_place_is_one_person_while_it_turns() -> None:
    turned = [face(n, 0, look=n, noise=0.1 + 0.04 * n) for n in range(4)]
    assert follow_faces(turned, SAME) == [[0, 1, 2, 3]]
    assert len(follow_faces([face(0, 0, look=0), face(1, 1, look=1)], SAME)) == 2, "the place alone is no evidence"
    assert len(follow_faces([face(0, 0, look=0), face(1, 0, look=2)], SAME)) == 2, "a look without it ends a track"


def test_new_footage_joins_known_people_and_never_changes_their_ids() -> None:
    first = group_faces([face(n, n % 2, shot=n) for n in range(6)], {}, SAME)
    known = {}
    for person in range(2):
        person_id = first[f"v:{person}-0:face{person}"]
        known[person_id] = np.stack([vector(person, 0.1, n) for n in range(person, 6, 2)])
    later = [face(10 + n, n, shot=10 + n) for n in range(3)]
    groups = group_faces(later, known, SAME)
    assert [groups[each.face_id] in known for each in later] == [True, True, False]
    assert [groups[each.face_id] for each in later[:2]] == list(known)


def test_a_face_that_is_looked_for_again_keeps_its_group() -> None:
    moved = (0.12, 0.21, 0.31, 0.52)
    again = [face(0, 5, look=1, box=moved), face(1, 6, look=1, box=RIGHT), face(2, 7, look=9, box=LEFT)]
    assert inherit_groups(again, [(12, LEFT, "known"), (500, RIGHT, "far")], 24) == {again[0].face_id: "known"}
    assert measure_overlap(LEFT, RIGHT) == 0 and measure_overlap(LEFT, LEFT) == 1


def test_looks_are_few_and_inside_the_shot() -> None:
    assert choose_looks(1, 0.04) == [0] and choose_looks(2, 0.1) == [0, 1]
    assert len(choose_looks(24, 1.0)) == LEAST_LOOKS
    assert len(choose_looks(250_000, 10_000.0)) == MOST_LOOKS
    for frames in (3, 4, 25, 999):
        looks = choose_looks(frames, frames / 25)
        assert looks == sorted(set(looks)) and looks[0] >= 0 and looks[-1] < frames


def change(action, person: str, minute: int, **fields) -> PersonChange:
    return PersonChange(
        action=action, person_id=person, author="a", created_at=NOW + timedelta(minutes=minute), **fields
    )


def test_changes_apply_in_order() -> None:
    identities = apply_changes(
        [
            change("named", "p1", 0, name="Thom"),
            change("named", "p2", 1, name="Thomas"),
            change("merged", "p1", 2, other_id="p2"),
            change("merged", "p3", 3, other_id="p1"),
            change("split", "p3", 4, other_id="p9", face_ids=("f1",)),
            change("rejected", "p3", 5, face_ids=("f2",)),
        ]
    )
    assert identities.resolve("f0", "p2") == "p3" and identities.names == {"p3": "Thom"}
    assert identities.resolve("f1", "p1") == "p9" and identities.resolve("f2", "p1") is None
    assert identities.resolve("f3", "") is None and identities.resolve("f3", None) is None
    identities.apply(change("merged", "p9", 6, other_id="p3"))
    assert {identities.resolve(each, "p1") for each in ("f0", "f1")} == {"p9"} and identities.names == {"p9": "Thom"}
    identities.apply(change("merged", "p3", 7, other_id="p9"))
    assert identities.find("p1") == "p9", "merging one person with itself changes nothing"
    identities.apply(change("named", "p9", 8, name=""))
    assert identities.names == {}


def test_a_merge_is_undone_with_the_name_from_before() -> None:
    merged = [
        change("named", "p2", 0, name="Thom"),
        change("merged", "p1", 1, other_id="p2"),
        change("merged", "p3", 2, other_id="p1"),
        change("assigned", "p1", 3, other_id="p2", face_ids=("f1",)),
    ]
    identities = apply_changes([*merged, change("unmerged", "p3", 4, other_id="p2")])
    assert identities.names == {"p2": "Thom"}, "the others got the name by the merge"
    assert [identities.resolve(each, "p2") for each in ("f0", "f1")] == ["p2", "p3"], "f1 was given to p1"
    identities.apply(change("unmerged", "p3", 5, other_id="p2"))
    assert identities.find("p2") == "p2" and identities.find("p1") == "p3", "an undo of nothing changes nothing"
    renamed = [*merged, change("named", "p3", 4, name="Ann"), change("named", "p9", 5, name="THOM")]
    identities = apply_changes([*renamed, change("unmerged", "p3", 6, other_id="p2")])
    assert identities.names == {"p3": "Ann", "p9": "THOM"} and identities.find("p2") == "p2"


def test_an_assigned_face_follows_the_person_whom_it_was_given_to() -> None:
    identities = apply_changes(
        [
            change("rejected", "p1", 0, face_ids=("f1",)),
            change("assigned", "p2", 1, face_ids=("f1",)),
            change("assigned", "p2", 2, other_id="p1", face_ids=("f2",)),
            change("merged", "p3", 3, other_id="p2"),
        ]
    )
    assert [identities.resolve(each, "p1") for each in ("f1", "f2", "f3")] == ["p3", "p3", "p1"]


def test_a_face_that_was_never_changed_is_in_its_group() -> None:
    assert Identities().resolve("f", "p") == "p"
