"""Tables of faces and people: built once, again for changed shots only, and emptied when the setting is off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from ops.core.errors import MediaError, NotFoundError, UsageError
from ops.core.history import list_history_files
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress, StepReport
from ops.people import editing
from ops.people.build import build_faces, find_due
from ops.people.catalogue import FaceVectors, KnownPeople, read_people, read_vectors, write_people
from ops.people.changes import PersonChange, apply_changes, read_changes, write_changes
from ops.people.face_model import FaceModel
from ops.people.forget import find_stored_person, forget_all_people, forget_person, forget_videos, list_names
from ops.people.rows import make_face_id
from ops.people.similar import find_faces_like_face
from ops.shots.looking import retry_unread
from ops.shots.segment import make_proxy_key
from ops.videos import catalogue
from tests.builders.faces import LEFT, RIGHT, FaceSpec, NumberFaces, make_vector
from tests.builders.lakes import COMPUTED, shot_rows, video_id, video_row
from tests.builders.upgrades import SHOTS, add_film

VIDEO = video_id(0)
LATER = COMPUTED + timedelta(hours=1)


def cast(number: int) -> Sequence[FaceSpec]:
    """In every shot: person 0 on the left, person 1 on the right at first, and a blurred face at the end."""
    faces: list[FaceSpec] = [(0, LEFT, 0.9)]
    if number <= 12:
        faces.append((1, RIGHT, 0.8))
    if number >= 18:
        faces.append((2, RIGHT, 0.3))
    return faces


class Heard(SilentProgress):
    def __init__(self) -> None:
        self.reasons: list[str] = []

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        self.reasons.append(f"{thing}: {reason}")


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = load_settings(home=tmp_path / "home", people="on")
    add_film(settings, tmp_path, 0, captions=False, proxies=True)
    return settings


def build(
    settings: Settings,
    model: NumberFaces | None = None,
    progress: Any = None,
    make: Callable[[Settings], FaceModel] | None = None,
) -> StepReport:
    model = model or NumberFaces(cast)
    make = make or (lambda _: model)
    return build_faces(settings, [VIDEO], COMPUTED, progress or SilentProgress(), make=make)


def face(frame: int, number: int, model_id: str = "dlib-numbers") -> str:
    """The id of a face of the film."""
    return make_face_id(VIDEO, frame, number, model_id)


def read_rows(settings: Settings, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = settings.lake.read(table, [VIDEO]).to_pylist()
    return rows


def test_faces_and_people_are_found_once(home: Settings) -> None:
    assert find_due(home, [VIDEO]) == {VIDEO}
    model = NumberFaces(cast)
    report = build(home, model)
    assert report.checks[0].passed and len(model.numbers) == 3 * SHOTS
    first, second = read_people(home)
    assert (first["shots"], first["faces"], first["videos"], first["name"]) == (SHOTS, 3 * SHOTS, 1, None)
    assert (second["shots"], second["faces"]) == (SHOTS, 2 * SHOTS)
    blurred = [row for row in read_rows(home, "faces") if row["quality"] < 0.5]
    assert len(blurred) == SHOTS and all(row["person_id"] is None for row in blurred), "kept, and nobody"
    row = read_rows(home, "shot_people")[0]
    assert row["people"] == f"{first['person_id']},{second['person_id']}"
    assert (row["shares"], row["sizes"], row["faces"]) == ("1.00,0.67", "0.30,0.40", 2)
    assert row["largest_face"] == pytest.approx(0.4)
    editing.name_person(home, first["person_id"], "Thom", "me", COMPUTED)
    again = NumberFaces(cast)
    report = build(home, again)
    assert not find_due(home, [VIDEO]) and report.changed == 0 and not again.numbers
    figures = report.by_partition[VIDEO]
    assert (figures["people"], figures["named_people"], report.details["named_people"]) == (2, 1, 1)
    assert "Thom" not in str(report), "Dagster keeps what is reported, and a name must be forgettable"


def test_only_changed_shots_are_read_again_and_people_keep_ids_and_names(home: Settings) -> None:
    build(home)
    people = [row["person_id"] for row in read_people(home)]
    editing.name_person(home, people[0], "Thom", "me", LATER)
    rows = shot_rows(0, SHOTS, is_blank=False)
    rows[1]["detector"] = "another"
    home.lake.write("shots", VIDEO, rows)
    assert find_due(home, [VIDEO]) == {VIDEO}
    model = NumberFaces(cast)
    build(home, model)
    assert len(model.numbers) == 3
    assert [(row["person_id"], row["name"]) for row in read_people(home)] == [(people[0], "Thom"), (people[1], None)]
    other = NumberFaces(cast, model_id="opencv-other")
    for row in rows:
        row["detector"] = "a third"
    home.lake.write("shots", VIDEO, rows)
    build(home, other)
    assert [row["person_id"] for row in read_people(home)] == people, "by their places, although vectors differ"
    assert not find_due(home, [VIDEO])


def test_a_shot_whose_proxy_is_missing_has_a_reason_and_is_tried_again(home: Settings) -> None:
    key = make_proxy_key(VIDEO, 0, 24)
    proxy = home.store.read_bytes(key)
    home.store.delete(key)
    heard = Heard()
    build(home, progress=heard)
    assert len(heard.reasons) == 1 and "its faces are unknown: its proxy is missing" in heard.reasons[0]
    assert read_rows(home, "shot_people")[0]["reason"] == "its proxy is missing"
    assert not find_due(home, [VIDEO])
    home.store.write_bytes(key, proxy)
    retry_unread(home, "shot_people", [VIDEO])
    assert find_due(home, [VIDEO]) == {VIDEO}
    build(home)
    assert read_rows(home, "shot_people")[0]["faces"] == 2


def test_without_a_model_nothing_is_written_and_the_shots_stay_due(home: Settings) -> None:
    def fail(settings: Settings) -> FaceModel:
        raise MediaError("the model is damaged")

    heard = Heard()
    report = build(home, progress=heard, make=fail)
    assert heard.reasons == ["faces: the model is damaged"] and report.details["problem"] == "the model is damaged"
    assert find_due(home, [VIDEO]) == {VIDEO}


def test_a_lost_file_of_faces_is_computed_again(home: Settings) -> None:
    build(home)
    home.lake.delete("faces", VIDEO)
    assert find_due(home, [VIDEO]) == {VIDEO}
    build(home)
    assert len(read_people(home)) == 2 and not find_due(home, [VIDEO])


def test_merge_split_and_rejection_hold_over_later_runs(home: Settings) -> None:
    build(home)
    first, second = (row["person_id"] for row in read_people(home))
    editing.name_person(home, first, "Thom", "me", LATER)
    with pytest.raises(UsageError, match="--merge"):
        editing.name_person(home, second, "thom", "me", LATER)
    merged = editing.merge_people(home, "Thom", second, "me", LATER)
    assert (merged["person_id"], merged["name"], merged["faces"]) == (first, "Thom", 5 * SHOTS)
    shot = read_rows(home, "shot_people")[0]["shot_id"]
    other = editing.split_faces(home, "Thom", [shot], "me", LATER)
    assert other["faces"] == 5 and other["person_id"] not in (first, second)
    assert editing.reject_faces(home, "Thom", [face(28, 0)], "me", LATER) == (face(28, 0),)
    assert not find_due(home, [VIDEO]) and build(home).changed == 0, "a change is applied at once"
    assert {row["person_id"]: row["faces"] for row in read_people(home)} == {
        first: 5 * SHOTS - 6,
        other["person_id"]: 5,
    }
    with pytest.raises(NotFoundError, match="not a face of Thom"):
        editing.reject_faces(home, "Thom", [shot], "me", LATER)
    with pytest.raises(NotFoundError, match="the names are Thom"):
        editing.find_person(home, "Tom")


@pytest.mark.parametrize("change", ["split", "rejected"])
def test_a_change_of_a_face_does_not_concern_one_of_another_model(home: Settings, change: str) -> None:
    build(home)
    first, second = (row["person_id"] for row in read_people(home))
    edit = editing.split_faces if change == "split" else editing.reject_faces
    edit(home, second, [face(4, 1)], "me", LATER)  # on the right

    def mirrored(number: int) -> Sequence[FaceSpec]:
        """The same two people; the new model sees the one on the right first."""
        return [(person, box, quality) for person, box, quality in reversed(cast(number)) if quality > 0.5]

    rows = shot_rows(0, SHOTS, is_blank=False)
    for row in rows:
        row["detector"] = "another"
    home.lake.write("shots", VIDEO, rows)
    build(home, NumberFaces(mirrored, model_id="opencv-other"))
    assert {row["model"] for row in read_rows(home, "faces")} == {"opencv-other"}
    at_four = {tuple(row["box"]): row for row in read_rows(home, "faces") if row["frame"] == 4}
    left, right = (at_four[tuple(round(1000 * side) for side in box)] for box in (LEFT, RIGHT))
    assert (left["face_id"], right["face_id"]) == (face(4, 1, "opencv-other"), face(4, 0, "opencv-other"))
    assert left["person_id"] == first, "the change was about another face, of the same number"
    assert right["person_id"] not in (first, second), "what people said about a place stays"
    assert not find_due(home, [VIDEO])


def test_of_two_commands_that_give_one_name_one_is_refused(home: Settings) -> None:
    build(home)
    people = [row["person_id"] for row in read_people(home)]
    barrier, refusals = Barrier(2), list[str]()

    def name(person_id: str) -> None:
        barrier.wait()
        try:
            editing.name_person(home, person_id, "Thom", "me", LATER)
        except UsageError as error:
            refusals.append(str(error))

    for _ in range(10):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(name, people))
        assert len(refusals) == 1 and "is called 'Thom' already" in refusals.pop()
        named = [row for row in read_people(home) if row["name"]]
        assert [row["name"] for row in named] == ["Thom"]
        editing.name_person(home, named[0]["person_id"], "", "me", LATER)


def test_two_commands_that_merge_two_people_into_each_other_leave_one_person(home: Settings) -> None:
    build(home)
    first, second = (row["person_id"] for row in read_people(home))
    barrier, refusals = Barrier(2), list[Exception]()

    def merge(pair: tuple[str, str]) -> None:
        barrier.wait()
        try:
            editing.merge_people(home, *pair, "me", LATER)
        except (NotFoundError, UsageError) as error:
            refusals.append(error)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(merge, [(first, second), (second, first)]))
    assert len(refusals) == 1 and len(read_people(home)) == 1 and len(read_changes(home)) == 1


def test_examples_are_read_again_only_for_changed_partitions(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(video: int, qualities: dict[str, Sequence[float]], model_id: str = "dlib-numbers") -> list[dict[str, Any]]:
        (example, *_) = read_rows(home, "faces")
        return [
            example
            | {"face_id": f"{person}-{video}-{number}", "video_id": video_id(video), "quality": quality}
            | {"person_id": person, "model": model_id, "embedding": make_vector(number, video).tolist()}
            for person, all_qualities in qualities.items()
            for number, quality in enumerate(all_qualities)
        ]

    build(home)
    for partition in home.lake.list_partitions("faces"):
        home.lake.write("faces", partition, rows(0, {"ann": [0.9] * 15, "bob": [0.4, 0.7]}))
    home.lake.write("faces", video_id(1), rows(1, {"ann": [0.8] * 15, "cat": [0.9]}))
    home.lake.write("faces", video_id(2), rows(2, {"bob": [0.9]}, "another-model"))
    read_partitions: list[str] = []

    def read_and_note(settings: Settings, model_id: str, partitions: Sequence[str]) -> FaceVectors:
        read_partitions.extend(partitions)
        return read_vectors(settings, model_id, partitions)

    monkeypatch.setattr("ops.people.catalogue.read_vectors", read_and_note)
    known = KnownPeople(home, "dlib-numbers")
    assert {person: len(vectors) for person, vectors in known.read().items()} == {"ann": 20, "bob": 1, "cat": 1}
    assert sorted(set(read_partitions)) == sorted(video_id(number) for number in range(3))
    read_partitions.clear()
    known.read()
    assert not read_partitions, "nothing changed"
    home.lake.write("faces", video_id(1), rows(1, {"ann": [0.8] * 15, "bob": [0.95] * 25}))
    grown = known.read()
    assert read_partitions == [video_id(1)]
    assert {person: len(vectors) for person, vectors in grown.items()} == {"ann": 20, "bob": 20}
    read_partitions.clear()
    home.lake.write("faces", video_id(1), rows(1, {"ann": [0.8] * 15}))
    assert {person: len(vectors) for person, vectors in known.read().items()} == {"ann": 20, "bob": 1}
    assert set(read_partitions) == {VIDEO, video_id(1)}, "bob's other example is where it was crowded out"
    anew = KnownPeople(home, "dlib-numbers").read()
    assert all(np.array_equal(vectors, anew[person]) for person, vectors in known.read().items())


def test_an_interrupted_change_is_completed_by_the_next_run(home: Settings) -> None:
    build(home)
    first, second = (row["person_id"] for row in read_people(home))
    faces = home.store.read_bytes(f"lake/faces/{VIDEO}.parquet")
    editing.merge_people(home, first, second, "me", LATER)
    home.store.write_bytes(f"lake/faces/{VIDEO}.parquet", faces)
    assert find_due(home, [VIDEO]) == {VIDEO}
    build(home)
    assert [row["person_id"] for row in read_people(home)] == [first] and not find_due(home, [VIDEO])


def test_faces_like_a_face_are_those_of_the_same_person(home: Settings) -> None:
    build(home)
    first = read_people(home)[0]
    near = find_faces_like_face(home, first["face_id"], 10)
    assert {each.person_id for each in near} == {first["person_id"]}
    assert [each.distance for each in near] == sorted(each.distance for each in near)
    with pytest.raises(NotFoundError, match="no face"):
        find_faces_like_face(home, face(0, 9), 3)


def find_traces(settings: Settings, *words: str) -> set[str]:
    """Files of the home that have one of the words."""
    return {
        str(path.relative_to(settings.home))
        for path in settings.home.rglob("*")
        if path.is_file() and any(word.encode() in path.read_bytes() for word in words)
    }


def test_a_forgotten_person_leaves_no_name_no_vector_and_no_box(home: Settings) -> None:
    build(home)
    first, second = (row["person_id"] for row in read_people(home))
    editing.name_person(home, first, "Thomasina", "me", LATER)
    editing.name_person(home, second, "Nora", "me", LATER)
    editing.reject_faces(home, "Nora", [face(4, 1)], "me", LATER)
    shots = forget_person(home, editing.find_person(home, "Thomasina"), LATER)
    assert len(shots) == SHOTS
    assert {row["name"] for row in read_people(home)} == {"Nora"}
    left = read_rows(home, "faces")
    assert {row["person_id"] for row in left if row["face_id"] != face(4, 1)} == {second}, "unclear ones go, too"
    assert face(4, 1) in {row["face_id"] for row in left}, "taken from Nora, and like her"
    assert all(row["people"] in ("", second) for row in read_rows(home, "shot_people"))
    assert not list_history_files(home.store) and not find_traces(home, "Thomasina")
    assert [each.name for each in read_changes(home) if each.name] == ["Nora"]
    model = NumberFaces(cast)
    assert not find_due(home, [VIDEO]) and build(home, model).changed == 0 and not model.numbers


def list_people_history(settings: Settings) -> list[str]:
    return [key for key in list_history_files(settings.store) if "/shot_people/" in key]


@pytest.mark.parametrize("state", ["removed", "set_aside"])
def test_people_of_a_video_whose_file_is_gone_are_merged_and_forgotten_like_others(home: Settings, state: str) -> None:
    build(home)
    first, second = (row["person_id"] for row in read_people(home))
    catalogue.put_video(home, video_row(0, state=state))
    merged = editing.merge_people(home, first, second, "me", LATER)
    assert merged["faces"] == 5 * SHOTS and len(read_people(home)) == 1
    other = editing.split_faces(home, first, [face(4, 1)], "me", LATER)
    assert other["faces"] == 1
    assert len(forget_person(home, editing.find_person(home, first), LATER)) == SHOTS
    assert {row["person_id"] for row in read_rows(home, "faces")} == {other["person_id"]}
    assert [row["person_id"] for row in read_people(home)] == [other["person_id"]] and not list_people_history(home)


def test_off_deletes_faces_of_a_video_whose_file_is_gone(home: Settings, tmp_path: Path) -> None:
    build(home)
    add_film(home, tmp_path, 1, captions=False)
    catalogue.put_video(home, video_row(0, state="removed"))
    build_faces(home.model_copy(update={"people": "off"}), [video_id(1)], LATER, SilentProgress())
    assert not read_rows(home, "faces") and not read_rows(home, "shot_people") and not list_people_history(home)


def test_damaged_files_and_a_name_without_a_face_are_forgotten_with_a_person(home: Settings) -> None:
    build(home)
    first, second = (row["person_id"] for row in read_people(home))
    editing.name_person(home, first, "Thom", "me", LATER)
    editing.name_person(home, first, "Thomasina", "me", LATER)
    editing.name_person(home, second, "thom", "me", LATER)
    editing.merge_people(home, first, second, "me", LATER)
    assert list_names(home, editing.find_person(home, first)) == {first, second, "Thom", "Thomasina", "thom"}
    editing.split_faces(home, first, [face(4, 1)], "me", LATER)
    home.store.write_bytes(f"damaged/faces/{video_id(7)}.parquet", b"a face")
    home.lake.write("faces", VIDEO, [])
    home.lake.write("people", "all", [])
    person = find_stored_person(home, "thomasina")
    assert (person["person_id"], person["faces"]) == (first, 0)
    forget_person(home, person, LATER)
    assert not find_traces(home, "Thomasina", "a face")
    with pytest.raises(NotFoundError):
        find_stored_person(home, "Thomasina")


def test_a_name_of_somebody_else_is_no_reason_to_delete_a_search(home: Settings) -> None:
    build(home)
    first, second = (row["person_id"] for row in read_people(home))
    editing.name_person(home, first, "Thom", "me", LATER)
    editing.name_person(home, first, "Thomasina", "me", LATER)
    editing.name_person(home, second, "Thom", "me", LATER)
    assert list_names(home, editing.find_person(home, first)) == {first, "Thomasina"}


@pytest.mark.parametrize(
    "name", ["*", 'The "Duke"', "P3f2a9c1e77b0", "Ann\u2060", "\u202eevil", "An\u00adn", "Ann\u200d", "Ann \u200c Lee"]
)
def test_a_name_that_no_search_would_find_is_refused(home: Settings, name: str) -> None:
    build(home)
    first = read_people(home)[0]["person_id"]
    with pytest.raises(UsageError, match="cannot be the name of a person"):
        editing.name_person(home, first, name, "me", LATER)
    assert editing.name_person(home, first, " Thom   Yorke ", "me", LATER)["name"] == "Thom Yorke"


@pytest.mark.parametrize(
    "name", ["\u0645\u06cc\u200c\u0631\u0627", "\u0d05\u0d28\u0d4d\u200d", "\u0da1\u0d9a\u0dca\u200d\u0dbb", "Zoë"]
)
def test_a_name_keeps_the_joiners_that_its_letters_need(home: Settings, name: str) -> None:
    build(home)
    first = read_people(home)[0]["person_id"]
    assert editing.name_person(home, first, name, "me", LATER)["name"] == name


def test_names_that_look_the_same_are_one_name(home: Settings) -> None:
    build(home)
    first, second = (row["person_id"] for row in read_people(home))
    write_changes(
        home, [PersonChange(action="named", person_id=first, name="Zo\u2060e\u0308", author="me", created_at=LATER)]
    )
    write_people(home, apply_changes(read_changes(home)), LATER)  # a name from before such characters were refused
    with pytest.raises(UsageError, match="is called 'Zo\\\\u2060"):
        editing.name_person(home, second, "zoë", "me", LATER)
    assert editing.find_person(home, "Zoë")["person_id"] == first
    assert editing.name_person(home, first, "Zoë", "me", LATER)["name"] == "Zoë"


def test_with_a_forgotten_video_go_the_people_who_are_in_no_other(home: Settings, tmp_path: Path) -> None:
    build(home)
    add_film(home, tmp_path, 1, captions=False, proxies=True)
    model = NumberFaces(lambda number: [(1, RIGHT, 0.8)])
    build_faces(home, [video_id(1)], COMPUTED, SilentProgress(), make=lambda _: model)
    nora, thomasina = (row["person_id"] for row in read_people(home))
    editing.name_person(home, thomasina, "Thomasina", "me", LATER)
    editing.name_person(home, nora, "Nora", "me", LATER)
    editing.reject_faces(home, "Nora", [face(4, 1)], "me", LATER)
    for table in ("faces", "shot_people"):
        catalogue.drop_rows(home, table, VIDEO, keep_versions=False)
    forget_videos(home, [VIDEO], LATER)
    assert [(row["name"], row["videos"]) for row in read_people(home)] == [("Nora", 1)]
    assert [each.name for each in read_changes(home)] == ["Nora"] and not find_traces(home, "Thomasina")


@pytest.mark.parametrize("way", ["command", "setting"])
def test_off_leaves_nothing_behind(home: Settings, way: str) -> None:
    build(home)
    first = read_people(home)[0]["person_id"]
    editing.name_person(home, first, "Thomasina", "me", LATER)
    editing.reject_faces(home, first, [face(4, 0)], "me", LATER)
    off = home.model_copy(update={"people": "off"})
    if way == "command":
        assert len(forget_all_people(home, LATER)) == SHOTS
        assert find_due(home, [VIDEO]) == {VIDEO}, "while it is on, they come back"
    else:
        assert find_due(off, [VIDEO]) == {VIDEO}
        build_faces(off, [VIDEO], LATER, SilentProgress())
    assert not read_rows(home, "faces") and not read_people(home) and not read_changes(home)
    assert {row["faces"] for row in read_rows(home, "shot_people")} == {None}
    assert not find_traces(home, "Thomasina", first) and not list_history_files(home.store)
    assert not find_due(off, [VIDEO]) and build_faces(off, [VIDEO], LATER, SilentProgress()).changed == 0
