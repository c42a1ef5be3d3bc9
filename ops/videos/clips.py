"""Cut frame-exact, full-resolution clips out of source videos.

Only counting frames in order from the beginning gives exact frame numbers on every codec and container
(``ops/videos/reader.py``). If a video's packets give them as surely (``seeking.py``), clips far in are sought instead.
If a seek is not exact, they are cut again by counting.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from ops.core.cancellation import CancelToken
from ops.core.errors import MediaError, UsageError
from ops.core.media import MediaInfo, SoundTrack
from ops.core.time import frame_at, make_timecode
from ops.videos.clip_writer import ClipWriter, sample_kind
from ops.videos.container import open_container, require_file
from ops.videos.hashes import HashCache, compute_hash
from ops.videos.library import open_local_source
from ops.videos.objects import is_remote
from ops.videos.probe import probe
from ops.videos.reader import DecodedFrame, Sound, read_media
from ops.videos.seeking import build_frame_table, read_from
from ops.videos.sound_line import SoundConverter, SoundLine, is_unnamed
from ops.videos.tracks import choose_video_track

logger = logging.getLogger(__name__)

CLIP_SUFFIX = ".mov"
MIN_SKIP = 500
"""Frames between two clips from which on a seek is faster than decoding on."""
MAX_COUNTED = 255
"""Frames a second that a timecode track can count: the field has eight bits."""
MAX_LAG_S = 5
"""How long a finished clip waits for sound that comes late in the file, in seconds of footage."""


@dataclass(frozen=True, kw_only=True)
class ClipSpan:
    """Frames ``[start_frame, end_frame)`` of a video that become the file ``target``."""

    start_frame: int
    end_frame: int
    target: Path


@contextmanager
def open_unchanged_source(
    path: str, content_hash: str, size: int, *, hashes: HashCache, scratch: Path
) -> Iterator[Path]:
    """Yield a local path with the bytes of a source that did not change since ingest; fetched if it is remote.

    ``content_hash`` is SHA-256, hex; ``size`` in bytes. Raises ``MediaError``, naming ``path``, if the file is gone,
    may not be read, or has other content, and ``StorageError`` if its store cannot be read.
    """
    try:
        with open_local_source(path, scratch) as local:
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
            "ingest it and search again"
        )
    key = (str(local), status.st_size, str(status.st_mtime_ns))
    cached_hash = hashes.read_known([key]).get(key) if hashes else None
    if cached_hash is None:
        with local.open("rb") as file:
            cached_hash = compute_hash(file)
        if hashes:
            hashes.remember(key, cached_hash)
    if cached_hash != content_hash:
        raise MediaError(
            "it changed since it was ingested: it has the same size and other content; ingest it and search again"
        )


def cut_clips(
    source: Path,
    spans: Sequence[ClipSpan],
    *,
    frames: int = 0,
    threads: int = 1,
    stop: CancelToken | None = None,
    info: MediaInfo | None = None,
) -> Iterator[ClipSpan]:
    """Write the clips of ``spans``, which may overlap, and yield each when its file is complete.

    Files are near-lossless H.264 with PCM sound in QuickTime (:class:`ClipWriter`), with exactly the frames of the span
    and all sound tracks. Nothing of a file that was not yielded remains. ``info`` holds the facts of ``source`` (read
    from it if missing). ``frames`` is the number of frames in the video, if that is known from decoding it; then the
    parts far from any clip are skipped. Raises ``MediaError`` for damage before the end of a clip that is not done, and
    for a video that ends before a span; ``UsageError`` for an empty span; ``JobCancelledError`` at the next frame once
    ``stop`` is set.
    """
    for span in spans:
        if not 0 <= span.start_frame < span.end_frame:
            raise UsageError(
                f"frames {span.start_frame} to {span.end_frame} are not a clip: it must end after its start"
            )
    stop = stop or CancelToken()
    info = info or probe(source)
    left = sorted(spans, key=lambda span: (span.start_frame, span.end_frame))
    if (
        frames
        and any(span.start_frame > MIN_SKIP for span in spans)
        and all(span.end_frame <= frames for span in spans)
    ):
        table = build_frame_table(source, frames)
        for group in _group_spans(left) if table else []:
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


def _group_spans(spans: Sequence[ClipSpan]) -> list[list[ClipSpan]]:
    """Return sorted spans in groups that are worth a seek between them."""
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
    read: Callable[..., Iterator[DecodedFrame | Sound]],
    threads: int,
    stop: CancelToken,
) -> Iterator[ClipSpan]:
    """Cut ``spans`` in one pass over the items of ``read``."""
    work = _Cutting(source, info, spans)
    try:
        with closing(read(threads=threads, audio=work.streams)) as items:  # type: ignore[type-var]
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
    """A clip in progress: when its first frame was due, and up to which sample it has sound, for each track."""

    span: ClipSpan
    writer: ClipWriter
    start_s: Fraction
    sound_at: list[int]
    end_s: Fraction | None = None


class _Cutting:
    """The state of one pass over a video."""

    def __init__(self, source: Path, info: MediaInfo, spans: Sequence[ClipSpan]) -> None:
        self._info = info
        self._waiting = deque(spans)
        self._open: list[_Open] = []
        self._lines = {track.stream: _build_line(track) for track in info.clip_tracks}
        self._newest_s = Fraction(0)
        self._step = 1 / info.fps
        self._count = 0
        with open_container(source) as container:
            self._aspect = choose_video_track(container).sample_aspect_ratio

    @property
    def streams(self) -> list[int]:
        """The sound tracks that the clips need."""
        return list(self._lines)

    @property
    def is_done(self) -> bool:
        return not self._waiting and not self._open

    def take(self, item: DecodedFrame | Sound) -> Iterator[ClipSpan]:
        """Take one more frame or piece of sound; yields the clips that are complete with it."""
        if isinstance(item, Sound):
            self._lines[item.stream].add(item.time_s, item.frame)
            return
        time_s = self._find_exact_time(item)
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
        """End the video: complete the clips that end with it."""
        for clip in self._open:
            if clip.end_s is None and clip.span.end_frame == self._count:
                # The duration of the last frame is unknown: it lasts as long as the one before it.
                clip.end_s = self._newest_s + self._step
        yield from self._pass_sound(is_last=True)
        if not self.is_done:
            raise MediaError(f"it has {self._count} frames, fewer than when it was ingested: ingest it again")

    def abandon(self) -> None:
        """Remove the files of clips that are not complete."""
        for clip in self._open:
            clip.writer.abandon()
            clip.span.target.unlink(missing_ok=True)

    def _find_exact_time(self, decoded_frame: DecodedFrame) -> Fraction:
        """Return the frame's own time at a constant rate, unless the clock is more than half a frame off."""
        ideal = decoded_frame.index / self._info.fps
        near = not self._info.variable_rate and abs(decoded_frame.time_s - ideal) < 1 / (2 * self._info.fps)
        return ideal if near else decoded_frame.time_s

    def _begin(self, span: ClipSpan, first: DecodedFrame, time_s: Fraction) -> None:
        info = self._info
        is_counted = not info.variable_rate and 1 <= round(info.fps) <= MAX_COUNTED
        start = frame_at(span.start_frame, time_s, info.fps)
        timecode = make_timecode(start, info.fps, info.start_timecode) if is_counted else ""
        writer = ClipWriter(span.target, info, timecode)
        sound_at = [round(time_s * line.rate) for line in self._lines.values()]
        self._open.append(_Open(span=span, writer=writer, start_s=time_s, sound_at=sound_at))
        writer.begin(first.frame, self._aspect)

    def _pass_sound(self, *, is_last: bool = False) -> Iterator[ClipSpan]:
        """Give clips their sound, and yield those that are complete."""
        for clip in list(self._open):
            is_late = clip.end_s is not None and (is_last or self._newest_s - clip.end_s > MAX_LAG_S)
            until_s = self._newest_s if clip.end_s is None else clip.end_s
            is_complete = clip.end_s is not None
            for at, line in enumerate(self._lines.values()):
                end = round(until_s * line.rate)
                ready = end if is_late else min(end, line.end)
                if ready > clip.sound_at[at]:
                    clip.writer.add_samples(at, line.take(clip.sound_at[at], ready))
                    clip.sound_at[at] = ready
                is_complete = is_complete and clip.sound_at[at] >= end
            if clip.end_s is not None and is_complete:
                clip.writer.close(clip.end_s - clip.start_s)
                self._open.remove(clip)
                yield clip.span
        for at, line in enumerate(self._lines.values()):
            # Sound that is late for one clip may be early for the next.
            now = round(self._newest_s * line.rate)
            line.forget(min([now, *(clip.sound_at[at] for clip in self._open)]))


def _build_line(track: SoundTrack) -> SoundLine:
    layout = "" if is_unnamed(track.layout) else track.layout
    return SoundLine(SoundConverter(track.sample_rate, layout, sample_kind(track)), track.channels)
