"""Faces by OpenCV: YuNet finds them, SFace makes vectors of 128 numbers of unit length.

The two ONNX files are in OpenCV's model zoo and not in any package, so they are given by path. SFace's limit for two
single faces is a Euclidean distance of 1.128 (OpenCV, ``FaceRecognizerSF``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.people.face_model import CHIP_SIDE, SAME_DISTANCES, Box, SeenFace, measure_quality, name_file

LEAST_SCORE, SURE_SCORE = 0.6, 0.9
DAMAGED = "NEEDLE_FACE_MODELS: OpenCV cannot read"


def split_files(files: str) -> tuple[Path, Path]:
    """Return the paths of detector and recogniser. Raises ``MediaError`` if the setting does not have two."""
    paths = [Path(each.strip()).expanduser() for each in files.split(",") if each.strip()]
    if len(paths) != 2:
        raise MediaError(f"NEEDLE_FACE_MODELS = {files!r}: write the paths DETECTOR.onnx,RECOGNISER.onnx")
    return paths[0], paths[1]


def explain_problem(files: str) -> str:
    """Return why faces cannot be found; empty if no problem is visible."""
    try:
        missing = [path for path in split_files(files) if not path.is_file()]
    except MediaError as error:
        return str(error)
    return f"NEEDLE_FACE_MODELS: the model {missing[0]} is missing" if missing else ""


def describe_files(files: str) -> str:
    """Return the id of the model: names and sizes of the two files."""
    try:
        return "opencv-" + "-".join(map(name_file, split_files(files)))
    except MediaError:
        return "opencv"


class OpenCvFaceModel:
    """A :class:`~ops.people.face_model.FaceModel` by YuNet and SFace. Raises ``MediaError`` if a file is unusable."""

    same_distance = SAME_DISTANCES["opencv"]

    def __init__(self, files: str) -> None:
        import cv2

        if problem := explain_problem(files):
            raise MediaError(problem)
        detector, recogniser = split_files(files)
        self.model_id = describe_files(files)
        try:
            self._detector: Any = cv2.FaceDetectorYN.create(str(detector), "", (320, 320), LEAST_SCORE)
        except cv2.error as error:
            raise MediaError(f"{DAMAGED} {detector} as YuNet: {_shorten(error)}") from error
        try:
            self._recogniser: Any = cv2.FaceRecognizerSF.create(str(recogniser), "")
        except cv2.error as error:
            raise MediaError(f"{DAMAGED} {recogniser} as SFace: {_shorten(error)}") from error

    def find_faces(self, frame_HWC: NDArray[np.uint8]) -> list[SeenFace]:
        """See :class:`~ops.people.face_model.FaceModel`."""
        import cv2

        height, width = frame_HWC.shape[:2]
        image_HWC = np.ascontiguousarray(frame_HWC[:, :, ::-1])
        try:
            self._detector.setInputSize((width, height))
            rows_NF = self._detector.detect(image_HWC)[1]
            rows = [] if rows_NF is None else sorted(np.asarray(rows_NF, np.float32), key=lambda row: float(row[0]))
            return [self._describe(image_HWC, row) for row in rows]
        except cv2.error as error:
            raise MediaError(f"its faces cannot be found: {_shorten(error)}") from error

    def _describe(self, image_HWC: NDArray[np.uint8], row_F: NDArray[np.float32]) -> SeenFace:
        import cv2

        height, width = image_HWC.shape[:2]
        aligned_HWC = self._recogniser.alignCrop(image_HWC, row_F)
        vector_D = np.asarray(self._recogniser.feature(aligned_HWC), np.float32).ravel()
        chip_HWC = np.asarray(cv2.resize(aligned_HWC, (CHIP_SIDE, CHIP_SIDE))[:, :, ::-1], np.uint8)
        left, top, across, down = (float(each) for each in row_F[:4])
        return SeenFace(
            box=_clip((left / width, top / height, (left + across) / width, (top + down) / height)),
            quality=measure_quality(
                np.ascontiguousarray(chip_HWC),
                height=down,
                turn=_measure_turn(row_F),
                certainty=float(row_F[14]),
                likely=(LEAST_SCORE - 0.1, SURE_SCORE),
            ),
            vector_D=vector_D / max(float(np.linalg.norm(vector_D)), 1e-6),
        )


def _measure_turn(row_F: NDArray[np.float32]) -> float:
    right, left, nose = row_F[4:6], row_F[6:8], row_F[8:10]
    across = left - right
    return float(abs((nose - (left + right) / 2) @ across) / max(float(across @ across), 1e-6))


def _clip(box: Box) -> Box:
    left, top, right, bottom = (min(max(side, 0.0), 1.0) for side in box)
    return (left, top, right, bottom)


def _shorten(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
