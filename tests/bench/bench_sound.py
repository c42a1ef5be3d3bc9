"""Sound: precision and recall of each kind, error of loudness against known levels, and the cost in CPU time.

``python -m tests.bench.bench_sound`` (needs espeak-ng and the extra ``speech``). A generated film of shots of four
seconds: silence, hiss, tones, chords and noise at several levels, and sentences of several voices, alone and over
noise and chords. ``python -m tests.bench.bench_sound HOURS`` measures a film of that length: time, and peak memory.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.sound.kinds import KINDS
from ops.sound.measure import FilmSound, MeasureRequest, measure_sound
from ops.sound.rows import build_shot_row, find_silence, measure_shot
from tests.builders.films import run_ffmpeg
from tests.builders.lakes import shot_rows

RATE, SHOT_S = 48_000, 4.0
Samples = NDArray[np.float32]
VOICES = ("en-us", "en-gb+f3", "de+m2", "fr+f2", "es", "ja", "ar", "hi")
SENTENCES = (
    "The old house stands at the end of the road, and it is empty.",
    "Please bring me a glass of cold water and close the door behind you.",
)
TONE_LEVELS = (-13, -23, -33, -43, -53)
SPEECH_LEVELS = (-13, -23, -33, -43)
"""Of the root mean square, in dB of full scale; those of tones are of their peaks, which are their loudness in LUFS."""
RATIOS = (20, 10, 0, -10)
"""Of speech to noise and to chords, in dB."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Samples (N,) of one shot, the same in both channels, and what is true of it."""

    name: str
    samples: Samples
    is_silent: bool = False
    has_speech: bool = False
    loudness: float | None = None


def scale(samples: Samples, level_db: float) -> Samples:
    """Return samples with this root mean square over the hundredths of a second that are not silent."""
    powers = np.square(samples, dtype=np.float64).reshape(-1, RATE // 100).mean(axis=1)
    power = float(np.sqrt(powers[powers > 1e-6 * powers.max()].mean()))
    return (samples * 10 ** (level_db / 20) / power).astype(np.float32)


def make_tone(*frequencies: float) -> Samples:
    times = np.arange(round(SHOT_S * RATE)) / RATE
    return np.sum([np.sin(2 * np.pi * each * times) for each in frequencies], axis=0).astype(np.float32)


def make_music(seed: int) -> Samples:
    """Return eight chords with overtones that fade: not music, but neither noise nor one tone."""
    random, chords = np.random.default_rng(seed), []
    times = np.arange(round(SHOT_S / 8 * RATE)) / RATE
    for _ in range(8):
        root = 110 * 2 ** (random.integers(0, 12) / 12)
        notes = [root * ratio * overtone for ratio in (1, 1.26, 1.5) for overtone in (1, 2, 3)]
        chord = np.sum([np.sin(2 * np.pi * note * times) / (1 + at % 3) for at, note in enumerate(notes)], axis=0)
        chords.append(chord * np.exp(-4 * times))
    return np.concatenate(chords).astype(np.float32)


def speak(voice: str, sentence: str, folder: Path) -> Samples:
    """Return a sentence of espeak-ng at 48 kHz, repeated to the length of a shot."""
    path = folder / "sentence.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", str(path), sentence], check=True)
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
        times = np.arange(round(SHOT_S * RATE)) / RATE * file.getframerate()
    return np.interp(times % len(samples), np.arange(len(samples)), samples).astype(np.float32)


def list_shots(folder: Path) -> Iterator[Shot]:
    """Yield the shots of the film, in their order."""
    random, length = np.random.default_rng(0), round(SHOT_S * RATE)
    noise = random.normal(size=length).astype(np.float32)
    nothing = np.zeros(length, np.float32)
    for _ in range(8):
        yield Shot(name="digital silence", samples=nothing, is_silent=True)
    for level in (-75, -70):
        yield Shot(name="hiss below the limit", samples=scale(noise, level), is_silent=True)
    for level in TONE_LEVELS:
        # Full scale of the standard: a sine in both channels has the loudness of its peak (EBU Tech 3341).
        yield Shot(name="tone of 1 kHz", samples=scale(make_tone(1000), level - 3.01), loudness=level)
        yield Shot(name="noise", samples=scale(noise, level))
        yield Shot(name="chords", samples=scale(make_music(level + 100), level))
    for number, voice in enumerate(VOICES):
        spoken = speak(voice, SENTENCES[number % 2], folder)
        for level in SPEECH_LEVELS:
            yield Shot(name="speech", samples=scale(spoken, level), has_speech=True)
        for ratio in RATIOS:
            voiced, far = scale(spoken, -23), f"{abs(ratio)} dB {'lower' if ratio >= 0 else 'louder'}"
            noisy, chords = voiced + scale(noise, -23 - ratio), voiced + scale(make_music(number), -23 - ratio)
            yield Shot(name=f"speech, noise {far}", samples=noisy, has_speech=True)
            yield Shot(name=f"speech, chords {far}", samples=chords, has_speech=True)


def write_film(path: Path, samples: Samples) -> Path:
    """Write a film with small pictures and this sound in two channels, uncompressed."""
    raw = path.with_suffix(".raw")
    np.repeat(samples, 2).astype("<f4").tofile(raw)
    seconds = len(samples) / RATE
    pictures = ["-f", "lavfi", "-t", f"{seconds}", "-i", "color=size=32x32:rate=5"]
    sound = ["-f", "f32le", "-ar", str(RATE), "-ac", "2", "-i", str(raw)]
    run_ffmpeg([*pictures, *sound, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_f32le", str(path)])
    raw.unlink()
    return path


def print_kinds(film: FilmSound, shots: list[Shot]) -> None:
    silence, found, errors = find_silence(film), [], []
    for number, shot in enumerate(shots):
        row: Any = shot_rows(0)[0] | {"start_s": SHOT_S * number, "end_s": SHOT_S * (number + 1)}
        measured = measure_shot(film, silence, row["start_s"], row["end_s"])
        found.append(build_shot_row(row, measured, None, "", datetime.now(UTC)))
        if shot.loudness is not None and measured.loudness is not None:
            errors.append(abs(measured.loudness - shot.loudness))
    print("| shots of 4 s | number | silent | with speech | loudness, LUFS |\n| --- | --- | --- | --- | --- |")
    for name in dict.fromkeys(shot.name for shot in shots):
        rows = [row for row, shot in zip(found, shots, strict=True) if shot.name == name]
        counts = [sum(kind in (row["kinds"] or "").split(",") for row in rows) for kind in ("silent", "speech")]
        levels = [row["loudness"] for row in rows if row["loudness"] is not None]
        span = f"{min(levels):.1f} to {max(levels):.1f}" if levels else "none"
        print(f"| {name} | {len(rows)} | {counts[0]} | {counts[1]} | {span} |")
    print(f"greatest error of loudness against a tone's: {max(errors):.2f} LU")
    truths = {"silent": [shot.is_silent for shot in shots], "speech": [shot.has_speech for shot in shots]}
    for kind in (each for each in KINDS if each in truths):
        pairs = [
            (kind in (row["kinds"] or "").split(","), truth) for row, truth in zip(found, truths[kind], strict=True)
        ]
        right = sum(is_found and truth for is_found, truth in pairs)
        precision = right / max(sum(is_found for is_found, _ in pairs), 1)
        print(f"{kind}: precision {precision:.3f}, recall {right / sum(truth for _, truth in pairs):.3f}")


def measure(path: Path, seconds: float, finds_speech: bool) -> tuple[FilmSound, float, int]:
    """Return the sound of a film, the CPU seconds that it took, and the peak memory of the process in MB."""
    start = time.process_time()
    film = measure_sound(MeasureRequest(path=path, tracks=(), length_s=seconds, finds_speech=finds_speech))
    return film, time.process_time() - start, read_peak_mb()


def read_peak_mb() -> int:
    """Return the peak memory of this process; that of ``getrusage`` is at least the peak of its parent."""
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) >> 10


def lengthen(path: Path, times: int, seconds: float) -> Path:
    """Write a film of this length that repeats another one, with its sound as AAC."""
    coded, target = path.with_name("coded.mkv"), path.with_name("long.mkv")
    run_ffmpeg(["-i", str(path), "-c:v", "copy", "-c:a", "aac", str(coded)])
    run_ffmpeg(["-stream_loop", str(times), "-i", str(coded), "-t", f"{seconds}", "-c", "copy", str(target)])
    return target


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 0
    with tempfile.TemporaryDirectory() as name:
        shots = list(list_shots(Path(name)))
        samples = np.concatenate([shot.samples for shot in shots])
        path, seconds = write_film(Path(name) / "film.mkv", samples), len(samples) / RATE
        if hours:
            path, seconds = lengthen(path, round(hours * 3600 / seconds), hours * 3600), hours * 3600
        for finds_speech in (True,) if hours else (True, False):
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                film, cpu_s, peak_mb = process.submit(measure, path, seconds, finds_speech).result()
            if finds_speech and not hours:
                print_kinds(film, shots)
            what = "speech and loudness" if finds_speech else "loudness alone"
            print(f"{seconds / 60:.1f} minutes, {what}: {60 * cpu_s / seconds:.2f} CPU s a minute, peak {peak_mb} MB")


if __name__ == "__main__":
    main()
