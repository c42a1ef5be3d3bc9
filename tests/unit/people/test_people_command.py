"""`needle people` on a home with faces: what it lists, and what it reports of a change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from ops.cli.main import cli
from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.people.build import build_faces
from ops.people.catalogue import read_people
from ops.people.face_model import SeenFace
from ops.people.rows import make_face_id
from tests.builders.faces import LEFT, RIGHT, NumberFaces, make_vector
from tests.builders.lakes import COMPUTED, video_id
from tests.builders.upgrades import SHOTS, add_film

VIDEO = video_id(0)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    settings = load_settings(people="on")
    add_film(settings, tmp_path, 0, captions=False, proxies=True)
    model = NumberFaces(lambda number: [(0, LEFT, 0.9), *([(1, RIGHT, 0.8)] if number <= 4 else [])])
    build_faces(settings, [VIDEO], COMPUTED, SilentProgress(), make=lambda _: model)
    return settings


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["people", *arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result


def face(frame: int, number: int) -> str:
    return make_face_id(VIDEO, frame, number, "dlib-numbers")


def test_a_face_is_taken_away_and_given_back_as_the_hint_says(home: Settings) -> None:
    first, second = (row["person_id"] for row in read_people(home))
    run("--name", second, "Nora")
    rights = [face(24 * shot + 4, 1) for shot in range(SHOTS)]
    taken = run("--not", "Nora", *rights).stderr
    assert f"{SHOTS} faces taken away; to undo, `needle people --is {second} {' '.join(rights)}`" in taken
    assert "Nora has no face left; the name is kept, and comes back with `needle people --is 'Nora' FACE...`" in taken
    lines = run(f"{VIDEO}:0").stdout.splitlines()
    assert f"{face(4, 1)}  quality 0.80  (no person)" in lines and f"{face(4, 0)}  quality 0.90  {first}" in lines
    assert run(face(4, 1)).stdout.splitlines() == lines, "the faces of its shot"
    shown = json.loads(run(f"{VIDEO}:0", "--json").stdout)["faces"]
    assert {each["person_id"] for each in shown} == {first, None}
    back = run("--is", second, *rights)
    assert f"{SHOTS} faces are Nora now: {SHOTS} without a person" in back.stderr
    assert back.stdout.startswith(f"{second}  Nora: ")
    run("--not", "Nora", rights[0])
    made = run("--is", "Ann", rights[0], "--json")
    assert "1 face is Ann (a new person) now: 1 without a person" in made.stderr
    assert [each["name"] for each in json.loads(made.stdout)["people"]] == ["Ann"]
    with pytest.raises(NotFoundError, match="is a face of Ann: to make the face another person"):
        run("--is", "Bob", rights[0])
    assert "1 face is Nora now: 1 of Ann" in run("--is", "Nora", rights[0]).stderr


def test_a_merge_of_two_people_of_one_frame_is_remarked_upon(home: Settings) -> None:
    first, second = (row["person_id"] for row in read_people(home))
    merged = run("--merge", first, second)
    assert merged.stdout.startswith(first)
    assert f"{SHOTS} frames have two faces of this person: if that is a mistake, --split" in merged.stderr


def test_a_merge_is_undone_by_the_command_that_it_prints(home: Settings) -> None:
    before = {row["person_id"]: (row["name"], row["faces"]) for row in read_people(home)}
    first, second = before
    run("--name", second, "Nora")
    merged = run("--merge", first, second)
    assert f"to undo, `needle people --unmerge {first} {second}`" in merged.stderr
    apart = run("--unmerge", first, second)
    assert apart.stdout.startswith(f"{second}  Nora: ")
    assert {row["person_id"]: (row["name"], row["faces"]) for row in read_people(home)} == {
        first: before[first],
        second: ("Nora", before[second][1]),
    }
    with pytest.raises(NotFoundError, match=f"merged into {first}: none was"):
        run("--unmerge", first, second)
    run("--merge", first, second)
    with pytest.raises(
        NotFoundError, match=f"'Bob' is not the id of .* who was merged into Nora: these were: {second}"
    ):
        run("--unmerge", "Nora", "Bob")
    run("--not", "Nora", *(face(24 * shot + 4, 1) for shot in range(SHOTS)))
    with pytest.raises(UsageError, match="has no face any more"):
        run("--unmerge", first, second)


class TwoFaces:
    """Sees two clear faces in any picture, the clearer one on the left."""

    model_id, same_distance = "dlib-numbers", 0.35

    def find_faces(self, frame_HWC: np.ndarray) -> list[SeenFace]:
        return [
            SeenFace(box=box, quality=quality, vector_D=make_vector(person, 7))
            for person, box, quality in [(0, LEFT, 0.9), (1, RIGHT, 0.6), (2, RIGHT, 0.2)]
        ]


def test_of_a_picture_with_several_faces_one_is_chosen(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.people.similar.load_model", lambda _: TwoFaces())
    monkeypatch.setattr("ops.people.similar.describe_model", lambda _: "dlib-numbers")
    image = tmp_path / "two.png"
    Image.new("RGB", (64, 64)).save(image)
    first, second = (row["person_id"] for row in read_people(home))
    clearest = run("--like", str(image), "--limit", "1")
    assert first in clearest.stdout
    assert "the image has 3 faces; face 1 from the left is compared: --face 2 compares another" in clearest.stderr
    other = json.loads(run("--like", str(image), "--face", "2", "--limit", "1", "--json").stdout)
    assert other["faces"][0]["person_id"] == second
    assert other["picture"] == {"faces": 3, "used": 2, "usable": [1, 2]}
    with pytest.raises(Exception, match="face 3 of 3 is too small, dark, turned or blurred"):
        run("--like", str(image), "--face", "3")
    with pytest.raises(Exception, match="no face 4: 3 faces are found in it"):
        run("--like", str(image), "--face", "4")
