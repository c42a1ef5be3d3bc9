"""Which shots there are to be judged, and why one is not."""

from __future__ import annotations

from typing import Protocol

from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.shots.build import TABLE as SHOTS
from ops.shots.corrections import CurrentCorrections
from ops.videos.forgotten import forgotten_ids

FORGOTTEN = "its video was forgotten"
UNKNOWN = "no such shot in the catalogue"


def reason_for_missing(corrections: CurrentCorrections, shot_id: str) -> str:
    """Why the catalogue of a video has no such shot: a person merged it, or another reason that nobody recorded."""
    parsed = parse_shot_id(shot_id)
    merge = corrections.merge_at(*parsed) if parsed else None
    return f"merged with the shot before it (correction by {merge.author})" if merge else UNKNOWN


class Register(Protocol):
    """Something that knows which shots there are."""

    def gone(self, shot_id: str) -> str:
        """Why a shot is not there; empty where it is there."""
        ...


class ShotRegister:
    """Which shots there are, and why one is not; reads the partitions of the shots that are asked for, once each."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, frozenset[str]] = {}
        self._forgotten = forgotten_ids(settings.store)
        self._corrections = CurrentCorrections(settings)

    def _has(self, shot_id: str, video_id: str) -> bool:
        partition = self._settings.partition_of(video_id)
        if partition not in self._known:
            rows = self._settings.lake.read(SHOTS, [partition], ["shot_id"])
            self._known[partition] = frozenset(rows["shot_id"].to_pylist())
        return shot_id in self._known[partition]

    def gone(self, shot_id: str) -> str:
        """Why a shot is not there: forgotten, merged, or cut otherwise now; empty where it is there."""
        parsed = parse_shot_id(shot_id)
        if parsed and parsed[0] in self._forgotten:
            return FORGOTTEN
        if parsed and self._has(shot_id, parsed[0]):
            return ""
        return reason_for_missing(self._corrections, shot_id)

    def refusal(self, shot_id: str) -> str:
        """Why no judgement can be taken of it; empty where it can. One of a forgotten video is kept."""
        if parse_shot_id(shot_id) is None:
            return "no shot id: it reads VIDEO:FRAME, such as 0123456789abcdef:489"
        why = self.gone(shot_id)
        return "" if why == FORGOTTEN else why
