"""What people need to know of a shot that was found, from the lake's ``shots`` and ``videos`` tables."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.core.time import timecode_of
from ops.core.types import parse_shot_id

SHOT_COLUMNS = (
    "shot_id",
    "video_id",
    "show",
    "start_frame",
    "end_frame",
    "start_s",
    "end_s",
    "poster_uri",
    "proxy_uri",
)
VIDEO_COLUMNS = ("video_id", "title", "path", "fps_num", "fps_den", "start_timecode")
REMEMBERED = 20_000
READERS = 8


class ShotDetails:
    """Details of shots by id, read as they are needed and remembered until :meth:`forget`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._known: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def forget(self) -> None:
        """Read everything anew from now on."""
        with self._lock:
            self._known.clear()

    def of(self, shot_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Details by shot id; shots that the lake does not have (any more) are left out."""
        with self._lock:
            found = {shot_id: self._known[shot_id] for shot_id in shot_ids if shot_id in self._known}
        missing = [shot_id for shot_id in shot_ids if shot_id not in found]
        if missing:
            fresh = self._read(missing)
            found |= fresh
            with self._lock:
                self._known.update(fresh)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return found

    def starts_of(self, video_id: str) -> list[int]:
        """Start frames of a video's shots, ascending; empty where the video is unknown."""
        rows = self._settings.lake.read("shots", [self._settings.partition_of(video_id)], ("video_id", "start_frame"))
        own = rows.filter(pc.equal(rows["video_id"], video_id))
        return sorted(own["start_frame"].to_pylist())

    def _read(self, shot_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        partitions: dict[str, list[str]] = {}
        for shot_id in shot_ids:
            parsed = parse_shot_id(shot_id)
            if parsed:
                partitions.setdefault(self._settings.partition_of(parsed[0]), []).append(shot_id)
        with ThreadPoolExecutor(min(READERS, max(1, len(partitions)))) as pool:
            parts = pool.map(lambda item: self._read_partition(*item), partitions.items())
            return {row["shot_id"]: row for part in parts for row in part}

    def _read_partition(self, partition: str, shot_ids: list[str]) -> list[dict[str, Any]]:
        lake = self._settings.lake
        shots = _among(lake.read("shots", [partition], SHOT_COLUMNS), "shot_id", shot_ids).to_pylist()
        wanted = sorted({shot["video_id"] for shot in shots})
        videos = _among(lake.read("videos", [partition], VIDEO_COLUMNS), "video_id", wanted).to_pylist()
        by_id = {video["video_id"]: video for video in videos}
        return [_details(shot, by_id[shot["video_id"]]) for shot in shots if shot["video_id"] in by_id]


def _among(table: pa.Table, column: str, values: Iterable[str]) -> pa.Table:
    return table.filter(pc.is_in(table[column], pa.array(list(values), pa.string())))


def _details(shot: dict[str, Any], video: dict[str, Any]) -> dict[str, Any]:
    fps = Fraction(video["fps_num"], video["fps_den"])
    return {
        "shot_id": shot["shot_id"],
        "video_id": shot["video_id"],
        "show": shot["show"],
        "title": video["title"],
        "path": video["path"],
        "start_frame": shot["start_frame"],
        "end_frame": shot["end_frame"],
        "fps": f"{fps.numerator}/{fps.denominator}",
        "start_s": shot["start_s"],
        "end_s": shot["end_s"],
        "start_timecode": timecode_or_blank(shot["start_frame"], fps, video["start_timecode"]),
        "poster": shot["poster_uri"],
        "proxy": shot["proxy_uri"],
    }


def timecode_or_blank(frame: int, fps: Fraction, start: str | None) -> str:
    """Timecode in the video, counted from zero where its own start is unusable.

    One file with a damaged timecode track must not stop every search that finds it. Below one frame in
    two seconds there is no timecode: seconds would have no frames.
    """
    if round(fps) < 1:
        return ""
    try:
        return timecode_of(frame, fps, start or "00:00:00:00")
    except UsageError:
        return timecode_of(frame, fps)
