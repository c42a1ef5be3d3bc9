"""Provenance of a shot's dialogue: subtitle files and tracks, the version of the index, and the time it was read."""

from __future__ import annotations

import pyarrow.compute as pc

from ops.serve.answers.provenance import Dialogue, DialogueSource
from ops.serve.service import Service

_SOURCE = ("path", "source", "language", "language_tag", "content_hash", "lines", "reason")


def build_dialogue(service: Service, video_id: str, shot_id: str) -> Dialogue:
    """Return the dialogue of a shot in the answer of ``GET /api/shots/{id}``.

    ``sources`` are those of the video, usable or not. ``content_hash`` is the SHA-256 of a subtitle file, the SHA-256
    of the video file for a track in it, or the model's name for recognised speech.
    """
    lake, partition = service.settings.lake, service.settings.resolve_partition(video_id)
    sources = lake.read("subtitles", [partition], ("video_id", *_SOURCE))
    rows = sources.filter(pc.equal(sources["video_id"], video_id)).to_pylist()
    shots = lake.read("shot_dialogue", [partition], ("shot_id", "created_timestamp"))
    read = shots.filter(pc.equal(shots["shot_id"], shot_id))["created_timestamp"].to_pylist()
    lines = service.searcher.open_lines()
    return Dialogue(
        dialogue_version=lines.version if lines else None,
        read_at=read[0].isoformat(timespec="seconds") if read else None,
        sources=[DialogueSource(**{name: row[name] for name in _SOURCE}) for row in rows],
    )
