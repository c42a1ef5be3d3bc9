"""A person who is forgotten: former names of others, and faces that may be theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.people import editing
from ops.people.build import build_faces
from ops.people.catalogue import read_people
from ops.people.changes import PersonChange, apply_changes, read_changes, write_changes
from ops.people.forget import find_stored_person, forget_person
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
