"""Read the writing in one frame by RapidOCR, whose detection and recognition models are files of its wheel.

PP-OCRv6 (small) reads Latin scripts, Chinese and Japanese; ``docs/search.md`` has the measured scripts. No model is
downloaded: both are named by file.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
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
LEAST_CONFIDENCE = 0.6
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


class RapidTextReader:
    """A :class:`TextReader` by RapidOCR. Raises ``MediaError`` if a model is missing or damaged."""

    def __init__(self, folder: Path) -> None:
        if problem := explain_problem(folder):
            raise MediaError(problem)
        self._engine = _load_engine(folder)

    def read(self, frame_HWC: NDArray[np.uint8]) -> list[SeenText]:
        """See :class:`TextReader`."""
        height, width = frame_HWC.shape[:2]
        try:
            found = self._engine(np.ascontiguousarray(frame_HWC[:, :, ::-1]))
        except (RuntimeError, ValueError, ArithmeticError) as error:
            raise MediaError(f"its writing cannot be read: {str(error).splitlines()[0]}") from error
        texts = found.txts or ()
        return [
            SeenText(text=" ".join(text.split()), box=_find_box(corners, width, height), confidence=float(score))
            for text, score, corners in zip(texts, found.scores or (), found.boxes if texts else (), strict=True)
            if is_readable(text, float(score))
        ]


def is_readable(text: str, confidence: float) -> bool:
    """Return True if a recognised text is more than noise: a letter or digit, and for a single one, more certainty."""
    signs = [sign for sign in text if sign.isalnum()]
    least = LEAST_CONFIDENCE if len(signs) > 2 else 0.85
    return bool(signs) and confidence >= least and len(text) > 1


def _find_box(corners: Sequence[Sequence[float]], width: int, height: int) -> Box:
    across, down = zip(*corners, strict=True)
    left, right = (min(1.0, max(0.0, float(edge) / width)) for edge in (min(across), max(across)))
    top, bottom = (min(1.0, max(0.0, float(edge) / height)) for edge in (min(down), max(down)))
    return (round(left, 4), round(top, 4), round(right, 4), round(bottom, 4))


@lru_cache(maxsize=1)
def _load_engine(folder: Path) -> Any:
    from rapidocr import EngineType, RapidOCR

    threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    threads["EngineConfig.openvino.inference_num_threads"] = 1
    try:
        engine = RapidOCR(
            params={
                "Global.use_cls": False,  # text that is turned upside down is rare, and the model is one more cost
                "Global.log_level": "critical",
                "Global.text_score": 0.5,
                # 47 ms of CPU for a frame of 640x360, 90 in onnxruntime (2026-11-29). Lines of text have many widths,
                # and OpenVINO compiles for each, so onnxruntime recognises them.
                "Det.engine_type": EngineType.OPENVINO,
                "Det.model_path": str(folder / DETECTOR),
                "Det.limit_type": "max",
                "Det.limit_side_len": LONGEST_SIDE,
                "Rec.model_path": str(folder / RECOGNISER),
                **threads,
            }
        )
        engine(np.zeros((64, 64, 3), np.uint8), use_rec=False)
        engine(np.zeros((48, 96, 3), np.uint8), use_det=False, use_rec=True)
        engine.use_det = engine.use_rec = True
    except Exception as error:  # onnxruntime raises plain exceptions for damaged files
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise MediaError(
            f"the models of RapidOCR in {folder} cannot be loaded ({reason}): install rapidocr again"
        ) from error
    logging.getLogger("RapidOCR").disabled = True
    return engine
