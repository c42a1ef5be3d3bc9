"""Spoken lines in the embedded engine, Tantivy: an index for each stemmer, listed in ``shard/parts.json``.

A version that continues another one shares the files of its indexes (:mod:`ops.index.backends.line_parts`), and writes
the lines of changed videos only.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ops.core.errors import VectorIndexError
from ops.core.storage import write_atomically
from ops.index import tuning
from ops.index.backends.line_parts import LinePart, LinePartWriter, continue_part
from ops.index.backends.shards import PARTS, REPAIR, OpenShard, ShardVersions, mapped
from ops.index.line_points import LinePayload, LinePoint, WantedLines, parse_row
from ops.index.line_sums import LineSums
from ops.index.points import Base, Manifest, VideoDigests


class TantivyLines(OpenShard):
    """One version of the lines."""

    def list_stemmers(self) -> Sequence[str]:
        return list(self.parts)

    def rank(self, stemmer: str, terms: str, depth: int, conditions: WantedLines) -> list[tuple[float, LinePayload]]:
        with self._map_errors():
            return self.parts[stemmer].rank(terms, depth, conditions)

    def scroll(self) -> Iterator[LinePayload]:
        for part in self.parts.values():
            yield from part.scroll()

    def count_words(self) -> Mapping[str, int]:
        with self._map_errors():
            return sum((Counter(part.count_words()) for part in self.parts.values()), Counter())

    def list_shot_ids(self) -> frozenset[str]:
        with self._map_errors():
            return frozenset().union(*(part.list_shot_ids() for part in self.parts.values()))

    @cached_property
    def parts(self) -> Mapping[str, LinePart]:
        """Return the index of each stemmer."""
        self.require_open()
        path = self._path / "shard"
        names = _read_names(path)
        try:
            return _open_parts(path, names)
        except VectorIndexError:
            if _read_names(path) == names:
                raise
        return _open_parts(path, _read_names(path))  # they were written again meanwhile


class TantivyLineVersions(ShardVersions[LinePoint, TantivyLines]):
    """Versions of the lines below ``folder`` (``<home>/index/dialogue``)."""

    def drop_old(self) -> None:
        super().drop_old()
        if current := self.current():
            self._purge(current)

    def _purge(self, version: str) -> None:
        """Write indexes with removed lines again, so that these are in no file.

        The list of indexes is replaced atomically: a reader gets the old ones or the new ones.
        """
        path = self._path(version) / "shard"
        with closing(self.open(version)) as store:
            names = _read_names(path)
            _sweep(path, names.values())
            stale_parts = {stemmer: part for stemmer, part in store.parts.items() if part.removed}
            names |= {stemmer: _rewrite(path, names[stemmer], part) for stemmer, part in stale_parts.items()}
        if stale_parts:
            _write_names(path, names)
            _sweep(path, names.values())

    def _write(
        self, path: Path, manifest: Manifest, points: Iterable[LinePoint], videos: VideoDigests, base: Base | None
    ) -> int:
        path.mkdir()
        names = _continue_parts(self._path(base.version) / "shard", path) if base else {}
        changes = _write_changes(path, names, base.dropped_videos if base else frozenset(), points)
        parts = _open_parts(path, names)
        for stemmer in changes.stemmers & parts.keys():
            if parts[stemmer].removed > tuning.MOST_REMOVED * parts[stemmer].count:
                names[stemmer] = _rewrite(path, names[stemmer], parts[stemmer])
                parts |= _open_parts(path, {stemmer: names[stemmer]})
        parts = {stemmer: part for stemmer, part in parts.items() if part.count}
        names = {stemmer: names[stemmer] for stemmer in sorted(parts)}
        _write_names(path, names)
        _sweep(path, names.values())
        _verify(parts, changes.videos, videos)
        return sum(part.count for part in parts.values()) - changes.duplicates

    def _store(self, path: Path, lock_fd: int) -> TantivyLines:
        return TantivyLines(path, lock_fd)


@dataclass(kw_only=True)
class _Changes:
    """What was written: ``stemmers`` and ``videos`` that got or lost lines, and lines with the id of another one."""

    stemmers: set[str] = field(default_factory=set)
    videos: set[str] = field(default_factory=set)
    duplicates: int = 0


def _write_changes(
    path: Path, names: dict[str, str], dropped_videos: frozenset[str], points: Iterable[LinePoint]
) -> _Changes:
    """Remove the lines of the dropped videos from the indexes, and add the points; new indexes go into ``names``."""
    changes, ids = _Changes(), set[str]()
    writers: dict[str, LinePartWriter] = {}

    def find_writer(stemmer: str) -> LinePartWriter:
        if stemmer not in writers:
            writers[stemmer] = LinePartWriter(path / names.setdefault(stemmer, f"{stemmer}-1"))
        return writers[stemmer]

    for stemmer, part in _open_parts(path, names).items() if dropped_videos else ():
        for video_id in dropped_videos & part.videos.keys():
            find_writer(stemmer).remove(video_id)
    for point in points:
        find_writer(point.stemmer).add(point)
        changes.videos.add(point.payload["video_id"])
        changes.duplicates += point.line_id in ids
        ids.add(point.line_id)
    for writer in writers.values():
        writer.close()
    changes.stemmers.update(writers)
    return changes


def _verify(parts: Mapping[str, LinePart], video_ids: Collection[str], videos: VideoDigests) -> None:
    """Compare the lines of written videos, read back, with the planned ones."""
    rows = (parse_row(payload) for part in parts.values() for payload in part.scroll(video_ids))
    for video_id, digest in LineSums(rows).videos.items():
        if digest != videos[video_id]:
            raise VectorIndexError(f"video {video_id} was written to the index, but other lines were read back")


def _rewrite(path: Path, name: str, part: LinePart) -> str:
    """Write the lines of an index to a new one, without those that were removed; return its name."""
    stemmer, _, number = name.rpartition("-")
    new_name = f"{stemmer}-{int(number) + 1}"
    writer = LinePartWriter(path / new_name)
    for point in part.scroll_points():
        writer.add(point)
    writer.close()
    return new_name


def _continue_parts(old: Path, new: Path) -> dict[str, str]:
    names = _read_names(old)
    for name in names.values():
        continue_part(old / name, new / name)
    return names


def _open_parts(path: Path, names: Mapping[str, str]) -> dict[str, LinePart]:
    with mapped(f"the index {path} cannot be read"):
        return {stemmer: LinePart(path / name) for stemmer, name in names.items()}


def _read_names(path: Path) -> dict[str, str]:
    try:
        names: dict[str, str] = json.loads((path / PARTS).read_text())
    except (OSError, ValueError) as error:
        raise VectorIndexError(f"the index {path} cannot be read: {error}; {REPAIR}") from error
    return names


def _write_names(path: Path, names: Mapping[str, str]) -> None:
    with write_atomically(path / PARTS) as target:
        target.write_text(json.dumps(names, indent=1))


def _sweep(path: Path, names: Collection[str]) -> None:
    """Delete indexes that a version does not list: those that were written again, or left by a kill."""
    for folder in path.iterdir():
        if folder.is_dir() and folder.name not in names:
            shutil.rmtree(folder)
