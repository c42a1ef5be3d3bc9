"""Faces with known truth: a model that reads the frame number of generated films, and ONNX files for OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.settings import Settings
from ops.people.face_model import SeenFace
from tests.builders.films import read_barcode
from tests.builders.lakes import COMPUTED

FaceSpec = tuple[int, tuple[float, float, float, float], float]
"""Person, box and quality."""
LEFT, RIGHT = (0.1, 0.2, 0.3, 0.5), (0.6, 0.2, 0.8, 0.6)


def make_vector(person: int, seed: int, noise: float = 0.1) -> NDArray[np.float32]:
    """A unit vector of 128 numbers near that of a person."""
    direction = np.random.default_rng(seed).normal(size=128)
    vector_D = noise * direction / np.linalg.norm(direction)
    vector_D[person] += 1
    return np.asarray(vector_D / np.linalg.norm(vector_D), np.float32)


class NumberFaces:
    """Finds the faces that ``cast`` names for the frame number in the picture of a generated film."""

    same_distance = 0.35

    def __init__(self, cast: Callable[[int], Sequence[FaceSpec]], model_id: str = "dlib-numbers") -> None:
        self.cast = cast
        self.model_id = model_id
        self.numbers: list[int] = []

    def find_faces(self, frame_HWC: NDArray[np.uint8]) -> list[SeenFace]:
        number = read_barcode(frame_HWC)
        self.numbers.append(number)
        return [
            SeenFace(box=box, quality=quality, vector_D=make_vector(person, 100 * person + number))
            for person, box, quality in self.cast(number)
        ]


def write_opencv_models(folder: Path) -> tuple[Path, Path]:
    """Files with the inputs and outputs of YuNet and SFace, which stand for OpenCV's own.

    The detector sees one face near the middle of any picture; the vector are the mean colours of a grid over the face.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    size = 320
    outputs, nodes, constants = [], [], []
    for stride in (8, 16, 32):
        cells = (size // stride) ** 2
        middle = (size // stride // 2) * (size // stride) + size // stride // 2
        for name, columns in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            values = np.zeros((1, cells, columns), np.float32)
            if stride == 32 and name in ("cls", "obj"):
                values[0, middle, 0] = 0.95
            if stride == 32 and name == "bbox":
                values[0, middle] = (0, 0, np.log(4), np.log(4))
            if stride == 32 and name == "kps":
                values[0, middle] = (-0.8, -0.6, 0.8, -0.6, 0, 0.2, -0.6, 1, 0.6, 1)
            constants.append(numpy_helper.from_array(values, f"{name}_{stride}_values"))
            constants.append(numpy_helper.from_array(np.zeros((1,), np.float32), f"{name}_{stride}_zero"))
            nodes.append(helper.make_node("Mul", ["mean", f"{name}_{stride}_zero"], [f"{name}_{stride}_nothing"]))
            nodes.append(
                helper.make_node("Add", [f"{name}_{stride}_nothing", f"{name}_{stride}_values"], [f"{name}_{stride}"])
            )
            outputs.append(helper.make_tensor_value_info(f"{name}_{stride}", TensorProto.FLOAT, [1, cells, columns]))
    constants.append(numpy_helper.from_array(np.asarray([1, 1, 1], np.int64), "one"))
    mean = [
        helper.make_node("ReduceMean", ["input"], ["mean4"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Reshape", ["mean4", "one"], ["mean"]),
    ]
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, size, size])
    order = sorted(
        outputs, key=lambda each: (("cls", "obj", "bbox", "kps").index(each.name.split("_")[0]), len(each.name))
    )
    detector = folder / "yunet.onnx"
    graph = helper.make_graph([*mean, *nodes], "detector", [picture], order, constants)
    _save(onnx, helper, graph, detector)
    crop = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 112, 112])
    vector = helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, 147])
    pool = [
        helper.make_node("AveragePool", ["data"], ["grid"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["grid"], ["fc1"], axis=1),
    ]
    recogniser = folder / "sface.onnx"
    _save(onnx, helper, helper.make_graph(pool, "recogniser", [crop], [vector]), recogniser)
    return detector, recogniser


def _save(onnx, helper, graph, path: Path) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def write_people(
    settings: Settings, names: Mapping[str, str | None], shots: Mapping[str, Sequence[str]], shows: Mapping[str, str]
) -> None:
    """Rows of ``shot_people`` and ``people`` for these people in these shots; ``shows`` are those of the videos."""
    by_video: dict[str, list[dict[str, object]]] = {}
    for shot_id, people in shots.items():
        video = shot_id.split(":")[0]
        by_video.setdefault(video, []).append(
            {
                "shot_id": shot_id,
                "video_id": video,
                "show": shows[video],
                "index": len(by_video.get(video, ())),
                "faces": len(people),
                "people": ",".join(people),
                "shares": ",".join("1.00" for _ in people),
                "sizes": ",".join("0.30" for _ in people),
                "largest_face": 0.3,
                "reason": None,
                "input_hash": "a test",
                "event_timestamp": COMPUTED,
                "created_timestamp": COMPUTED,
            }
        )
    for video, rows in by_video.items():
        settings.lake.write("shot_people", video, rows)
    people_rows = [
        {
            "person_id": person,
            "name": name,
            "faces": sum(person in people for people in shots.values()),
            "shots": sum(person in people for people in shots.values()),
            "videos": 1,
            "face_id": f"{person}:face0",
            "event_timestamp": COMPUTED,
            "created_timestamp": COMPUTED,
        }
        for person, name in names.items()
    ]
    settings.lake.write("people", "all", people_rows)
