"""The searchable videos of each show, since when, and the videos that are in processing or set aside.

Read from values that the service already has, and cached for a few seconds: the page polls often, and a catalogue of
thousands of videos changes slowly.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import TypedDict

from ops.embeddings.set_aside import set_aside_shots
from ops.search.shot_details import VideoRow
from ops.serve.answers.shows import Show, ShowsAnswer, Totals
from ops.serve.service import HINT, Service

REMEMBERED_S = 3.0


class Coverage:
    """The document of ``GET /api/shows``; safe to use from several threads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = Lock()
        self._last_answer: tuple[float, str | None, _Contents] | None = None

    def build_document(self) -> ShowsAnswer:
        """Return shows with their videos by state, the totals, and the available kinds of search."""
        return self._read().document

    def list_videos(self) -> Sequence[ListedVideo]:
        """Return every video of the catalogue with its state."""
        return self._read().videos

    def _read(self) -> _Contents:
        version = self._service.index_version()
        with self._lock:  # one computes, the others wait for it
            now = time.monotonic()
            if self._last_answer and now < self._last_answer[0] and version == self._last_answer[1]:
                return self._last_answer[2]
            contents = self._compute()
            self._last_answer = (now + REMEMBERED_S, version, contents)
            return contents

    def _compute(self) -> _Contents:
        service = self._service
        retriever = service.searcher.retriever
        index = retriever.index() if service.index_version() is not None else None
        in_index = index.counts("video_id") if index else Counter[str]()
        since = service.since.find_all(retriever.encoder_id)
        set_aside_counts = Counter(row["video_id"] for row in set_aside_shots(service.settings, retriever.encoder_id))
        by_show: dict[str, list[ListedVideo]] = defaultdict(list)
        for row, shots in service.details.list_videos():
            if row.state != "removed":
                searchable = shots - set_aside_counts[row.video_id]
                by_show[row.show].append(_describe_video(row, searchable, in_index[row.video_id], since))
        shows = [
            Show(show=show, searchable_since=_find_newest(videos), **_sum_up(videos))
            for show, videos in sorted(by_show.items())
        ]
        every = [video for videos in by_show.values() for video in videos]
        lines, texts = service.searcher.open_lines(), service.searcher.open_texts()
        document = ShowsAnswer(
            shows=shows,
            totals=Totals(shows=len(shows), **_sum_up(every)),
            encoder_id=retriever.encoder_id,
            index_version=index.version if index else None,
            dialogue_version=lines.version if lines else None,
            lines=lines.count() if lines else 0,
            texts=texts.count() if texts else 0,
            shots_with_text=len(texts.shot_ids) if texts else 0,
            shots_by_sound=service.searcher.sound.count_shots(),
            probes=service.list_probes(),
            hint="" if index and index.count() else HINT,
        )
        return _Contents(document=document, videos=every)


@dataclass(frozen=True, kw_only=True)
class ListedVideo:
    """A video and its figures. ``state`` is ``ready`` only if a search finds all of its shots, of which ``shots`` are
    in the index."""

    row: VideoRow
    state: str
    shots: int
    seconds: float
    searchable_since: datetime | None


@dataclass(frozen=True, kw_only=True)
class _Contents:
    """What was read at one time."""

    document: ShowsAnswer
    videos: Sequence[ListedVideo]


class _Sums(TypedDict):
    """The figures of several videos, named as in the answer."""

    videos: int
    ready: int
    pending: int
    set_aside: int
    shots: int
    footage_s: float


def _describe_video(row: VideoRow, searchable: int, in_index: int, since: dict[str, datetime]) -> ListedVideo:
    """Return the figures of one video; ready means that a search finds all of its shots but those set aside."""
    is_whole = row.state == "ready" and 0 < searchable == in_index
    state = row.state if is_whole or row.state != "ready" else "pending"
    return ListedVideo(
        row=row,
        state=state,
        shots=in_index,
        seconds=row.seconds if state in ("ready", "pending") else 0.0,
        searchable_since=since.get(row.video_id) if is_whole else None,
    )


def _sum_up(videos: Sequence[ListedVideo]) -> _Sums:
    states = Counter(each.state for each in videos)
    return {
        "videos": len(videos),
        "ready": states["ready"],
        "pending": states["pending"],
        "set_aside": states["set_aside"],
        "shots": sum(each.shots for each in videos),
        "footage_s": round(sum(each.seconds for each in videos), 3),
    }


def _find_newest(videos: Sequence[ListedVideo]) -> str | None:
    times = [each.searchable_since for each in videos if each.searchable_since]
    return max(times).isoformat(timespec="seconds") if times else None
