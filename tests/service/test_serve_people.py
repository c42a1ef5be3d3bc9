"""People over HTTP: list, name, merge, split, faces, pictures of faces, and the filter in a search."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.people.build import build_faces
from ops.people.choice import describe_model, load_model
from tests.builders.faces import LEFT, RIGHT, NumberFaces, write_opencv_models
from tests.builders.lakes import COMPUTED, video_id
from tests.builders.served import client_of
from tests.builders.upgrades import SHOTS, add_film

VIDEO = video_id(0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("people")
    settings = load_settings(home=folder / "home", people="on")
    add_film(settings, folder, 0, captions=False, proxies=True)
    model = NumberFaces(lambda number: [(0, LEFT, 0.9)] + ([(1, RIGHT, 0.8)] if number <= 12 else []))
    build_faces(settings, [VIDEO], COMPUTED, SilentProgress(), make=lambda _: model)
    return settings


@pytest.fixture(scope="module")
def client(home: Settings) -> Iterator[TestClient]:
    with client_of(home) as client:
        yield client


def test_people_are_listed_named_merged_and_split(client: TestClient) -> None:
    first, second = client.get("/api/people").json()["people"]
    assert (first["name"], first["shots"], first["faces"]) == ("", SHOTS, 3 * SHOTS)
    assert [each["shots"] for each in first["shows"]] == [SHOTS]
    path = f"/api/people/{first['person_id']}"
    named = client.post(path, json={"action": "name", "name": "Thom"}).json()["people"]
    assert [each["name"] for each in named] == ["Thom", ""]
    assert client.post(f"/api/people/{second['person_id']}", json={"action": "name", "name": "THOM"}).status_code == 422
    (merged,) = client.post(path, json={"action": "merge", "other_id": second["person_id"]}).json()["people"]
    assert merged["faces"] == 5 * SHOTS
    faces = client.get(path).json()["faces"]
    assert len(faces) == 5 * SHOTS and faces[0]["quality"] >= faces[-1]["quality"]
    moved = [each["face_id"] for each in faces if ":face1-" in each["face_id"]]
    people = client.post(path, json={"action": "split", "faces": moved}).json()["people"]
    assert [each["faces"] for each in people] == [3 * SHOTS, 2 * SHOTS]
    taken = client.post(path, json={"action": "reject", "faces": [faces[0]["face_id"]]}).json()["people"]
    assert taken[0]["faces"] == 3 * SHOTS - 1


def test_faces_are_given_to_people_and_a_merged_id_finds_the_other(home: Settings) -> None:
    with client_of(home) as client:
        people = client.get("/api/people").json()["people"]
        path = f"/api/people/{people[0]['person_id']}"
        face = client.get(path).json()["faces"][-1]["face_id"]
        count = people[0]["faces"]
        assert client.post(path, json={"action": "reject", "faces": [face]}).json()["people"][0]["faces"] == count - 1
        assert client.post(path, json={"action": "assign", "faces": [face]}).json()["people"][0]["faces"] == count
        client.post(path, json={"action": "reject", "faces": [face]})
        made = client.post("/api/people", json={"name": "Ann", "faces": [face]}).json()["people"]
        (ann,) = (each for each in made if each["name"] == "Ann")
        refused = client.post("/api/people", json={"name": "ann", "faces": [face]})
        assert refused.status_code == 422 and "already: give the faces to that person" in refused.json()["detail"]
        again = client.post("/api/people", json={"name": "Bob", "faces": [face]})
        assert again.status_code == 404 and f"{face} is a face of Ann: to make" in again.json()["detail"]
        client.post(path, json={"action": "merge", "other_id": ann["person_id"]})
        merged = client.get(f"/api/people/{ann['person_id']}").json()
        assert merged["person_id"] == people[0]["person_id"] and len(merged["faces"]) == count
        apart = {"action": "unmerge", "other_id": ann["person_id"]}
        assert client.post(path, json=apart).json()["people"] == made
        refused = client.post(path, json=apart)
        assert refused.status_code == 404 and "was merged into" in refused.json()["detail"]


def test_a_picture_of_a_face_is_cut_and_never_cached(client: TestClient) -> None:
    face = client.get("/api/people").json()["people"][0]["face_id"]
    answer = client.get(f"/media/faces/{face}.jpg")
    assert answer.headers["cache-control"] == "private, no-store" and answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (128, 128)
    assert client.get(f"/media/faces/{VIDEO}:0:face9.jpg").status_code == 404


def test_faces_like_a_face(client: TestClient) -> None:
    person = client.get("/api/people").json()["people"][0]
    near = client.get(f"/api/faces/{person['face_id']}/similar", params={"limit": 5}).json()["faces"]
    assert [each["person_id"] for each in near] == [person["person_id"]] * 5


def test_faces_like_the_one_in_a_picture_which_is_not_kept(tmp_path: Path) -> None:
    models = ",".join(map(str, write_opencv_models(tmp_path)))
    settings = load_settings(home=tmp_path / "home", people="on", face_models=models)
    add_film(settings, tmp_path, 0, captions=False, proxies=True)
    faces = NumberFaces(lambda number: [(0, LEFT, 0.9)], model_id=describe_model(settings))
    build_faces(settings, [VIDEO], COMPUTED, SilentProgress(), make=lambda _: faces)
    picture_HWC = np.random.default_rng(0).integers(0, 255, (320, 320, 3), np.uint8)
    (seen,) = load_model(settings).find_faces(picture_HWC)
    rows = settings.lake.read("faces", [VIDEO]).to_pylist()
    for number, row in enumerate(rows):
        vector = seen.vector_D if number == 3 else -np.roll(seen.vector_D, number)
        row["embedding"] = vector.tolist()
    settings.lake.write("faces", VIDEO, rows)
    buffer = io.BytesIO()
    Image.fromarray(picture_HWC).save(buffer, "PNG")
    with client_of(settings) as client:
        files = {"file": ("a.png", buffer.getvalue(), "image/png")}
        similar = client.post("/api/faces/similar", files=files, params={"limit": 5}).json()
        assert similar["picture"] == {"faces": 1, "used": 1, "usable": [1]}
        missing = client.post("/api/faces/similar", files=files, params={"face": 2})
        assert missing.status_code == 422 and "no face 2: 1 face is found" in missing.json()["detail"]
        first, *others = similar["faces"]
        assert len(others) == 4 and (first["face_id"], first["shot_id"]) == (rows[3]["face_id"], rows[3]["shot_id"])
        assert first["is_near"] and first["distance"] < 0.001 and not others[-1]["is_near"]
        assert client.post("/api/faces/similar", content=b"no picture").status_code == 422
        assert client.post("/api/faces/similar", content=b"").status_code == 422
        (tmp_path / "sface.onnx").unlink()
        answer = client.post("/api/faces/similar", files=files)
        assert answer.status_code == 409 and "sface.onnx is missing" in answer.json()["detail"]
    assert not list((settings.home / "serve").rglob("*.jpg")), "a dropped picture of a person is not kept"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "merge"}, 422),
        ({"action": "merge", "other_id": "p" + "0" * 12}, 404),
        ({"action": "split", "faces": [f"{VIDEO}:0:face9"]}, 404),
        ({"action": "split", "faces": []}, 422),
        ({"action": "assign"}, 422),
        ({"action": "assign", "faces": [f"{VIDEO}:0:face9"]}, 404),
        ({"action": "delete"}, 422),
    ],
)
def test_a_change_that_cannot_be_made_is_a_problem(client: TestClient, body: dict[str, object], status: int) -> None:
    person = client.get("/api/people").json()["people"][0]["person_id"]
    answer = client.post(f"/api/people/{person}", json=body)
    assert answer.status_code == status and answer.json()["detail"]


def test_without_faces_nobody_is_listed(tmp_path: Path) -> None:
    with client_of(load_settings(home=tmp_path / "home")) as client:
        assert client.get("/api/people").json() == {"people": []}
        assert client.get(f"/api/people/p{'0' * 12}").status_code == 404
