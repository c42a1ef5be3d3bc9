"""Replicate the lake's writing in the picture to its index of lines.

Searchable are texts of ready videos, without timecodes and texts that are constant in a video. The languages of a Latin
text are unknown: its words match as they are written, or as English word forms. Lines of one text below each other are
found together (``text_blocks.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

from ops.core.rows import LakeScreenText
from ops.core.settings import Settings
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.index.line_publishing import drop_old_lines
from ops.index.line_replica import LineReplica
from ops.index.lines import SCREEN_TEXT, LineIndex, LineRow, open_lines
from ops.index.text_blocks import PlacedLine, join_blocks
from ops.videos import catalogue

SOURCE = "screen"
"""Source of a line that is written in the picture, not spoken."""
COLUMNS = (
    "text_id",
    "video_id",
    "show",
    "shot_id",
    "start_frame",
    "end_frame",
    "start_s",
    "end_s",
    "text",
    "language",
    "kind",
    "box",
)


def read_texts(settings: Settings, partition: str) -> Iterator[LineRow]:
    """Yield every text of a partition that belongs in the index."""
    rows = settings.lake.read("screen_text", [partition], COLUMNS).to_pylist()
    if not rows:
        return
    ready = {
        row["video_id"]
        for row in catalogue.read_videos(settings.lake, [partition])
        # As for dialogue: a video that was only moved stays searchable until its file is checked again.
        if row["state"] == "ready" or (row["state"] == "pending" and row["frames"])
    }
    searched_rows = [row for row in rows if row["video_id"] in ready and row["kind"] == "text"]
    yield from join_blocks(map(_build_line, searched_rows))


def _build_line(row: LakeScreenText) -> PlacedLine:
    left, top, right, bottom = row["box"]
    line = LineRow(
        line_id=row["text_id"],
        video_id=row["video_id"],
        show=row["show"],
        shot_ids=(row["shot_id"],),
        start_frame=row["start_frame"],
        end_frame=row["end_frame"],
        # The embedded engine changes the last of 17 digits.
        start_s=round(row["start_s"], 3),
        end_s=round(row["end_s"], 3),
        text=row["text"],
        language=row["language"] or "en",
        source=SOURCE,
    )
    return PlacedLine(row=line, box=(left, top, right, bottom))


WRITING = LineReplica(
    name=SCREEN_TEXT,
    stage="screen_text_index",
    version_key="screen_text_version",
    unit="texts",
    check="same_texts_as_lake",
    table="screen_text",
    read_partition=read_texts,
)


def open_texts(settings: Settings) -> LineIndex | None:
    """Open the current version of the texts; ``None`` if there is none. Raises ``VectorIndexError``."""
    return open_lines(settings, SCREEN_TEXT)


def has_current_texts(settings: Settings) -> bool:
    """Return True if the index is built from the lake's current texts."""
    return WRITING.is_current(settings)


def build_texts(settings: Settings, progress: Progress) -> StepReport:
    """Publish the lake's texts as the current version of their index; a no-op if they already are.

    If the setting is off, earlier versions are deleted too, with the texts in them.
    """
    report = WRITING.build(settings, progress)
    if settings.screen_text == "off":
        drop_old_lines(settings, SCREEN_TEXT)
    return report


def check_texts(settings: Settings) -> CheckOutcome:
    """Compare the published texts, read back one by one, with the lake's. Writes nothing."""
    return WRITING.check_index(settings)
