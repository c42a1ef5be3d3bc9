"""Subtitles of footage: files beside it, and text tracks inside it.

A file belongs to a film where it has the film's stem, or that and a language: ``film.srt``, ``film.en.srt``,
``film-pt-BR.forced.ass``; beside the film or in a folder ``subs`` or ``subtitles`` beside it.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from ops.core.errors import MediaError
from ops.core.settings import Settings
from ops.videos.container import OPTIONS, open_container
from ops.videos.hashes import HashCache, Key, fresh_hash
from ops.videos.languages import language_of, language_of_suffix
from ops.videos.library import is_video_name, local_source
from ops.videos.objects import is_remote, list_folder, open_object, read_object

SUFFIXES = ("srt", "vtt", "ass", "ssa")
FOLDERS = frozenset({"subs", "subtitles"})
TEXT_CODECS = {"subrip": "srt", "srt": "srt", "text": "srt", "mov_text": "mov_text", "webvtt": "vtt"}
TEXT_CODECS |= {"ass": "ass", "ssa": "ass"}
"""Codecs whose packets are text, and how that text is marked up."""
PICTURE_CODECS = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub", "pgssub", "dvdsub", "dvbsub"})
MOST_PACKETS = 200_000
MOST_BYTES = 1 << 20
"""Largest packet of a subtitle track that is read."""

_WORD = re.compile(r"(.+)[._\- ]+([^._\- ]+)")


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """A subtitle file of a film. ``path`` is absolute or a URI, ``content_hash`` SHA-256, hex."""

    path: str
    language: str
    content_hash: str
    bytes: int

    @property
    def suffix(self) -> str:
        return self.path.rpartition(".")[2].lower()


@dataclass(frozen=True, kw_only=True)
class Track:
    """A subtitle track inside a film: ``kind`` is how its text is marked up, empty where it holds no text."""

    index: int
    codec: str
    language: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Packet:
    """One piece of a text track: times in seconds from the first picture; ``end_s`` is ``None`` where not said."""

    start_s: float
    end_s: float | None
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What a film says of its subtitles. ``delay_s``: how long after the file's own zero the first picture is shown."""

    tracks: tuple[Track, ...]
    delay_s: float


def sidecars_of(settings: Settings, videos: Iterable[dict[str, Any]]) -> dict[str, list[Sidecar]]:
    """Subtitle files of each of the videos (register rows), by video id, in the order of their paths.

    Reads each folder once, and each file that is new or has changed once. A folder that cannot be read has no
    entry for its videos, which is not the same as an empty list. Raises ``StorageError`` where a store cannot
    be asked.
    """
    folders: dict[str, dict[str, list[tuple[Key, str]]] | None] = {}
    found: dict[str, list[tuple[Key, str]]] = {}
    for row in videos:
        folder, _, name = row["path"].rpartition("/")
        if folder not in folders:
            folders[folder] = _read_folder(folder)
        listing = folders[folder]
        if listing is not None:
            found[row["video_id"]] = listing.get(_plain(_stem(name)), [])
    hashes = HashCache(settings.home / "cache" / "hashes.db")
    known = hashes.known({key for entries in found.values() for key, _ in entries})
    return {
        video_id: [
            Sidecar(path=key[0], language=language, content_hash=content_hash, bytes=key[1])
            for key, language in entries
            if (content_hash := known.get(key) or _hash(key, hashes))
        ]
        for video_id, entries in found.items()
    }


def changed_sidecars(settings: Settings, videos: Iterable[dict[str, Any]]) -> dict[str, list[Sidecar]]:
    """Those videos, of the ones whose dialogue was read once, whose subtitle files are others than then."""
    rows = list(videos)
    partitions = sorted({settings.partition_of(row["video_id"]) for row in rows})
    read = set(settings.lake.partitions("subtitles"))
    stored: dict[str, set[tuple[str, str]]] = {}
    for row in settings.lake.read("subtitles", [name for name in partitions if name in read]).to_pylist():
        if row["source"] == "sidecar":
            stored.setdefault(row["video_id"], set()).add((row["path"], row["content_hash"]))
    once = [row for row in rows if settings.partition_of(row["video_id"]) in read]
    return {
        video_id: files
        for video_id, files in sidecars_of(settings, once).items()
        if {(file.path, file.content_hash) for file in files} != stored.get(video_id, set())
    }


def read_sidecar(sidecar: Sidecar, most: int) -> bytes:
    """All bytes of a subtitle file. Raises ``MediaError`` above ``most`` bytes or where it is gone."""
    if sidecar.bytes > most:
        raise MediaError(
            f"it has {sidecar.bytes / 1e6:.0f} MB, and subtitles have at most {most / 1e6:.0f}: it is something else"
        )
    try:
        return read_object(sidecar.path) if is_remote(sidecar.path) else Path(sidecar.path).read_bytes()
    except OSError as error:
        raise MediaError(f"it cannot be read ({error.strerror or error})") from error


def look_inside(path: str) -> Inside:
    """The subtitle tracks of a film at a local path or a URI; of an object, only its beginning is read.

    Raises ``MediaError`` where it is no film, ``StorageError`` where the store cannot be read.
    """
    if not is_remote(path):
        with open_container(Path(path)) as container:
            return _inside(container)
    with open_object(path) as file:
        try:
            with av.open(file, options=dict(OPTIONS), metadata_errors="replace") as container:
                return _inside(container)
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"its tracks cannot be listed: {error}") from error


def read_track(path: str, track: Track, scratch: Path) -> Iterator[Packet]:
    """The packets of a text track in the order of the file. Raises ``MediaError`` where the film cannot be read."""
    with local_source(path, scratch) as local, open_container(local) as container:
        zero = _first_picture_s(container)
        try:
            for number, packet in enumerate(container.demux(container.streams[track.index])):
                if packet.pts is None or packet.time_base is None or not packet.size:
                    continue
                if number >= MOST_PACKETS or packet.size > MOST_BYTES:
                    raise MediaError(f"track {track.index} holds more than subtitles do")
                start = float(packet.pts * packet.time_base) - zero
                end = start + float(packet.duration * packet.time_base) if packet.duration else None
                yield Packet(start_s=start, end_s=end, data=bytes(packet))
        except (av.FFmpegError, OSError) as error:
            raise MediaError(f"track {track.index} cannot be read to its end: {error}") from error


def _inside(container: InputContainer) -> Inside:
    tracks = []
    for stream in container.streams.subtitles:
        codec = stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
        language = language_of(str(stream.metadata.get("language", "")))
        kind = TEXT_CODECS.get(codec, "")
        tracks.append(Track(index=stream.index, codec=codec, language=language, kind=kind))
    zero = (container.start_time or 0) / av.time_base
    return Inside(tracks=tuple(tracks), delay_s=max(_first_picture_s(container) - zero, 0.0))


def _first_picture_s(container: InputContainer) -> float:
    """Presentation time of the first picture in the file's own clock."""
    video = next(iter(container.streams.video), None)
    if video is None or video.start_time is None or video.time_base is None:
        return (container.start_time or 0) / av.time_base
    return float(video.start_time * video.time_base)


def _read_folder(folder: str) -> dict[str, list[tuple[Key, str]]] | None:
    """Subtitle files by the stem of the film they belong to; ``None`` where the folder cannot be read."""
    try:
        names = _listing(folder)
    except OSError:
        return None
    films = {_plain(_stem(key[0])) for key in names if is_video_name(key[0])}
    found: dict[str, list[tuple[Key, str]]] = {}
    for key in names:
        if key[0].rpartition(".")[2].lower() in SUFFIXES:
            stem, language = _owner(_stem(key[0].rpartition("/")[2]), films)
            found.setdefault(stem, []).append((key, language))
    return found


def _listing(folder: str) -> list[Key]:
    """Files of a folder and of its folders for subtitles, sorted by path."""
    if is_remote(folder):
        files, folders = list_folder(folder)
        deeper = [stored for name in folders if _is_for_subtitles(name) for stored in list_folder(name)[0]]
        return sorted((stored.uri, stored.bytes, stored.stamp) for stored in [*files, *deeper])
    keys: list[Key] = []
    with os.scandir(folder or "/") as entries:
        for entry in entries:
            if entry.is_file():
                keys += _key(entry)
            elif _is_for_subtitles(entry.name) and entry.is_dir():
                with os.scandir(entry.path) as inner:
                    keys += [key for file in inner if file.is_file() for key in _key(file)]
    return sorted(keys)


def _key(entry: os.DirEntry[str]) -> list[Key]:
    """The cache key of a file; nothing where it is gone, or where its name cannot be text."""
    try:
        entry.path.encode()
        status = entry.stat()
    except (OSError, UnicodeEncodeError):
        return []
    return [(entry.path, status.st_size, str(status.st_mtime_ns))]


def _is_for_subtitles(name: str) -> bool:
    return name.rstrip("/").rpartition("/")[2].lower() in FOLDERS


def _owner(stem: str, films: set[str]) -> tuple[str, str]:
    """``(stem of the film, language)``: the longest name of a film that the rest explains.

    So ``film.en.srt`` is the subtitle file of ``film.en.mp4`` where there is one, and of ``film.mp4`` else. Where no
    film of the folder fits, all that can be a language is taken off: a film may have a name that tells no film.
    """
    words: list[str] = []
    rest, best = stem, (_plain(stem), "")
    while True:
        language = language_of_suffix(words)
        if language is None:
            return best
        if _plain(rest) in films:
            return _plain(rest), language
        best = (_plain(rest), language)
        match = _WORD.fullmatch(rest)
        if match is None:
            return best
        rest, words = match[1], [match[2], *words]


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]


def _plain(stem: str) -> str:
    return unicodedata.normalize("NFC", stem).casefold()


def _hash(key: Key, hashes: HashCache) -> str:
    """The content hash, remembered; empty where the file is gone, may not be read or changes meanwhile."""
    try:
        content_hash = fresh_hash(key)
    except OSError:
        return ""
    if content_hash:
        hashes.remember(key, content_hash)
    return content_hash
