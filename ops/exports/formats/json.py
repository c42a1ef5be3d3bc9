"""One JSON document with all facts about each clip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ops.exports.clip import Clip
from ops.exports.format import ExportContext, ExportFormat, ExportOutcome, collect_warnings


class JsonFormat(ExportFormat):
    """``{"format", "version", "title", "clips": [facts]}`` in UTF-8."""

    name = "json"
    label = "JSON"
    suffix = ".json"
    media_type = "application/json"
    position = 60
    handles_note = "Listed next to in and out, which stay as marked."

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        document = {
            "format": "needle-clips",
            "version": 1,
            "title": context.title,
            "clips": [{"number": at, **clip.list_facts()} for at, clip in enumerate(clips, start=1)],
        }
        target.write_text(format_json(document, indent=2) + "\n", encoding="utf-8")
        return ExportOutcome(warnings=collect_warnings(context.settings, clips))


def format_json(value: Any, *, indent: int | None = None) -> str:
    """``value`` as JSON that can always be encoded as UTF-8; unknown types become text."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()


def flatten_value(value: Any) -> str | int | float | None:
    """``value`` for a format that holds text and numbers only: lists and objects as JSON, ``true`` and ``false``."""
    return value if isinstance(value, str | float | None) or type(value) is int else format_json(value)


FORMAT = JsonFormat()
