"""One JSON document with everything known of each clip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ops.core.settings import Settings
from ops.core.stopping import Stop
from ops.core.types import Progress
from ops.exports.clip import Clip
from ops.exports.format import ExportFormat, Outcome, warnings_of


class JsonFormat(ExportFormat):
    """``{"format", "version", "title", "clips": [facts]}`` in UTF-8."""

    name = "json"
    suffix = ".json"
    media_type = "application/json"

    def write(
        self, settings: Settings, clips: Sequence[Clip], target: Path, *, title: str, stop: Stop, progress: Progress
    ) -> Outcome:
        document = {
            "format": "needle-clips",
            "version": 1,
            "title": title,
            "clips": [{"number": at, **clip.facts()} for at, clip in enumerate(clips, start=1)],
        }
        target.write_text(as_json(document, indent=2) + "\n", encoding="utf-8")
        return Outcome(warnings=warnings_of(settings, clips))


def as_json(value: Any, *, indent: int | None = None) -> str:
    """``value`` as JSON that can always be written as UTF-8; what JSON does not know becomes text."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()


def plain(value: Any) -> str | int | float | None:
    """``value`` for a format that holds text and numbers only: lists and objects as JSON, ``true`` and ``false``."""
    return value if isinstance(value, str | float | None) or type(value) is int else as_json(value)


FORMAT = JsonFormat()
