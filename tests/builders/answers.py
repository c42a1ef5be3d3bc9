"""Answers of a search without a search: hits and what is around them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ops.search.query_parts import Reading
from ops.search.schema import Hit, HitLine, Query, SearchResult, Span, is_strong


def make_line(line_id: str, start_frame: int = 0, end_frame: int = 10) -> HitLine:
    """A line that is spoken in these frames."""
    return HitLine(
        line_id=line_id, line_ids=(line_id,), text="words", start_s=0.0, end_s=1.0, start_frame=start_frame,
        end_frame=end_frame, start_timecode="00:00:00:00", language="en", source="sidecar",
    )  # fmt: skip


def make_hit(shot_id: str, end_frame: int, *, lines: Sequence[HitLine] = (), **changes: Any) -> Hit:
    """A hit on a whole shot of 25 frames a second."""
    video_id, _, start = shot_id.partition(":")
    frames = Span(start_frame=int(start), end_frame=end_frame)
    values: dict[str, Any] = {
        "rank": 1, "score": 0.5, "relevance": 0.9, "shot_id": shot_id, "video_id": video_id, "show": "show",
        "title": "title", "path": "film.mp4", "start_frame": int(start), "end_frame": end_frame, "fps": "25/1",
        "start_s": 0.0, "end_s": 1.0, "start_timecode": "00:00:00:00", "poster": "", "proxy": "",
        "matched": ("visual",), "lines": tuple(lines), "probes": (), "folded": (), "is_weak": False,
        "is_blank": False, "is_title": False, "match": frames, "spoken": None, "then": None,
    }  # fmt: skip
    return Hit(**(values | changes))


def make_result(query: Query, hits: Iterable[Hit], *, cutoff: float) -> SearchResult:
    """The answer that has these hits; they are weak under the cutoff, unless their lines match."""
    hits_with_marks = (
        hit.model_copy(update={"is_weak": not is_strong(hit.relevance, hit.matched, cutoff)}) for hit in hits
    )
    reading = Reading(visual=True, dialogue=False, why="", said_in=0, notes=())
    return SearchResult(
        query=query, encoder_id="starter", index_version="v7", dialogue_version="v1-3", took_ms=1.0, cutoff=cutoff,
        stands_out=True, reading=reading, hits=tuple(hits_with_marks),
    )  # fmt: skip
