"""Loudness against known levels, and the sound of films that begin late, end early, are damaged or have no level."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.core.media import SPEECH_RATE
from ops.sound import measure as measure_module
from ops.sound.measure import FilmSound, MeasureRequest, measure_sound
from ops.sound.rows import find_silence
from ops.sound.speech import SpeechFinder, merge_ranges
from ops.videos.container import demux
from ops.videos.loudness import NOTHING
from ops.videos.probe import probe
from tests.builders.films import run_ffmpeg
from tests.sources.sound import MONO_SILENCE, SILENCE, Track, tone, write

LEVEL = 10 ** (-23 / 20)
"""A tone of 1 kHz with this peak in both channels has -23 LUFS (EBU Tech 3341, test signal 1)."""


def measure(path: Path, *, seconds: float = 2.0, speech: bool = False) -> FilmSound:
    tracks = probe(path).heard_tracks
    return measure_sound(MeasureRequest(path=path, tracks=tracks, length_s=seconds, finds_speech=speech))


def record(path: Path, *tracks: Track | str, seconds: float = 2.0, options: Sequence[str] = ()) -> FilmSound:
    named = [each if isinstance(each, Track) else Track(source=each) for each in tracks]
    return measure(write(path, named, seconds=seconds, options=options), seconds=seconds)


def surround(level: float) -> str:
    expression = f"{level}*sin(2*PI*1000*t)"
    return f"aevalsrc={'|'.join([expression] * 6)}:s=48000:c=5.1"


@pytest.mark.parametrize(
    ("track", "loudness"),
    [
        (Track(source=tone(1000, level=LEVEL, channels=2)), -23.0),
        (Track(source=tone(1000, level=LEVEL)), -23.0),
        (Track(source=tone(1000, level=LEVEL, rate=8000)), -23.0),
        (Track(source=tone(1000, level=LEVEL / 100, channels=2)), -63.0),
        # Five channels count, those at the back 1.41 times: 3 + 2.82 against the two of stereo, 4.64 dB more.
        (Track(source=surround(LEVEL), codec="flac"), -18.36),
    ],
    ids=["stereo", "mono", "8 kHz", "very quiet", "5.1"],
)
def test_a_tone_has_its_loudness(tmp_path: Path, track: Track, loudness: float) -> None:
    film = record(tmp_path / "film.mkv", track)
    assert film.integrated == pytest.approx(loudness, abs=0.1)
    assert len(film.momentary) == 17 and film.momentary == pytest.approx(loudness, abs=0.1)
    assert film.speech is None and film.notes == ()


def test_a_film_is_measured_to_its_end_in_its_own_time(tmp_path: Path) -> None:
    """The sound begins a second late and ends a second early."""
    film = record(
        tmp_path / "film.mkv",
        tone(1000, level=LEVEL, channels=2),
        seconds=3.0,
        options=["-af", "atrim=start=1:end=2"],
    )
    assert len(film.momentary) == 27 and film.momentary.max() == pytest.approx(-23, abs=0.1)
    silence = find_silence(film)
    assert silence is not None and silence == pytest.approx(np.array([[0, 1], [2, 3]]), abs=0.11)


@pytest.mark.parametrize("source", [SILENCE, MONO_SILENCE, tone(1000, level=1e-4, channels=2)])
def test_silence_has_no_loudness(tmp_path: Path, source: str) -> None:
    film = record(tmp_path / "film.mkv", source)
    assert film.integrated is None and film.momentary.max() < NOTHING
    silence = find_silence(film)
    assert silence is not None and silence.tolist() == [[0.0, 2.0]]


def test_silence_after_sound_is_silence_and_not_an_invalid_number(tmp_path: Path) -> None:
    """FFmpeg reports NaN for digital silence that follows sound."""
    film = record(tmp_path / "film.mkv", f"{tone(997, level=0.9)},volume=enable=gte(t\\,1):volume=0")
    assert np.isfinite(film.momentary).all() and film.momentary[-1] < NOTHING


def test_the_tracks_that_represent_the_film_are_measured(tmp_path: Path) -> None:
    """As in proxies: the second of two tracks, because the first is silent."""
    film = record(tmp_path / "film.mkv", SILENCE, tone(1000, level=LEVEL, channels=2))
    assert film.integrated == pytest.approx(-23, abs=0.1)


def test_damage_is_silence_with_a_note(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mp4", [Track(source=tone(440, channels=2), codec="flac")], seconds=3.0)
    whole = measure(path, seconds=3.0)
    data = bytearray(path.read_bytes())
    middle, noise = len(data) // 2, random.Random(1)
    data[middle : middle + 60_000] = noise.randbytes(60_000)
    path.write_bytes(data)
    film = measure(path, seconds=3.0)
    assert film.momentary[:5] == pytest.approx(whole.momentary[:5], abs=0.01)
    assert len(film.momentary) == len(whole.momentary)
    assert "cannot be decoded, and count as silence" in film.notes[0]


@pytest.mark.parametrize("offsets", [(0, 3600), (3600, 0)])
def test_sound_goes_on_over_a_jump_of_the_clock(tmp_path: Path, offsets: tuple[int, int]) -> None:
    """Two recordings in one transport stream, each a second of silence and a second of a tone."""
    path = tmp_path / "film.ts"
    source = tone(1000, level=LEVEL, channels=2, begins_s=1)
    for offset in offsets:
        options = ["-output_ts_offset", str(offset), "-preset", "veryfast"]
        part = write(tmp_path / "part.ts", [Track(source=source, codec="aac")], seconds=2.0, options=options)
        with path.open("ab") as file:
            file.write(part.read_bytes())
    silence = find_silence(measure(path, seconds=4.0))
    assert silence is not None and silence == pytest.approx(np.array([[0, 1], [2, 3]]), abs=0.2)


def test_sound_that_is_no_number_is_silence(tmp_path: Path) -> None:
    raw = np.full(96_000, np.nan, "<f4")
    raw[:48_000] = LEVEL * np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000)
    (tmp_path / "film.raw").write_bytes(raw.tobytes())
    sound = ["-f", "f32le", "-ar", "48000", "-ac", "1", "-i", str(tmp_path / "film.raw")]
    pictures = ["-f", "lavfi", "-t", "2", "-i", "testsrc2=s=160x90:r=25"]
    run_ffmpeg([*pictures, *sound, "-c:v", "libx264", "-c:a", "pcm_f32le", str(tmp_path / "film.mov")])
    film = measure(tmp_path / "film.mov")
    silence = find_silence(film)
    assert film.momentary[:6] == pytest.approx(-23, abs=0.1) and np.isfinite(film.momentary).all()
    assert silence is not None and silence == pytest.approx(np.array([[1, 2]]), abs=0.11)


def test_a_film_that_ends_in_damage_keeps_what_was_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "film.mkv", [Track(source=tone(1000, level=LEVEL, channels=2))], seconds=3.0)

    def fail_after_a_second(*arguments: Any) -> Iterator[Any]:
        for packet in demux(*arguments):
            if packet.pts is not None and packet.pts * packet.time_base > 1:
                raise av.InvalidDataError(1094995529, "Invalid data found when processing input")
            yield packet

    monkeypatch.setattr("ops.videos.sound_pieces.demux", fail_after_a_second)
    film = measure(path, seconds=3.0)
    assert "the sound after 1.0 s cannot be read" in film.notes[0]
    silence = find_silence(film)
    assert silence is not None and silence == pytest.approx(np.array([[1, 3]]), abs=0.2)


def test_a_film_without_sound_that_decodes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "film.mkv", [])
    with pytest.raises(MediaError, match="no sound"):
        measure(path)


def test_a_film_that_is_shorter_than_a_window_has_no_level(tmp_path: Path) -> None:
    film = record(tmp_path / "film.mkv", tone(1000), seconds=0.2)
    assert not len(film.momentary) and film.integrated is None and find_silence(film) is None


def detect_power(samples: NDArray[np.float32]) -> list[tuple[int, int]]:
    """A detector for tests: samples that are not 0."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], samples != 0, [0]]).astype(int)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def test_speech_is_joined_over_blocks() -> None:
    finder = SpeechFinder(detect_power)
    sound = np.zeros(150 * SPEECH_RATE, np.float32)
    spoken = [(1.0, 2.0), (58.5, 61.25), (119.0, 121.0), (149.0, 150.0)]
    for start, end in spoken:
        sound[round(start * SPEECH_RATE) : round(end * SPEECH_RATE)] = 1
    for piece in np.split(sound, 15):
        finder.add(piece)
    assert finder.finish().tolist() == [list(each) for each in spoken]


def test_a_finder_without_sound_finds_nothing() -> None:
    assert SpeechFinder(detect_power).finish().shape == (0, 2)


def test_ranges_that_touch_are_one() -> None:
    assert merge_ranges(np.array([[0, 1], [1, 2], [1.5, 1.75], [3, 4]])).tolist() == [[0, 2], [3, 4]]


def test_the_detector_hears_what_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Speech is found at 16 kHz in the time of the film, from the same blocks as the loudness."""
    monkeypatch.setattr(measure_module, "load_detector", lambda: lambda samples: detect_loud(samples))
    path = write(tmp_path / "film.mkv", [Track(source=tone(440, begins_s=1.5, rate=44_100, level=0.5))], seconds=3.0)
    film = measure(path, seconds=3.0, speech=True)
    assert film.speech is not None and film.speech == pytest.approx(np.array([[1.5, 3.0]]), abs=0.02)


def detect_loud(samples: NDArray[np.float32]) -> list[tuple[int, int]]:
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    return [(int(loud[0]), int(loud[-1]) + 1)] if len(loud) else []
