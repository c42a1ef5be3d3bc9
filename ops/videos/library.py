"""Find footage: folders, files and ``s3://`` prefixes become a list of source files with ids from content."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ops.core.errors import MediaError, StorageError
from ops.core.storage import resolve_local_path
from ops.core.types import make_video_id
from ops.videos.container import explain_os_error, require_file
from ops.videos.file_kinds import (
    CAMERA_PROXIES,
    HEAD_BYTES,
    HIDDEN,
    SKIPPED,
    SUBTITLES,
    UNKNOWN,
    find_left_out_kind,
    is_skipped_folder,
    is_video_name,
    parse_ending,
    read_local_head,
)
from ops.videos.hashes import HashCache, Key, compute_fresh_hash, compute_text_hash, make_key
from ops.videos.objects import StoredObject, fetch_object, is_remote, list_objects, read_object
from ops.videos.recordings import find_camera_proxies, group_recordings
from ops.videos.shows import CATALOGUE, CatalogueFile, describe, normalise_path, read_catalogue

T = TypeVar("T")

__all__ = ["HashCache", "Scan", "SourceFile", "is_unchanged_since", "is_video_name", "open_local_source", "scan"]


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file of footage. ``path`` is absolute or an ``s3://`` URI; ``content_hash`` is SHA-256, hex."""

    path: str
    show: str
    title: str
    season: int | None
    episode: int | None
    content_hash: str
    bytes: int

    @property
    def video_id(self) -> str:
        return make_video_id(self.content_hash)


@dataclass(kw_only=True)
class Scan:
    """The result of a scan, in the order of paths.

    ``set_aside`` holds ``(path, reason)``; a bad line of a catalogue has the path ``.../catalogue.csv, line 7``.
    ``duplicates`` holds ``(path, path of the file with the same content that counts)``. ``unsettled`` are files that
    changed too recently: a copy may still be in progress. ``hashed`` counts the files whose bytes were read.
    ``left_out`` holds ``(path, kind)`` of files that are not footage (``file_kinds.py``), and of folders that were
    skipped. ``subtitles`` are the paths of all files with an ending of subtitles. ``listings`` are hashes of names and
    stamps of all objects below the folders of stores that were scanned.
    """

    files: list[SourceFile] = field(default_factory=list)
    set_aside: list[tuple[str, str]] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    subtitles: list[str] = field(default_factory=list)
    listings: dict[str, str] = field(default_factory=dict)
    hashed: int = 0

    @property
    def recordings(self) -> list[tuple[str, ...]]:
        """Paths of files that are parts of one recording, a group each."""
        return group_recordings(source.path for source in self.files)

    def group_left_out(self) -> dict[str, list[str]]:
        """Return the paths of files left out, by kind, both sorted."""
        kinds: dict[str, list[str]] = {}
        for path, kind in sorted(self.left_out):
            kinds.setdefault(kind, []).append(path)
        return dict(sorted(kinds.items()))

    @property
    def found(self) -> set[str]:
        """Paths of all files whose content is known, duplicates too."""
        return {source.path for source in self.files} | {path for path, _ in self.duplicates}


@dataclass(frozen=True)
class _Found:
    """A candidate: its path in the cache key of its content, and its root."""

    key: Key
    root: str


def scan(
    paths: Sequence[str],
    *,
    library: str = "",
    hashes: HashCache,
    settled_seconds: float = 0,
    now: float | None = None,
) -> Scan:
    """Find the footage in files, folders and ``s3://`` prefixes.

    The show of a file is its first folder below the root, or its stem if it is at the root. The root is ``library`` if
    the file is below it, else the given folder or the file's own. ``catalogue.csv`` at the root overrides. Folders are
    searched for footage, by name and by the first bytes of files whose name does not decide. The rest is counted as
    left out. A file that is named is taken whatever its name. An unusable file is set aside with a reason and never
    stops the rest. With ``settled_seconds`` files that changed within that time before ``now`` (seconds since 1970;
    default: the clock) are left for later.
    """
    result = Scan()
    sources: dict[str, _Found] = {}
    library = _make_absolute(library) if library else ""
    clock = time.time() if now is None else now
    for path in dict.fromkeys(map(_make_absolute, paths)):
        try:
            finder = _find_remote if is_remote(path) else _find_local
            for candidate in finder(path, library, result):
                sources.setdefault(candidate.key[0], candidate)
        except StorageError as error:
            result.set_aside.append((path, str(error)))
    candidates = [sources[path] for path in sorted(sources) if _is_settled(path, settled_seconds, clock, result)]
    catalogues = _read_catalogues({candidate.root for candidate in candidates}, set(map(_make_absolute, paths)), result)
    cached_hashes = hashes.read_known(candidate.key for candidate in candidates)
    first: dict[str, str] = {}
    # If files have the same content, the one that the catalogue describes counts, else the first by path.
    for candidate in sorted(candidates, key=lambda it: _place(it) not in catalogues[it.root].rows):
        content_hash = cached_hashes.get(candidate.key) or _hash(candidate.key, hashes, result)
        if content_hash:
            _add(candidate, content_hash, catalogues[candidate.root], first, result)
    result.files.sort(key=lambda source: source.path)
    result.duplicates.sort()
    result.subtitles = sorted({_make_printable(path) for path, kind in result.left_out if kind == SUBTITLES})
    result.left_out = sorted({(_make_printable(path), kind) for path, kind in result.left_out if kind != SUBTITLES})
    result.set_aside = sorted({(_make_printable(path), reason) for path, reason in result.set_aside})
    return result


def is_unchanged_since(path: str, seconds: float, now: float) -> bool:
    """Return whether the local file ``path`` has rested for ``seconds`` before ``now`` (seconds since 1970).

    Counts the last change of content and of name, so a file that was moved in with an old date waits as well. A time in
    the future (a camera or server with a wrong clock) does not make a file wait. An object in a store appears at once
    and whole, and is always at rest.
    """
    if is_remote(path):
        return True
    status = os.stat(path)
    return all(not 0 <= now - moment < seconds for moment in (status.st_mtime, status.st_ctime))


@contextmanager
def open_local_source(path: str, scratch: Path) -> Iterator[Path]:
    """Yield a local path with the bytes of a source file; an object is fetched into ``scratch`` and removed afterwards.

    Raises ``MediaError`` if the object is gone, ``StorageError`` if the store cannot be read.
    """
    if not is_remote(path):
        yield Path(path)
        return
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="source-") as folder:
        copy = Path(folder) / f"source{PurePosixPath(path).suffix}"
        try:
            fetch_object(path, copy)
        except FileNotFoundError as error:
            raise MediaError("it no longer exists in the store") from error
        yield copy


def _make_absolute(path: str) -> str:
    return path.rstrip("/") if is_remote(path) else resolve_local_path(path)


def _make_printable(path: str) -> str:
    """Return ``path`` as text that tables and pages can hold: bytes that are not UTF-8 become escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _find_root(path: str, library: str, otherwise: str) -> str:
    return library if library and path.startswith(library.rstrip("/") + "/") else otherwise


def _find_remote(path: str, library: str, result: Scan) -> Iterator[_Found]:
    objects = list_objects(path)
    if not objects:
        result.set_aside.append((path, "it does not exist in the store, or holds nothing"))
        return
    is_object = objects[0].uri == path
    root = path.rpartition("/")[0] if is_object else path
    if not is_object:
        result.listings[root] = compute_text_hash(f"{item.uri} {item.stamp} {item.bytes}" for item in objects)
    footage = objects if is_object else _select_objects(objects, root, result)
    if not footage:
        result.set_aside.append((path, "it holds no footage"))
    for item in footage:
        if item.bytes:
            yield _Found((item.uri, item.bytes, item.stamp), _find_root(item.uri, library, root))
        else:
            result.set_aside.append((item.uri, "the file is empty (0 bytes): copy it again"))


def _select_objects(objects: Sequence[StoredObject], root: str, result: Scan) -> list[StoredObject]:
    """Return the objects below ``root`` that are footage.

    Reading the head of an object is a request, so that is done only for names without an ending.
    """
    footage = []
    for item in objects:
        folders = item.uri.removeprefix(root).strip("/").split("/")[:-1]
        skip_levels = [at for at, folder in enumerate(folders) if is_skipped_folder(folder)]
        if skip_levels:
            result.left_out.append(("/".join([root, *folders[: skip_levels[0] + 1]]), SKIPPED))
        elif is_video_name(item.uri):
            footage.append(item)
        elif kind := find_left_out_kind(item.uri, partial(_read_object_head, item)):
            result.left_out.append((item.uri, kind))
        else:
            footage.append(item)
    return _drop_proxies(footage, lambda item: item.uri, result)


def _read_object_head(item: StoredObject) -> bytes:
    if parse_ending(item.uri) or not item.bytes:
        return b"\0"  # head not read: of an unknown kind
    return read_object(item.uri, HEAD_BYTES)


def _drop_proxies(sources: Iterable[T], path_of: Callable[[T], str], result: Scan) -> list[T]:
    """Return ``sources`` without the small copies that cameras write next to their recordings."""
    sources = list(sources)
    copies = find_camera_proxies(map(path_of, sources))
    result.left_out += [(path, CAMERA_PROXIES) for path in copies]
    return [each for each in sources if path_of(each) not in copies]


def _find_local(path: str, library: str, result: Scan) -> Iterator[_Found]:
    if not os.path.isdir(path):
        candidates, otherwise = [path], os.path.dirname(path)
    else:
        before = len(result.set_aside)
        candidates, otherwise = _drop_proxies(sorted(_walk(path, result)), str, result), path
        if not candidates and len(result.set_aside) == before:
            result.set_aside.append((path, "the folder holds no footage"))
    for candidate in candidates:
        try:
            candidate.encode()
            require_file(Path(candidate))
            key = make_key(candidate)
        except UnicodeEncodeError:
            result.set_aside.append((candidate, "its name is not valid UTF-8: rename it"))
        except MediaError as error:
            result.set_aside.append((candidate, str(error)))
        except OSError as error:
            result.set_aside.append((candidate, explain_os_error(candidate, error)))
        else:
            yield _Found(key, _find_root(candidate, library, otherwise))


def _walk(top: str, result: Scan) -> Iterator[str]:
    """Yield names of footage below ``top``. Links to folders are followed last, and no folder is entered twice."""
    visits: set[tuple[int, int]] = set()
    folders, links = [top], list[str]()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in visits:
                continue
            visits.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            for entry in entries:
                if not _is_folder(entry):
                    if _is_footage(entry, top, result):
                        yield entry.path
                elif not is_skipped_folder(entry.name):
                    (links if entry.is_symlink() else folders).append(entry.path)
                elif not entry.name.startswith("."):
                    result.left_out.append((entry.path, SKIPPED))
        except OSError as error:
            result.set_aside.append((folder, explain_os_error(folder, error)))


def _is_footage(entry: os.DirEntry[str], top: str, result: Scan) -> bool:
    """Return whether a file is footage; if not, it is noted as left out."""
    try:
        kind = find_left_out_kind(entry.name, partial(read_local_head, entry.path))
    except OSError:
        kind = UNKNOWN  # it cannot be read, and its name does not promise footage
    if not kind:
        return True
    is_own = entry.name == CATALOGUE and os.path.dirname(entry.path) == top
    is_system = kind == HIDDEN and not is_video_name(entry.name.lstrip("."))
    if not (is_own or is_system or entry.name.startswith("._")):
        result.left_out.append((entry.path, kind))
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder; a link that leads back to itself is not one, and must not end the walk."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_settled(path: str, seconds: float, now: float, result: Scan) -> bool:
    try:
        if not seconds or is_unchanged_since(path, seconds, now):
            return True
        result.unsettled.append(path)
    except OSError as error:
        result.set_aside.append((path, explain_os_error(path, error)))
    return False


def _read_catalogues(roots: Iterable[str], paths: set[str], result: Scan) -> dict[str, CatalogueFile]:
    """Read the catalogue of each root; faults in one are set aside with their lines."""
    catalogues = {}
    for root in sorted(roots):
        path = f"{root.rstrip('/')}/{CATALOGUE}"
        catalogue = CatalogueFile()
        try:
            catalogue = read_catalogue(read_object(path) if is_remote(path) else Path(path).read_bytes())
        except FileNotFoundError:
            pass
        except OSError as error:
            result.set_aside.append((path, explain_os_error(path, error)))
        except StorageError as error:
            result.set_aside.append((path, str(error)))
        result.set_aside += [(f"{path}, line {line}", reason) for line, reason in catalogue.problems]
        if root in paths and not is_remote(root):
            names = {normalise_path(name) for name in _list_names_below(root, catalogue)}
            result.set_aside += [
                (f"{path}, line {catalogue.lines[name]}", f"{name!r} is not in the library")
                for name in catalogue.rows
                if name not in names
            ]
        catalogues[root] = catalogue
    return catalogues


def _list_names_below(root: str, catalogue: CatalogueFile) -> Iterator[str]:
    """Yield those names of the catalogue that exist, however the file system spells their accents."""
    for name in catalogue.rows:
        if os.path.exists(os.path.join(root, name)) or _exists_decomposed(root, name):
            yield name


def _exists_decomposed(root: str, name: str) -> bool:
    import unicodedata

    return os.path.exists(os.path.join(root, unicodedata.normalize("NFD", name)))


def _hash(key: Key, hashes: HashCache, result: Scan) -> str:
    """Return the content hash and remember it; empty if the file cannot be read or changes meanwhile."""
    path = key[0]
    try:
        content_hash = compute_fresh_hash(key)
    except StorageError as error:
        result.set_aside.append((path, str(error)))
        return ""
    except OSError as error:
        result.set_aside.append((path, explain_os_error(path, error)))
        return ""
    if not content_hash:
        result.unsettled.append(path)
        return ""
    result.hashed += 1
    hashes.remember(key, content_hash)
    return content_hash


def _place(source: _Found) -> str:
    """Return the path below the root, in the catalogue's spelling."""
    return normalise_path(source.key[0].removeprefix(source.root).lstrip("/"))


def _add(source: _Found, content_hash: str, catalogue: CatalogueFile, first: dict[str, str], result: Scan) -> None:
    path, size, _ = source.key
    if content_hash in first:
        result.duplicates.append((path, first[content_hash]))
        return
    first[content_hash] = path
    description = describe(path.removeprefix(source.root).lstrip("/"), catalogue)
    result.files.append(
        SourceFile(
            path=path,
            show=description.show,
            title=description.title,
            season=description.season,
            episode=description.episode,
            content_hash=content_hash,
            bytes=size,
        )
    )
