"""Logs as text or as JSON (``NEEDLE_LOG``), with the ids of run, video, shot and request in each JSON record."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from ops.core.plural import count_units

if TYPE_CHECKING:  # settings take 0.3 s to import, and the command line imports this module for its help
    from ops.core.settings import Settings

progress_log = logging.getLogger("ops.progress")

_NO_IDS: Mapping[str, str] = MappingProxyType({})
_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=_NO_IDS)

_DAGSTER_IDS = {"run_id": "run_id", "step": "step_key"}

_SHOT_ID = re.compile(r"(?<![0-9a-f])([0-9a-f]{16}):\d+\b")
_OTHER_ID = re.compile(r"\b(?:collections|saved_searches|saved_matches)/[0-9a-f]{16}\b")
"""Part of a key of the store that has the form of a video's id, and is none."""
_VIDEO_ID = re.compile(r"(?<![0-9A-Za-z_-])[0-9a-f]{16}(?![0-9A-Za-z_-])")


@contextmanager
def name_in_logs(**ids: str) -> Iterator[None]:
    """Add ids, such as ``run_id`` or ``request_id``, to every JSON record of the block. Blocks may be nested."""
    token = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (UTC), ``level``, ``logger``, ``message``, ids, ``exception`` if there is one.

    Ids are those of :func:`name_in_logs`, of Dagster's record (run and step), and of a video or shot that the message
    names. A message that names several videos has none.
    """

    def format(self, record: logging.LogRecord) -> str:
        metadata = getattr(record, "dagster_meta", None) or {}  # of a record that Dagster has captured
        message = metadata.get("orig_message") or record.getMessage()  # the latter begins with the ids of the run
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **find_ids(message),
            **{name: str(metadata[key]) for name, key in _DAGSTER_IDS.items() if metadata.get(key)},
            **_ids.get(),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=True)


def find_ids(message: str) -> dict[str, str]:
    """Return ``video_id`` and ``shot_id`` if the message names exactly one of them."""
    message = _OTHER_ID.sub("", message)
    shots = {match.group() for match in _SHOT_ID.finditer(message)}
    videos = set(_VIDEO_ID.findall(message)) | {shot.partition(":")[0] for shot in shots}
    return ({"video_id": min(videos)} if len(videos) == 1 else {}) | (
        {"shot_id": min(shots)} if len(shots) == 1 and len(videos) == 1 else {}
    )


def write_json_logs(settings: Settings) -> bool:
    """Write all logs of this process to standard error as JSON if the settings say so; return whether they do."""
    if settings.log != "json":
        return False
    if not are_logs_json():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
        root = logging.getLogger()
        root.handlers[:] = [handler]
        root.setLevel(logging.WARNING)
        logging.getLogger("ops").setLevel(logging.INFO)
        logging.captureWarnings(True)
    return True


def are_logs_json() -> bool:
    """Return True if :func:`write_json_logs` has set this process up."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)


class LoggedProgress:
    """A :class:`ops.core.types.Progress` whose reports are lines of the log."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._done_amounts: dict[str, float] = {}
        self._units: dict[str, str] = {}

    def start(self, stage: str, total: float, unit: str) -> None:
        self._began[stage], self._done_amounts[stage], self._units[stage] = time.monotonic(), 0.0, unit
        progress_log.info("%s: %s", stage, f"{count_units(total, unit)} to do" if total else "started")

    def advance(self, stage: str, amount: float = 1) -> None:
        self._done_amounts[stage] = self._done_amounts.get(stage, 0.0) + amount

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        progress_log.warning("%s: %s is set aside: %s", stage, thing, reason)

    def note(self, stage: str, text: str) -> None:
        progress_log.info("%s: %s", stage, text)

    def report(self, text: str) -> None:
        """Log a line that belongs to no stage."""
        progress_log.info("%s", text)

    def finish(self, stage: str) -> None:
        seconds = time.monotonic() - self._began.get(stage, time.monotonic())
        done_count = count_units(self._done_amounts.get(stage, 0.0), self._units.get(stage, "steps"))
        progress_log.info("%s: %s in %.1f s", stage, done_count, seconds)
