"""Faces by dlib: a detector of oriented gradients, five landmarks, and a network with vectors of 128 numbers.

``dlib-bin`` has dlib without a compiler, ``face-recognition-models`` the files of landmarks and network. The detector
sees frontal faces and slight turns; no file of it is needed. dlib's own limit for two single faces is a distance of 0.6
(dlib.net, ``dnn_face_recognition_ex.cpp``) of vectors whose length is about 1.43, so 0.42 at unit length; for means of
groups 0.35 is safer.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.people.face_model import CHIP_SIDE, SAME_DISTANCES, Box, SeenFace, measure_quality, name_file

LANDMARKS, NETWORK = "shape_predictor_5_face_landmarks.dat", "dlib_face_recognition_resnet_model_v1.dat"
LEAST_SIDE = 80
"""Pixels of the smallest face that the detector sees."""
LINES = 640
"""The picture is doubled until its short side has as many lines: then faces from 40 lines of 360 are seen."""
LEAST_SCORE, SURE_SCORE = 0.0, 0.6


def find_model_folder() -> Path:
    """Return the folder of the model files; it may be missing."""
    spec = find_spec("face_recognition_models")
    return Path(spec.origin).parent / "models" if spec and spec.origin else Path("face_recognition_models/models")


def explain_problem(files: str = "", folder: Path | None = None) -> str:
    """Return why faces cannot be found; empty if no problem is visible."""
    if find_spec("dlib") is None or find_spec("face_recognition_models") is None:
        return "NEEDLE_PEOPLE is on, but its packages are missing: pip install 'needle[people]'"
    folder = folder or find_model_folder()
    for name in (LANDMARKS, NETWORK):
        if not (folder / name).is_file():
            return f"NEEDLE_PEOPLE is on, but the model {folder / name} is missing: pip install 'needle[people]' again"
    return ""


def describe_files(files: str = "") -> str:
    """Return the id of the model."""
    return f"dlib-{name_file(find_model_folder() / NETWORK)}"


class DlibFaceModel:
    """A :class:`~ops.people.face_model.FaceModel` by dlib. Raises ``MediaError`` if a file is missing or damaged."""

    same_distance = SAME_DISTANCES["dlib"]

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or find_model_folder()
        if problem := explain_problem(folder=folder):
            raise MediaError(problem)
        self.model_id = describe_files()
        self._detector, self._landmarks, self._network = _load(folder)

    def find_faces(self, frame_HWC: NDArray[np.uint8]) -> list[SeenFace]:
        """See :class:`~ops.people.face_model.FaceModel`."""
        height, width = frame_HWC.shape[:2]
        frame_HWC = np.ascontiguousarray(frame_HWC)
        doublings = 1 if min(height, width) * 2 >= LINES else 2
        try:
            boxes, scores, _ = self._detector.run(frame_HWC, doublings, LEAST_SCORE)
            faces = [
                self._describe(frame_HWC, box, float(score))
                for box, score in sorted(zip(boxes, scores, strict=True), key=lambda each: each[0].left())
            ]
        except (RuntimeError, ValueError, ArithmeticError) as error:
            raise MediaError(f"its faces cannot be found: {str(error).splitlines()[0]}") from error
        return faces

    def _describe(self, frame_HWC: NDArray[np.uint8], box: Any, score: float) -> SeenFace:
        import dlib

        height, width = frame_HWC.shape[:2]
        shape = self._landmarks(frame_HWC, box)
        chip_HWC = np.asarray(dlib.get_face_chip(frame_HWC, shape, CHIP_SIDE, 0.35), np.uint8)
        vector_D = np.asarray(self._network.compute_face_descriptor(frame_HWC, shape, 0, 0.25), np.float32)
        return SeenFace(
            box=_clip((box.left() / width, box.top() / height, box.right() / width, box.bottom() / height)),
            quality=measure_quality(
                chip_HWC,
                height=box.height(),
                turn=_measure_turn(shape),
                certainty=score,
                likely=(LEAST_SCORE - 0.2, SURE_SCORE),
            ),
            vector_D=vector_D / max(float(np.linalg.norm(vector_D)), 1e-6),
        )


def _measure_turn(shape: Any) -> float:
    """Return how far the nose is from the middle of the eyes along the line of the eyes, in distances of the eyes."""
    points_52 = np.asarray([(part.x, part.y) for part in shape.parts()], np.float64)
    right, left, nose = points_52[:2].mean(0), points_52[2:4].mean(0), points_52[4]
    across = left - right
    return float(abs((nose - (left + right) / 2) @ across) / max(float(across @ across), 1e-6))


def _clip(box: Box) -> Box:
    left, top, right, bottom = (min(max(side, 0.0), 1.0) for side in box)
    return (left, top, right, bottom)


@lru_cache(maxsize=1)
def _load(folder: Path) -> tuple[Any, Any, Any]:
    import dlib

    try:
        return (
            dlib.get_frontal_face_detector(),
            dlib.shape_predictor(str(folder / LANDMARKS)),
            dlib.face_recognition_model_v1(str(folder / NETWORK)),
        )
    except RuntimeError as error:
        raise MediaError(
            f"the face models in {folder} are damaged ({str(error).splitlines()[0]}): "
            "pip install --force-reinstall face-recognition-models"
        ) from error
