"""Types shared by all packages: videos and shots, and their ids."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

VideoState = Literal["ready", "pending", "set_aside", "removed"]
Transition = Literal["start", "cut", "gradual"]

VIDEO_ID_LENGTH = 16
_SHOT_ID = re.compile(r"^(?P<video>[0-9a-f]{16}):(?P<start>\d+)$")


def make_video_id(content_hash: str) -> str:
    """Id of a video: the first 16 hex digits of the SHA-256 of its bytes.

    64 bits: with a million videos the probability that any two share an id is 3e-8 (birthday bound).
    """
    return content_hash[:VIDEO_ID_LENGTH]


def make_shot_id(video_id: str, start_frame: int) -> str:
    """Id of the shot of ``video_id`` that starts at ``start_frame`` (0-based source frame)."""
    return f"{video_id}:{start_frame}"


def parse_shot_id(shot_id: str) -> tuple[str, int] | None:
    """``(video_id, start_frame)``, or ``None`` if the text is not a shot id."""
    match = _SHOT_ID.match(shot_id)
    return (match["video"], int(match["start"])) if match else None


@dataclass(frozen=True, kw_only=True)
class DetectedShot:
    """A run of frames between two cuts: half-open ``[start_frame, end_frame)``, source frame numbers.

    ``start_s`` and ``end_s`` are presentation times in seconds from the first frame of the video. At a constant frame
    rate they equal frame / rate; at a variable rate they are the times in a player. ``transition`` is the kind of cut
    at the start. ``mean_luma`` is 0-255; ``is_blank`` marks black or one colour.
    """

    video_id: str
    index: int
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    transition: Transition
    mean_luma: float
    is_blank: bool

    @property
    def shot_id(self) -> str:
        return make_shot_id(self.video_id, self.start_frame)

    @property
    def frames(self) -> int:
        return self.end_frame - self.start_frame


JsonObject = dict[str, Any]
"""A JSON object of a foreign file, as read: its values are checked where they are used."""


class Progress(Protocol):
    """Receiver of progress reports of long work. Called from the thread that called the work."""

    def start(self, stage: str, total: float, unit: str) -> None:
        """A stage begins; ``total`` in ``unit`` (0 if unknown)."""

    def advance(self, stage: str, amount: float = 1) -> None:
        """``amount`` more of the stage is done."""

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        """One input cannot be used and is skipped; the rest goes on."""

    def note(self, stage: str, text: str) -> None:
        """A message for the user; no input is skipped for it."""

    def finish(self, stage: str) -> None:
        """The stage succeeded."""


@dataclass(frozen=True, kw_only=True)
class CheckOutcome:
    """Whether one rule about the data holds, with the figures that show it.

    If it does not, a ``blocking`` check stops the downstream assets, provided that its asset declares it blocking too.
    """

    name: str
    passed: bool
    details: dict[str, Any] = field(default_factory=dict)
    blocking: bool = True


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """The effects of one step on its partitions, for Dagster's metadata and for the ingest summary.

    ``changed`` counts rewritten partitions; ``data_version`` digests the content of all partitions that the step read;
    ``details`` are figures for people; ``by_partition`` holds figures of each partition; ``checks`` are the checked
    rules; ``pictures`` is Markdown with posters, by partition, or for the whole run under ``""``. ``rows`` is the
    number of rows of an asset without partitions, if it has any.
    """

    changed: int
    data_version: str
    details: dict[str, Any]
    by_partition: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[CheckOutcome] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    rows: int | None = None

    def report_partitions(self, tell: Callable[[str, dict[str, Any]], None]) -> None:
        """Call the callback with each partition and its figures."""
        for partition, figures in self.by_partition.items():
            tell(partition, figures)


class SilentProgress:
    """A :class:`Progress` that reports nothing."""

    def start(self, stage: str, total: float, unit: str) -> None: ...

    def advance(self, stage: str, amount: float = 1) -> None: ...

    def set_aside(self, stage: str, thing: str, reason: str) -> None: ...

    def note(self, stage: str, text: str) -> None: ...

    def finish(self, stage: str) -> None: ...
