"""The proxy of one shot: write and read closed-GOP H.264 and AAC in an mp4 that any player reads exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from ops.core.errors import MediaError, take_first_sentence
from ops.videos.held_packets import HeldPackets
from ops.videos.sound_line import Samples

RATE = 48_000
LAYOUT = "stereo"
"""One sound format for all proxies: it is fixed before the first piece is decoded, and every player supports it."""


@dataclass(frozen=True, kw_only=True)
class ProxyRecipe:
    """Encoding parameters of proxies; measured in ``make bench``.

    On 1,800 frames of Big Buck Bunny x264 ``ultrafast`` at CRF 28 took half the CPU time of ``superfast`` at CRF 27
    (1,314 against 709 frames per CPU second). decord read 8 frames per shot in 58 % of the time (no CABAC, no
    deblocking). The files were 1.6 times as large, PSNR 39.9 against 40.7 dB. No B-frames: frames are stored in display
    order.

    Key frames every half second made the files 27 % larger than every 1.5 s. They took the same time to write and two
    thirds of the time to read (5,973 frames). A player finds the next one at once if the user scrubs. One thread: the
    same frames always give the same bytes.
    """

    revision: int = 2
    preset: str = "ultrafast"
    crf: int = 28
    gop_s: Fraction = Fraction(1, 2)
    audio_bit_rate: int = 96_000


RECIPE = ProxyRecipe()


@dataclass(frozen=True, kw_only=True)
class ProxyFormat:
    """Common properties of all proxies of a video: size in pixels, frames per second, seconds per tick, has sound."""

    size: tuple[int, int]
    fps: Fraction
    time_base: Fraction
    has_audio: bool


class ProxyWriter:
    """Encodes one shot as its frames and samples arrive. Frames must be yuv420p of the format's size."""

    def __init__(self, path: Path, format_: ProxyFormat, recipe: ProxyRecipe = RECIPE) -> None:
        self._format = format_
        self._recipe = recipe
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        # bitexact: the file does not name the encoder library's version, so the bytes depend on the frames alone.
        self._container.flags |= 0x0400
        self._video = self._add_video()
        self._sound = self._add_sound() if format_.has_audio else None
        self._pictures = HeldPackets(self._container)
        self._samples = 0
        self._is_started = False

    def _add_video(self) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=self._format.fps)
        stream.width, stream.height = self._format.size
        stream.pix_fmt = "yuv420p"
        stream.time_base = self._format.time_base
        context = stream.codec_context
        context.time_base = self._format.time_base
        context.thread_count = 1
        context.gop_size = max(round(self._recipe.gop_s * self._format.fps), 1)
        context.max_b_frames = 0
        context.options = {
            "preset": self._recipe.preset,
            "crf": str(self._recipe.crf),
            "x264-params": "open-gop=0:scenecut=0:force-cfr=0",
        }
        return stream

    def _start(self, frame: av.VideoFrame) -> None:
        """Set the header's colour fields, which are known with the first frame."""
        context = self._video.codec_context
        context.color_range = frame.color_range
        context.colorspace = frame.colorspace
        context.color_primaries = frame.color_primaries
        context.color_trc = frame.color_trc
        self._is_started = True

    def _add_sound(self) -> av.AudioStream:
        stream = self._container.add_stream("aac", rate=RATE, layout=LAYOUT)
        stream.bit_rate = self._recipe.audio_bit_rate
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"aac_coder": "fast"}
        return stream

    def add_frame(self, frame: av.VideoFrame, pts: int) -> None:
        """Encode the next frame, due ``pts`` ticks after the first."""
        if not self._is_started:
            self._start(frame)
        frame.pts, frame.time_base = pts, self._format.time_base
        frame.pict_type = PictureType.NONE
        self._pictures.write(self._video.encode(frame))

    def add_samples(self, samples: Samples) -> None:
        """Encode the next samples, float32 (2, samples)."""
        assert self._sound is not None
        step = 1024
        for start in range(0, samples.shape[1], step):
            part = samples[:, start : start + step]
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=LAYOUT)
            frame.sample_rate, frame.pts = RATE, self._samples
            frame.time_base = Fraction(1, RATE)
            self._samples += part.shape[1]
            self._container.mux(self._sound.encode(frame))

    def close(self, duration: int) -> None:
        """Finish the file; the shot lasts ``duration`` ticks."""
        self._pictures.write(self._video.encode(None))
        self._pictures.close(duration)
        if self._sound is not None:
            self._container.mux(self._sound.encode(None))
        self._container.close()


def read_proxy(path: Path, positions: Sequence[int], frames: int) -> NDArray[np.uint8]:
    """RGB frames (N, H, W, C) at the ascending ``positions`` of a proxy of ``frames`` frames, decoded in sequence.

    Slower than random access, and exact for every size. Raises ``MediaError`` if the file cannot be decoded or has
    another length.
    """
    frame_numbers, pictures = set(positions), []
    try:
        with av.open(str(path), format="mp4") as container:
            stream = container.streams.video[0]
            if stream.frames != frames:
                raise MediaError(f"has {stream.frames} frames instead of {frames}")
            stream.codec_context.thread_count = 1
            for position, frame in enumerate(container.decode(stream)):
                if frame.is_corrupt:
                    raise MediaError(f"cannot be decoded (frame {position} is damaged)")
                if position in frame_numbers:
                    pictures.append(frame.to_ndarray(format="rgb24"))
                if position >= positions[-1]:
                    break
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        reason = getattr(error, "strerror", None) or take_first_sentence(error)
        raise MediaError(f"cannot be decoded ({reason})") from error
    if len(pictures) != len(positions):
        raise MediaError(f"cannot be decoded after {len(pictures)} of {len(positions)} frames")
    return np.stack(pictures)


def read_key_frames(path: Path, positions: Sequence[int], frames: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the key frames nearest to the positions, by their own position in a proxy of ``frames``, RGB (H, W, C).

    No other frame is decoded, and one picture is in memory: a look each five seconds takes a hundredth of the frames.
    Raises ``MediaError`` as :func:`read_proxy`.
    """
    count = 0
    try:
        with av.open(str(path), format="mp4") as container:
            keys = _list_key_frames(container, frames)
        wanted_positions = sorted({min(keys, key=lambda key: abs(key - position)) for position in positions})
        with av.open(str(path), format="mp4") as container:
            for frame in islice(_decode_only(container, wanted_positions), len(wanted_positions)):
                yield wanted_positions[count], np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                count += 1
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        reason = getattr(error, "strerror", None) or take_first_sentence(error)
        raise MediaError(f"cannot be decoded ({reason})") from error
    if count != len(wanted_positions):
        raise MediaError(f"cannot be decoded after {count} of {len(wanted_positions)} frames")


def _list_key_frames(container: InputContainer, frames: int) -> list[int]:
    """Return the positions of the key frames; without B-frames, packets are in the order of frames."""
    stream = container.streams.video[0]
    if stream.frames != frames:
        raise MediaError(f"has {stream.frames} frames instead of {frames}")
    packets = (packet for packet in container.demux(stream) if packet.size)
    keys = [position for position, packet in enumerate(packets) if packet.is_keyframe]
    if not keys:
        raise MediaError("cannot be decoded (it has no key frame)")
    return keys


def _decode_only(container: InputContainer, positions: Sequence[int]) -> Iterator[VideoFrame]:
    """Yield the key frames at these positions."""
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    wanted_positions, last = set(positions), positions[-1]
    for position, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
        if position in wanted_positions:
            yield from packet.decode()
        if position >= last:
            break
    yield from stream.codec_context.decode(None)
