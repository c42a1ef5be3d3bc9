"""Input: frames and sound of a video. Output: proxies and posters of its shots, in one pass and bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av

from ops.core.media import MediaInfo
from ops.core.types import DetectedShot, Transition
from ops.shots.detector import Boundary, Detector
from ops.shots.encode_pool import EncodePool
from ops.shots.pictures import encode_poster, look_at, make_detector_frame
from ops.shots.posters import PosterChoice
from ops.shots.proxies import RATE, ProxyFormat, ProxyWriter
from ops.videos.reader import Sound
from ops.videos.sound_line import Samples, SoundMix

MAX_SOUND_LAG_S = 5
"""Maximum wait of a finished shot for sound that comes late in the file, in seconds of footage."""
SOUND_PIECE = RATE // 4
TICKS_PER_FRAME = 16
SNAP = 0.3
"""Tolerance, in frames, within which a time is exact at a constant rate.

Containers round times, and soft telecine shows frames for two and three fields in turn. Milliseconds are a quarter of a
frame at 240 frames per second.
"""


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A proxy frame with its number and its exact time in seconds from the first frame."""

    index: int
    time_s: Fraction
    frame: av.VideoFrame


@dataclass(frozen=True, slots=True)
class CutShot:
    """A finished shot and the local files of its proxy and poster."""

    shot: DetectedShot
    proxy: Path
    poster: Path


def compute_exact_time(index: int, time_s: Fraction, info: MediaInfo) -> Fraction:
    """``index / fps`` if the rate is constant and the container's time agrees, otherwise the container's time."""
    if info.variable_rate or abs(float(time_s * info.fps) - index) > SNAP:
        return time_s
    return Fraction(index * info.fps.denominator, info.fps.numerator)


def choose_time_base(info: MediaInfo, frame: av.VideoFrame) -> Fraction:
    """Time base of proxies: parts of a frame at a constant rate, otherwise the source's own."""
    if info.variable_rate and frame.time_base:
        return Fraction(frame.time_base)
    return 1 / (info.fps * TICKS_PER_FRAME)


def round_div(dividend: int, divisor: int) -> int:
    """The integer nearest to ``dividend / divisor``, halves up; ``divisor`` is positive."""
    return (2 * dividend + divisor) // (2 * divisor)


class _OpenShot:
    """One shot in progress. Its frames, samples and end pass through one ``SerialQueue``, in order.

    If a shot is not written (``is_written``), its frames and samples are only counted.
    """

    def __init__(
        self,
        first: TimedFrame,
        transition: Transition,
        pool: EncodePool,
        folder: Path,
        format_: ProxyFormat,
        *,
        is_written: bool,
    ) -> None:
        self.is_written = is_written
        self.start, self.start_s, self.transition = first.index, first.time_s, transition
        self.end, self.end_s = first.index, Fraction(-1)
        self.sound_at = round(first.time_s * RATE)
        self.proxy, self.poster = folder / f"{first.index}.mp4", folder / f"{first.index}.jpg"
        self._format = format_
        self._last_pts = -1
        self._luma_sum, self._is_blank = 0.0, True
        self._queue = pool.add_queue()
        self._choice = PosterChoice()
        self._writer: ProxyWriter | None = None

    @property
    def is_ended(self) -> bool:
        return self.end_s >= 0

    def add_frame(self, frame: TimedFrame, luma: float, is_blank: bool) -> None:
        self.end = frame.index + 1
        self._luma_sum += luma
        self._is_blank &= is_blank
        if not self.is_written:
            return
        self._last_pts = max(self._count_ticks(frame.time_s), self._last_pts + 1)
        self._queue.submit(partial(self._encode, frame.frame, self._last_pts), holds_frame=True)

    def add_samples(self, samples: Samples) -> None:
        self.sound_at += samples.shape[1]
        if self.is_written:
            self._queue.submit(partial(self._encode_samples, samples))

    def close(self) -> None:
        if self.is_written:
            self._queue.submit(partial(self._finish, self._count_ticks(self.end_s)))

    def build_shot(self, video_id: str, index: int) -> DetectedShot:
        return DetectedShot(
            video_id=video_id,
            index=index,
            start_frame=self.start,
            end_frame=self.end,
            start_s=float(self.start_s),
            end_s=float(self.end_s),
            transition=self.transition,
            mean_luma=round(self._luma_sum / (self.end - self.start), 3),
            is_blank=self._is_blank,
        )

    def _count_ticks(self, time_s: Fraction) -> int:
        since, tick = time_s - self.start_s, self._format.time_base
        # Integers: a division of fractions for each frame of a video costs measurable time.
        return round_div(since.numerator * tick.denominator, since.denominator * tick.numerator)

    def _encode(self, frame: av.VideoFrame, pts: int) -> None:
        if self._writer is None:
            self._writer = ProxyWriter(self.proxy, self._format)
        self._choice.add(frame)
        self._writer.add_frame(frame, pts)

    def _encode_samples(self, samples: Samples) -> None:
        assert self._writer is not None
        self._writer.add_samples(samples)

    def _finish(self, duration: int) -> None:
        assert self._writer is not None
        self._writer.close(duration)
        self.poster.write_bytes(encode_poster(self._choice.choose_best()))
        # The encoder and the kept frames are large; the rest of a shot is a few numbers.
        del self._writer, self._choice


class FilmCutter:
    """Holds frames until the detector has decided about them, then passes them to their shot.

    With ``wanted``, only the shots that begin at these frames are written.
    """

    def __init__(
        self,
        video_id: str,
        info: MediaInfo,
        detector: Detector,
        pool: EncodePool,
        folder: Path,
        starts: Collection[int] | None = None,
    ) -> None:
        self._starts = None if starts is None else frozenset(starts)
        self._missing_starts = set(starts or ())
        self._video_id, self._info, self._detector = video_id, info, detector
        self._encode_pool, self._folder = pool, folder
        self._format: ProxyFormat | None = None
        self._waiting: deque[tuple[TimedFrame, float, bool]] = deque()
        self._boundaries: dict[int, Transition] = {0: "start"}
        self._sound = SoundMix(info.heard_tracks, RATE)
        self._open: deque[_OpenShot] = deque()
        self._shots: list[_OpenShot] = []
        self._newest_s = Fraction(0)
        self._before_s = -1 / info.fps

    def add_frame(self, timed_frame: TimedFrame) -> None:
        """Add the next frame, yuv420p in proxy size."""
        if self._format is None:
            size = (timed_frame.frame.width, timed_frame.frame.height)
            base = choose_time_base(self._info, timed_frame.frame)
            self._format = ProxyFormat(size=size, fps=self._info.fps, time_base=base, has_audio=self._info.has_audio)
        detector_frame = make_detector_frame(timed_frame.frame)
        if timed_frame.index:
            self._before_s = self._newest_s
        self._newest_s = timed_frame.time_s
        self._waiting.append((timed_frame, *look_at(detector_frame)))
        self._note(self._detector.push(detector_frame))
        self._dispatch()

    def add_sound(self, sound: Sound) -> None:
        """Add the next decoded piece of sound."""
        self._sound.add(sound.stream, sound.time_s, sound.frame)

    def finish(self) -> list[CutShot]:
        """End the last shot; no frames follow. The files are complete when the ``EncodePool`` has exited."""
        self._note(self._detector.finish())
        self._dispatch()
        # The duration of the last frame is unknown: assume that of the frame before it.
        self._end_shot(2 * self._newest_s - self._before_s)
        self._pass_sound(is_last=True)
        return [
            CutShot(shot.build_shot(self._video_id, at), shot.proxy, shot.poster)
            for at, shot in enumerate(self._shots)
            if shot.is_written
        ]

    @property
    def is_complete(self) -> bool:
        """Whether all wanted shots have their last frame and sound; false if all shots are wanted."""
        return self._starts is not None and not self._missing_starts

    def _note(self, boundaries: list[Boundary]) -> None:
        self._boundaries.update((boundary.frame, boundary.transition) for boundary in boundaries)

    def _dispatch(self) -> None:
        while self._waiting and self._waiting[0][0].index < self._detector.decided:
            timed_frame, luma, is_blank = self._waiting.popleft()
            transition = self._boundaries.pop(timed_frame.index, None)
            if transition is not None:
                self._end_shot(timed_frame.time_s)
                self._begin_shot(timed_frame, transition)
            self._open[-1].add_frame(timed_frame, luma, is_blank)
            self._pass_sound(until_s=timed_frame.time_s)

    def _begin_shot(self, first: TimedFrame, transition: Transition) -> None:
        assert self._format is not None
        is_written = self._starts is None or first.index in self._starts
        shot = _OpenShot(first, transition, self._encode_pool, self._folder, self._format, is_written=is_written)
        self._open.append(shot)
        self._shots.append(shot)

    def _end_shot(self, end_s: Fraction) -> None:
        if self._open:
            self._open[-1].end_s = end_s

    def _pass_sound(self, *, until_s: Fraction = Fraction(0), is_last: bool = False) -> None:
        """Pass each shot its sound, and close the shots that have all of it."""
        while self._open:
            shot = self._open[0]
            if not shot.is_ended and not self._info.has_audio:
                return
            end = round((shot.end_s if shot.is_ended else until_s) * RATE)
            is_late = is_last or self._newest_s - shot.end_s > MAX_SOUND_LAG_S
            if self._info.has_audio:
                ready = end if shot.is_ended and is_late else min(end, self._sound.end)
                if ready - shot.sound_at >= (1 if shot.is_ended else SOUND_PIECE):
                    shot.add_samples(self._sound.take(shot.sound_at, ready))
                    self._sound.forget(ready)
            if not shot.is_ended or (self._info.has_audio and shot.sound_at < end):
                return
            shot.close()
            self._missing_starts.discard(shot.start)
            self._open.popleft()
