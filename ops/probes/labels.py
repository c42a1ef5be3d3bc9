"""The ``labels`` table: who judged which shot how, when, and where it was offered.

Append-only, one file a label: a judgement is never changed, a later one counts in its place, and one without a value
takes back what its annotator said. Appending is done under the table's lock, so that two processes that label at
once lose nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.core.tables import LABELS, Lake, digest_of
from ops.core.types import parse_shot_id
from ops.probes.names import require_name
from ops.shots.build import TABLE as SHOTS
from ops.videos.forgotten import forgotten_ids

TABLE = "labels"
# A judgement with this origin ends a conflict: what was said before it does not count against it any more.
SETTLED = "settled"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One person's yes (true) or no of one shot; ``origin`` is where it was asked, such as ``borderline``.

    ``None`` takes back what the person said of it before: the shot is as if they had not been asked.
    """

    label: str
    shot_id: str
    value: bool | None
    annotator: str
    created_at: datetime
    origin: str

    @property
    def label_id(self) -> str:
        """Hash of all of it: the same judgement, read twice, is one row."""
        words = (self.label, self.shot_id, self.value, self.annotator, self.created_at.isoformat(), self.origin)
        return hashlib.blake2b("\x00".join(map(str, words)).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What counts of one (label, shot): the latest judgement, and the latest of each annotator, the newest last.

    What was taken back is not in it. ``gone`` says why the shot is not in the catalogue any more, and is empty where
    it is there.
    """

    latest: Judgement
    by_annotator: dict[str, Judgement]
    gone: str = ""

    @property
    def value(self) -> bool:
        """The answer that counts."""
        return bool(self.latest.value)

    @property
    def in_conflict(self) -> bool:
        """Whether annotators still differ, whatever the latest says; since it was settled last, where it was."""
        votes = list(self.by_annotator.values())
        settled = [at for at, vote in enumerate(votes) if vote.origin == SETTLED]
        return len({vote.value for vote in votes[settled[-1] if settled else 0 :]}) > 1


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How a label stands: shots by their latest judgement, those of which people differ, and those that are gone.

    A shot that is gone counts in ``gone`` and ``conflicts`` only.
    """

    yes: int
    no: int
    conflicts: int
    gone: int

    @classmethod
    def of(cls, standing: Iterable[Standing]) -> Tally:
        """Of all that is given, whatever its label."""
        each = list(standing)
        values = Counter(one.value for one in each if not one.gone)
        return cls(
            yes=values[True],
            no=values[False],
            conflicts=sum(one.in_conflict for one in each),
            gone=sum(bool(one.gone) for one in each),
        )

    @property
    def in_words(self) -> str:
        """Such as ``3 yes, 2 no, 1 in conflict``."""
        told = f"{self.yes} yes, {self.no} no"
        told += f", {self.conflicts} in conflict" if self.conflicts else ""
        return told + (f", {self.gone} of shots that are gone (kept, not used)" if self.gone else "")


@dataclass(frozen=True, kw_only=True)
class Appended:
    """What became of judgements: written, the same as before, or refused with a reason."""

    written: int = 0
    unchanged: int = 0
    refused: tuple[tuple[str, str], ...] = ()


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

    def _has(self, shot_id: str, video_id: str) -> bool:
        partition = self._settings.partition_of(video_id)
        if partition not in self._known:
            rows = self._settings.lake.read(SHOTS, [partition], ["shot_id"])
            self._known[partition] = frozenset(rows["shot_id"].to_pylist())
        return shot_id in self._known[partition]

    def gone(self, shot_id: str) -> str:
        """Why a shot is not there: forgotten, or cut otherwise now; empty where it is there."""
        parsed = parse_shot_id(shot_id)
        if parsed and parsed[0] in self._forgotten:
            return "its video was forgotten"
        return "" if parsed and self._has(shot_id, parsed[0]) else "no such shot in the catalogue"

    def refusal(self, shot_id: str) -> str:
        """Why no judgement can be taken of it; empty where it can. One of a forgotten video is kept."""
        if parse_shot_id(shot_id) is None:
            return "no shot id: it reads VIDEO:FRAME, such as 0123456789abcdef:489"
        why = self.gone(shot_id)
        return why if why.startswith("no such") else ""


def append_judgements(
    settings: Settings, judgements: Sequence[Judgement], now: datetime, *, affirm: bool = True
) -> Appended:
    """Append judgements, of one or more labels; what cannot be taken is named and the rest goes on.

    One that says what its annotator said last of the shot writes nothing, unless (``affirm``) somebody else
    contradicted since, or it settles a conflict: saying it again then makes it the latest. Nor does one that takes
    back what was never said. Raises ``UsageError`` for a name that cannot be a label.
    """
    shots = ShotRegister(settings)
    refused: list[tuple[str, str]] = []
    by_label: dict[str, list[Judgement]] = {}
    for each in judgements:
        require_name(each.label)
        if why := shots.refusal(each.shot_id):
            refused.append((each.shot_id, why))
        else:
            by_label.setdefault(each.label, []).append(each)
    written = sum(_append(settings.lake, label, some, now, affirm) for label, some in by_label.items())
    taken = len(judgements) - len(refused)
    return Appended(written=written, unchanged=taken - written, refused=tuple(refused))


def _append(lake: Lake, label: str, judgements: Sequence[Judgement], now: datetime, affirm: bool) -> int:
    """Rows written to the file of one label."""
    with lake.locked(f"{TABLE}-{label}"):
        stored = lake.read(TABLE, [label])
        standing = _standing(_judgements_in(stored))
        seen = set(stored["label_id"].to_pylist())
        new: list[Judgement] = []
        for each in judgements:
            before = standing.pop((each.label, each.shot_id), None)
            votes = list(before.by_annotator.values()) if before else []
            if each.label_id not in seen and not _says_nothing_new(before, each, affirm):
                seen.add(each.label_id)
                new.append(each)
                votes.append(each)
            standing.update(_standing(votes))
        if new:
            rows = pa.Table.from_pylist([_row(each, now) for each in new], LABELS)
            lake.write(TABLE, label, pa.concat_tables([stored, rows]))
    return len(new)


def _says_nothing_new(before: Standing | None, judgement: Judgement, affirm: bool) -> bool:
    own = before.by_annotator.get(judgement.annotator) if before else None
    if before is None or own is None:
        return judgement.value is None
    contradicted = before.latest.value != judgement.value
    settles = judgement.origin == SETTLED and before.in_conflict
    return own.value == judgement.value and not settles and not (affirm and contradicted)


def labels_known(settings: Settings) -> list[str]:
    """Labels that anybody ever gave, sorted."""
    return settings.lake.partitions(TABLE)


def read_judgements(settings: Settings, labels: Iterable[str] | None = None) -> list[Judgement]:
    """Every judgement ever made of the labels (default: of all), in the order in which they were appended.

    Raises ``NotFoundError``, naming those that exist, for a label that nobody gave.
    """
    known = labels_known(settings)
    wanted = list(known if labels is None else labels)
    if missing := sorted(set(wanted) - set(known)):
        there = f"there are {', '.join(known)}" if known else "there are none yet"
        raise NotFoundError(
            f"no label {missing[0]!r}: {there}; `needle label {missing[0]} SHOT --value yes` begins one"
        )
    return _judgements_in(settings.lake.read(TABLE, wanted))


def standing_of(
    settings: Settings, labels: Iterable[str] | None = None, shots: Register | None = None
) -> list[Standing]:
    """What counts of each (label, shot), sorted by both, with conflicts and shots that are gone marked.

    ``shots`` tells which are gone; by default the files of the lake are asked.
    """
    shots = shots or ShotRegister(settings)
    found = _standing(read_judgements(settings, labels))
    return [
        Standing(latest=each.latest, by_annotator=each.by_annotator, gone=shots.gone(shot_id))
        for (_, shot_id), each in sorted(found.items())
    ]


def judged_shots(settings: Settings, label: str) -> set[str]:
    """Shots of which somebody said something that was not taken back; empty for a label that nobody gave."""
    known = read_judgements(settings, [label]) if label in labels_known(settings) else []
    return {shot_id for _, shot_id in _standing(known)}


def labels_digest(settings: Settings) -> str:
    """Order-free digest of all judgements."""
    return digest_of((each.label_id, "") for each in read_judgements(settings))


def _standing(judgements: Iterable[Judgement]) -> dict[tuple[str, str], Standing]:
    """By (label, shot). Of two of the same moment the one that was appended later counts."""
    found: dict[tuple[str, str], dict[str, Judgement]] = {}
    for each in sorted(judgements, key=lambda judgement: judgement.created_at):
        votes = found.setdefault((each.label, each.shot_id), {})
        votes.pop(each.annotator, None)  # so that the last of the dict is the latest
        if each.value is not None:
            votes[each.annotator] = each
    left = {key: votes for key, votes in found.items() if votes}
    return {key: Standing(latest=list(votes.values())[-1], by_annotator=votes) for key, votes in left.items()}


def _judgements_in(table: pa.Table) -> list[Judgement]:
    names = ("label", "shot_id", "value", "annotator", "created_at", "origin")
    return [Judgement(**{name: row[name] for name in names}) for row in table.select(names).to_pylist()]


def _row(judgement: Judgement, now: datetime) -> dict[str, Any]:
    return {
        "label_id": judgement.label_id,
        "label": judgement.label,
        "shot_id": judgement.shot_id,
        "value": judgement.value,
        "annotator": judgement.annotator,
        "created_at": judgement.created_at,
        "origin": judgement.origin,
        "event_timestamp": judgement.created_at,
        "created_timestamp": now,
    }
