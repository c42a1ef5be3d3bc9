"""The first frames of a video track: their presentation times, and how packets become frames.

The reading is bounded: at most :data:`MAX_FRAMES` packets and :data:`MAX_BYTES` of the track. So a video of two hours
is described as fast as a clip. For interlaced H.264, up to :data:`MAX_DECODED` packets are decoded, because each field
may be a packet of its own. Otherwise only the first frame is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ops.core.errors import MediaError
from ops.core.process_limits import require_memory
from ops.videos.clock import MAX_BACK_S, MAX_PAUSE_S
from ops.videos.container import demux, require_size
from ops.videos.damage import NOT_ONE_FRAME
from ops.videos.decode_times import has_no_clock

MAX_FRAMES = 400
MAX_BYTES = 64 << 20
MAX_DECODED = 120
MIN_FRAMES = 24
"""Packets that are read even if they are larger than the bound in bytes: frames of 16K video have 100 MiB."""
MAX_UNDECODABLE = 20_000
"""After this number of packets without a decodable frame, the track is given up."""
REORDERED = 17
"""Frames that may follow the last packet read and be shown before it (H.264 reorders at most 16)."""


@dataclass(frozen=True, kw_only=True)
class HeadSample:
    """``times`` are those of shown frames, ascending, in ticks of the track. ``frame_count`` includes the ``untimed``
    ones, which have no time. ``is_whole``: the track ended within the bounds. ``is_field_coded``: a frame is two
    packets."""

    first_frame: av.VideoFrame
    times: list[int]
    frame_count: int
    packets: int
    untimed: int
    is_whole: bool
    is_field_coded: bool


def read_sample(container: InputContainer, stream: VideoStream) -> HeadSample:
    """Read the beginning of ``stream``. Raises ``MediaError`` if no frame of it can be decoded."""
    reading = _PacketReader(stream)
    is_whole = True
    for packet in _read_packets(container, stream):
        reading.take(packet)
        if reading.is_done:
            is_whole = False
            break
    return reading.finish(is_whole)


class _PacketReader:
    """The state while packets are read."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        tick = stream.time_base or 1
        self._longest, self._furthest_back = MAX_PAUSE_S / tick, MAX_BACK_S / tick
        self._may_jump = stream.container.format.name in ("mpegts", "mpeg")
        self._has_no_clock = has_no_clock(stream)
        self._is_avi = stream.container.format.name == "avi"  # stores no presentation times
        self._runs: list[list[int]] = [[]]
        self._decode_time: int | None = None
        self._frame_count = self._packets = self._bytes = 0
        self._decoded_frames: list[av.VideoFrame] = []
        self._decoding: list[int] = []
        self._is_open = True

    @property
    def is_done(self) -> bool:
        enough = self._bytes > MAX_BYTES and self._packets >= MIN_FRAMES
        if self._decoded_frames:
            return self._packets >= MAX_FRAMES or enough
        return self._packets >= MAX_UNDECODABLE

    def take(self, packet: av.Packet[Any]) -> None:
        if not packet.size:
            return
        self._packets += 1
        self._bytes += packet.size
        if not packet.is_discard and self._frame_count < MAX_FRAMES:
            self._note_time(packet)
        if self._is_open:
            self._decode(packet)

    def _note_time(self, packet: av.Packet[Any]) -> None:
        """Note the time of a packet; begin a new run if the clock goes back or jumps.

        Then another recording was appended, or a clock of 33 bits began again.
        """
        if packet.dts is not None:
            step = 0 if self._decode_time is None else packet.dts - self._decode_time
            if step < -self._furthest_back or (self._may_jump and step > self._longest):
                self._runs.append([])
            self._decode_time = packet.dts
        time = packet.dts if self._is_avi else None if self._has_no_clock else packet.pts
        self._frame_count += 1
        if time is not None:
            self._runs[-1].append(time)

    def _decode(self, packet: av.Packet[Any]) -> None:
        """Decode a packet; skip one that cannot be decoded, because a recording may begin between two keyframes."""
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            require_memory(error)
            return
        self._decoded_frames += frames
        if packet.pts is not None and not packet.is_discard:
            self._decoding.append(packet.pts)
        if not self._decoded_frames:
            return
        if not self._may_be_fields or len(self._decoding) >= MAX_DECODED:
            self._flush()

    @property
    def _may_be_fields(self) -> bool:
        context, base = self._stream.codec_context, self._stream.base_rate
        if context.codec.canonical_name != "h264":
            return False
        is_doubled = bool(base and context.framerate and base > context.framerate * 3 / 2)
        return is_doubled or any(frame.interlaced_frame for frame in self._decoded_frames)

    def _flush(self) -> None:
        self._is_open = False
        if not self._decoded_frames or self._may_be_fields:
            try:
                self._decoded_frames += self._stream.codec_context.decode(None)
            except av.FFmpegError:
                return

    def finish(self, is_whole: bool) -> HeadSample:
        if self._is_open:
            self._flush()
        if not self._decoded_frames:
            raise MediaError(NOT_ONE_FRAME)
        first_frame = self._decoded_frames[0]
        require_size(first_frame.width, first_frame.height)
        times = _join(self._runs)
        if not is_whole and len(times) > MIN_FRAMES:
            times = times[:-REORDERED]
        frame_times = sorted({frame.pts for frame in self._decoded_frames if frame.pts is not None})
        is_field_coded = self._may_be_fields and 0 < len(frame_times) * 4 < len(set(self._decoding)) * 3
        frame_count = self._frame_count
        if is_field_coded:
            fields = len(set(self._decoding))
            times = self._pair(times, frame_times, is_regular=fields == 2 * len(frame_times))
            frame_count = round(self._frame_count * len(frame_times) / fields)
        return HeadSample(
            first_frame=first_frame,
            times=times,
            packets=self._packets,
            frame_count=frame_count,
            untimed=self._frame_count - sum(map(len, self._runs)),
            is_whole=is_whole,
            is_field_coded=is_field_coded,
        )

    def _pair(self, times: list[int], frame_times: list[int], *, is_regular: bool) -> list[int]:
        """Return the frame times among field times: those of decoded frames, and of every second field after them.

        If some frames are whole and others two fields, the pairs after the decoded part are unknown.
        """
        if not is_regular:
            return frame_times
        rest = [time for time in times if time > frame_times[-1]]
        return frame_times + rest[1::2]


def _join(runs: list[list[int]]) -> list[int]:
    """Return the times of all runs as one run: each begins one step after the end of the run before it."""
    merged_times: list[int] = []
    for run in runs:
        times = sorted(set(run))
        if merged_times and times:
            step = (merged_times[-1] - merged_times[0]) // max(len(merged_times) - 1, 1)
            shift = merged_times[-1] + step - times[0]
            times = [time + shift for time in times]
        merged_times += times
    return merged_times


def _read_packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet[Any]]:
    try:
        yield from demux(container, stream)
    except (av.FFmpegError, OSError):
        return  # the packets read until here must be enough
