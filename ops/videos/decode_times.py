"""Times of frames in an AVI, which stores none: its only clock is that the n-th chunk is decoded at n frame times.

For H.264 and HEVC with B-frames FFmpeg guesses presentation times from that and gives 0, 2, 3, 6 for 0, 1, 2, 3. Frames
leave the decoder in the order in which they are shown. So the n-th frame is due at the time of the n-th chunk that
holds data. Chunks without data (dropped frames) keep their time: the clock goes on.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Any

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

REORDERING = frozenset({"h264", "hevc"})
"""Codecs whose times FFmpeg guesses wrong in an AVI. Their decoders give one frame a chunk, unlike MPEG-4's."""
RAW_STREAMS = frozenset({"h264", "hevc"})
"""Elementary streams (Annex B), which store no times."""


class DecodeTimes:
    """Gives frames of an AVI the times of its chunks; does nothing for other containers."""

    def __init__(self, video: VideoStream, container_format: str) -> None:
        self._is_needed = container_format == "avi" and video.codec_context.codec.canonical_name in REORDERING
        self._times: deque[int] = deque()

    def note(self, packet: av.Packet[Any]) -> None:
        """Take the time of a packet that goes to the decoder."""
        if self._is_needed and packet.size and packet.dts is not None:
            self._times.append(packet.dts)

    def drop_latest(self) -> None:
        """Drop the time of the latest packet, for which the decoder gives no frame."""
        if self._times:
            self._times.pop()

    def settle(self, frame: VideoFrame) -> None:
        """Correct the time of a frame that came out of the decoder."""
        if self._times:
            frame.pts = self._times.popleft()


def has_no_clock(video: VideoStream) -> bool:
    """Return whether a track is an MPEG-1 elementary stream: it stores a rate, no times, and repeats no field.

    FFmpeg gives its second frame the time of the third (seen 2026-11-28), and all later ones follow.
    """
    return video.container.format.name == "mpegvideo" and video.codec_context.codec.canonical_name == "mpeg1video"


def find_usual_step(video: VideoStream) -> Fraction:
    """Return seconds between two frames without times: by the codec if packets are fields, else by the file."""
    codec_rate = video.codec_context.framerate
    if codec_rate and (video.container.format.name in RAW_STREAMS or has_no_clock(video)):
        return 1 / Fraction(codec_rate)  # an elementary stream has no container, and its rate of 25 is FFmpeg's guess
    rate = video.average_rate or video.guessed_rate or codec_rate
    if codec_rate and rate and rate > codec_rate * 3 / 2:
        rate = codec_rate
    return 1 / Fraction(rate) if rate else Fraction(1, 25)
