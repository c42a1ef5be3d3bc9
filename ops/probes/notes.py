"""What a fit can use of a label's judgements as they are now, and what people must know of the rest.

Stands alone because a version is written once and labels go on: who asks later must be told of the labels of today.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from ops.core.plural import plural
from ops.probes.fit import LEAST
from ops.probes.judgements import Standing


@dataclass(frozen=True, kw_only=True)
class Usable:
    """Shots with an answer and a vector (``yes``, ``no``), and what cannot be used.

    ``conflicts`` are shots of which people differ (the latest counts), ``gone`` those that left the catalogue,
    ``missing`` those without a vector.
    """

    yes: int
    no: int
    conflicts: int
    gone: int
    missing: int

    @classmethod
    def of(cls, standing: Iterable[Standing], embedded: Container[str] | None) -> Usable:
        """Of how one label stands; ``embedded`` are ids of shots with a vector, ``None`` where all count as such."""
        each = list(standing)
        there = [one for one in each if not one.gone]
        values = [one.value for one in there if embedded is None or one.latest.shot_id in embedded]
        return cls(
            yes=sum(values),
            no=len(values) - sum(values),
            conflicts=sum(one.in_conflict for one in each),
            gone=len(each) - len(there),
            missing=len(there) - len(values),
        )

    @property
    def left_out(self) -> int:
        """Labelled shots that no fit can learn from."""
        return self.gone + self.missing

    def notes(self, label: str, queries: Sequence[str], encoder_id: str) -> list[str]:
        """A sentence for each thing to know, with the way out; empty where every label is used.

        ``queries`` are those whose words score the catalogue; none where they do not.
        """
        notes = []
        if min(self.yes, self.no) < LEAST:
            words = f", and with fewer it is the text score of {', '.join(map(repr, queries))}" if queries else ""
            more = f"`needle probe suggest {label}` shows what to label"
            notes.append(f"{self.yes} yes and {self.no} no: a fit needs {LEAST} of each{words}; {more}")
        if self.conflicts:
            told = f"the latest counts: `needle label {label}` shows them"
            notes.append(f"{plural(self.conflicts, 'shot is', 'shots are')} labelled both ways; {told}")
        if self.gone:
            labels = plural(self.gone, "label is of a shot that is", "labels are of shots that are")
            notes.append(f"{labels} gone; kept and not used")
        if self.missing:
            shots = plural(self.missing, "labelled shot is", "labelled shots are")
            notes.append(f"{shots} not embedded by {encoder_id} yet: `needle ingest` embeds what is missing")
        return notes
