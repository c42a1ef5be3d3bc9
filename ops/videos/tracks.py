"""Choose the video track of a source that has several: the main video, not its cover, thumbnails or proxy.

The rule, in this order. A step that would leave no track is skipped, except for the first two:

1. not a cover image or thumbnails, as the container marks them;
2. a codec that can be decoded;
3. frames of a known size, and at least one packet of data;
4. more than a single frame, not a series of stills next to a video, not part of another track (depth, second eye);
5. enabled, and marked as default (mp4 and mov have only "enabled", and FFmpeg reports it as default);
6. more than a quarter of the pixels of the largest track left: smaller ones are proxies;
7. the first of those left.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ops.core.errors import MediaError
from ops.videos.container import demux, open_container, require_size
from ops.videos.fact_log import FactLog
from ops.videos.integrity import explain_broken_structure

COVER = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
DEPENDENT = av.stream.Disposition.dependent | av.stream.Disposition.still_image
STILL_CODECS = frozenset({"mjpeg", "png", "bmp", "gif", "tiff", "webp", "jpeg2000"})
MAX_PACKETS, MAX_BYTES = 2_000, 32 << 20
"""How much of a file is read to see which tracks hold data, if its index does not show that."""


@dataclass(frozen=True)
class _VideoTrack:
    """One video track: its number among all video tracks from 1 on, and the number of its frames."""

    number: int
    stream: VideoStream
    frame_count: int

    @property
    def pixels(self) -> int:
        return self.stream.codec_context.width * self.stream.codec_context.height

    @property
    def is_default(self) -> bool:
        return bool(self.stream.disposition & av.stream.Disposition.default)

    def __str__(self) -> str:
        context = self.stream.codec_context
        return f"video track {self.number} ({context.codec.canonical_name} {context.width}x{context.height})"


def choose_video_track(container: InputContainer, log: FactLog | None = None) -> VideoStream:
    """Return the video track that everything is read from, by the rule above; one file always gives the same track.

    Adds the fact ``video track`` to ``log``, and a note if another track could have been meant. Raises ``MediaError``
    if no track has frames, or they are too large.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & COVER]
    if not streams:
        if reason := explain_broken_structure(Path(container.name.removeprefix("file:"))):
            raise MediaError(reason)
        raise MediaError("it holds sound but no pictures" if container.streams.audio else "it holds no pictures")
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not decodable:
        raise MediaError("its pictures are in a codec that Needle cannot decode: convert it to H.264 first")
    unknown = [stream for stream in streams if stream.codec_context is None]
    notes = [f"video track {_find_number(container, stream)}: unknown codec" for stream in unknown]
    tracks = _list_tracks(container, decodable)
    choice, reasons, rejections = _choose(tracks)
    require_size(choice.stream.codec_context.width, choice.stream.codec_context.height)
    if log is not None:
        _report(log, choice, reasons, notes + [f"{track} {reason}" for track, reason in rejections])
    return choice.stream


def _report(log: FactLog, choice: _VideoTrack, reasons: Sequence[str], others: Sequence[str]) -> None:
    evidence = ", ".join(reasons) or ("the first of several alike" if others else "the only one that holds a film")
    note = ""
    if others:
        note = f"it holds several video tracks: {choice} is used ({evidence}); not used: {'; '.join(others)}"
    log.add("video track", choice, evidence, contradictions=others, note=note)


def _find_number(container: InputContainer, stream: VideoStream) -> int:
    return 1 + [other.index for other in container.streams.video].index(stream.index)


def _list_tracks(container: InputContainer, streams: Sequence[VideoStream]) -> list[_VideoTrack]:
    if len(streams) == 1:
        return [_VideoTrack(_find_number(container, streams[0]), streams[0], 1)]
    counts = _count_frames(container, streams)
    return [_VideoTrack(_find_number(container, stream), stream, counts[stream.index]) for stream in streams]


def _count_frames(container: InputContainer, streams: Sequence[VideoStream]) -> Counter[int]:
    """Return the number of frames by stream index: from the index of the file, or counted in its first packets."""
    if all(stream.frames > 0 for stream in streams):
        return Counter({stream.index: stream.frames for stream in streams})
    counts, read = Counter[int](), 0
    # Opened once more, because reading cannot be undone in every container.
    with open_container(Path(container.name.removeprefix("file:"))) as other:
        try:
            for packet in itertools.islice(demux(other, other.streams.video), MAX_PACKETS):
                counts[packet.stream.index] += packet.size > 0
                read += packet.size
                if read > MAX_BYTES:
                    break
        except (av.FFmpegError, OSError):
            pass  # damaged further on: the reader of the chosen track reports it
    return counts


def _choose(tracks: Sequence[_VideoTrack]) -> tuple[_VideoTrack, list[str], list[tuple[_VideoTrack, str]]]:
    """Return the track, the reasons for it, and the others, each with the reason against it."""
    most = max(track.frame_count for track in tracks)

    def is_film(track: _VideoTrack) -> bool:
        is_still = track.stream.codec_context.codec.canonical_name in STILL_CODECS and track.frame_count * 4 < most
        return track.frame_count > 1 and not is_still

    steps: list[tuple[Callable[[_VideoTrack], bool], str, str]] = [
        (lambda track: track.pixels > 0 and track.frame_count > 0, "it holds data", "holds no pictures"),
        (is_film, "it is a film", "is a still picture or thumbnails"),
        (lambda track: not track.stream.disposition & DEPENDENT, "complete in itself", "needs another track"),
        (lambda track: track.is_default, "marked as default", "is not marked as default"),
    ]
    left, reasons, rejections = list(tracks), list[str](), list[tuple[_VideoTrack, str]]()
    for keep, reason, why_not in steps:
        left = _narrow(left, keep, reason, why_not, reasons, rejections)
    largest = max(track.pixels for track in left)
    left = _narrow(left, lambda track: track.pixels * 4 > largest, "larger", "is a small proxy", reasons, rejections)
    return left[0], reasons, rejections + [(track, "comes later") for track in left[1:]]


def _narrow(
    tracks: list[_VideoTrack],
    keep: Callable[[_VideoTrack], bool],
    reason: str,
    why_not: str,
    reasons: list[str],
    rejections: list[tuple[_VideoTrack, str]],
) -> list[_VideoTrack]:
    remaining = [track for track in tracks if keep(track)]
    if not remaining or len(remaining) == len(tracks):
        return tracks
    reasons.append(reason)
    rejections += [(track, why_not) for track in tracks if track not in remaining]
    return remaining
