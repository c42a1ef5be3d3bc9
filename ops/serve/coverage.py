"""The searchable videos of each show, since when, and the videos that are in processing or set aside.

Read from values that the service already has, and cached for a few seconds: the page polls often, and a catalogue of
thousands of videos changes slowly.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from threading import Lock
from typing import Any

from ops.embeddings.set_aside import set_aside_shots
from ops.search.shot_details import VideoRow
from ops.serve.service import HINT, Service

REMEMBERED_S = 3.0


class Coverage:
    """The document of ``GET /api/shows``; safe to use from several threads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = Lock()
        self._known: tuple[float, str | None, dict[str, Any]] | None = None

    def build_document(self) -> dict[str, Any]:
        """Return shows with their videos by state, the totals, and the available kinds of search."""
        version = self._service.index_version()
        with self._lock:  # one computes, the others wait for it
            now = time.monotonic()
            if self._known and now < self._known[0] and version == self._known[1]:
                return self._known[2]
            document = self._compute()
            self._known = (now + REMEMBERED_S, version, document)
            return document

    def _compute(self) -> dict[str, Any]:
        service = self._service
        retriever = service.searcher.retriever
        index = retriever.index() if service.index_version() is not None else None
        indexed = index.counts("video_id") if index else Counter[str]()
        since = service.since.find_all(retriever.encoder_id)
        refused = Counter(row["video_id"] for row in set_aside_shots(service.settings, retriever.encoder_id))
        by_show: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row, shots in service.details.list_videos():
            if row.state != "removed":
                wanted = shots - refused[row.video_id]
                by_show[row.show].append(_describe_video(row, wanted, indexed[row.video_id], since))
        shows = [{"show": show, **_sum_up(videos)} for show, videos in sorted(by_show.items())]
        totals = _sum_up(video for videos in by_show.values() for video in videos)
        del totals["searchable_since"]
        lines = service.searcher.open_lines()
        return {
            "shows": shows,
            "totals": {"shows": len(shows), **totals},
            "encoder_id": retriever.encoder_id,
            "index_version": index.version if index else None,
            "dialogue_version": lines.version if lines else None,
            "lines": lines.count() if lines else 0,
            "probes": service.list_probes(),
            "hint": "" if index and index.count() else HINT,
        }


def _describe_video(row: VideoRow, wanted: int, indexed: int, since: dict[str, datetime]) -> dict[str, Any]:
    """Return the figures of one video; ready means that a search finds all of its shots but those set aside."""
    is_whole = row.state == "ready" and 0 < wanted == indexed
    state = row.state if is_whole or row.state != "ready" else "pending"
    return {
        "videos": 1,
        "ready": int(state == "ready"),
        "pending": int(state == "pending"),
        "set_aside": int(state == "set_aside"),
        "shots": indexed,
        "footage_s": row.seconds if state in ("ready", "pending") else 0.0,
        "searchable_since": since.get(row.video_id) if is_whole else None,
    }


def _sum_up(videos: Iterable[dict[str, Any]]) -> dict[str, Any]:
    figures = list(videos)
    names = ("videos", "ready", "pending", "set_aside", "shots", "footage_s")
    since = [each["searchable_since"] for each in figures if each["searchable_since"]]
    return {
        **{name: round(sum(each[name] for each in figures), 3) for name in names},
        "searchable_since": max(since).isoformat(timespec="seconds") if since else None,
    }
