"""Subtitles of footage: files next to it, and text tracks inside it.

:mod:`ops.videos.sidecar_names` decides which file belongs to which video.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.container import InputContainer
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from ops.core.errors import MediaError
from ops.core.known_rows import read_rows
from ops.core.rows import LakeVideo
from ops.core.settings import Settings
from ops.videos.closed_captions import CODEC as CAPTIONS
from ops.videos.closed_captions import Packet, has_captions, read_caption_track, read_carried_captions
from ops.videos.container import OPTIONS, demux, open_container, require_file
from ops.videos.hashes import HashCache, Key, compute_fresh_hash
from ops.videos.languages import parse_language
from ops.videos.library import is_video_name, open_local_source
from ops.videos.objects import is_remote, list_folder, open_object, read_object
from ops.videos.sidecar_names import (
    FolderVideos,
    find_owner,
    is_for_subtitles,
    is_news,
    is_subtitle_name,
    normalise_name,
    parse_suffix,
    strip_suffix,
)
from ops.videos.tracks import choose_video_track

TEXT_CODECS = {"subrip": "srt", "srt": "srt", "text": "srt", "mov_text": "mov_text", "webvtt": "vtt"}
TEXT_CODECS |= {"ass": "ass", "ssa": "ass", CAPTIONS: "ass"}
"""Codecs whose packets are text, and the markup of that text."""
PICTURE_CODECS = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub", "pgssub", "dvdsub", "dvbsub"})
MOST_PACKETS = 200_000
MOST_BYTES = 1 << 20
"""Largest packet of a subtitle track that is read."""


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """A subtitle file of a video. ``path`` is absolute or a URI, ``content_hash`` SHA-256, hex."""

    path: str
    language: str
    content_hash: str
    bytes: int

    @property
    def suffix(self) -> str:
        return parse_suffix(self.path)


@dataclass(frozen=True, kw_only=True)
class Track:
    """A subtitle track inside a video: ``kind`` is the markup of its text, empty if it holds no text."""

    index: int
    codec: str
    language: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Inside:
    """The subtitles inside a video. ``delay_s``: the time of the first frame after the file's own zero."""

    tracks: tuple[Track, ...]
    delay_s: float


@dataclass(kw_only=True)
class _Folder:
    """Subtitle files of one folder: by the name of the video they belong to, and those of no video."""

    by_video: dict[str, list[tuple[Key, str]]] = field(default_factory=dict)
    unowned: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    """The image parts of VobSub files (.sub), whose index (.idx) is the file that is listed."""

    def list_files(self, name: str) -> list[tuple[Key, str]]:
        names = dict.fromkeys((normalise_name(name), strip_suffix(normalise_name(name))))
        return sorted(entry for key in names for entry in self.by_video.get(key, []))


def find_sidecars(settings: Settings, videos: Iterable[LakeVideo]) -> dict[str, list[Sidecar]]:
    """Return the subtitle files of each of the videos (register rows), by video id, in the order of their paths.

    Reads each folder once, and each new or changed file once. A folder that cannot be read has no entry for its videos,
    which is not the same as an empty list. Raises ``StorageError`` if a store cannot be reached.
    """
    rows = list(videos)
    folders = _read_folders(row["path"] for row in rows)
    entries_by_video: dict[str, list[tuple[Key, str]]] = {}
    for row in rows:
        folder, _, name = row["path"].rpartition("/")
        if listing := folders[folder]:
            entries_by_video[row["video_id"]] = listing.list_files(name)
    hashes = HashCache(settings.home / "cache" / "hashes.db")
    cached_hashes = hashes.read_known({key for entries in entries_by_video.values() for key, _ in entries})
    return {
        video_id: [
            Sidecar(path=key[0], language=language, content_hash=content_hash, bytes=key[1])
            for key, language in entries
            if (content_hash := cached_hashes.get(key) or _hash(key, hashes))
        ]
        for video_id, entries in entries_by_video.items()
    }


def find_subtitles_beside(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return the subtitle files that belong to each of these video files by their names, whether it is registered or
    not; empty if the folder cannot be read. Raises ``StorageError`` if a store cannot be reached.
    """
    all_paths = list(paths)
    folders = _read_folders(all_paths)
    beside: dict[str, list[str]] = {}
    for path in all_paths:
        folder, _, name = path.rpartition("/")
        listing = folders[folder]
        beside[path] = [key[0] for key, _ in listing.list_files(name)] if listing else []
    return beside


def find_unowned_subtitles(videos: Iterable[LakeVideo]) -> list[str]:
    """Return the paths of subtitle files in the folders of these videos (register rows) that belong to no video,
    sorted.

    Raises ``StorageError`` if a store cannot be reached.
    """
    folders = _read_folders(row["path"] for row in videos).values()
    return sorted({path for folder in folders if folder for path in folder.unowned})


def select_ownerless_subtitles(paths: Iterable[str], videos: Iterable[LakeVideo]) -> list[str]:
    """Return those of the subtitle files ``paths`` that no folder of these videos (register rows) accounts for, sorted.

    They are in folders without a video, or have an ending that other kinds of files have too. Raises ``StorageError``
    if a store cannot be reached.
    """
    listed_paths = set[str]()
    for folder in _read_folders(row["path"] for row in videos).values():
        if folder:
            listed_paths.update(folder.unowned, folder.parts)
            listed_paths.update(key[0] for entries in folder.by_video.values() for key, _ in entries)
    return sorted(set(paths) - listed_paths)


def find_changed_sidecars(settings: Settings, videos: Iterable[LakeVideo]) -> dict[str, list[Sidecar]]:
    """Return the videos whose subtitle files changed since their dialogue was read; skips videos never read."""
    rows = list(videos)
    partitions = sorted({settings.resolve_partition(row["video_id"]) for row in rows})
    read = set(settings.lake.list_partitions("subtitles"))
    old_sidecars: dict[str, set[tuple[str, str]]] = {}
    for row in read_rows(settings.lake, "subtitles", [name for name in partitions if name in read]):
        if row["source"] == "sidecar":
            old_sidecars.setdefault(row["video_id"], set()).add((row["path"], row["content_hash"]))
    once = [row for row in rows if settings.resolve_partition(row["video_id"]) in read]
    return {
        video_id: files
        for video_id, files in find_sidecars(settings, once).items()
        if {(file.path, file.content_hash) for file in files} != old_sidecars.get(video_id, set())
    }


def read_sidecar(sidecar: Sidecar, most: int) -> bytes:
    """Read all bytes of a subtitle file. Raises ``MediaError`` above ``most`` bytes or if the file is gone."""
    if sidecar.bytes > most:
        raise MediaError(
            f"it has {sidecar.bytes / 1e6:.0f} MB, and subtitles have at most {most / 1e6:.0f}: it is something else"
        )
    try:
        return read_object(sidecar.path) if is_remote(sidecar.path) else Path(sidecar.path).read_bytes()
    except OSError as error:
        raise MediaError(f"it cannot be read ({error.strerror or error})") from error


def look_inside(path: str) -> Inside:
    """List the subtitle tracks of a video at a local path or a URI; of an object, only its beginning is read.

    Raises ``MediaError`` if it is not a video, ``StorageError`` if the store cannot be read.
    """
    if not is_remote(path):
        require_file(Path(path))
        with open_container(Path(path)) as container:
            return _list_inside(container)
    with open_object(path) as file:
        try:
            with av.open(file, options=dict(OPTIONS), metadata_errors="replace") as container:
                return _list_inside(container)
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"its tracks cannot be listed: {error}") from error


def read_track(path: str, track: Track, scratch: Path) -> Iterator[Packet]:
    """Yield the packets of a text track in the order of the file. Raises ``MediaError`` if the video cannot be read."""
    with open_local_source(path, scratch) as local, open_container(local) as container:
        zero = _find_first_frame_time(container)
        try:
            if track.codec == CAPTIONS:
                yield from _read_captions(container, track, zero)
                return
            for number, packet in enumerate(demux(container, container.streams[track.index])):
                if packet.pts is None or packet.time_base is None or not packet.size:
                    continue
                if number >= MOST_PACKETS or packet.size > MOST_BYTES:
                    raise MediaError(f"track {track.index} holds more than subtitles do")
                start = float(packet.pts * packet.time_base) - zero
                end = start + float(packet.duration * packet.time_base) if packet.duration else None
                yield Packet(start_s=start, end_s=end, data=bytes(packet))
        except (av.FFmpegError, OSError) as error:
            raise MediaError(f"track {track.index} cannot be read to its end: {error}") from error


@dataclass(frozen=True, kw_only=True)
class ReadTrack:
    """A subtitle track and its packets; ``reason`` is set if it cannot be read."""

    track: Track
    packets: tuple[Packet, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ReadInside:
    """The subtitles inside a video, read. ``delay_s`` as in :class:`Inside`."""

    tracks: tuple[ReadTrack, ...]
    delay_s: float


def read_inside(request: tuple[str, Path]) -> ReadInside:
    """Read the subtitles inside the video at a path or URI, with a folder for what is downloaded.

    Raises ``MediaError`` if it is not a video, ``StorageError`` if the store cannot be read.
    """
    path, scratch = request
    inside = look_inside(path)
    return ReadInside(
        tracks=tuple(_read_whole(path, track, scratch) for track in inside.tracks), delay_s=inside.delay_s
    )


def _read_whole(path: str, track: Track, scratch: Path) -> ReadTrack:
    if not track.kind:
        return ReadTrack(track=track)
    try:
        return ReadTrack(track=track, packets=tuple(read_track(path, track, scratch)))
    except MediaError as error:
        return ReadTrack(track=track, reason=str(error))


def _list_inside(container: InputContainer) -> Inside:
    tracks = []
    for stream in container.streams.subtitles:
        codec = stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
        # A track without a language may have it in its title: "English (SDH)".
        names = (str(stream.metadata.get(key, "")) for key in ("language", "title"))
        language = next(filter(None, map(parse_language, names)), "")
        kind = TEXT_CODECS.get(codec, "")
        tracks.append(Track(index=stream.index, codec=codec, language=language, kind=kind))
    if (video := _find_film_track(container)) and has_captions(container, video):
        tracks.append(Track(index=video.index, codec=CAPTIONS, language="", kind="ass"))
    zero = (container.start_time or 0) / av.time_base
    return Inside(tracks=tuple(tracks), delay_s=max(_find_first_frame_time(container) - zero, 0.0))


def _read_captions(container: InputContainer, track: Track, zero_s: float) -> Iterable[Packet]:
    stream = container.streams[track.index]
    if isinstance(stream, SubtitleStream):
        return read_caption_track(container, stream, zero_s)
    assert isinstance(stream, VideoStream)
    return read_carried_captions(container, stream, zero_s)


def _find_film_track(container: InputContainer) -> VideoStream | None:
    """Return the track that frames are read from; ``None`` if the source has none."""
    try:
        return choose_video_track(container)
    except MediaError:
        return None


def _find_first_frame_time(container: InputContainer) -> float:
    """Return the presentation time of the first frame in the file's own clock."""
    video = _find_film_track(container)
    if video is None or video.start_time is None or video.time_base is None:
        return (container.start_time or 0) / av.time_base
    return float(video.start_time * video.time_base)


def _read_folders(paths: Iterable[str]) -> dict[str, _Folder | None]:
    """Read the folders of video files by their paths, each once; ``None`` for one that cannot be read."""
    names: dict[str, list[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        names.setdefault(folder, []).append(name)
    return {folder: _read_folder(folder, folder_names) for folder, folder_names in names.items()}


def describe_subtitle_folders(paths: Iterable[str], listings: Mapping[str, str]) -> list[str]:
    """Describe the files in the folders of these videos and in their folders for subtitles, as they are now.

    ``listings`` describe all files below some folders of a remote store, by the folder: these are not listed again.
    Raises ``StorageError`` if a store cannot be reached.
    """
    folders = sorted({path.rpartition("/")[0] for path in paths})
    texts = [f"{root} {text}" for root, text in listings.items()]
    for folder in folders:
        if not any(f"{folder}/".startswith(f"{root}/") for root in listings):
            try:
                texts.append(repr(_list_folder(folder)))
            except OSError as error:
                texts.append(f"{folder} {error.errno}")
    return texts


def _read_folder(folder: str, names: list[str]) -> _Folder | None:
    try:
        keys = _list_folder(folder)
    except OSError:
        return None
    start = len(folder.rstrip("/")) + 1
    files = {key[0][start:]: key for key in keys}
    # A video may have a name that does not look like one.
    videos = FolderVideos([*names, *(name for name in files if "/" not in name and is_video_name(name))])
    result = _Folder()
    pictures = {strip_suffix(name) for name in files if parse_suffix(name) == "idx"}
    for name, key in files.items():
        if not is_subtitle_name(name.rpartition("/")[2]):
            continue
        if parse_suffix(name) == "sub" and strip_suffix(name) in pictures:
            result.parts.append(key[0])
        elif owner := find_owner(name, videos):
            result.by_video.setdefault(owner.video, []).append((key, owner.language))
        elif is_news(name):
            result.unowned.append(key[0])
    return result


def _list_folder(folder: str) -> list[Key]:
    """List the files of a folder and of its folders for subtitles, two levels deep, sorted by path."""
    if is_remote(folder):
        files, folders = list_folder(folder)
        for name in filter(is_for_subtitles, folders):
            inner, deeper = list_folder(name)
            files = [*files, *inner, *(item for each in deeper for item in list_folder(each)[0])]
        return sorted((item.uri, item.bytes, item.stamp) for item in files)
    keys: list[Key] = []
    with os.scandir(folder or "/") as entries:
        for entry in entries:
            if entry.is_file():
                keys += _make_keys(entry)
            elif is_for_subtitles(entry.name) and entry.is_dir():
                keys += _list_keys(entry.path, levels=2)
    return sorted(keys)


def _list_keys(folder: str, levels: int) -> Iterator[Key]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file():
                yield from _make_keys(entry)
            elif levels > 1 and entry.is_dir():
                yield from _list_keys(entry.path, levels - 1)


def _make_keys(entry: os.DirEntry[str]) -> list[Key]:
    """Return the cache key of a file; nothing if the file is gone, or if its name cannot be text."""
    try:
        entry.path.encode()
        status = entry.stat()
    except (OSError, UnicodeEncodeError):
        return []
    return [(entry.path, status.st_size, str(status.st_mtime_ns))]


def _hash(key: Key, hashes: HashCache) -> str:
    """Return the content hash and remember it; empty if the file is gone, may not be read or changes meanwhile."""
    try:
        content_hash = compute_fresh_hash(key)
    except OSError:
        return ""
    if content_hash:
        hashes.remember(key, content_hash)
    return content_hash
