"""Details of shots for users, from the lake's ``shots`` and ``videos`` tables, fast enough for every query.

A partition of the lake is read whole when one of its shots is first requested, and cached as Arrow columns: some fifty
bytes a shot, two hundred with the places of its files. A search that finds fifty shots in fifty videos then reads no
file. After :meth:`ShotDetails.forget` a partition is read again only if its files changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import datetime
from fractions import Fraction
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ops.core.errors import DamagedTableError, UsageError
from ops.core.schemas import find_schema
from ops.core.settings import Settings
from ops.core.time import frame_at, make_timecode
from ops.core.types import make_shot_id, parse_shot_id
from ops.search.schema import Shot, Span
from ops.videos.forgotten import read_forgotten_ids

logger = logging.getLogger(__name__)

SHOT_COLUMNS = (
    "video_id",
    "show",
    "index",
    "start_frame",
    "end_frame",
    "start_s",
    "end_s",
    "is_blank",
    "created_timestamp",
)
FILE_COLUMNS = ("poster_uri", "proxy_uri")
MOST_DETAILS = 20_000
"""Details kept for the next query; a few kilobytes each."""
TABLES = ("shots", "videos")
READERS = 8
TIMECODES = 65_536


Addresses = Callable[[str, str], tuple[str, str]]


class ShotDetail(Shot):
    """A shot of the catalogue; ``index`` counts from 0 in its video."""

    index: int
    is_blank: bool

    @cached_property
    def frames(self) -> Span:
        """Return all of its frames."""
        return Span.assemble({"start_frame": self.start_frame, "end_frame": self.end_frame})

    @cached_property
    def public(self) -> dict[str, Any]:
        """Return the fields of :class:`Shot`, for an answer that adds fields of its own."""
        return {name: getattr(self, name) for name in Shot.model_fields}


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoRow:
    """The fields of one row of the lake's ``videos`` table that answers need. Unopened files have only a state."""

    video_id: str
    path: str
    show: str
    title: str
    season: int | None
    episode: int | None
    content_hash: str
    bytes: int
    fps_num: int | None
    fps_den: int | None
    frames: int | None
    width: int | None
    height: int | None
    codec: str | None
    has_audio: bool | None
    start_timecode: str | None
    state: str
    reason: str | None
    created_timestamp: datetime

    @classmethod
    def build(cls, row: Mapping[str, Any]) -> VideoRow:
        """Build from a row as the lake reads it."""
        return cls(**{each.name: row[each.name] for each in fields(cls)})

    @property
    def seconds(self) -> float:
        """Return the length; 0 for a file that was not opened."""
        return self.frames * (self.fps_den or 0) / self.fps_num if self.frames and self.fps_num else 0.0

    def timecode_at(self, start_frame: int, start_s: float) -> str:
        """Return the timecode at which a shot or a line of the video starts.

        It follows the video's clock, so it stays correct after frames that are missing in the file.
        """
        return start_timecode(start_frame, start_s, self.fps_num, self.fps_den, self.start_timecode)


@dataclass(frozen=True, kw_only=True)
class _Partition:
    """One partition as it was read.

    ``shots`` are in the order of (video, frame), ``starts`` (N,) their first frames, ``spans`` the rows of each video.
    Shots without a row in ``videos`` are leftovers: their origin is unknown.
    """

    stamps: tuple[str | None, ...]
    shots: pa.Table
    starts: NDArray[np.int64]
    videos: dict[str, VideoRow]
    spans: dict[str, range]

    @property
    def count(self) -> int:
        """Return the number of shots of known videos."""
        return sum(len(self.spans.get(video_id, ())) for video_id in self.videos)

    def find_row(self, video_id: str, start_frame: int) -> int | None:
        """Return the row of a shot, ``None`` if it or its video is unknown."""
        span = self.spans.get(video_id) if video_id in self.videos else None
        if span is None:
            return None
        row = span.start + int(np.searchsorted(self.starts[span.start : span.stop], start_frame))
        return row if row in span and self.starts[row] == start_frame else None

    def get(self, column: str, row: int) -> Any:
        """Return one value of a shot."""
        return self.shots[column][row].as_py()

    def name_shot(self, row: int) -> str:
        """Return the id of the shot of a row."""
        return make_shot_id(self.get("video_id", row), int(self.starts[row]))


class ShotDetails:
    """Details of shots by id; safe to use from several threads.

    ``addresses`` returns ``(poster, proxy)`` for a shot id and a version that changes with these files; by default they
    are the storage URIs.

    Cached values are valid until :meth:`forget`. For a shot that is not cached the files are checked again.
    """

    def __init__(self, settings: Settings, addresses: Addresses | None = None) -> None:
        self._settings = settings
        self._addresses = addresses
        self._lake = settings.lake
        self._columns = SHOT_COLUMNS if addresses else (*SHOT_COLUMNS, *FILE_COLUMNS)
        self._lock = Lock()
        self._partitions: dict[str, _Partition] = {}
        self._valid_ids: set[str] = set()
        # Details by shot id. Replaced whenever a partition changes, so that who began before writes into the old one.
        self._details: dict[str, ShotDetail] = {}
        self._forgotten_count = 0

    def forget(self) -> None:
        """Check the files again from now on; unchanged files are not read again."""
        with self._lock:
            self._valid_ids = set()
            self._details = {}
            self._forgotten_count += 1

    def warm(self) -> int:
        """Read every partition that is not cached yet, and return the number of shots."""
        count = sum(part.count for part in self._read_all())
        pa.default_memory_pool().release_unused()  # of the files that were read
        return count

    def read(self, shot_ids: Sequence[str]) -> dict[str, ShotDetail]:
        """Return details by shot id, shared by all callers.

        Shots that the lake does not have (any more) are left out.
        """
        known_details = self._details
        details = {shot_id: known_details[shot_id] for shot_id in shot_ids if shot_id in known_details}
        if missing := [shot_id for shot_id in shot_ids if shot_id not in details]:
            fresh = {shot_id: self._build_detail(part, row) for shot_id, part, row in self._locate(missing)}
            if len(known_details) + len(fresh) > MOST_DETAILS:
                known_details = self._details = {}
            known_details.update(fresh)
            details |= fresh
        return details

    def compute_media_versions(self, shot_ids: Sequence[str]) -> dict[str, str]:
        """Return a short text for each shot that changes when its proxy or its poster does."""
        return {
            shot_id: _compute_media_version(part.get("created_timestamp", row))
            for shot_id, part, row in self._locate(shot_ids)
        }

    def list_starts(self, video_id: str) -> list[int]:
        """Return start frames of a video's shots, ascending; empty if the video is unknown."""
        part = self._find_partition(video_id)
        span = part.spans.get(video_id, range(0))
        starts: list[int] = part.starts[span.start : span.stop].tolist()
        return starts

    def list_shots(self, video_id: str) -> list[ShotDetail]:
        """Return details of a video's shots in order; empty if the video is unknown."""
        part = self._find_partition(video_id)
        return [self._build_detail(part, row) for row in part.spans.get(video_id, ()) if video_id in part.videos]

    def find_neighbours(self, shot_id: str) -> tuple[str | None, str | None]:
        """Return the shots before and after, in the same video."""
        for _, part, row in self._locate([shot_id]):
            span = part.spans[part.get("video_id", row)]
            before, after = (part.name_shot(each) if each in span else None for each in (row - 1, row + 1))
            return before, after
        return None, None

    def find_video(self, video_id: str) -> VideoRow | None:
        """Return the row of the register of one video, or ``None``."""
        return self._find_partition(video_id).videos.get(video_id)

    def list_videos(self) -> list[tuple[VideoRow, int]]:
        """Return every registered video with the number of its shots; forgotten ones are left out."""
        videos = [
            (row, len(part.spans.get(name, ()))) for part in self._read_all() for name, row in part.videos.items()
        ]
        forgotten_ids = read_forgotten_ids(self._lake.store) if videos else set()
        return [(row, shots) for row, shots in videos if row.video_id not in forgotten_ids]

    def _build_detail(self, part: _Partition, row: int) -> ShotDetail:
        values = part.shots.slice(row, 1).to_pylist()[0]
        video_id, start_frame, start_s = values["video_id"], values["start_frame"], values["start_s"]
        shot_id, video = make_shot_id(video_id, start_frame), part.videos[video_id]
        if self._addresses:
            poster, proxy = self._addresses(shot_id, _compute_media_version(values["created_timestamp"]))
        else:
            poster, proxy = (self._lake.store.locate(values[name]) for name in FILE_COLUMNS)
        return ShotDetail.assemble(
            {
                "shot_id": shot_id,
                "video_id": video_id,
                "show": values["show"],
                "title": video.title,
                "path": video.path,
                "start_frame": start_frame,
                "end_frame": values["end_frame"],
                "fps": f"{video.fps_num}/{video.fps_den}",
                "start_s": start_s,
                "end_s": values["end_s"],
                "start_timecode": video.timecode_at(start_frame, start_s),
                "poster": poster,
                "proxy": proxy,
                "index": values["index"],
                "is_blank": values["is_blank"],
            }
        )

    def _locate(self, shot_ids: Iterable[str]) -> list[tuple[str, _Partition, int]]:
        """Return ``(shot id, its partition, its row there)`` of the shots that exist."""
        by_partition: dict[str, list[tuple[str, str, int]]] = {}
        for shot_id in shot_ids:
            id_parts = parse_shot_id(shot_id)
            if id_parts:
                by_partition.setdefault(self._settings.resolve_partition(id_parts[0]), []).append((shot_id, *id_parts))
        parts = self._read(by_partition)
        stale = [
            name
            for name, shots in by_partition.items()
            if any(parts[name].find_row(video_id, start) is None for _, video_id, start in shots)
        ]
        if stale:  # computed since the last check of the partition
            with self._lock:
                self._valid_ids.difference_update(stale)
            parts |= self._read(stale)
        return [
            (shot_id, parts[name], row)
            for name, shots in by_partition.items()
            for shot_id, video_id, start in shots
            if (row := parts[name].find_row(video_id, start)) is not None
        ]

    def _find_partition(self, video_id: str) -> _Partition:
        name = self._settings.resolve_partition(video_id)
        part = self._read([name])[name]
        if video_id in part.videos:
            return part
        with self._lock:
            self._valid_ids.discard(name)
        return self._read([name])[name]

    def _read_all(self) -> list[_Partition]:
        """Return every partition; one listing of the files shows which have to be read."""
        stamps = {
            key: stat.stamp
            for table in TABLES
            for key, stat in self._lake.store.stats(self._lake.folder(table)).items()
        }
        names = {key.rsplit("/", 1)[1].removesuffix(".parquet") for key in stamps if key.endswith(".parquet")}
        with self._lock:
            same_ids = {
                name
                for name in names & self._partitions.keys()
                if self._partitions[name].stamps == tuple(map(stamps.get, self._list_keys(name)))
            }
            self._valid_ids = same_ids
            if not self._partitions.keys() <= same_ids:
                self._details = {}
        return list(self._read(sorted(names)).values())

    def _list_keys(self, name: str) -> list[str]:
        return [f"{self._lake.folder(table)}/{name}.parquet" for table in TABLES]

    def _read(self, names: Iterable[str]) -> dict[str, _Partition]:
        """Return the partitions, from memory if they are valid or unchanged."""
        with self._lock:
            parts = {name: self._partitions[name] for name in names if name in self._valid_ids}
            count_before = self._forgotten_count
        missing = [name for name in names if name not in parts]
        # Several threads wait for a remote store together. Of local files reading is CPU, which they would only share.
        if len(missing) > 1 and not self._lake.store.is_local:
            with ThreadPoolExecutor(min(READERS, len(missing))) as pool:
                fresh = dict(zip(missing, pool.map(self._read_partition, missing), strict=True))
        else:
            fresh = {name: self._read_partition(name) for name in missing}
        with self._lock:
            for name, part in fresh.items():
                if self._partitions.get(name, part) is not part:
                    self._details = {}
                if len(part.shots) or part.videos:  # absent ones are not cached: a client can invent any number of ids
                    self._partitions[name] = part
                    if count_before == self._forgotten_count:  # else it may have changed since it was read
                        self._valid_ids.add(name)
                else:
                    self._partitions.pop(name, None)
        return parts | fresh

    def _read_partition(self, name: str) -> _Partition:
        # Stamps first: a file that is replaced between the two is read again the next time.
        stats = [self._lake.store.stat(key) for key in self._list_keys(name)]
        stamps = tuple(each.stamp if each else None for each in stats)
        partition = self._partitions.get(name)
        if partition and partition.stamps == stamps:
            return partition
        shots, videos = find_schema("shots").empty_table(), {}
        try:
            if any(stamps):
                shots = self._lake.read("shots", [name], self._columns)
                videos = {row["video_id"]: VideoRow.build(row) for row in self._lake.read("videos", [name]).to_pylist()}
        except DamagedTableError as error:  # the next ingest sets its videos aside; until then the others are found
            logger.warning("%s", error)
            shots, videos = find_schema("shots").empty_table(), {}
        shots = shots.select(self._columns).sort_by([("video_id", "ascending"), ("start_frame", "ascending")])
        for column in ("video_id", "show"):
            place = shots.schema.get_field_index(column)
            shots = shots.set_column(place, column, shots[column].combine_chunks().dictionary_encode())
        starts: NDArray[np.int64] = shots["start_frame"].to_numpy()
        return _Partition(stamps=stamps, shots=shots, starts=starts, videos=videos, spans=_group_rows(shots))


def _group_rows(shots: pa.Table) -> dict[str, range]:
    """Return the rows of each video, which are contiguous."""
    videos = shots["video_id"].combine_chunks()
    bounds = np.searchsorted(videos.indices.to_numpy(), np.arange(len(videos.dictionary) + 1)).tolist()
    return {
        video_id: range(first, end)
        for video_id, first, end in zip(videos.dictionary.to_pylist(), bounds[:-1], bounds[1:], strict=True)
    }


def _compute_media_version(computed_at: datetime) -> str:
    return f"{round(computed_at.timestamp() * 1e6):x}"


def start_timecode(
    start_frame: int, start_s: float, fps_num: int | None, fps_den: int | None, start: str | None
) -> str:
    """Return the timecode of a frame that is shown at ``start_s``, in a video that begins at ``start``."""
    fps = _make_rate(fps_num or 0, fps_den or 1)
    frame = frame_at(start_frame, start_s, fps)
    return _format_timecode(frame, fps.numerator, fps.denominator, start or "")


@lru_cache(maxsize=256)
def _make_rate(fps_num: int, fps_den: int) -> Fraction:
    return Fraction(fps_num, fps_den)


@lru_cache(maxsize=TIMECODES)
def _format_timecode(frame: int, fps_num: int, fps_den: int, start: str) -> str:
    return format_timecode(frame, Fraction(fps_num, fps_den), start)


def format_timecode(frame: int, fps: Fraction, start: str | None) -> str:
    """Return the timecode in the video, counted from zero if its own start is unusable.

    One file with a damaged timecode track must not stop every search that finds it. Below one frame in two seconds
    the timecode is empty: seconds would have no frames.
    """
    if round(fps) < 1:
        return ""
    try:
        return make_timecode(frame, fps, start or "00:00:00:00")
    except UsageError:
        return make_timecode(frame, fps)
