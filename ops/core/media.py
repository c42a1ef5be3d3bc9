"""The facts about one source file, the evidence for each, and the contradicting evidence.

``ops/videos/probe.py`` fills in the record. All later steps (detector, proxies, posters, clips, timelines) read the
record and do not parse the file's header again.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Literal

from pydantic import TypeAdapter

from ops.core.time import find_counting_rate

FieldOrder = Literal["progressive", "upper", "lower"]
"""The field of an interlaced frame that is shown first."""
Transfer = Literal["sdr", "pq", "hlg"]
"""Transfer function from samples to light: SDR gamma, SMPTE ST 2084 (PQ, HDR10) or ARIB STD-B67 (HLG)."""

SPEECH_RATE = 16_000
"""Samples a second, of one channel, that models of speech hear."""
FACTS_REVISION = 1
"""Raise it if the same file gives other facts than before; the next ingest then reads the facts again."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One fact: its value, the deciding evidence, and contradicting evidence, all in plain words."""

    name: str
    value: str
    evidence: str
    contradictions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """How a player shows the stored frame: turn it ``quarter_turns`` clockwise (0-3), then mirror it left to right."""

    quarter_turns: int = 0
    is_mirrored: bool = False


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Pixels of the decoded frame that are not shown, on each side."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


@dataclass(frozen=True, kw_only=True)
class SoundTrack:
    """One sound track that can be decoded.

    ``stream`` is its index in the container. ``number`` is its position among all sound tracks of the file, from 1,
    including those that cannot be decoded. ``sample_rate`` is in Hz.

    ``layout`` is FFmpeg's name (mono, stereo, 5.1), or ``16 channels`` if the file does not name the channels.
    ``language`` and ``title`` are the file's own words. ``role`` is set if the track is not the main sound (commentary,
    audio description, ...). ``level_db`` is the loudest measured 50 ms, RMS in dBFS; -200 is digital silence.
    ``level_db``, ``is_silent`` and ``silent_channels`` (from 0) are known only for tracks that were measured.
    """

    stream: int
    codec: str
    channels: int
    layout: str
    sample_rate: int
    language: str = ""
    title: str = ""
    is_default: bool = False
    role: str = ""
    number: int = 0
    is_silent: bool | None = None
    level_db: float | None = None
    silent_channels: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StartTimecode:
    """The timecode of the first shown frame, as its source counts it.

    ``label`` is HH:MM:SS:FF (``;`` for drop frame) in frames of ``rate``. ``start_s`` is exact: frame count divided by
    ``rate``. ``source`` names the track or tag of origin.
    """

    label: str
    rate: Fraction
    start_s: Fraction
    source: str

    def count_frames(self, fps: Fraction) -> Fraction:
        """The start as a number of frames at ``fps``, not always an integer.

        Counts stay the same between a nominal rate and its NTSC rate: 01:00:00:00 at 24 is 01:00:00:00 at 24000/1001.
        """
        return self.start_s * self.rate * fps / find_counting_rate(self.rate, fps)


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """The properties of a source file, cross-checked between container, stream, codec parameters and decoded frames.

    ``width``/``height`` are display pixels: cropped, oriented, with square pixels. ``frames`` is the container's count
    or an estimate until the file was decoded once. ``fps`` is exact; if the frame rate varies it is the average, and
    ``variable_rate`` is true. ``start_timecode`` counts frames of ``fps``; ``timecode`` is its source.

    ``video_stream`` is the index of the chosen track in the container. ``sound_stream`` is the index of the track for
    proxies and speech recognition. ``mixed_streams`` are the mono tracks that are mixed for them, if there are several.

    ``matrix`` is the YCbCr matrix (bt601, bt709, bt2020) after defaults for untagged files, or ``rgb``. ``notes`` are
    sentences for the user: unusual properties, choices and losses.
    """

    fps: Fraction
    frames: int
    width: int
    height: int
    codec: str
    has_audio: bool
    start_timecode: str
    variable_rate: bool
    duration_s: float
    video_stream: int = 0
    orientation: Orientation = Orientation()
    crop: Crop = Crop()
    field_order: FieldOrder = "progressive"
    is_telecined: bool = False
    transfer: Transfer = "sdr"
    matrix: str = "bt709"
    primaries: str = "bt709"
    peak: int = 1_000
    has_alpha: bool = False
    timecode: StartTimecode | None = None
    reel: str = ""
    sound_tracks: tuple[SoundTrack, ...] = ()
    sound_stream: int | None = None
    mixed_streams: tuple[int, ...] = ()
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    revision: int = FACTS_REVISION

    @property
    def heard_tracks(self) -> tuple[SoundTrack, ...]:
        """The sound tracks for proxies and speech recognition: the chosen one, or the mixed ones."""
        streams = self.mixed_streams or (self.sound_stream,)
        return tuple(track for track in self.sound_tracks if track.stream in streams)

    @property
    def clip_tracks(self) -> tuple[SoundTrack, ...]:
        """Sound tracks in the order of cut clips: the heard ones first, because many players play the first."""
        tracks = self.heard_tracks
        return (*tracks, *(track for track in self.sound_tracks if track not in tracks))

    def to_json(self) -> str:
        """The record as JSON, rates as ``"24000/1001"``; :meth:`from_json` reads it back exactly."""
        return _build_adapter().dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> MediaInfo:
        """Parse a record that :meth:`to_json` wrote. Raises ``pydantic.ValidationError`` for any other text."""
        return _build_adapter().validate_json(text)


@cache
def _build_adapter() -> TypeAdapter[MediaInfo]:
    return TypeAdapter(MediaInfo)
