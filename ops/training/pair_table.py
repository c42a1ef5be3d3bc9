"""The lake table ``caption_pairs``: what there is to learn from.

Pairs of shots lie in the partition of their film, and come and go with it; pairs of images lie in a partition of
their file's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.core.settings import Settings
from ops.core.tables import digest_of
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.training.pairs import CaptionPair, Gathered
from ops.training.sources import captions_beside, shot_pairs
from ops.videos import catalogue
from ops.videos.forgotten import forgotten_ids

TABLE = "caption_pairs"
STAGE = "pairs"


def build_pairs(settings: Settings, partitions: Sequence[str], now: datetime, progress: Progress) -> StepReport:
    """Bring the pairs of the partitions' videos up to date from the ``<film>.captions.jsonl`` beside each film."""
    with settings.working():
        progress.start(STAGE, 0, "pairs")
        changed = sum(settings.lake.ensure(TABLE, partition) for partition in partitions)
        refused: dict[str, str] = {}
        for video in catalogue.videos_of(settings.lake, partitions):
            gathered = Gathered()
            if video["state"] == "ready":
                shot_pairs(settings, video, captions_beside(video["path"]), gathered)
            rows = rows_of(settings, gathered.learn, now)
            changed += settings.lake.update(TABLE, settings.partition_of(video["video_id"]), video["video_id"], rows)
            progress.advance(STAGE, len(rows))
            refused |= gathered.refused
        for thing, reason in refused.items():
            progress.set_aside(STAGE, thing, reason)
        progress.finish(STAGE)
        return _report(settings, partitions, changed, refused)


def store_pairs(settings: Settings, pairs: Sequence[CaptionPair], now: datetime) -> bool:
    """Put image pairs of a data set into the table; true where it changed. Shots come by :func:`build_pairs`."""
    by_source: dict[str, list[CaptionPair]] = {}
    for pair in pairs:
        if pair.kind == "image":
            by_source.setdefault(pair.source, []).append(pair)
    changed = False
    for source, own in by_source.items():
        partition = f"images-{hashlib.blake2b(source.encode(), digest_size=8).hexdigest()}"
        changed |= settings.lake.write(TABLE, partition, rows_of(settings, own, now))
    return changed


def stored_pairs(settings: Settings) -> list[CaptionPair]:
    """All pairs of the table whose shot, if it is of one, is still in the catalogue and its film not forgotten."""
    gone = forgotten_ids(settings.store)
    shots = settings.lake.read("shots", columns=["shot_id", "video_id"]).to_pylist()
    known = {shot["shot_id"] for shot in shots if shot["video_id"] not in gone}
    names = CaptionPair.__dataclass_fields__
    rows = settings.lake.read(TABLE).to_pylist()
    return [
        CaptionPair(**{name: row[name] for name in names if name != "captions"}, captions=tuple(row["captions"]))
        for row in rows
        if not row["shot_id"] or row["shot_id"] in known
    ]


def rows_of(settings: Settings, pairs: Sequence[CaptionPair], now: datetime) -> list[dict[str, Any]]:
    """Rows of the table. An image became available when its file was written, a shot with its film."""
    wanted = {settings.partition_of(pair.video_id) for pair in pairs if pair.video_id}
    shots = settings.lake.read("shots", sorted(wanted)).to_pylist() if wanted else []
    available = {shot["shot_id"]: shot["event_timestamp"] for shot in shots}
    return [
        {
            **{name: getattr(pair, name) for name in CaptionPair.__dataclass_fields__},
            "captions": list(pair.captions),
            "index": number,
            "event_timestamp": available.get(pair.shot_id) or _written(pair.source, now),
            "created_timestamp": now,
        }
        for number, pair in enumerate(pairs)
    ]


def _report(settings: Settings, partitions: Sequence[str], changed: int, refused: dict[str, str]) -> StepReport:
    rows = settings.lake.read(TABLE, partitions).to_pylist()
    shots = set(settings.lake.read("shots", partitions, ["shot_id"])["shot_id"].to_pylist())
    lost = [row["pair_id"] for row in rows if row["shot_id"] not in shots]
    by_partition: dict[str, dict[str, Any]] = {name: {"pairs": 0} for name in partitions}
    for row in rows:
        by_partition[settings.partition_of(row["video_id"])]["pairs"] += 1
    return StepReport(
        changed=changed,
        data_version=digest_of((row["pair_id"], row["input_hash"]) for row in rows),
        details={
            "pairs": len(rows),
            "captions": sum(len(row["captions"]) for row in rows),
            "shows": sorted({row["show"] for row in rows}),
            "set_aside": refused,
        },
        by_partition=by_partition,
        checks=[CheckOutcome(name="shots_exist", passed=not lost, details={"pairs": len(rows), "lost": lost[:10]})],
    )


def _written(path: str, otherwise: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC)
    except OSError:
        return otherwise
