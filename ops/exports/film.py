"""The source of clips: its frame count in a timeline, its start timecode, and its reel name."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

from ops.core.errors import UsageError
from ops.core.media import FieldOrder, MediaInfo, SoundTrack
from ops.core.time import is_drop_frame_rate, make_timecode, parse_timecode
from ops.exports.names import extract_file_name

TIMELINE_RATES = (
    *(rate for base in (24, 30, 48, 60) for rate in (Fraction(base * 1000, 1001), Fraction(base))),
    Fraction(25),
    Fraction(50),
)
"""Timeline rates of editing systems."""
FAST_RATES = (*(Fraction(base * 1000, 1001) for base in (96, 120)), *map(Fraction, (72, 90, 96, 100, 120)))
"""Faster rates of some editing systems (DaVinci Resolve, Final Cut Pro)."""
NO_TIMECODE = "00:00:00:00"


HDR_COLOUR_SPACES = {"pq": "9-16-9 (Rec. 2020 PQ)", "hlg": "9-18-9 (Rec. 2020 HLG)"}
"""By transfer: codes of primaries, transfer and matrix, and Final Cut Pro's name."""


@dataclass(frozen=True, kw_only=True)
class Film:
    """The source of clips, with its facts from the register.

    ``fps`` is exact; with ``variable_rate`` it is the mean. ``has_gaps`` is true if the rate is constant but frames are
    missing or shown longer. ``knots`` are ``(frame, seconds)`` of known frames, ascending; in both cases they give the
    times of frames. ``media`` is the record of facts, or ``None`` if an earlier version ingested the video.
    """

    video_id: str
    path: str
    show: str
    title: str
    content_hash: str
    bytes: int
    fps: Fraction
    frames: int
    width: int
    height: int
    codec: str
    has_audio: bool
    start_timecode: str
    variable_rate: bool = False
    has_gaps: bool = False
    knots: tuple[tuple[int, float], ...] = ()
    media: MediaInfo | None = None

    @property
    def sound_tracks(self) -> tuple[SoundTrack, ...]:
        """Sound tracks that can be decoded; none if an earlier version ingested the video, even if it has sound."""
        return self.media.sound_tracks if self.media else ()

    @property
    def sound_channels(self) -> tuple[SoundTrack | None, ...]:
        """The sound channels of the file, track after track: the track of each.

        If a video has sound but no record of it, two channels are assumed, each ``None``.
        """
        if not self.sound_tracks:
            return (None, None) if self.has_audio else ()
        return tuple(track for track in self.sound_tracks for _ in range(track.channels))

    def is_heard(self, track: SoundTrack | None) -> bool:
        """Whether a sound track is the chosen one or one of the mixed ones; in timelines the others are off."""
        return track is None or not self.media or track in self.media.heard_tracks

    @property
    def sound_summary(self) -> str | None:
        """Every sound track in words; ``None`` if nothing is known of them."""
        if not self.media:
            return None
        return "; ".join(
            ", ".join(
                word
                for word in (
                    f"{track.number}: {track.codec}",
                    track.layout,
                    f"{track.sample_rate} Hz",
                    track.language,
                    track.title,
                    track.role,
                    "silent" if track.is_silent else "",
                )
                if word
            )
            for track in self.sound_tracks
        )

    @property
    def heard_summary(self) -> str | None:
        """Numbers of the sound tracks in proxies; ``None`` if nothing is known of them."""
        return ", ".join(str(track.number) for track in self.media.heard_tracks) if self.media else None

    @property
    def name(self) -> str:
        """The file's name, by which editing systems relink."""
        return extract_file_name(self.path)

    @property
    def field_order(self) -> FieldOrder:
        """The field of its stored frames that is shown first."""
        return self.media.field_order if self.media else "progressive"

    @property
    def colour_space(self) -> str | None:
        """The colours of an HDR video by their FCPXML name; ``None`` in standard range."""
        return HDR_COLOUR_SPACES.get(self.media.transfer) if self.media else None

    @property
    def reel(self) -> str:
        """The name of the reel, card or tape in the file itself; empty if it has none."""
        return self.media.reel if self.media else ""

    @property
    def is_timed(self) -> bool:
        """Whether frames are placed by their times, because their numbers do not determine them."""
        return self.variable_rate or self.has_gaps

    @property
    def is_exact(self) -> bool:
        """Whether a timeline counts the video's own frames: at a constant rate that timelines have, or above 60.

        Above 60 no lower rate keeps each frame; systems that do not support the rate still relink and conform exactly.
        """
        return not self.variable_rate and (self.fps in TIMELINE_RATES or self.fps > max(TIMELINE_RATES))

    @property
    def rate(self) -> Fraction:
        """Frames per second in which timelines count this video.

        Its own rate if they support it. Otherwise the lowest supported multiple, so that each frame keeps its position
        (30 for 15), or else the next higher rate.
        """
        if self.is_exact:
            return self.fps
        multiples = [] if self.variable_rate else [rate for rate in TIMELINE_RATES if _is_multiple(rate, self.fps)]
        lowest = self.fps * Fraction(999, 1000)
        higher = [rate for rate in TIMELINE_RATES if rate >= lowest] or [rate for rate in FAST_RATES if rate >= lowest]
        return min(multiples or higher, default=max(FAST_RATES))

    @property
    def start(self) -> int:
        """Start timecode as a number of frames at :attr:`rate`; 0 if it is missing or unusable."""
        exact = self.exact_start
        return 0 if exact is None else round(exact)

    @property
    def exact_start(self) -> Fraction | None:
        """Start timecode in frames at :attr:`rate`, not always an integer; ``None`` if it is unusable."""
        if self.media:
            return self.media.timecode.count_frames(self.rate) if self.media.timecode else Fraction(0)
        try:
            return Fraction(parse_timecode(self.start_timecode or NO_TIMECODE, self.rate))
        except UsageError:
            return None

    @property
    def is_drop(self) -> bool:
        """Whether the video's timecode counts drop-frame."""
        return is_drop_frame_rate(self.rate) and ";" in (self.start_timecode or "")

    @property
    def length(self) -> int:
        """Frames of the video at :attr:`rate`."""
        return self.find_position(self.frames)

    def find_seconds(self, frame: int) -> float:
        """Time of ``frame`` in seconds from the first; if frames are timed, interpolated between known frames."""
        if not self.is_timed or len(self.knots) < 2:
            return float(frame / self.fps)
        at = min(max(bisect_right(self.knots, (frame, float("inf"))), 1), len(self.knots) - 1)
        (low, low_s), (high, high_s) = self.knots[at - 1], self.knots[at]
        return low_s + (high_s - low_s) * (frame - low) / (high - low)

    def find_position(self, frame: int) -> int:
        """``frame`` of the video as frames at :attr:`rate` from its first: the same number if it is exact."""
        return round(self.find_seconds(frame) * float(self.rate) if self.is_timed else frame * self.rate / self.fps)

    def format_timecode(self, frame: int) -> str:
        """Timecode of ``frame`` in the video's own count."""
        start = "00:00:00;00" if self.is_drop else NO_TIMECODE
        return make_timecode(self.start + self.find_position(frame), self.rate, start)


def _is_multiple(rate: Fraction, fps: Fraction) -> bool:
    return (rate / fps).denominator == 1
