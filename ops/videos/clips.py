"""Cutting frame-exact, full-resolution clips out of source films.

Counting pictures in order from the beginning is the only way to know which is which on every codec and container
(``ops/videos/reader.py``). Where a film's packets tell it as surely (``seeking.py``), clips far in are sought instead;
whenever that does not come out exactly, they are cut again by counting.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np

from ops.core.errors import MediaError, UsageError
from ops.core.media import MediaInfo
from ops.core.stopping import Stop
from ops.core.time import timecode_of
from ops.videos.clip_writer import ClipWriter, Samples
from ops.videos.container import open_container, require_file
from ops.videos.hashes import HashCache, hash_of
from ops.videos.library import local_source
from ops.videos.objects import is_remote
from ops.videos.probe import probe
from ops.videos.reader import Picture, Sound, audio_stream_of, read_media
from ops.videos.seeking import picture_table, read_from
from ops.videos.tracks import choose_video_track

logger = logging.getLogger(__name__)

CLIP_SUFFIX = ".mov"
MIN_SKIP = 500
"""Frames between two clips from which on a seek is faster than decoding on."""
MAX_LAG_S = 5
"""How long a finished clip waits for sound that comes late in the file, in seconds of footage."""
MAX_DRIFT_S = Fraction(1, 20)
"""Time stamps jitter; a distance above this is a real gap or overlap."""


@dataclass(frozen=True, kw_only=True)
class ClipSpan:
    """Frames ``[start_frame, end_frame)`` of a film that become the file ``target``."""

    start_frame: int
    end_frame: int
    target: Path


@contextmanager
def unchanged_source(path: str, content_hash: str, size: int, *, hashes: HashCache, scratch: Path) -> Iterator[Path]:
    """A local path with the bytes of a source that is still what was ingested; fetched where it is remote.

    ``content_hash`` is SHA-256, hex; ``size`` in bytes. Raises ``MediaError``, naming ``path``, where the file is
    gone, may not be read, or holds something else, and ``StorageError`` where its store cannot be read.
    """
    try:
        with local_source(path, scratch) as local:
            require_file(local)
            _require_same(local, content_hash, size, None if is_remote(path) else hashes)
            yield local
    except MediaError as error:
        raise error if path in str(error) else MediaError(f"{path}: {error}") from error


def _require_same(local: Path, content_hash: str, size: int, hashes: HashCache | None) -> None:
    status = local.stat()
    if status.st_size != size:
        raise MediaError(
            f"it changed since it was ingested: it had {size:,} bytes and has {status.st_size:,}; "
            "ingest it again and search anew"
        )
    key = (str(local), status.st_size, str(status.st_mtime_ns))
    known = hashes.known([key]).get(key) if hashes else None
    if known is None:
        with local.open("rb") as file:
            known = hash_of(file)
        if hashes:
            hashes.remember(key, known)
    if known != content_hash:
        raise MediaError(
            "it changed since it was ingested: it has the same size and other content; ingest it again and search anew"
        )


def sound_of(path: Path) -> tuple[int, int] | None:
    """``(channels, samples per second)`` of a film's first usable sound track, from its header; ``None`` without.

    Raises ``MediaError`` where the file cannot be opened.
    """
    require_file(path)
    with open_container(path) as container:
        stream = audio_stream_of(container)
        return (stream.codec_context.channels, stream.codec_context.rate) if stream else None


def cut_clips(
    source: Path, spans: Sequence[ClipSpan], *, frames: int = 0, threads: int = 1, stop: Stop | None = None
) -> Iterator[ClipSpan]:
    """Write the clips of ``spans``, which may overlap, and yield each when its file is complete.

    Files are near-lossless H.264 with PCM sound in QuickTime (:class:`ClipWriter`), with exactly the frames of the
    span; nothing of a file that was not yielded remains. ``frames`` is how many pictures the film has, where that is
    known from decoding it; then what lies far from any clip is skipped. Raises ``MediaError`` for damage before the
    end of a clip that is not done, and for a film that is shorter than a span says; ``UsageError`` for a span that
    holds no frame; ``StoppedError`` at the next picture once ``stop`` is set.
    """
    for span in spans:
        if not 0 <= span.start_frame < span.end_frame:
            raise UsageError(f"frames {span.start_frame} to {span.end_frame} are no clip: it must end after its start")
    stop = stop or Stop()
    info = probe(source)
    left = sorted(spans, key=lambda span: (span.start_frame, span.end_frame))
    if (
        frames
        and any(span.start_frame > MIN_SKIP for span in spans)
        and all(span.end_frame <= frames for span in spans)
    ):
        table = picture_table(source, frames)
        for group in _groups(left) if table else []:
            assert table is not None
            read = partial(read_from, source, table, group[0].start_frame)
            try:
                for span in _cut(source, info, group, read, threads, stop):
                    left.remove(span)
                    yield span
            except MediaError as error:
                logger.warning("%s: cutting by counting, because seeking failed: %s", source, error)
    if left:
        yield from _cut(source, info, left, partial(read_media, source), threads, stop)


def _groups(spans: Sequence[ClipSpan]) -> list[list[ClipSpan]]:
    """Spans, sorted, in groups that are worth a seek between them."""
    groups: list[list[ClipSpan]] = []
    end = 0
    for span in spans:
        if not groups or span.start_frame - end > MIN_SKIP:
            groups.append([])
        groups[-1].append(span)
        end = max(end, span.end_frame)
    return groups


def _cut(
    source: Path,
    info: MediaInfo,
    spans: Sequence[ClipSpan],
    read: Callable[..., Iterator[Picture | Sound]],
    threads: int,
    stop: Stop,
) -> Iterator[ClipSpan]:
    """Cut ``spans`` in one pass over what ``read`` gives."""
    work = _Cutting(source, info, spans)
    try:
        with closing(read(threads=threads, audio=work.has_sound)) as items:  # type: ignore[type-var]
            for item in items:
                stop.check()
                yield from work.take(item)
                if work.is_done:
                    return
        yield from work.finish()
    finally:
        work.abandon()


@dataclass(kw_only=True)
class _Open:
    """A clip under way: when its first picture was due, and up to which sample it has sound."""

    span: ClipSpan
    writer: ClipWriter
    start_s: Fraction
    sound_at: int
    end_s: Fraction | None = None


@dataclass
class _SoundLine:
    """The film's sound by sample number from its first picture on; gaps are silence, overlaps drop."""

    resampler: av.AudioResampler | None = None
    layout: str = ""
    rate: int = 0
    source: tuple[str, str, int] | None = None
    pieces: deque[tuple[int, Samples]] = field(default_factory=deque)
    end: int = 0

    def add(self, time_s: Fraction, frame: av.AudioFrame) -> None:
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        self.layout, self.rate = self.layout or frame.layout.name, self.rate or frame.sample_rate
        if source != self.source:
            self.resampler = av.AudioResampler(format="s32p", layout=self.layout, rate=self.rate)
            self.source = source
        assert self.resampler is not None
        frame.pts = None
        at = round(time_s * self.rate)
        for piece in self.resampler.resample(frame):
            samples_CN = np.asarray(piece.to_ndarray(), np.int32)
            self._put(at, samples_CN)
            at = self.end

    def _put(self, at: int, samples_CN: Samples) -> None:
        drift = at - self.end if self.pieces else 0
        if not self.pieces or drift > MAX_DRIFT_S * self.rate:
            self.end = max(at, self.end)
        skipped = max(self.end - at, 0) if -drift > MAX_DRIFT_S * self.rate or not self.pieces else 0
        samples_CN = samples_CN[:, min(skipped, samples_CN.shape[1]) :]
        if samples_CN.shape[1]:
            self.pieces.append((self.end, samples_CN))
            self.end += samples_CN.shape[1]

    def take(self, start: int, end: int) -> Samples:
        """Samples of ``[start, end)``, silence where there are none."""
        channels = self.pieces[0][1].shape[0] if self.pieces else av.AudioLayout(self.layout).nb_channels
        result_CN = np.zeros((channels, max(end - start, 0)), np.int32)
        for at, samples_CN in self.pieces:
            low, high = max(at, start), min(at + samples_CN.shape[1], end)
            if low < high:
                result_CN[:, low - start : high - start] = samples_CN[:, low - at : high - at]
        return result_CN

    def forget(self, before: int) -> None:
        """Let go what lies before sample ``before``; one piece stays, to tell where the line is."""
        while len(self.pieces) > 1 and self.pieces[0][0] + self.pieces[0][1].shape[1] <= before:
            self.pieces.popleft()


class _Cutting:
    """The state of one pass over a film."""

    def __init__(self, source: Path, info: MediaInfo, spans: Sequence[ClipSpan]) -> None:
        self._info = info
        self._waiting = deque(spans)
        self._open: list[_Open] = []
        self._line = _SoundLine()
        self._newest_s = Fraction(0)
        self._step = 1 / info.fps
        self._count = 0
        with open_container(source) as container:
            stream = audio_stream_of(container) if info.has_audio else None
            self.has_sound = stream is not None
            if stream is not None:
                self._line.layout, self._line.rate = stream.layout.name, stream.rate
            self._aspect = choose_video_track(container).sample_aspect_ratio

    @property
    def is_done(self) -> bool:
        return not self._waiting and not self._open

    def take(self, item: Picture | Sound) -> Iterator[ClipSpan]:
        """One more picture or piece of sound; yields the clips that are complete with it."""
        if isinstance(item, Sound):
            self._line.add(item.time_s, item.frame)
            return
        time_s = self._exact(item)
        self._step = time_s - self._newest_s if self._count else self._step
        self._newest_s, self._count = time_s, item.index + 1
        while self._waiting and self._waiting[0].start_frame == item.index:
            self._begin(self._waiting.popleft(), item, time_s)
        for clip in self._open:
            if clip.span.end_frame == item.index:
                clip.end_s = time_s
            elif clip.end_s is None:
                clip.writer.add_frame(item.frame, time_s - clip.start_s)
        yield from self._pass_sound()

    def finish(self) -> Iterator[ClipSpan]:
        """The film is over: complete the clips that end with it."""
        for clip in self._open:
            if clip.end_s is None and clip.span.end_frame == self._count:
                # Nothing says how long the last picture is shown: as long as the one before it.
                clip.end_s = self._newest_s + self._step
        yield from self._pass_sound(is_last=True)
        if not self.is_done:
            raise MediaError(f"it has {self._count} frames, fewer than when it was ingested: ingest it again")

    def abandon(self) -> None:
        """Remove the files of clips that are not complete."""
        for clip in self._open:
            clip.writer.abandon()
            clip.span.target.unlink(missing_ok=True)

    def _exact(self, picture: Picture) -> Fraction:
        """At a constant rate the frame's own time, unless the film's clock is more than half a frame off."""
        ideal = picture.index / self._info.fps
        near = not self._info.variable_rate and abs(picture.time_s - ideal) < 1 / (2 * self._info.fps)
        return ideal if near else picture.time_s

    def _begin(self, span: ClipSpan, first: Picture, time_s: Fraction) -> None:
        info = self._info
        is_counted = not info.variable_rate and 1 <= round(info.fps) < 100
        timecode = timecode_of(span.start_frame, info.fps, info.start_timecode) if is_counted else ""
        writer = ClipWriter(span.target, info, timecode)
        clip = _Open(span=span, writer=writer, start_s=time_s, sound_at=round(time_s * self._line.rate))
        self._open.append(clip)
        sound = (self._line.layout, self._line.rate) if self.has_sound else None
        writer.begin(first.frame, self._aspect, sound)

    def _pass_sound(self, *, is_last: bool = False) -> Iterator[ClipSpan]:
        """Give clips the sound that is theirs, and yield those that are complete."""
        for clip in list(self._open):
            until_s = self._newest_s if clip.end_s is None else clip.end_s
            end = round(until_s * self._line.rate)
            is_late = clip.end_s is not None and (is_last or self._newest_s - clip.end_s > MAX_LAG_S)
            ready = end if is_late else min(end, self._line.end)
            if self.has_sound and ready > clip.sound_at:
                clip.writer.add_samples(self._line.take(clip.sound_at, ready))
                clip.sound_at = ready
            if clip.end_s is not None and (not self.has_sound or clip.sound_at >= end):
                clip.writer.close(clip.end_s - clip.start_s)
                self._open.remove(clip)
                yield clip.span
        # What is late for one clip may be early for the next.
        reached = min([clip.sound_at for clip in self._open], default=round(self._newest_s * self._line.rate))
        self._line.forget(min(reached, round(self._newest_s * self._line.rate)))
