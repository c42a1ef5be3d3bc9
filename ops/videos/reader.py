"""Reading footage: every picture in presentation order, numbered from 0, in one sequential pass.

Sequential decoding is the only way of reading that was exact on every codec and container tried; the number of a
frame is its position in that order, with edit lists applied. Damage is an error, never a silent gap: a picture
that the file announces and the decoder does not give, a picture that was patched up by error concealment, or a
file that ends before its own index says so, all raise ``MediaError``.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ops.core.errors import MediaError
from ops.videos.container import (
    is_usable_sound,
    open_container,
    prepare_decoder,
    require_file,
    require_size,
)
from ops.videos.decode_times import DecodeTimes, usual_step
from ops.videos.integrity import require_complete
from ops.videos.matroska import announced_pictures
from ops.videos.tracks import choose_video_track

logger = logging.getLogger(__name__)

ONE_PICTURE_A_PACKET = frozenset({"h264", "hevc", "av1", "libdav1d", "vp9", "prores", "dnxhd", "ffv1"})
"""Decoders that give one picture for each shown packet of an mp4 or Matroska file. VP8 hides some and MPEG-4 leaves
out pictures that equal the last one; interlaced film may come as two fields (seen on its first picture)."""

MAX_SOUNDS_BEFORE_PICTURE = 20_000


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture: ``index`` counts from 0 in presentation order, ``time_s`` from the first picture.

    ``frame`` is as stored: not rotated, pixels not square where the file says so, its own pixel format. Its size
    may change within a broadcast recording.
    """

    index: int
    time_s: Fraction
    frame: VideoFrame


@dataclass(frozen=True, slots=True)
class Sound:
    """One decoded piece of sound; ``time_s`` counts from the first picture, so it may be negative.

    ``stream`` is the index of its track in the container.
    """

    time_s: Fraction
    frame: AudioFrame
    stream: int


def read_media(
    path: Path, *, threads: int = 1, audio: bool | Collection[int] = False, start: int | None = None
) -> Iterator[Picture | Sound]:
    """Decode a file once, from its first picture to its last.

    ``threads`` is the number of decoder threads (more cost 20-40 % more CPU for the same pictures). ``audio`` names
    the sound tracks that come along, in the order of the file: their indexes, or true for the first usable. Damaged
    sound is left out and logged, damaged pictures raise ``MediaError`` with the frame and time where reading stopped;
    so does a file that is cut short, holds no picture, or is no film. With ``start``, a time in ticks of the picture
    track, reading begins at a key picture before it and counts from there; which picture that is, only its own time
    tells (``seeking.py``).
    """
    require_file(path)
    require_complete(path)
    with open_container(path) as container:
        video = choose_video_track(container)
        number = [stream.index for stream in container.streams.video].index(video.index)
        announced = announced_pictures(path, number) if start is None else 0
        pass_ = _Pass(video, _sound_streams(container, audio), container.format.name)
        pass_.packets_due = announced or pass_.packets_due
        pass_.decoder = prepare_decoder(video, threads)
        if start is not None:
            container.seek(start, stream=video)
            pass_.packets_due = 0
        yield from pass_.run(container)


def _sound_streams(container: InputContainer, audio: bool | Collection[int]) -> list[AudioStream]:
    usable = [stream for stream in container.streams.audio if is_usable_sound(stream)]
    if isinstance(audio, bool):
        return usable[:1] if audio else []
    return [stream for stream in usable if stream.index in audio]


class _Pass:
    """The state of one pass: what was announced, what came out, where the clock stands."""

    def __init__(self, video: VideoStream, sounds: list[AudioStream], container_format: str) -> None:
        self.video, self.sounds, self.decoder = video, sounds, video.codec_context
        self.is_broadcast = container_format in ("mpegts", "mpeg")
        # Where each packet carries the presentation time of its picture, which AVI and others do not.
        timed = not {"mov", "matroska", "mpegts"}.isdisjoint(container_format.split(","))
        self.counts_pictures = timed and video.codec_context.name in ONE_PICTURE_A_PACKET
        # AVI has a table of its chunks at the end; a demultiplexer that lost its way skips some.
        self.packets_due = sum(entry.size > 0 for entry in video.index_entries) if container_format == "avi" else 0
        self.packets = 0
        self.has_key = self.is_gap_told = False
        self.announced: list[int] = []
        self.index = 0
        self.is_clean = False
        self.zero = self.time_s = Fraction(0)
        self.step = usual_step(video)
        self.decode_times = DecodeTimes(video, container_format)
        self.waiting: list[tuple[int, AudioFrame]] = []
        self.heard_until: dict[int, Fraction] = {}

    def run(self, container: InputContainer) -> Iterator[Picture | Sound]:
        """Demultiplex and decode to the end."""
        try:
            for packet in container.demux([self.video, *self.sounds]):
                # packet.stream, not stream_index: the last, empty packet that flushes the decoder has no index.
                if packet.stream is self.video or packet.stream.index == self.video.index:
                    yield from self._decode_video(packet)
                else:
                    yield from self._decode_audio(packet)
        except (av.FFmpegError, OSError) as error:
            raise self._damaged("the file cannot be read any further") from error
        if not self.index:
            raise MediaError("not one picture in it can be decoded: the file is damaged or holds no pictures")
        if self.announced:
            raise self._damaged(f"the last {len(self.announced)} pictures cannot be decoded")
        if self.packets < self.packets_due:
            raise MediaError(
                f"damaged: only {self.packets} of {self.packets_due} pictures are found in the file; copy it again"
            )

    def _decode_video(self, packet: av.Packet[Any]) -> Iterator[Picture | Sound]:
        if packet.is_corrupt and self.index:
            raise self._damaged("data is missing in the file")
        self.packets += packet.size > 0
        self.has_key = self.has_key or packet.is_keyframe
        if self.counts_pictures and packet.size and packet.pts is not None and not packet.is_discard:
            heapq.heappush(self.announced, packet.pts)
        self.decode_times.note(packet)
        try:
            frames = self.decoder.decode(packet)
        except av.FFmpegError as error:
            # A recording that starts between two key pictures begins with some that cannot be decoded.
            if self.is_broadcast and not self.index and not self.has_key:
                return
            raise self._damaged("the picture data is damaged") from error
        for frame in frames:
            yield from self._picture(frame)

    def _picture(self, frame: VideoFrame) -> Iterator[Picture | Sound]:
        if frame.is_corrupt and self.is_clean:
            raise self._damaged("the picture is damaged")
        self.is_clean = self.is_clean or not frame.is_corrupt
        require_size(frame.width, frame.height)
        if frame.interlaced_frame:
            self.counts_pictures = False
            self.announced.clear()
        self.decode_times.settle(frame)
        self._account(frame.pts)
        self._tick(frame)
        yield Picture(self.index, self.time_s, frame)
        self.index += 1
        if self.waiting:
            waiting, self.waiting = self.waiting, []
            yield from (self._sound(stream, sound) for stream, sound in waiting)

    def _account(self, pts: int | None) -> None:
        """Strike the picture from those announced; one with an earlier time that never came out is lost.

        Before the first picture this is no damage: a film that was cut without a key picture begins with
        pictures that refer to what is no longer there, and no player shows them.
        """
        if not self.counts_pictures or pts is None:
            return
        while self.announced and self.announced[0] < pts:
            heapq.heappop(self.announced)
            if self.index:
                raise self._damaged("a picture is missing")
        if self.announced and self.announced[0] == pts:
            heapq.heappop(self.announced)

    def _tick(self, frame: VideoFrame) -> None:
        """Set the clock to ``frame``. Where time is missing or goes back, the clock goes on by one frame."""
        at = None if frame.pts is None or frame.time_base is None else frame.pts * Fraction(frame.time_base)
        if not self.index:
            self.zero = at or Fraction(0)
            return
        after = self.time_s + self.step
        if at is None:
            self.time_s = after
            return
        if at - self.zero <= self.time_s:
            self.zero = at - after
        if self.is_broadcast and not self.is_gap_told and at - self.zero > after + self.step * 3 / 4:
            # No error: a stream may pause. A lost packet looks the same, and later numbers are then too low.
            self.is_gap_told = True
            logger.warning("no picture for more than one frame after frame %d (%.2f s)", self.index - 1, self.time_s)
        self.time_s = at - self.zero

    def _decode_audio(self, packet: av.Packet[Any]) -> Iterator[Sound]:
        try:
            frames = cast(list[AudioFrame], packet.decode())
        except av.FFmpegError as error:
            logger.warning("sound near %.2f s cannot be decoded and is left out: %s", float(self.time_s), error)
            return
        stream = packet.stream.index
        for frame in frames:
            if self.index:
                yield self._sound(stream, frame)
            elif len(self.waiting) < MAX_SOUNDS_BEFORE_PICTURE:
                self.waiting.append((stream, frame))

    def _sound(self, stream: int, frame: AudioFrame) -> Sound:
        """Sound with its time; without a time stamp it follows what came before it on its track."""
        if frame.pts is None or frame.time_base is None:
            time_s = self.heard_until.get(stream, self.time_s)
        else:
            time_s = frame.pts * Fraction(frame.time_base) - self.zero
        self.heard_until[stream] = time_s + Fraction(frame.samples, frame.sample_rate or 1)
        return Sound(time_s, frame, stream)

    def _damaged(self, what: str) -> MediaError:
        if not self.index:
            return MediaError(f"damaged at its beginning: {what}; copy the file again")
        return MediaError(
            f"damaged after frame {self.index - 1} ({float(self.time_s):.1f} s): {what}; copy the file again"
        )
