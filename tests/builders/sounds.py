"""Rows of ``shot_sound``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from tests.builders.lakes import COMPUTED, FILMED


def write_sound(settings: Settings, kinds: Mapping[str, str | None], *, speech: bool = True) -> None:
    """Write the kinds of sound of these shots, separated by commas; ``None``: not measured.

    Without ``speech``, speech was not looked for.
    """
    by_video: dict[str, list[dict[str, Any]]] = {}
    for shot_id, names in kinds.items():
        video, start = parse_shot_id(shot_id) or ("", 0)
        measured = names is not None
        by_video.setdefault(video, []).append(
            {
                "shot_id": shot_id,
                "video_id": video,
                "show": "Red Dawn",
                "index": start // 24,
                "loudness": -23.0 if measured else None,
                "relative_loudness": 0.0 if measured else None,
                "silence": 0.0 if measured else None,
                "speech": 0.0 if measured and speech else None,
                "kinds": names,
                "silence_ms": [] if measured else None,
                "speech_ms": [] if measured and speech else None,
                "reason": None,
                "input_hash": "0" * 16,
                "event_timestamp": FILMED,
                "created_timestamp": COMPUTED,
            }
        )
    for video, rows in by_video.items():
        settings.lake.write("shot_sound", video, rows)
