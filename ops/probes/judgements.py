"""What one person said of one shot, and how shots stand by all that was said: pure, whatever the order of reading."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ops.core.plural import plural

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
        return told + (
            f", {plural(self.gone, 'of a shot that is', 'of shots that are')} gone (kept, not used)"
            if self.gone
            else ""
        )


def standing_among(judgements: Iterable[Judgement]) -> dict[tuple[str, str], Standing]:
    """By (label, shot). Of two of the same moment the one that was appended later counts."""
    found: dict[tuple[str, str], dict[str, Judgement]] = {}
    for each in sorted(judgements, key=lambda judgement: judgement.created_at):
        votes = found.setdefault((each.label, each.shot_id), {})
        votes.pop(each.annotator, None)  # so that the last of the dict is the latest
        if each.value is not None:
            votes[each.annotator] = each
    left = {key: votes for key, votes in found.items() if votes}
    return {key: Standing(latest=list(votes.values())[-1], by_annotator=votes) for key, votes in left.items()}
