"""Replicate the lake's dialogue to its index.

Stands alone to define once which lines are searchable: those of videos that are ready, if they belong to a shot. A line
past the end of its video is in the lake only.
"""

from __future__ import annotations

from collections.abc import Iterator

from ops.core.settings import Settings
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.dialogue.speech import OFF
from ops.index.line_points import FOLLOWING_KEY
from ops.index.line_publishing import drop_old_lines
from ops.index.line_replica import LineReplica
from ops.index.lines import NAME, LineRow
from ops.index.utterances import add_sentences
from ops.videos import catalogue

COLUMNS = tuple(name for name in LineRow.__dataclass_fields__ if name != FOLLOWING_KEY)
TAG = "language_tag"
STAGE = "dialogue_index"


def read_lines(settings: Settings, partition: str) -> Iterator[LineRow]:
    """Yield every line of a partition that belongs in the index."""
    rows = settings.lake.read("dialogue", [partition], (*COLUMNS, TAG)).to_pylist()
    if not rows:
        return
    ready = {
        row["video_id"]
        for row in catalogue.read_videos(settings.lake, [partition])
        # As for vectors: a video that was only moved stays searchable until its file is checked again.
        if row["state"] == "ready" or (row["state"] == "pending" and row["frames"])
    }
    # Subtitles of pt-BR and of pt-PT have one language here, and no sentence continues from one to the other.
    groups: dict[tuple[str, str], list[LineRow]] = {}
    for row in rows:
        if row["video_id"] in ready and row["shot_ids"]:
            tag = row.pop(TAG) or row["language"]
            line = LineRow(**row | {"shot_ids": tuple(row["shot_ids"])})
            groups.setdefault((line.video_id, tag), []).append(line)
    for lines in groups.values():
        yield from add_sentences(lines)


DIALOGUE = LineReplica(
    name=NAME,
    stage=STAGE,
    version_key="dialogue_version",
    unit="lines",
    check="same_lines_as_lake",
    table="dialogue",
    read_partition=read_lines,
)


def has_current_lines(settings: Settings) -> bool:
    """Return True if the index is built from the lake's current lines."""
    return DIALOGUE.is_current(settings)


def build_lines(settings: Settings, progress: Progress) -> StepReport:
    """Publish the lake's lines as the current version of their index; a no-op if they already are.

    If speech is off, earlier versions are deleted too, with the recognised lines in them.
    """
    report = DIALOGUE.build(settings, progress)
    if settings.speech == OFF:
        drop_old_lines(settings)
    return report


def check_lines(settings: Settings) -> CheckOutcome:
    """Compare the published lines, read back one by one, with the lake's. Writes nothing."""
    return DIALOGUE.check_index(settings)
