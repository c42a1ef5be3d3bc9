"""Collect the facts of one source: each with its evidence, its contradictions, and notes for the user.

Every module that examines a source adds to the same log; :func:`ops.videos.probe.probe` puts it into the record.
"""

from __future__ import annotations

from collections.abc import Sequence

from ops.core.media import Fact


class FactLog:
    """Facts and notes in the order in which they were found. A fact that is added again replaces the earlier one."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}
        self._notes: list[str] = []

    def add(
        self, name: str, value: object, evidence: str, *, contradictions: Sequence[str] = (), note: str = ""
    ) -> None:
        """Add a fact; ``value`` is written as its text. ``note`` is a sentence for the user, if there is one."""
        self._facts[name] = Fact(
            name=name, value=str(value), evidence=evidence, contradictions=tuple(dict.fromkeys(contradictions))
        )
        if note:
            self.note(note)

    def note(self, text: str) -> None:
        """Add a sentence for the user, once."""
        if text not in self._notes:
            self._notes.append(text)

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(self._facts.values())

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)
