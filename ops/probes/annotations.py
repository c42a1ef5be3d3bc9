"""Annotations of shots, and the label that several annotations resolve to. Pure, except :class:`CatalogueShots`."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.shots.build import TABLE as SHOTS
from ops.shots.corrections import CurrentCorrections
from ops.videos.forgotten import read_forgotten_ids

FORGOTTEN = "its video was forgotten"
UNKNOWN = "no such shot in the catalogue"

# An annotation with this origin ends a conflict: earlier ones do not count against it any more.
SETTLED_KEY = "settled"

# A label is a file of the lake, a part of a Dagster asset's name, a Feast view's name and a word of `--where`.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def require_name(label: str) -> str:
    """Return ``label``. Raises ``UsageError``, with a valid name, if it is not a valid name of a label."""
    if _NAME.fullmatch(label):
        return label
    near = re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_").lstrip("0123456789_")[:63]
    hint = f"; {near!r} would do" if near else ""
    raise UsageError(f"{label!r} cannot be a label: use small letters, digits and _, a letter first{hint}")


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One person's yes (true) or no for one shot; ``origin`` is the feed or place it came from, such as ``borderline``.

    ``None`` withdraws the person's earlier annotation: the shot counts as if they had not annotated it.
    """

    label: str
    shot_id: str
    value: bool | None
    annotator: str
    created_at: datetime
    origin: str

    @property
    def label_id(self) -> str:
        """Hash of all fields: the same annotation, read twice, is one row."""
        words = (self.label, self.shot_id, self.value, self.annotator, self.created_at.isoformat(), self.origin)
        return hashlib.blake2b("\x00".join(map(str, words)).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ResolvedLabel:
    """The valid annotations of one (label, shot): the latest, and the latest of each annotator, the newest last.

    Withdrawn annotations are left out. ``missing_reason`` explains why the shot is not in the catalogue any more; it is
    empty if the shot is there.
    """

    latest: Annotation
    by_annotator: dict[str, Annotation]
    missing_reason: str = ""

    @property
    def value(self) -> bool:
        """The answer that counts."""
        return bool(self.latest.value)

    @property
    def in_conflict(self) -> bool:
        """Whether annotators differ since the conflict was last settled, whatever the latest answer is."""
        votes = list(self.by_annotator.values())
        settled_at = [at for at, vote in enumerate(votes) if vote.origin == SETTLED_KEY]
        return len({vote.value for vote in votes[settled_at[-1] if settled_at else 0 :]}) > 1


@dataclass(frozen=True, kw_only=True)
class AnnotationCounts:
    """Shots of a label by their latest annotation, in conflict, and gone from the catalogue.

    A shot that is gone counts in ``gone`` and ``conflicts`` only.
    """

    yes: int
    no: int
    conflicts: int
    gone: int

    @classmethod
    def count(cls, labels: Iterable[ResolvedLabel]) -> AnnotationCounts:
        """Count all of them, whatever their label."""
        each = list(labels)
        values = Counter(one.value for one in each if not one.missing_reason)
        return cls(
            yes=values[True],
            no=values[False],
            conflicts=sum(one.in_conflict for one in each),
            gone=sum(bool(one.missing_reason) for one in each),
        )

    @property
    def in_words(self) -> str:
        """A text such as ``3 yes, 2 no, 1 in conflict``."""
        text = f"{self.yes} yes, {self.no} no"
        text += f", {self.conflicts} in conflict" if self.conflicts else ""
        return text + (
            f", {plural(self.gone, 'of a shot that is', 'of shots that are')} gone (kept, not used)"
            if self.gone
            else ""
        )


def resolve_annotations(annotations: Iterable[Annotation]) -> dict[tuple[str, str], ResolvedLabel]:
    """Resolve annotations by (label, shot). Of two with the same time the one that was appended later counts."""
    votes_by_key: dict[tuple[str, str], dict[str, Annotation]] = {}
    for each in sorted(annotations, key=lambda annotation: annotation.created_at):
        votes = votes_by_key.setdefault((each.label, each.shot_id), {})
        votes.pop(each.annotator, None)  # so that the last of the dict is the latest
        if each.value is not None:
            votes[each.annotator] = each
    valid = {key: votes for key, votes in votes_by_key.items() if votes}
    return {key: ResolvedLabel(latest=list(votes.values())[-1], by_annotator=votes) for key, votes in valid.items()}


def explain_missing(corrections: CurrentCorrections, shot_id: str) -> str:
    """Explain why the catalogue of a video has no such shot: a person merged it, or no reason is recorded."""
    video_and_frame = parse_shot_id(shot_id)
    merge = corrections.merge_at(*video_and_frame) if video_and_frame else None
    return f"merged with the shot before it (correction by {merge.author})" if merge else UNKNOWN


class ShotLookup(Protocol):
    """Looks up which shots exist."""

    def missing_reason(self, shot_id: str) -> str:
        """Explain why a shot does not exist; empty if it exists."""
        ...


class CatalogueShots:
    """Looks up shots in the lake; reads each partition once, when one of its shots is looked up."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known_ids: dict[str, frozenset[str]] = {}
        self._forgotten_ids = read_forgotten_ids(settings.store)
        self._corrections = CurrentCorrections(settings)

    def _has(self, shot_id: str, video_id: str) -> bool:
        partition = self._settings.resolve_partition(video_id)
        if partition not in self._known_ids:
            rows = self._settings.lake.read(SHOTS, [partition], ["shot_id"])
            self._known_ids[partition] = frozenset(rows["shot_id"].to_pylist())
        return shot_id in self._known_ids[partition]

    def missing_reason(self, shot_id: str) -> str:
        """Explain why a shot does not exist: forgotten, merged, or cut differently now; empty if it exists."""
        video_and_frame = parse_shot_id(shot_id)
        if video_and_frame and video_and_frame[0] in self._forgotten_ids:
            return FORGOTTEN
        if video_and_frame and self._has(shot_id, video_and_frame[0]):
            return ""
        return explain_missing(self._corrections, shot_id)

    def rejection_reason(self, shot_id: str) -> str:
        """Explain why the shot cannot be annotated; empty if it can. Annotations of a forgotten video are kept."""
        if parse_shot_id(shot_id) is None:
            return "not a shot id: it reads VIDEO:FRAME, such as 0123456789abcdef:489"
        reason = self.missing_reason(shot_id)
        return "" if reason == FORGOTTEN else reason
