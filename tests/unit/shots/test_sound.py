"""The line of sound, and sound in proxies: only the shot's, and in time with its pictures."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest

from ops.core.storage import ObjectStore
from ops.core.types import DetectedShot
from ops.shots.proxies import RATE
from ops.shots.segment import make_proxy_key, segment_video
from ops.videos.probe import probe
from ops.videos.sound_line import SoundLine, StereoConverter
from tests.builders.films import make_film

VIDEO = "00112233aabbccdd"
Samples = npt.NDArray[np.float32]


def piece(values: Samples, rate: int = RATE, layout: str = "stereo") -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values, np.float32), format="fltp", layout=layout)
    frame.sample_rate = rate
    return frame


def ramp(start: int, samples: int) -> Samples:
    return np.tile(np.arange(start, start + samples, dtype=np.float32) / 1e6, (2, 1))


def test_pieces_join_without_a_seam() -> None:
    line = SoundLine(StereoConverter(RATE), channels=2)
    for start in range(0, 5000, 1000):
        line.add(Fraction(start, RATE), piece(ramp(start, 1000)))
    assert line.end == 5000
    np.testing.assert_array_equal(line.take(500, 2500), ramp(500, 2000))
    np.testing.assert_array_equal(line.take(2500, 5000), ramp(2500, 2500))


def test_sound_before_the_first_picture_is_left_out() -> None:
    line = SoundLine(StereoConverter(RATE), channels=2)
    line.add(Fraction(-1500, RATE), piece(ramp(0, 1000)))
    line.add(Fraction(-500, RATE), piece(ramp(1000, 1000)))
    assert line.end == 500
    np.testing.assert_array_equal(line.take(0, 500), ramp(1500, 500))


def test_gaps_are_silent_and_overlaps_are_dropped() -> None:
    line = SoundLine(StereoConverter(RATE), channels=2)
    line.add(Fraction(4800, RATE), piece(ramp(0, 4800)))
    line.add(Fraction(9600, RATE), piece(ramp(4800, 4800)))
    line.add(Fraction(19200, RATE), piece(ramp(9600, 4800)))
    line.add(Fraction(19200, RATE), piece(ramp(9600, 4900)))
    assert line.end == 24100
    found = line.take(0, 24100)
    assert not found[:, :4800].any()
    np.testing.assert_array_equal(found[:, 4800:14400], ramp(0, 9600))
    assert not found[:, 14400:19200].any()
    np.testing.assert_array_equal(found[:, 24000:], ramp(9600 + 4800, 100))


def test_small_jitter_of_the_time_stamps_moves_nothing() -> None:
    line = SoundLine(StereoConverter(RATE), channels=2)
    for number, jitter in enumerate((0, 30, -30, 200, 0)):
        line.add(Fraction(number * 1000 + jitter, RATE), piece(ramp(number * 1000, 1000)))
    np.testing.assert_array_equal(line.take(0, 5000), ramp(0, 5000))


@pytest.mark.parametrize(("rate", "layout", "channels"), [(44100, "mono", 1), (8000, "stereo", 2), (96000, "5.1", 6)])
def test_any_rate_and_layout_becomes_48_khz_stereo(rate: int, layout: str, channels: int) -> None:
    line = SoundLine(StereoConverter(RATE), channels=2)
    for second in range(2):
        line.add(Fraction(second), piece(np.full((channels, rate), 0.25, np.float32), rate, layout))
    assert line.end == pytest.approx(2 * RATE, abs=300)
    middle = line.take(RATE // 2, RATE)
    assert middle.shape == (2, RATE // 2)
    assert (middle > 0.1).all()


def beeps(path: Path, seconds: tuple[float, ...], length: float) -> None:
    """A wav file with a beep of 50 ms at each of ``seconds``."""
    import wave

    time = np.arange(round(length * RATE)) / RATE
    loud = sum((time >= at) & (time < at + 0.05) for at in seconds)
    samples = (np.sin(2 * np.pi * 1000 * time) * loud * 20000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def onsets(path: Path) -> list[float]:
    """When beeps begin in a proxy, seconds from its first picture, as a player keeps time."""
    with av.open(str(path)) as container:
        pieces = [(frame.time or 0.0, frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
    start = pieces[0][0]
    loud = np.abs(np.concatenate([samples for _, samples in pieces])) > 0.2
    first = [n for n in np.flatnonzero(loud) if not loud[max(n - RATE // 50, 0) : n].any()]
    return [start + n / RATE for n in first]


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[DetectedShot], ObjectStore]:
    """Shots of 2, 1.5 and 2.5 s with beeps at known times."""
    folder = tmp_path_factory.mktemp("talking")
    film = make_film(folder / "silent.mp4", cuts=(48, 84), frames=144)
    beeps(folder / "beeps.wav", (0.5, 2.25, 3.25, 5.0), 6.0)
    source = folder / "film.mkv"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(film.path), "-i", str(folder / "beeps.wav")]
    subprocess.run([*command, "-c:v", "copy", "-c:a", "flac", str(source)], check=True, timeout=60)
    store = ObjectStore(str(folder / "store"))
    return segment_video(source, VIDEO, probe(source), store, threads=3, scratch=folder / "scratch"), store


def test_each_proxy_has_its_own_sound_in_time(talking: tuple[list[DetectedShot], ObjectStore]) -> None:
    shots, store = talking
    expected = [[0.5], [0.25, 1.25], [1.5]]
    assert [shot.start_frame for shot in shots] == [0, 48, 84]
    for shot, wanted in zip(shots, expected, strict=True):
        path = Path(store.path(make_proxy_key(VIDEO, shot.start_frame, shot.end_frame)))
        assert onsets(path) == pytest.approx(wanted, abs=0.004)
        with av.open(str(path)) as container:
            audio = container.streams.audio[0]
            assert float(audio.duration * audio.time_base) == pytest.approx(shot.end_s - shot.start_s, abs=0.002)


def test_sound_that_cannot_be_decoded_leaves_the_pictures(tmp_path: Path) -> None:
    """Every packet of sound is overwritten with noise."""
    film = make_film(tmp_path / "film.mp4", cuts=(30,), frames=60, audio=True)
    data = bytearray(film.path.read_bytes())
    with av.open(str(film.path)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    noise = np.random.default_rng(0)
    for at, size in spans:
        data[at : at + size] = noise.integers(0, 256, size, np.uint8).tobytes()
    film.path.write_bytes(bytes(data))
    store = ObjectStore(str(tmp_path / "store"))
    shots = segment_video(film.path, VIDEO, probe(film.path), store, scratch=tmp_path / "scratch")
    assert [(shot.start_frame, shot.end_frame) for shot in shots] == film.shots


@pytest.mark.parametrize("threads", [1, 3])
def test_sound_that_never_comes_is_silence_and_holds_nothing_up(threads: int, tmp_path: Path) -> None:
    """More shots and frames than may wait, and not one piece of sound to close them with."""
    cuts = tuple(range(20, 300, 20))
    film = make_film(tmp_path / "film.mp4", cuts=cuts, frames=300)
    info = replace(probe(film.path), has_audio=True)
    store = ObjectStore(str(tmp_path / "store"))
    shots = segment_video(film.path, VIDEO, info, store, threads=threads, scratch=tmp_path / "scratch")
    assert [(shot.start_frame, shot.end_frame) for shot in shots] == film.shots
    for shot in shots:
        path = store.path(make_proxy_key(VIDEO, shot.start_frame, shot.end_frame))
        with av.open(path) as container:
            assert not any(frame.to_ndarray().any() for frame in container.decode(audio=0))
