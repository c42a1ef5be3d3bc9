"""The lake table ``caption_pairs``: the data for training.

Pairs of shots are in the partition of their video, and come and go with it; pairs of images are in a partition of
their file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.training.pairs import CaptionPair, PairCollection, merge_pairs
from ops.training.sources import add_shot_pairs
from ops.videos import catalogue
from ops.videos.forgotten import read_forgotten_ids

TABLE = "caption_pairs"
STAGE = "pairs"
NO_CAPTIONS = (
    "No shot of the catalogue has a caption, so there is nothing to measure: put `<film>.captions.jsonl` beside "
    "ingested films, then materialise `caption_pairs`, or run `needle report retrieval_report`, which reads them."
)


def build_pairs(settings: Settings, partitions: Sequence[str], now: datetime, progress: Progress) -> StepReport:
    """Bring the pairs of the partitions' videos up to date from the ``<film>.captions.jsonl`` beside each video."""
    with settings.hold_work_lock():
        progress.start(STAGE, 0, "captioned shots")
        changes = sum(settings.lake.ensure(TABLE, partition) for partition in partitions)
        skip_reasons: dict[str, str] = {}
        for video in catalogue.read_videos(settings.lake, partitions):
            collection = PairCollection()
            if video["state"] == "ready":
                add_shot_pairs(settings, video, video["path"], collection)
            rows = make_rows(settings, merge_pairs(collection.learn), now)
            changes += settings.lake.update(
                TABLE, settings.resolve_partition(video["video_id"]), video["video_id"], rows
            )
            progress.advance(STAGE, len(rows))
            skip_reasons |= collection.skipped
        for thing, reason in skip_reasons.items():
            progress.set_aside(STAGE, thing, reason)
        progress.finish(STAGE)
        return _build_report(settings, partitions, changes, skip_reasons)


def store_pairs(settings: Settings, pairs: Sequence[CaptionPair], now: datetime) -> bool:
    """Write image pairs of a data set into the table; return whether it changed. Shots: see :func:`build_pairs`."""
    by_source: dict[str, list[CaptionPair]] = {}
    for pair in pairs:
        if pair.kind == "image":
            by_source.setdefault(pair.source, []).append(pair)
    is_changed = False
    for source, images in by_source.items():
        partition = f"images-{hashlib.blake2b(source.encode(), digest_size=8).hexdigest()}"
        is_changed |= settings.lake.write(TABLE, partition, make_rows(settings, merge_pairs(images), now))
    return is_changed


def load_pairs(settings: Settings) -> list[CaptionPair]:
    """Return all pairs of the table, except those whose shot left the catalogue or whose video is forgotten.

    An image that several files hold is one pair, with the captions of all.
    """
    forgotten_ids = read_forgotten_ids(settings.store)
    shots = settings.lake.read("shots", columns=["shot_id", "video_id"]).to_pylist()
    known_ids = {shot["shot_id"] for shot in shots if shot["video_id"] not in forgotten_ids}
    names = CaptionPair.__dataclass_fields__
    rows = settings.lake.read(TABLE).to_pylist()
    return merge_pairs(
        CaptionPair(**{name: row[name] for name in names if name != "captions"}, captions=tuple(row["captions"]))
        for row in rows
        if not row["shot_id"] or row["shot_id"] in known_ids
    )


def check_captions(settings: Settings) -> CheckOutcome:
    """Check that shots of the catalogue have captions, without which no report can measure how they are found."""
    pairs = [pair for pair in load_pairs(settings) if pair.shot_id]
    videos = {pair.video_id for pair in pairs}
    details = {
        "captioned_shots": len(pairs),
        "captioned_videos": len(videos),
        "problems": [] if pairs else [NO_CAPTIONS],
    }
    return CheckOutcome(name="has_captions", passed=bool(pairs), details=details, blocking=False)


def make_rows(settings: Settings, pairs: Sequence[CaptionPair], now: datetime) -> list[dict[str, object]]:
    """Return rows of the table. An image is available since its file was written, a shot since its video was."""
    shot_partitions = {settings.resolve_partition(pair.video_id) for pair in pairs if pair.video_id}
    shots = settings.lake.read("shots", sorted(shot_partitions)).to_pylist() if shot_partitions else []
    available = {shot["shot_id"]: shot["event_timestamp"] for shot in shots}
    return [
        {
            **{name: getattr(pair, name) for name in CaptionPair.__dataclass_fields__},
            "captions": list(pair.captions),
            "index": number,
            "event_timestamp": available.get(pair.shot_id) or _read_modification_time(pair.source, now),
            "created_timestamp": now,
        }
        for number, pair in enumerate(pairs)
    ]


def _build_report(
    settings: Settings, partitions: Sequence[str], changes: int, skip_reasons: dict[str, str]
) -> StepReport:
    rows = settings.lake.read(TABLE, partitions).to_pylist()
    shots = set(settings.lake.read("shots", partitions, ["shot_id"])["shot_id"].to_pylist())
    lost_ids = [row["pair_id"] for row in rows if row["shot_id"] not in shots]
    by_partition: dict[str, dict[str, int]] = {name: {"pairs": 0} for name in partitions}
    for row in rows:
        by_partition[settings.resolve_partition(row["video_id"])]["pairs"] += 1
    return StepReport(
        changed=changes,
        data_version=compute_digest((row["pair_id"], row["input_hash"]) for row in rows),
        details={
            "pairs": len(rows),
            "captions": sum(len(row["captions"]) for row in rows),
            "shows": sorted({row["show"] for row in rows}),
            "set_aside": skip_reasons,
        },
        by_partition=by_partition,
        checks=[
            CheckOutcome(name="shots_exist", passed=not lost_ids, details={"pairs": len(rows), "lost": lost_ids[:10]})
        ],
    )


def _read_modification_time(path: str, otherwise: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC)
    except OSError:
        return otherwise
