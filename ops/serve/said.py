"""Where the dialogue of a shot came from: subtitle files and tracks, the version of the index, when it was read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow.compute as pc

from ops.serve.service import Service

_SOURCE = ("path", "source", "language", "language_tag", "content_hash", "lines", "reason")


def dialogue_of(service: Service, video_id: str, shot_id: str) -> tuple[dict[str, Any], datetime | None]:
    """The document, and when the shot's dialogue was read; ``None`` where it was not yet.

    ``sources`` are those of the film, usable or not; ``content_hash`` is SHA-256 of a file beside the film, of the
    film itself for a track in it, and the model's name for speech that was heard.
    """
    lake, partition = service.settings.lake, service.settings.partition_of(video_id)
    sources = lake.read("subtitles", [partition], ("video_id", *_SOURCE))
    own = sources.filter(pc.equal(sources["video_id"], video_id)).to_pylist()
    shots = lake.read("shot_dialogue", [partition], ("shot_id", "created_timestamp"))
    read = shots.filter(pc.equal(shots["shot_id"], shot_id))["created_timestamp"].to_pylist()
    lines = service.searcher.lines()
    document = {
        "dialogue_version": lines.version if lines else None,
        "read_at": read[0].isoformat(timespec="seconds") if read else None,
        "sources": [{name: row[name] for name in _SOURCE} for row in own],
    }
    return document, read[0] if read else None
