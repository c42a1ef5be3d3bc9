"""Rows of the lake from the dialogue of one video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ops.core.rows import LakeLine, LakeShotDialogue, LakeSubtitle, LakeVideo
from ops.dialogue.alignment import FrameClock
from ops.dialogue.lines import DialogueLine, limit_notes
from ops.dialogue.sources import SubtitleSource
from ops.videos.languages import find_primary_language

MOST_TEXT = 10_000
"""Length of the joined text of one shot; it is a feature, the lines themselves are in ``dialogue``."""


def build_line_rows(
    video: LakeVideo, clock: FrameClock, lines: Sequence[DialogueLine], now: datetime
) -> list[LakeLine]:
    """Return rows of ``dialogue``, in the order of time; a line past the end of the video has no shot."""
    rows: list[LakeLine] = []
    for index, line in enumerate(lines):
        start, end = clock.find_frames(line.start_s, line.end_s)
        rows.append(
            {
                "line_id": line.make_line_id(video["video_id"]),
                "video_id": video["video_id"],
                "show": video["show"],
                "index": index,
                "shot_ids": clock.find_shots(start, end),
                "start_frame": start,
                "end_frame": end,
                "start_s": line.start_s,
                "end_s": line.end_s,
                "text": line.text,
                "language": _select_primary(line.language),
                "language_tag": line.language,
                "source": line.source,
                "certainty": line.certainty,
                "event_timestamp": video["available_at"],
                "created_timestamp": now,
            }
        )
    return rows


def build_shot_rows(
    video: LakeVideo, clock: FrameClock, lines: Sequence[LakeLine], inputs: str, now: datetime
) -> list[LakeShotDialogue]:
    """Return rows of ``shot_dialogue``: one a shot, also for shots without speech."""
    by_shot: dict[str, list[LakeLine]] = {}
    for line in lines:
        for shot_id in line["shot_ids"]:
            by_shot.setdefault(shot_id, []).append(line)
    return [
        {
            "shot_id": shot["shot_id"],
            "video_id": video["video_id"],
            "show": video["show"],
            "index": shot["index"],
            "lines": len(shot_lines),
            "text": " ".join(line["text"] for line in shot_lines)[:MOST_TEXT],
            "language": _join_names(line["language"] for line in shot_lines),
            "source": _join_names(line["source"] for line in shot_lines),
            "input_hash": inputs,
            "event_timestamp": video["available_at"],
            "created_timestamp": now,
        }
        for shot in clock.shots
        for shot_lines in [by_shot.get(shot["shot_id"], [])]
    ]


def build_subtitle_rows(video: LakeVideo, sources: Sequence[SubtitleSource], now: datetime) -> list[LakeSubtitle]:
    """Return rows of ``subtitles``: one for each source, usable or not, with its faults."""
    return [
        {
            "subtitle_id": f"{video['video_id']}:{source.source}:{source.path}",
            "video_id": video["video_id"],
            "path": source.path,
            "source": source.source,
            "language": _select_primary(source.language),
            "language_tag": source.language,
            "content_hash": source.content_hash,
            "lines": len(source.lines),
            "reason": source.reason,
            "notes": limit_notes(source.notes),
            "event_timestamp": video["available_at"],
            "created_timestamp": now,
        }
        for source in sources
    ]


def renew_subtitle_row(row: LakeSubtitle) -> LakeSubtitle:
    """Return a stored row of ``subtitles`` with both columns of its language; earlier versions had the tag only."""
    tag = row["language_tag"] or row["language"]
    return row | {"language": _select_primary(row["language"]), "language_tag": tag}


def _select_primary(tags: str) -> str:
    return ",".join(sorted(set(map(find_primary_language, tags.split(",")))))


def _join_names(names: Iterable[str]) -> str:
    return ",".join(sorted(set(names) - {""}))
