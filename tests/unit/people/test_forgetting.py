"""A person who is forgotten: former names of others, and faces that may be theirs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.main import cli
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.people import editing
from ops.people.build import build_faces
from ops.people.catalogue import read_people, write_people
from ops.people.changes import Identities, PersonChange, apply_changes, read_changes, write_changes
from ops.people.forget import find_stored_person, forget_person, forget_videos
from tests.builders.faces import LEFT, RIGHT, NumberFaces
from tests.builders.lakes import COMPUTED, video_id
from tests.builders.upgrades import add_film

VIDEO = video_id(0)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """A film in which person 0 is on the left and person 1 on the right of every shot."""
    settings = load_settings(home=tmp_path / "home", people="on")
    add_film(settings, tmp_path, 0, captions=False, proxies=True)
    model = NumberFaces(lambda number: [(0, LEFT, 0.9), (1, RIGHT, 0.8)])
    build_faces(settings, [VIDEO], COMPUTED, SilentProgress(), make=lambda _: model)
    return settings


def write_faces(settings: Settings, faces: dict[str, tuple[int, float, float, str | None]]) -> None:
    """Faces by id, with the number of the shot, the quality, the angle of the vector in a plane, and the person."""
    example = settings.lake.read("faces", [VIDEO]).to_pylist()[0]
    rows = [
        example
        | {"face_id": face_id, "shot_id": f"{VIDEO}:{24 * shot}", "index": shot, "frame": 24 * shot + number}
        | {"quality": quality, "embedding": [math.cos(angle), math.sin(angle), *126 * [0.0]]}
        | {"cluster_id": person, "person_id": person}
        for number, (face_id, (shot, quality, angle, person)) in enumerate(faces.items())
    ]
    settings.lake.write("faces", VIDEO, rows)
    write_people(settings, Identities(names={"anna": "Anna", "omar": "Omar"}), COMPUTED)


def test_faces_without_a_person_go_only_if_they_may_be_the_forgotten_one(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_faces(
        home,
        {
            "of Anna": (0, 0.9, 0.0, "anna"),
            "unclear in her shot": (0, 0.3, 2.0, None),
            "clear in her shot, like no other": (0, 0.9, 2.0, None),
            "unclear elsewhere, like no other": (1, 0.3, 2.0, None),
            "clear elsewhere, like Anna": (1, 1.0, 0.1, None),
            "unclear elsewhere, like Anna": (1, 0.3, 0.1, None),
            "as near to both": (1, 1.0, 0.29, None),
            "hardly nearer to Omar": (1, 1.0, 0.3, None),
            "like Anna, nearer to Omar": (1, 1.0, 0.415, None),  # 0.41 and 0.16 away
            "of Omar": (2, 0.9, 0.58, "omar"),
        },
    )
    monkeypatch.setenv("NEEDLE_HOME", str(home.home))
    refused = CliRunner().invoke(cli, ["forget", "--person", "Anna"], standalone_mode=False)
    assert "Anna (anna): 6 faces in 2 shots, 5 of them without a person, which may be theirs\n" in refused.output
    assert len(forget_person(home, find_stored_person(home, "Anna"), COMPUTED)) == 2
    assert [row["face_id"] for row in home.lake.read("faces", [VIDEO]).to_pylist()] == [
        "clear in her shot, like no other",
        "unclear elsewhere, like no other",
        "like Anna, nearer to Omar",
        "of Omar",
    ]


def test_a_damaged_file_of_faces_does_not_keep_a_person_from_being_forgotten(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, _) = (row["person_id"] for row in read_people(home))
    faces = read_people(home)[0]["faces"]
    home.store.write_bytes(f"lake/faces/{VIDEO}.parquet", b"damaged")
    monkeypatch.setenv("NEEDLE_HOME", str(home.home))
    refused = CliRunner().invoke(cli, ["forget", "--person", first], standalone_mode=False)
    assert refused.exception is None and f"({first}): {faces} faces in" in refused.output


def has_trace(settings: Settings, word: str) -> bool:
    """Return True if a file of the home has the word."""
    return any(word.encode() in path.read_bytes() for path in settings.home.rglob("*") if path.is_file())


def test_a_forgotten_name_is_not_kept_as_a_former_one_of_another_person(home: Settings) -> None:
    first, second = (row["person_id"] for row in read_people(home))
    for person, name in ((first, "Quentin"), (first, "Omar"), (second, "quentin")):
        editing.name_person(home, person, name, "me", COMPUTED)
    forget_person(home, find_stored_person(home, "Quentin"), COMPUTED)
    assert [(each.person_id, each.name) for each in read_changes(home)] == [(first, "Omar")]
    assert [row["name"] for row in read_people(home)] == ["Omar"]
    assert not has_trace(home, "uentin")


@pytest.mark.parametrize(
    "steps",
    [
        # a free name would come back to a person who leaves another one
        "name p1 Quentin, merge p3 p1, name p3 Zed, name p2 Quentin, unmerge p3 p1",
        # without the name, an older one would come back with the merge, and go from both with its undoing
        "name p1 Old, name p1 Quentin, merge p3 p1, name p3 Old, name p2 Quentin, unmerge p3 p1",
        # without the name, that of the other one who joins would be taken
        "name p5 Bob, name p1 Quentin, merge p3 p1, merge p3 p5, unmerge p3 p1, name p1 Omar, name p2 Quentin",
    ],
)
def test_present_names_stay_when_a_former_one_is_forgotten(home: Settings, steps: str) -> None:
    history = []
    for number, step in enumerate(steps.split(", ")):
        action, person, other = step.split()
        history.append(
            PersonChange(
                action={"name": "named", "merge": "merged", "unmerge": "unmerged"}[action],
                person_id=person,
                **{"name" if action == "name" else "other_id": other},
                author="me",
                created_at=COMPUTED + number * editing.TICK,
            )
        )
    write_changes(home, history)
    names = apply_changes(history).names
    forget_person(home, find_stored_person(home, "Quentin"), COMPUTED)
    assert names.pop("p2") == "Quentin" and apply_changes(read_changes(home)).names == names
    assert not has_trace(home, "Quentin")


def test_the_name_of_a_person_who_goes_with_a_film_is_not_kept_as_a_former_one(home: Settings, tmp_path: Path) -> None:
    first, second = (person["person_id"] for person in read_people(home))
    add_film(home, tmp_path, 1, captions=False, proxies=True)
    model = NumberFaces(lambda number: [(2, LEFT, 0.9)])
    build_faces(home, [video_id(1)], COMPUTED, SilentProgress(), make=lambda _: model)
    (third,) = {person["person_id"] for person in read_people(home)} - {first, second}
    for person, name in ((first, "Quentin"), (first, "Omar"), (second, "Ann"), (third, "Quentin")):
        editing.name_person(home, person, name, "ann", COMPUTED)
    for table in ("faces", "shot_people"):
        home.lake.write(table, video_id(1), [], keep_versions=False)
    forget_videos(home, [video_id(1)], COMPUTED)
    assert apply_changes(read_changes(home)).names == {first: "Omar", second: "Ann"}
    assert "Quentin" not in {change.name for change in read_changes(home)}
    assert {person["name"] for person in read_people(home)} == {"Omar", "Ann"}
