"""Speech as text by faster-whisper: the optional extra ``speech``, off until ``NEEDLE_SPEECH`` names a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError, UsageError
from ops.core.media import SPEECH_RATE
from ops.dialogue.lines import LEAST_S, DialogueLine
from ops.dialogue.spoken_words import HeardWord, cut_lines

Hear = Callable[[NDArray[np.float32]], tuple[list[HeardWord], str]]
"""``samples -> words in order, language code``."""

OFF = "off"
"""The model of ``NEEDLE_SPEECH`` under which the next ingest deletes recognised lines; without any they stay."""
RECIPE = 2
"""Changes with how speech is heard or cut into lines: then films are heard again."""

OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "beam_size": 5,
        "word_timestamps": True,
        # Errors do not spread: a text that was invented over music would begin the next one.
        "condition_on_previous_text": False,
        # Always the same result; at other temperatures, music costs several times as much and is dropped anyway.
        "temperature": 0.0,
        # Voices over music are left out by the package's filter of voices, also if it is tuned. Of the four lines of
        # the trailer of Sintel it finds two, tuned three; without it, all four (tiny.en, 2026-11-29).
        "vad_filter": False,
    }
)
NO_SPEECH, UNLIKELY, HARDLY = 0.6, -1.0, -0.5
LOOPING = 2.4
"""Limits for a piece that the model invented: the probability of no speech, with a mean log probability of its
words under ``HARDLY``; that mean alone; and how well repeated words compress. Of six clips with music and speech,
spoken pieces have at least -0.62, invented ones at most -0.83 (tiny.en, 2026-11-29)."""
LEAST_SOUND = 0.01
"""Largest sample, 0 to 1, below which sound is silence or hiss (-40 dB): no speech is missed in it."""
GPU_BATCH = 16
"""Pieces that a GPU hears at once, as faster-whisper's own benchmark; a CPU gains nothing by it."""
LONGEST_PIECE_S, QUIET_S = 28.0, 0.2
"""Seconds of a piece of a batch, for a model that hears 30 s, and of the quiet place at which it ends."""
MOST_NAMED = 5
"""Languages of a model that a message names."""
INSTALL = "install it with `pip install 'needle[speech]'`"


def explain_speech_problem(model: str) -> str:
    """Return why speech cannot be recognised with the model of ``NEEDLE_SPEECH``; empty if no problem is visible.

    Checks without loading: only loading shows whether a model by name is available.
    """
    if not model:
        return (
            "set NEEDLE_SPEECH to a faster-whisper model, by name (small) or by folder, and their speech is recognised"
        )
    if model == OFF:
        return f"NEEDLE_SPEECH is {OFF}"
    if find_spec("faster_whisper") is None:
        return f"NEEDLE_SPEECH = {model!r}, but the package faster-whisper is not there: {INSTALL}"
    if _is_path(model) and not (Path(model).expanduser() / "model.bin").exists():
        return f"NEEDLE_SPEECH = {model!r} is not the folder of a faster-whisper model: it has no model.bin"
    return ""


def load_recogniser(model: str, language: str = "", *, batch: int | None = None) -> Hear:
    """Return a function that recognises speech with the model, which is loaded once a process.

    ``language`` is a code; if it is empty, the language is detected in the first half minute. ``batch`` pieces of the
    sound are heard at once, by default one on a CPU and :data:`GPU_BATCH` on a GPU. Raises ``UsageError`` if package or
    model are missing, with a remedy; the function raises ``MediaError``.
    """
    if problem := explain_speech_problem(model):
        raise UsageError(problem)
    model_files = _load_named(model)
    batch = batch or (GPU_BATCH if model_files.model.device == "cuda" else 1)

    def hear(samples: NDArray[np.float32]) -> tuple[list[HeardWord], str]:
        if problem := _explain_language(model, model_files.supported_languages, language):
            raise MediaError(problem)
        try:
            segments, info = _transcribe(model_files, samples, language, batch)
            return [word for segment in segments for word in _read_words(segment)], str(info.language or "")
        except RuntimeError as error:
            raise MediaError(f"the model {model!r} could not hear it: {error}") from error

    return hear


def _transcribe(model_files: Any, samples: NDArray[np.float32], language: str, batch: int) -> Any:
    """Return a pair: faster-whisper's pieces of text, and what it reports on the whole."""
    if batch == 1 or len(samples) <= LONGEST_PIECE_S * SPEECH_RATE:
        return model_files.transcribe(samples, language=language or None, **OPTIONS)
    from faster_whisper import BatchedInferencePipeline

    pieces = [{"start": start / SPEECH_RATE, "end": end / SPEECH_RATE} for start, end in cut_pieces(samples)]
    return BatchedInferencePipeline(model_files).transcribe(
        samples,
        language=language or None,
        batch_size=batch,
        clip_timestamps=pieces,
        without_timestamps=False,
        **OPTIONS,
    )


def cut_pieces(samples: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return ``[start, end)`` of the pieces of a sound (N,), which cover it, each at most ``LONGEST_PIECE_S`` long.

    A piece ends in the quietest ``QUIET_S`` of its second half, so that few words are cut.
    """
    longest, quiet = int(LONGEST_PIECE_S * SPEECH_RATE), int(QUIET_S * SPEECH_RATE)
    pieces, start = [], 0
    while len(samples) - start > longest:
        first = start + longest // 2
        blocks = samples[first : start + longest]
        energy = np.square(blocks[: len(blocks) // quiet * quiet].reshape(-1, quiet), dtype=np.float64).sum(axis=1)
        end = first + int(energy.argmin()) * quiet + quiet // 2
        pieces.append((start, end))
        start = end
    return [*pieces, (start, len(samples))]


def _read_words(segment: Any) -> list[HeardWord]:
    """Return the words of a piece of speech; none if it was probably invented."""
    is_silence = segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < HARDLY
    if is_silence or segment.avg_logprob < UNLIKELY or segment.compression_ratio > LOOPING:
        return []
    return [
        HeardWord(text=word.word, start_s=float(word.start), end_s=float(word.end), certainty=float(word.probability))
        for word in segment.words or ()
    ]


def _explain_language(model: str, supported_languages: Collection[str], language: str) -> str:
    """Return why the model cannot hear a language; empty if it can."""
    if not language or language in supported_languages:
        return ""
    only = ", ".join(sorted(supported_languages)[:MOST_NAMED])
    more = f" and {len(supported_languages) - MOST_NAMED} more" if len(supported_languages) > MOST_NAMED else ""
    return (
        f"its language is {language} by NEEDLE_SPEECH_LANGUAGE, and the model {model!r} hears {only}{more}: "
        "choose another model or language"
    )


def explain_no_lines(model: str, samples: NDArray[np.float32]) -> str:
    """Return why sound of which the model made no line may have speech all the same, with a remedy; "" for silence.

    Raises ``UsageError`` as :func:`load_recogniser`.
    """
    if not len(samples) or float(np.abs(samples).max()) < LEAST_SOUND:
        return ""
    languages = _load_named(model).supported_languages
    if len(languages) > 1:
        return (
            f"the model {model!r} recognised no speech in its sound: if people speak in it, set NEEDLE_SPEECH_LANGUAGE "
            "to their language, or NEEDLE_SPEECH to a larger model"
        )
    return (
        f"the model {model!r} recognised no speech in its sound, and hears only {', '.join(languages)}: if people "
        "speak another language in it, set NEEDLE_SPEECH to a multilingual model, such as small"
    )


def name_recognition(model: str, language: str = "") -> str:
    """Return the name of a recognition in the table ``subtitles``: the model, and how its words become lines.

    The language is part of it if it is not detected.
    """
    return f"{model} #{RECIPE} {language}".rstrip()


def recognise_lines(samples: NDArray[np.float32], hear: Hear, length_s: float) -> tuple[list[DialogueLine], str]:
    """Return ``(lines, language)`` of samples float32 (N,) at 16 kHz; sample 0 sounds with the first frame."""
    words, language = hear(samples)
    lines = [
        DialogueLine(
            start_s=round(line.start_s, 3),
            end_s=round(max(line.end_s, line.start_s + LEAST_S), 3),
            text=line.text,
            language=language,
            source="asr",
            certainty=round(line.certainty, 3),
        )
        for line in cut_lines(words)
        if line.start_s < length_s  # sound may last longer than the pictures
    ]
    return lines, language


def choose_compute_type(device: str, supported_types: Collection[str]) -> str:
    """Return the fastest exact enough type that a device has: a float16 model on a CPU would warn and be converted."""
    wanted_types = ("float16", "int8_float16", "float32") if device == "cuda" else ("int8", "int8_float32", "float32")
    return next((name for name in wanted_types if name in supported_types), "default")


def _load_named(model: str) -> Any:
    return _load(str(Path(model).expanduser()) if _is_path(model) else model)


@lru_cache(maxsize=1)
def _load(model: str) -> Any:
    from ctranslate2 import get_cuda_device_count, get_supported_compute_types
    from faster_whisper import WhisperModel

    device = "cuda" if get_cuda_device_count() else "cpu"
    try:
        kind = choose_compute_type(device, get_supported_compute_types(device))
        return WhisperModel(model, device=device, compute_type=kind)
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"the faster-whisper model {model!r} cannot be had ({str(error).splitlines()[0]}): set NEEDLE_SPEECH to "
            "the folder of a model on this machine, or to nothing"
        ) from error


def _is_path(model: str) -> bool:
    return model.startswith(("/", ".", "~")) or Path(model).is_dir()
