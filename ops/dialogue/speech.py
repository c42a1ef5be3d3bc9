"""Speech as text by faster-whisper: the optional extra ``speech``, off until ``NEEDLE_SPEECH`` names a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError, UsageError
from ops.dialogue.lines import DialogueLine, build_cue, build_lines
from ops.dialogue.parse import Parsed

Hear = Callable[[NDArray[np.float32]], tuple[list[tuple[float, float, str]], str]]
"""``samples -> (start_s, end_s, text) of each piece of speech, language code``."""

INSTALL = "install it with `pip install 'needle[speech]'`"


def explain_speech_problem(model: str) -> str:
    """Return why speech cannot be recognised with the model of ``NEEDLE_SPEECH``; empty if no problem is visible.

    Checks without loading: only loading shows whether a model by name is available.
    """
    if not model:
        return (
            "set NEEDLE_SPEECH to a faster-whisper model, by name (small) or by folder, and their speech is recognised"
        )
    if find_spec("faster_whisper") is None:
        return f"NEEDLE_SPEECH = {model!r}, but the package faster-whisper is not there: {INSTALL}"
    if _is_path(model) and not (Path(model).expanduser() / "model.bin").exists():
        return f"NEEDLE_SPEECH = {model!r} is not the folder of a faster-whisper model: it has no model.bin"
    return ""


def load_recogniser(model: str) -> Hear:
    """Return a function that recognises speech with the model, which is loaded once a process.

    Raises ``UsageError`` if package or model are missing, with a remedy.
    """
    if problem := explain_speech_problem(model):
        raise UsageError(problem)
    model_files = _load(str(Path(model).expanduser()) if _is_path(model) else model)

    def hear(samples: NDArray[np.float32]) -> tuple[list[tuple[float, float, str]], str]:
        try:
            # The filter leaves out sound without a voice: there the model invents words.
            segments, info = model_files.transcribe(samples, vad_filter=True, beam_size=5)
            return [(segment.start, segment.end, segment.text) for segment in segments], str(info.language or "")
        except RuntimeError as error:
            raise MediaError(f"the model {model!r} could not hear it: {error}") from error

    return hear


def recognise_lines(samples: NDArray[np.float32], hear: Hear, length_s: float) -> tuple[list[DialogueLine], str]:
    """Return ``(lines, language)`` of samples float32 (N,) at 16 kHz; sample 0 sounds with the first frame."""
    pieces, language = hear(samples)
    document = Parsed()
    for start_s, end_s, text in pieces:
        cue = build_cue(start_s, end_s, text)
        document.add(0, cue.start_s, cue.end_s, cue.text, "mov_text")
    lines, _ = build_lines(document, length_s=length_s, language=language, source="asr")
    return lines, language


@lru_cache(maxsize=1)
def _load(model: str) -> Any:
    from faster_whisper import WhisperModel

    try:
        return WhisperModel(model, device="auto", compute_type="default")
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"the faster-whisper model {model!r} cannot be had ({str(error).splitlines()[0]}): set NEEDLE_SPEECH to "
            "the folder of a model on this machine, or to nothing"
        ) from error


def _is_path(model: str) -> bool:
    return model.startswith(("/", ".", "~")) or Path(model).is_dir()
