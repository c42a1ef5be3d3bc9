"""What every face model must do: dlib with its own files, and OpenCV with files that have the form of its models.

The portrait is a public photograph of the US Navy that Matplotlib ships.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from ops.core.errors import MediaError
from ops.core.settings import load_settings
from ops.people.choice import describe_model, explain_setting, load_model
from ops.people.clusters import PlacedFace, group_faces
from ops.people.face_model import LEAST_QUALITY, FaceModel
from ops.people.face_models.dlib_faces import LANDMARKS, NETWORK, DlibFaceModel, explain_problem, find_model_folder
from ops.people.face_models.opencv_faces import OpenCvFaceModel
from tests.builders.faces import write_opencv_models

needs_dlib = pytest.mark.skipif(
    not all(map(find_spec, ("dlib", "face_recognition_models"))), reason="pip install 'needle[people]'"
)
PORTRAIT = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def portrait(width: int = 320, height: int = 320) -> NDArray[np.uint8]:
    return np.asarray(Image.open(PORTRAIT).convert("RGB").resize((width, height)), np.uint8)


@pytest.fixture(params=[pytest.param("dlib", marks=needs_dlib), "opencv"], scope="module")
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FaceModel:
    if request.param == "dlib":
        return DlibFaceModel()
    detector, recogniser = write_opencv_models(tmp_path_factory.mktemp("models"))
    return OpenCvFaceModel(f"{detector},{recogniser}")


def test_a_face_has_a_box_a_quality_and_a_unit_vector(model: FaceModel) -> None:
    (face,) = model.find_faces(portrait())
    left, top, right, bottom = face.box
    assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
    assert 0 <= face.quality <= 1
    assert face.vector_D.dtype == np.float32 and np.isclose(np.linalg.norm(face.vector_D), 1, atol=1e-4)
    assert model.model_id and model.same_distance > 0


def test_the_same_picture_gives_the_same_vector_and_a_darker_one_a_near_vector(model: FaceModel) -> None:
    first, again = model.find_faces(portrait()), model.find_faces(portrait())
    assert np.array_equal(first[0].vector_D, again[0].vector_D) and first[0].box == again[0].box
    darker = model.find_faces((portrait() * 0.75).astype(np.uint8))
    assert np.linalg.norm(first[0].vector_D - darker[0].vector_D) < model.same_distance


def test_a_blurred_face_has_less_quality_than_a_sharp_one(model: FaceModel) -> None:
    blurred = np.asarray(Image.fromarray(portrait()).filter(ImageFilter.GaussianBlur(6)), np.uint8)
    qualities = [max((face.quality for face in model.find_faces(each)), default=0) for each in (portrait(), blurred)]
    assert qualities[0] > qualities[1]


@needs_dlib
def test_any_size_of_frame_is_read() -> None:
    model = DlibFaceModel()
    for width, height in ((16, 16), (640, 40), (33, 400)):
        assert isinstance(model.find_faces(portrait(width, height)), list)


@needs_dlib
def test_dlib_finds_a_face_that_counts_and_none_without_one() -> None:
    model = DlibFaceModel()
    assert model.find_faces(portrait())[0].quality >= LEAST_QUALITY
    assert model.find_faces(np.zeros((360, 640, 3), np.uint8)) == []
    noise = np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)
    assert all(face.quality < LEAST_QUALITY for face in model.find_faces(noise))
    small = model.find_faces(portrait(70, 70))
    assert all(face.quality < LEAST_QUALITY for face in small)


@needs_dlib
def test_missing_and_damaged_files_of_dlib_are_reported(tmp_path: Path) -> None:
    assert "is missing" in explain_problem(folder=tmp_path)
    with pytest.raises(MediaError, match="is missing"):
        DlibFaceModel(tmp_path)
    (tmp_path / LANDMARKS).write_bytes((find_model_folder() / LANDMARKS).read_bytes()[:10_000])
    (tmp_path / NETWORK).write_bytes(b"not a network")
    with pytest.raises(MediaError, match="are damaged"):
        DlibFaceModel(tmp_path)


def test_missing_and_damaged_files_of_opencv_are_reported(tmp_path: Path) -> None:
    def explain(files: str) -> str:
        return explain_setting(load_settings(home=tmp_path / "home", people="on", face_models=files))

    detector, recogniser = write_opencv_models(tmp_path)
    assert explain(f"{detector},{recogniser}") == ""
    assert "DETECTOR.onnx,RECOGNISER.onnx" in explain(str(detector))
    assert "sface2.onnx is missing" in explain(f"{detector},{tmp_path / 'sface2.onnx'}")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"not a model")
    for files in (f"{damaged},{recogniser}", f"{detector},{damaged}"):
        with pytest.raises(MediaError, match="cannot read"):
            load_model(load_settings(home=tmp_path / "home", people="on", face_models=files))


def test_the_id_of_a_model_changes_with_its_files(tmp_path: Path) -> None:
    detector, recogniser = write_opencv_models(tmp_path)
    settings = load_settings(home=tmp_path / "home", people="on", face_models=f"{detector},{recogniser}")
    before = describe_model(settings)
    recogniser.write_bytes(recogniser.read_bytes() + b"\n")
    assert before != describe_model(settings) and before.startswith("opencv-")
    assert explain_setting(load_settings(home=tmp_path / "home")) == "", "off: nothing is needed"


def place(*pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame of 640x360 on a grey wall with pictures beside each other."""
    frame = np.full((360, 640, 3), 120, np.uint8)
    for number, picture in enumerate(pictures):
        side = 320 * number
        frame[40 : 40 + picture.shape[0], side + 20 : side + 20 + picture.shape[1]] = picture
    return frame


def draw_face() -> NDArray[np.uint8]:
    """A face as a child draws it."""
    picture = Image.new("RGB", (280, 280), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((40, 20, 240, 260), outline="black", width=4)
    for left in (95, 160):
        pen.ellipse((left, 100, left + 25, 120), fill="black")
    pen.line((140, 130, 135, 170, 145, 170), fill="black", width=3)
    pen.arc((95, 160, 185, 220), 20, 160, fill="black", width=4)
    return np.asarray(picture, np.uint8)


def hide_lower_face(picture: NDArray[np.uint8], top: float) -> NDArray[np.uint8]:
    """The picture with a white cloth from ``top`` on, a share of its height."""
    masked = picture.copy()
    masked[round(top * len(picture)) :] = 235
    return masked


@needs_dlib
def test_posters_drawings_masks_and_twins() -> None:
    model = DlibFaceModel()
    poster, twin = portrait(280, 280), portrait(280, 280)
    (on_a_wall,) = model.find_faces(place(poster))
    assert on_a_wall.quality >= LEAST_QUALITY, "a photograph on a wall is a face"
    for drawn in model.find_faces(place(draw_face())):  # it may be a face, but is nobody whom a photograph shows
        assert np.linalg.norm(drawn.vector_D - on_a_wall.vector_D) > model.same_distance
    clear = [face for face in model.find_faces(place(hide_lower_face(poster, 0.45))) if face.quality >= LEAST_QUALITY]
    assert clear == [], "behind a mask nobody is recognised as somebody else"
    twins = model.find_faces(place(poster, twin))
    assert len(twins) == 2 and np.linalg.norm(twins[0].vector_D - twins[1].vector_D) < model.same_distance
    placed = [
        PlacedFace(face_id=f"v:0:face{number}", shot_id="v:0", frame=0, look=0, box=face.box, vector_D=face.vector_D)
        for number, face in enumerate(twins)
    ]
    assert len(set(group_faces(placed, {}, model.same_distance).values())) == 2, "in one frame they are two people"
