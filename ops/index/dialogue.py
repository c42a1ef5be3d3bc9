"""Replicate the lake's dialogue to its index.

Stands alone to define once which lines are searchable: those of videos that are ready, if they belong to a shot. A line
past the end of its video is in the lake only.
"""

from __future__ import annotations

from collections.abc import Iterator

from ops.core.errors import DamagedTableError, VectorIndexError
from ops.core.settings import Settings
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.index.line_points import FOLLOWING_KEY
from ops.index.lines import (
    LineRow,
    compute_line_digest,
    compute_line_version,
    open_lines,
    publish_lines,
    read_current_line_version,
)
from ops.index.utterances import add_sentences
from ops.videos import catalogue

COLUMNS = tuple(name for name in LineRow.__dataclass_fields__ if name != FOLLOWING_KEY)
TAG = "language_tag"
STAGE = "dialogue_index"
ATTEMPTS = 3


def read_wanted_lines(settings: Settings) -> Iterator[LineRow]:
    """Yield every line that belongs in the index, partition by partition."""
    for partition in settings.lake.list_partitions("dialogue"):
        rows = settings.lake.read("dialogue", [partition], (*COLUMNS, TAG)).to_pylist()
        if not rows:
            continue
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


def has_current_lines(settings: Settings) -> bool:
    """Return True if the index is built from the lake's current lines."""
    current = read_current_line_version(settings)
    rows = list(read_wanted_lines(settings))
    return current == compute_line_version(rows) if current or rows else True


def build_lines(settings: Settings, progress: Progress) -> StepReport:
    """Publish the lake's lines as the current version of their index; a no-op if they already are."""
    progress.start(STAGE, 0, "lines")
    before = read_current_line_version(settings)
    rows = list(read_wanted_lines(settings))
    version = publish_lines(settings, rows)
    progress.advance(STAGE, len(rows))
    progress.finish(STAGE)
    return StepReport(
        changed=int(version != before),
        data_version=version or "none",
        details={"dialogue_version": version or "", "lines": len(rows), "digest": compute_line_digest(rows)},
        rows=len(rows),
    )


def check_lines(settings: Settings) -> CheckOutcome:
    """Compare the published lines, read back one by one, with the lake's. Writes nothing.

    If the lake changes during the comparison, it is compared again. A damaged table or index fails the check.
    """
    try:
        index_digest, lake_digest = _compare(settings)
    except (DamagedTableError, VectorIndexError) as error:
        return CheckOutcome(name="same_lines_as_lake", passed=False, details={"problems": [str(error)]})
    return CheckOutcome(
        name="same_lines_as_lake",
        passed=index_digest == lake_digest,
        details={
            "dialogue_version": read_current_line_version(settings) or "",
            "digest": index_digest,
            "expected_digest": lake_digest,
        },
    )


def _compare(settings: Settings) -> tuple[str, str]:
    """Return the digests of the published lines and of the lake's."""
    for _ in range(ATTEMPTS):
        lake_digest = compute_line_digest(read_wanted_lines(settings))
        index = open_lines(settings)
        index_digest = compute_line_digest([]) if index is None else index.digest()
        if index is not None:
            index.close()
        if index_digest == lake_digest or lake_digest == compute_line_digest(read_wanted_lines(settings)):
            break
    return index_digest, lake_digest
