"""The time since when a video is searchable; one definition for the list of shows and for the page of a shot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from threading import Lock

from ops.core.settings import Settings
from ops.embeddings.build import name_table

Runs = Callable[[Sequence[tuple[str, str, float]]], Sequence[Mapping[str, str | None]]]
"""Dagster runs of ``(asset, partition, Unix time at which the rows were computed)``; see ``ops/cli/runs.py``."""


class SearchableSince:
    """The time at which the index was first published with all of a video's shots in their current state.

    That is the end of the first run of the index after the newest vector of the video was computed. If Dagster has
    no record of this run, it is the time of that vector. A file of the lake is read once for each time it changes.
    Safe to use from several threads.
    """

    def __init__(self, settings: Settings, runs: Runs | None) -> None:
        self._settings = settings
        self._runs = runs
        self._lock = Lock()
        self._read: dict[str, tuple[str, dict[str, datetime]]] = {}
        self._publications: dict[datetime, datetime] = {}

    def find(self, video_id: str, encoder_id: str) -> datetime | None:
        """Return the time for one video; ``None`` if it has no vectors."""
        partition = self._settings.resolve_partition(video_id)
        key = f"{self._settings.lake.folder(name_table(encoder_id))}/{partition}.parquet"
        stat = self._settings.lake.store.stat(key)
        if stat is None:
            return None
        with self._lock:
            when = self._read_times(encoder_id, key, stat.stamp).get(video_id)
            return self._find_publications([when])[when] if when else None

    def find_all(self, encoder_id: str) -> dict[str, datetime]:
        """Return times by video id, of every video that has vectors."""
        lake = self._settings.lake
        stamps = {
            key: stat.stamp
            for key, stat in lake.store.stats(lake.folder(name_table(encoder_id))).items()
            if key.endswith(".parquet")
        }
        with self._lock:
            self._read = {key: read for key, read in self._read.items() if key in stamps}
            times: dict[str, datetime] = {}
            for key, stamp in stamps.items():
                times |= self._read_times(encoder_id, key, stamp)
            publications = self._find_publications(times.values())
            return {video_id: publications[when] for video_id, when in times.items()}

    def _read_times(self, encoder_id: str, key: str, stamp: str) -> dict[str, datetime]:
        """Return the time of the newest vector of each video of one file."""
        if self._read.get(key, ("",))[0] != stamp:
            partition = key.rsplit("/", 1)[1].removesuffix(".parquet")
            rows = self._settings.lake.read(name_table(encoder_id), [partition], ("video_id", "created_timestamp"))
            newest = rows.group_by("video_id").aggregate([("created_timestamp", "max")]).to_pylist()
            self._read[key] = (stamp, {row["video_id"]: row["created_timestamp_max"] for row in newest})
        return self._read[key][1]

    def _find_publications(self, times: Iterable[datetime]) -> dict[datetime, datetime]:
        """Return the time of the index publication after each of these times; each run is looked up once."""
        publications: dict[datetime, datetime] = {}
        last: datetime | None = None
        is_over = False
        for when in sorted(set(times)):
            if when in self._publications:
                last = self._publications[when]
            elif last is None or when > last:  # else no run ended between them
                last = None if is_over else self._find_first_run(when)
                is_over = last is None
            if last is not None:
                self._publications[when] = last
            publications[when] = last or when
        return publications

    def _find_first_run(self, when: datetime) -> datetime | None:
        runs = self._runs([("search_index", "", when.timestamp())]) if self._runs else []
        ends = [run["at"] for run in runs]
        return datetime.fromisoformat(ends[0]) if ends and ends[0] else None
