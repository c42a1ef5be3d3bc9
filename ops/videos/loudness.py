"""The sound of a video block by block from its first frame on, its loudness by EBU R 128, and 16 kHz for speech.

Loudness is measured by FFmpeg's filter ``ebur128`` (ITU-R BS.1770-5, EBU Tech 3341): momentary loudness of a window of
0.4 s each 0.1 s, and integrated loudness with both gates. Mono sound counts as heard from two loudspeakers, as players
play it. Named channels of surround sound have the weights of the recommendation.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.core.media import SPEECH_RATE, SoundTrack
from ops.core.plural import plural
from ops.videos.sound_line import Samples, SoundConverter, SoundLine, SoundMix, is_unnamed
from ops.videos.sound_pieces import Piece, collect_pieces, select_tracks

RATE = 48_000
BLOCK = 10 * RATE
MAX_LAG = 30 * RATE
"""How far one of several tracks may be behind the others in the file before it counts as silent there."""
STEP_S, WINDOW_S = 0.1, 0.4
"""Momentary loudness ``k`` is that of the window from ``STEP_S * k`` on."""
_STEP, _BLIND = round(STEP_S * RATE), round(WINDOW_S / STEP_S) - 1
"""Samples of a step, and steps until the first window is full."""
FLOOR = -120.0
"""Momentary loudness in LUFS of digital silence."""
NOTHING = -70.0
"""The absolute gate in LUFS: FFmpeg gives this integrated loudness to sound that is never above it."""

Result = TypeVar("Result")


@dataclass
class SoundLog:
    """Damage that was met while sound was decoded: the number of packets, and the second from which on there is none.

    Both count as silence.
    """

    damaged_packets: int = 0
    ends_at_s: float | None = None

    def count(self, packet: av.Packet[Any]) -> None:
        """Count a packet that cannot be decoded."""
        self.damaged_packets += bool(packet.size)

    def describe(self) -> tuple[str, ...]:
        """Return sentences for the user."""
        notes = []
        if self.damaged_packets:
            notes.append(
                f"{plural(self.damaged_packets, 'packet')} of its sound cannot be decoded, and count as silence"
            )
        if self.ends_at_s is not None:
            notes.append(f"its file is damaged: the sound after {self.ends_at_s:.1f} s cannot be read, and is silence")
        return tuple(notes)


def follow_sound(
    path: Path,
    tracks: Sequence[SoundTrack],
    length_s: float,
    hear: Callable[[Iterator[AudioFrame]], Result],
    log: SoundLog,
) -> Result:
    """Return ``hear(blocks)`` of the sound from the first frame on, ``length_s`` seconds; gaps are silence.

    Blocks follow each other, at 48 kHz, packed float, stereo or the named channels of a surround track. ``tracks`` as
    for :func:`ops.videos.speech_sound.read_speech_sound`. ``hear`` is called again from the beginning if the clock of
    the file jumps. Raises ``MediaError`` if no sound can be decoded.
    """
    heard_tracks = tracks or select_tracks(path)

    def collect(pieces: Iterator[Piece]) -> Result:
        log.damaged_packets, log.ends_at_s = 0, None
        return hear(_cut_blocks(pieces, _build_mix(heard_tracks), round(length_s * RATE), log))

    return collect_pieces(path, heard_tracks, collect, log.count)


class _CleanConverter(SoundConverter):
    """Converts to float of one layout without values that no measurement takes: NaN, and beyond full scale."""

    def convert(self, frame: AudioFrame) -> Iterator[Samples]:
        for samples_CN in super().convert(frame):
            yield np.nan_to_num(samples_CN, posinf=1, neginf=-1).clip(-1, 1)


class _SurroundMix:
    """One track with named channels, with the methods of :class:`SoundMix`."""

    def __init__(self, track: SoundTrack) -> None:
        self._line = SoundLine(_CleanConverter(RATE, track.layout), track.channels)

    @property
    def end(self) -> int:
        return self._line.end

    last = end

    def add(self, stream: int, time_s: Fraction | None, frame: AudioFrame) -> None:
        self._line.add(time_s, frame)

    def take(self, start: int, end: int) -> Samples:
        return self._line.take(start, end)

    def forget(self, before: int) -> None:
        self._line.forget(before)


@dataclass(frozen=True, kw_only=True)
class _Mix:
    mix: SoundMix | _SurroundMix
    layout: str

    def take(self, start: int, end: int) -> AudioFrame:
        samples_CN = self.mix.take(start, end)
        packed = np.ascontiguousarray(samples_CN.T).reshape(1, -1).astype(np.float32, copy=False)
        frame = AudioFrame.from_ndarray(packed, format="flt", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        self.mix.forget(end)
        return frame


def _build_mix(tracks: Sequence[SoundTrack]) -> _Mix:
    if len(tracks) == 1 and tracks[0].channels > 2 and not is_unnamed(tracks[0].layout):
        return _Mix(mix=_SurroundMix(tracks[0]), layout=tracks[0].layout)
    return _Mix(mix=SoundMix(tracks, RATE), layout="stereo")


def _cut_blocks(pieces: Iterator[Piece], mixed: _Mix, length: int, log: SoundLog) -> Iterator[AudioFrame]:
    mix, end, is_heard = mixed.mix, 0, False
    try:
        for stream, time_s, frame in pieces:
            is_heard = True
            mix.add(stream, time_s, frame)
            ready = min(max(mix.end, mix.last - MAX_LAG), length)
            while ready - end >= BLOCK:
                yield mixed.take(end, end + BLOCK)
                end += BLOCK
            if end + BLOCK > length and ready == length:
                break
    except (av.InvalidDataError, av.EOFError):
        log.ends_at_s = mix.last / RATE
    if not is_heard:
        raise MediaError("its sound cannot be decoded")
    while end < length:
        yield mixed.take(end, min(end + BLOCK, length))
        end = min(end + BLOCK, length)


@dataclass
class LoudnessMeter:
    """Momentary loudness in LUFS of every window of the blocks that were added, and the integrated loudness so far."""

    momentary: array[float] = field(default_factory=lambda: array("f"))
    integrated: float = NOTHING
    _graph: av.filter.Graph | None = None
    _steps: int = 0

    def add(self, block: AudioFrame) -> None:
        """Measure the next block."""
        if self._graph is None:
            self._graph = _build_graph(block.layout.name)
        self._graph.push(block)
        while (step := _pull(self._graph)) is not None:
            if step.samples == _STEP:
                self._steps += 1
                self.integrated = float(step.metadata["lavfi.r128.I"])
                if self._steps > _BLIND:
                    loudness = float(step.metadata["lavfi.r128.M"])
                    # After digital silence, rounding makes a negative power, whose logarithm is NaN.
                    self.momentary.append(loudness if loudness > FLOOR else FLOOR)


def _build_graph(layout: str) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="flt", layout=layout, time_base=Fraction(1, RATE))
    meter, sink = graph.add("ebur128", "metadata=1:framelog=quiet"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    return graph


def _pull(graph: av.filter.Graph) -> AudioFrame | None:
    try:
        step = graph.pull()
    except (av.BlockingIOError, av.EOFError):
        return None
    assert isinstance(step, AudioFrame)
    return step


class SpeechConverter:
    """Converts blocks to samples float32 (N,) at 16 kHz, of one channel, in order."""

    def __init__(self) -> None:
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SPEECH_RATE)

    def convert(self, block: AudioFrame | None) -> NDArray[np.float32]:
        """Return the samples of the next block; ``None`` asks for the last ones."""
        pieces = [piece.to_ndarray().reshape(-1) for piece in self._resampler.resample(block)]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
