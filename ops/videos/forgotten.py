"""Tombstones of the videos that `needle forget` removed. They hold an id and a time, and nothing else."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from ops.core.settings import Settings
from ops.core.storage import ObjectStore


def write_tombstone(settings: Settings, video_id: str, now: datetime) -> None:
    """Note that `needle forget` removed a video, so that no later run brings it back."""
    stone = json.dumps({"video_id": video_id, "forgotten_at": now.isoformat()})
    settings.store.write_bytes(f"forgotten/{video_id}.json", stone.encode())


def read_forgotten_ids(store: ObjectStore) -> set[str]:
    """Return the ids of the videos that `needle forget` removed."""
    return {Path(key).stem for key in store.list("forgotten")}
