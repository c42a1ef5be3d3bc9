"""Read the writing in one frame by RapidOCR, whose detection and recognition models are files of its wheel.

PP-OCRv6 (small) reads Latin scripts, Chinese and Japanese; ``docs/search.md`` has the measured scripts. No model is
downloaded: both are named by file.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture's width and height, 0 to 1."""

DETECTOR, RECOGNISER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
LONGEST_SIDE = 640
"""Pixels of the longer side of the detector's input; a proxy of 16:9 has as many."""
MODEL_HEIGHT, WIDTH_STEP = 48, 10 / 3
"""Height of the recogniser's input, and the step of its width as a multiple of it."""
LINE_HEIGHT, LINE_MARGIN = 24, 6
"""Height of a line in small, and the pixels there by which its box may differ between frames."""
SAME_LINE = 0.9
"""Correlation from which two lines in small show the same."""
LEAST_CONFIDENCE = 0.75
"""Less certain texts are noise: branches, fences, patterns of cloth."""


@dataclass(frozen=True, kw_only=True)
class SeenText:
    """One line of text in one frame; ``confidence`` is the recogniser's mean over its characters, 0 to 1."""

    text: str
    box: Box
    confidence: float


class TextReader(Protocol):
    """Reads the writing in frames."""

    def read(self, frame_HWC: NDArray[np.uint8]) -> list[SeenText]:
        """Return the lines of text in an RGB frame, from top to bottom. Raises ``MediaError`` if it cannot be read."""


def find_model_folder() -> Path:
    """Return the folder of RapidOCR's models; it may be missing."""
    spec = find_spec("rapidocr")
    return Path(spec.origin).parent / "models" if spec and spec.origin else Path("rapidocr/models")


def explain_problem(folder: Path) -> str:
    """Return why no text can be read with the models of a folder; empty if no problem is visible."""
    if find_spec("rapidocr") is None:
        return "NEEDLE_SCREEN_TEXT is on, but the package rapidocr is missing: install Needle again"
    for name in (DETECTOR, RECOGNISER):
        if not (folder / name).exists():
            return f"NEEDLE_SCREEN_TEXT is on, but the model {folder / name} is missing: install rapidocr again"
    return ""


@dataclass(frozen=True, kw_only=True)
class _KnownLine:
    """A recognised line: its picture in small, grey uint8 (H, W), its text and certainty."""

    small_HW: NDArray[np.uint8]
    text: str
    confidence: float


class RapidTextReader:
    """A :class:`TextReader` by RapidOCR. Raises ``MediaError`` if a model is missing or damaged.

    A line whose picture equals one of the frame before is not recognised again: rolling credits would cost a second of
    CPU for each frame.
    """

    def __init__(self, folder: Path) -> None:
        if problem := explain_problem(folder):
            raise MediaError(problem)
        self._engine = _load_engine(folder)
        self._known_lines: list[_KnownLine] = []

    def read(self, frame_HWC: NDArray[np.uint8]) -> list[SeenText]:
        """See :class:`TextReader`."""
        height, width = frame_HWC.shape[:2]
        image_HWC = np.ascontiguousarray(frame_HWC[:, :, ::-1])
        try:
            boxes = self._engine(image_HWC, use_det=True, use_rec=False).boxes
            corners = [] if boxes is None else [np.asarray(each, np.float32) for each in boxes]
            lines = [self._recognise(_cut_line(image_HWC, each)) for each in corners]
        except (RuntimeError, ValueError, ArithmeticError) as error:
            raise MediaError(f"its writing cannot be read: {str(error).splitlines()[0]}") from error
        self._known_lines = lines
        return [
            SeenText(text=line.text, box=_find_box(each, width, height), confidence=line.confidence)
            for line, each in zip(lines, corners, strict=True)
            if is_readable(line.text, line.confidence)
        ]

    def _recognise(self, line_HWC: NDArray[np.uint8]) -> _KnownLine:
        """Return the text in the picture of one line, from the frame before if it is the same."""
        small_HW = _shrink_line(line_HWC)
        for known_line in self._known_lines:
            # The next second of a clock, or another score, differs in one digit: it would be taken for the same line.
            if not _has_digits(known_line.text) and _is_same_line(known_line.small_HW, small_HW):
                return replace(known_line, small_HW=small_HW)
        result = self._engine(_pad_line(line_HWC), use_det=False, use_rec=True)
        text, score = (result.txts[0], result.scores[0]) if result.txts else ("", 0.0)
        return _KnownLine(small_HW=small_HW, text=" ".join(text.split()), confidence=float(score))


def _has_digits(text: str) -> bool:
    return any(sign.isdecimal() for sign in text)


def _cut_line(image_HWC: NDArray[np.uint8], corners_42: NDArray[np.float32]) -> NDArray[np.uint8]:
    from rapidocr.utils.process_img import get_rotate_crop_image

    line: NDArray[np.uint8] = get_rotate_crop_image(image_HWC, corners_42)
    return line


def _pad_line(line_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the line in one of few widths, grey at its right end: OpenVINO compiles the model for each width."""
    import cv2

    height, width = line_HWC.shape[:2]
    whole = math.ceil(width / height / WIDTH_STEP) * WIDTH_STEP * height
    grey = (127, 127, 127)  # 0 for the model
    padded_HWC = cv2.copyMakeBorder(line_HWC, 0, 0, 0, max(0, round(whole) - width), cv2.BORDER_CONSTANT, value=grey)
    return np.asarray(padded_HWC, np.uint8)


def _shrink_line(line_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    width = max(2 * LINE_MARGIN + 2, round(LINE_HEIGHT * line_HWC.shape[1] / line_HWC.shape[0]))
    grey = cv2.cvtColor(line_HWC, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, (width, LINE_HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _is_same_line(old_HW: NDArray[np.uint8], new_HW: NDArray[np.uint8]) -> bool:
    """Return True if two lines show the same, whose boxes differ by a few pixels."""
    import cv2

    if abs(old_HW.shape[1] - new_HW.shape[1]) > LINE_MARGIN:
        return False
    inner_HW = old_HW[LINE_MARGIN // 2 : -LINE_MARGIN // 2, LINE_MARGIN:-LINE_MARGIN]
    if inner_HW.shape[1] > new_HW.shape[1] or not inner_HW.size or inner_HW.std() < 1:
        return False
    return bool(cv2.matchTemplate(new_HW, inner_HW, cv2.TM_CCOEFF_NORMED).max() >= SAME_LINE)


def is_readable(text: str, confidence: float) -> bool:
    """Return True if a recognised text is more than noise: a letter or digit, and for a single one, more certainty."""
    signs = [sign for sign in text if sign.isalnum()]
    least = LEAST_CONFIDENCE if len(set(signs)) > 2 else 0.9
    return bool(signs) and confidence >= least and len(text) > 1


def _find_box(corners_42: NDArray[np.float32], width: int, height: int) -> Box:
    across, down = corners_42[:, 0].tolist(), corners_42[:, 1].tolist()
    left, right = (min(1.0, max(0.0, float(edge) / width)) for edge in (min(across), max(across)))
    top, bottom = (min(1.0, max(0.0, float(edge) / height)) for edge in (min(down), max(down)))
    return (round(left, 4), round(top, 4), round(right, 4), round(bottom, 4))


@lru_cache(maxsize=1)
def _load_engine(folder: Path) -> Any:
    from rapidocr import EngineType, RapidOCR

    try:
        engine = RapidOCR(
            params={
                "Global.use_cls": False,  # text that is turned upside down is rare, and the model is one more cost
                "Global.log_level": "critical",
                "Global.text_score": 0.5,
                # Measured on 2026-11-29, CPU: 47 ms to detect in a frame of 640x360 (onnxruntime: 90), 18 ms to
                # recognise a line (27).
                "Det.engine_type": EngineType.OPENVINO,
                "Rec.engine_type": EngineType.OPENVINO,
                "Rec.rec_img_shape": [3, MODEL_HEIGHT, round(WIDTH_STEP * MODEL_HEIGHT)],
                "Det.model_path": str(folder / DETECTOR),
                "Det.limit_type": "max",
                "Det.limit_side_len": LONGEST_SIDE,
                "Rec.model_path": str(folder / RECOGNISER),
                "EngineConfig.openvino.inference_num_threads": 1,
            }
        )
        engine(np.zeros((64, 64, 3), np.uint8), use_det=True, use_rec=False)
        engine(np.zeros((48, 96, 3), np.uint8), use_det=False, use_rec=True)
    except Exception as error:  # OpenVINO raises plain exceptions for damaged files
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise MediaError(
            f"the models of RapidOCR in {folder} cannot be loaded ({reason}): install rapidocr again"
        ) from error
    logging.getLogger("RapidOCR").disabled = True
    return engine
