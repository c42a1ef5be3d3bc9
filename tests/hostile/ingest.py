"""Ingest mutated files by the command line, and judge the result of each."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.builders.homes import Home

LIMITS = {
    "NEEDLE_OPEN_SECONDS": "30",
    "NEEDLE_FILM_HOURS": "1",
    "NEEDLE_FILM_MEMORY_GB": "1",
    "NEEDLE_FILM_FILE_GB": "1",
}
LANGUAGES = tuple(
    "en de fr es it pt nl sv da fi nb pl cs sk hu ro bg el ru uk tr ar he hi th ja ko zh vi id".split()  # noqa: SIM905
)
"""Of the subtitle files of one film, which differ by their language."""

_CONTAINED = {
    "crashed": re.compile(r"crashed \("),
    "too slow": re.compile(r"given up"),
    "memory": re.compile(r"memory ran out|want of memory"),
}


@dataclass(kw_only=True)
class Outcome:
    """Counts of the mutations of one kind, and those with a wrong result."""

    mutations: int = 0
    read: int = 0
    set_aside: int = 0
    contained: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_CONTAINED, 0))
    faults: list[str] = field(default_factory=list)

    def add(self, name: str, reason: str | None, problem: str = "") -> None:
        """Count one mutation; ``reason`` is that of a file that was set aside."""
        self.mutations += 1
        self.read += reason is None
        self.set_aside += reason is not None
        for word, pattern in _CONTAINED.items():
            self.contained[word] += bool(reason and pattern.search(reason))
        if problem or (reason is not None and (not reason.strip() or "internal error" in reason)):
            self.faults.append(f"{name}: {problem or reason}")

    def take(self, other: Outcome) -> None:
        """Add the counts of another kind."""
        self.mutations += other.mutations
        self.read += other.read
        self.set_aside += other.set_aside
        self.contained = {word: count + other.contained[word] for word, count in self.contained.items()}
        self.faults += other.faults


def ingest(home: Home, library: Path) -> float:
    """Ingest a library; return the seconds. Raises ``AssertionError`` if the command does not end as it should."""
    began = time.monotonic()
    try:
        home.fork("ingest", str(library), expect=3, **LIMITS)
    except AssertionError as error:
        if not re.match(r".* ended with 0\n", str(error)) or "Traceback" in str(error):
            raise
    return time.monotonic() - began


def judge_films(home: Home, names: Mapping[Path, str]) -> Outcome:
    """Judge the films of one kind; ``names`` describes the mutation of each file."""
    outcome = Outcome()
    videos = {Path(video["path"]): video for video in home.json("status", **LIMITS)["videos"]}
    for path, mutation in names.items():
        video = videos.get(path)
        if video is None:
            outcome.add(mutation, "", f"{path.name} is not in the catalogue")
        else:
            outcome.add(mutation, video["reason"] if video["state"] == "set_aside" else None, _judge(video))
    return outcome


def _judge(video: Mapping[str, Any]) -> str:
    if video["state"] == "set_aside":
        return "" if video["reason"] else "it is set aside without a reason"
    if video["state"] != "ready":
        return f"its state is {video['state']}: {video['reason']}"
    if not video["shots"]:
        return "it is ready without a shot"
    if video["indexed"] != video["shots"] and not video["reason"]:
        return f"{video['indexed']} of {video['shots']} shots are indexed, and there is no reason"
    return ""


def judge_subtitles(home: Home, names: Mapping[Path, str]) -> Outcome:
    """Judge the subtitle files of one kind."""
    outcome = Outcome()
    rows = {Path(row["path"]): row for row in _read_subtitles(home)}
    for path, mutation in names.items():
        row = rows.get(path)
        if row is None:
            outcome.add(mutation, "", f"{path.name} is not in the catalogue")
        else:
            problem = "" if row["lines"] or row["reason"] or row["notes"] else "no line, no reason, no note"
            outcome.add(mutation, row["reason"], problem)
    return outcome


def _read_subtitles(home: Home) -> Iterator[dict[str, Any]]:
    for path in (home.path / "media" / "lake" / "subtitles").rglob("*.parquet"):
        yield from pq.read_table(path).to_pylist()
