"""The ``shot_corrections`` table: people's corrections of single frames, that a shot begins there or does not.

Corrections name frames of the source, not shots, so they stay valid for the boundaries of any later detector. A video's
id is a hash of its content, so a correction never applies to another video at the same path. Append-only: the latest
correction of a frame counts, and one with the action ``withdrawn`` cancels the earlier ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ops.core.settings import Settings
from ops.core.tables import Lake, compute_digest

TABLE = "shot_corrections"
Action = Literal["cut", "no_cut", "withdrawn"]


@dataclass(frozen=True, kw_only=True)
class CutCorrection:
    """One correction by one person: a shot begins at ``frame`` (``cut``), or none does (``no_cut``).

    ``frame`` is a source frame number above 0. ``content_hash`` is that of the corrected video.
    """

    video_id: str
    frame: int
    action: Action
    author: str
    created_at: datetime
    note: str = ""
    content_hash: str = ""

    @property
    def correction_id(self) -> str:
        """Hash of author, frame, action, time and note: 32 hex digits of BLAKE2b."""
        words = (self.video_id, self.frame, self.action, self.author, self.created_at.isoformat(), self.note)
        return hashlib.blake2b("\x00".join(map(str, words)).encode(), digest_size=16).hexdigest()

    def document(self) -> dict[str, Any]:
        """The correction as JSON."""
        return {
            "video_id": self.video_id,
            "frame": self.frame,
            "action": self.action,
            "author": self.author,
            "created_at": self.created_at.isoformat(),
            "note": self.note,
        }


def select_current(history: Iterable[CutCorrection]) -> list[CutCorrection]:
    """The corrections that count, by video and frame: the latest of each frame, unless it was withdrawn."""
    latest: dict[tuple[str, int], CutCorrection] = {}
    for each in sorted(history, key=lambda one: one.created_at):
        latest[each.video_id, each.frame] = each
    return [each for _, each in sorted(latest.items()) if each.action != "withdrawn"]


def read_history(settings: Settings, video_id: str | None = None) -> list[CutCorrection]:
    """All corrections of a video, or of every video, the oldest first."""
    partitions = None if video_id is None else [settings.resolve_partition(video_id)]
    history = _read_rows(settings.lake, partitions)
    return [each for each in history if video_id in (None, each.video_id)]


class CurrentCorrections:
    """The corrections that count, by video. Lists the table once, and reads only its existing partitions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partitions = frozenset(settings.lake.list_partitions(TABLE))
        self._by_partition: dict[str, dict[str, list[CutCorrection]]] = {}

    def select_video(self, video_id: str) -> list[CutCorrection]:
        """Corrections of one video, by frame."""
        return self._read_partition(self._settings.resolve_partition(video_id)).get(video_id, [])

    def merge_at(self, video_id: str, frame: int) -> CutCorrection | None:
        """The correction that excludes a shot start at ``frame`` of the video, if there is one."""
        return next(
            (each for each in self.select_video(video_id) if each.frame == frame and each.action == "no_cut"), None
        )

    def list_video_ids(self) -> list[str]:
        """Videos with a correction, even if all their corrections are withdrawn."""
        return sorted(video_id for name in self._partitions for video_id in self._read_partition(name))

    def _read_partition(self, name: str) -> dict[str, list[CutCorrection]]:
        if name not in self._partitions:
            return {}
        if name not in self._by_partition:
            history = _read_rows(self._settings.lake, [name])
            by_video: dict[str, list[CutCorrection]] = {each.video_id: [] for each in history}
            for each in select_current(history):
                by_video[each.video_id].append(each)
            self._by_partition[name] = by_video
        return self._by_partition[name]


def append_corrections(settings: Settings, corrections: Sequence[CutCorrection], now: datetime) -> None:
    """Append the corrections of one video. The caller holds the lake's lock of its partition of this table."""
    partition = settings.resolve_partition(corrections[0].video_id)
    old_rows = settings.lake.read(TABLE, [partition]).to_pylist()
    settings.lake.write(TABLE, partition, [*old_rows, *(_build_row(each, now) for each in corrections)])


def digest_corrections(settings: Settings) -> str:
    """Order-free digest of the whole history."""
    return compute_digest((each.correction_id, "") for each in read_history(settings))


def _read_rows(lake: Lake, partitions: Sequence[str] | None) -> list[CutCorrection]:
    names = ("video_id", "frame", "action", "author", "created_at", "note", "content_hash")
    rows = lake.read(TABLE, partitions).select(names).to_pylist()
    corrections = [
        CutCorrection(**{**row, "note": row["note"] or "", "content_hash": row["content_hash"] or ""}) for row in rows
    ]
    return sorted(corrections, key=lambda each: each.created_at)


def _build_row(correction: CutCorrection, now: datetime) -> dict[str, Any]:
    return {
        "correction_id": correction.correction_id,
        **correction.document(),
        "created_at": correction.created_at,
        "content_hash": correction.content_hash,
        "event_timestamp": correction.created_at,
        "created_timestamp": now,
    }
