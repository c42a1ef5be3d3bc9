"""The filter ``sound:``: the shots with a kind of sound, from the lake's ``shot_sound``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock

import pyarrow.compute as pc

from ops.core.errors import DamagedTableError, NotFoundError, UsageError
from ops.core.settings import Settings
from ops.sound.kinds import KINDS, SoundKind

TABLE = "shot_sound"
COLUMNS = ("shot_id", "video_id", "kinds", "speech")
REREAD_AFTER_S = 2.0
"""Seconds after which changed files of the table are looked for, by their stamps."""
NO_SOUND = "no sound is measured: set NEEDLE_SOUND=on and run `needle ingest`, or take sound: away"
NO_SPEECH = (
    "speech was not looked for in any sound: install `needle[speech]` and run `needle ingest`, or take the filter away"
)


def require_kind(value: str) -> SoundKind:
    """Return the kind of sound that a user typed. Raises ``UsageError`` with all kinds for another value."""
    for kind in KINDS:
        if value.casefold() == kind:
            return kind
    raise UsageError(f"sound: takes {', '.join(KINDS[:-1])} or {KINDS[-1]}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class _Partition:
    """The shots of one file by their kinds; ``has_sound`` and ``has_speech``: whether these were measured in any."""

    shots: Mapping[str, frozenset[str]]
    has_sound: bool
    has_speech: bool


class SoundShots:
    """The shots with each kind of sound; read on first use, and after that files that have changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._stamps: dict[str, str] = {}
        self._partitions: dict[str, _Partition] = {}
        self._unions: dict[str, frozenset[str]] = {}
        self._look_again_at = 0.0

    def find_shots(self, kind: SoundKind) -> frozenset[str]:
        """Return the shots with a kind of sound. Raises ``NotFoundError`` if that was measured in no shot."""
        with self._lock:
            self._follow()
            if not any(each.has_sound for each in self._partitions.values()):
                raise NotFoundError(NO_SOUND)
            if kind == "speech" and not any(each.has_speech for each in self._partitions.values()):
                raise NotFoundError(NO_SPEECH)
            return self._unite(kind)

    def count_shots(self) -> dict[str, int]:
        """Return the number of shots of each kind that there is."""
        with self._lock:
            self._follow()
            counts = {kind: len(self._unite(kind)) for kind in KINDS}
        return {kind: count for kind, count in counts.items() if count}

    def _unite(self, kind: str) -> frozenset[str]:
        if kind not in self._unions:
            members = (each.shots.get(kind, frozenset()) for each in self._partitions.values())
            self._unions[kind] = frozenset().union(*members)
        return self._unions[kind]

    def _follow(self) -> None:
        """Read the files that changed since they were read."""
        if self._stamps and time.monotonic() < self._look_again_at:
            return
        stamps = self._settings.lake.stat_partitions(TABLE)
        if stamps != self._stamps:
            changed = [name for name, stamp in stamps.items() if self._stamps.get(name) != stamp]
            current = {name: each for name, each in self._partitions.items() if name in stamps}
            self._partitions = current | self._read(changed)
            self._stamps, self._unions = stamps, {}
        self._look_again_at = time.monotonic() + REREAD_AFTER_S

    def _read(self, names: list[str]) -> dict[str, _Partition]:
        lake = self._settings.lake
        try:
            rows = lake.read(TABLE, names, COLUMNS)
        except DamagedTableError:
            rows = lake.read(TABLE, None, COLUMNS)  # leaves it out, with a warning
        rows = rows.filter(pc.is_valid(rows["kinds"]))
        columns = [rows[name].to_pylist() for name in ("video_id", "shot_id", "kinds")]
        members: dict[str, list[tuple[str, str, bool]]] = {name: [] for name in names}
        for video_id, shot_id, kinds, is_searched in zip(
            *columns, pc.is_valid(rows["speech"]).to_pylist(), strict=True
        ):
            members.setdefault(self._settings.resolve_partition(video_id), []).append((shot_id, kinds, is_searched))
        return {name: _sum_up(each) for name, each in members.items()}


def _sum_up(rows: Iterable[tuple[str, str, bool]]) -> _Partition:
    shots: dict[str, set[str]] = {}
    has_sound = has_speech = False
    for shot, kinds, is_searched in rows:
        has_sound, has_speech = True, has_speech or is_searched
        for kind in filter(None, kinds.split(",")):
            shots.setdefault(kind, set()).add(shot)
    frozen = {kind: frozenset(ids) for kind, ids in shots.items()}
    return _Partition(shots=frozen, has_sound=has_sound, has_speech=has_speech)
