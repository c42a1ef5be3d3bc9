"""The ``people_changes`` table: names, merges (also undone), splits, rejected and assigned faces, by whom and when.

Append-only: nothing is altered but what is forgotten. Groups that are found by vectors keep their ids for good, so a
change stays valid when more footage comes; :class:`Identities` makes people of groups and changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ops.core.names import fold_name, hash_words
from ops.core.settings import Settings

TABLE, PARTITION = "people_changes", "all"
LOCK = "people"
"""Name of the lock under which groups and changes are written."""

ChangeAction = Literal["named", "merged", "unmerged", "split", "rejected", "assigned"]
FACE_ACTIONS = ("split", "rejected", "assigned")
"""Actions on single faces: they are in ``face_ids``."""


@dataclass(frozen=True, kw_only=True)
class PersonChange:
    """One change: see ``PEOPLE_CHANGES`` in ``ops/core/columns.py`` for the fields.

    ``other_id`` is the person who is merged into ``person_id`` or leaves it again, the new person of faces that are
    split off, or the person whose faces are assigned to ``person_id``; it is empty if the faces had none.
    """

    action: ChangeAction
    person_id: str
    author: str
    created_at: datetime
    other_id: str = ""
    name: str = ""
    face_ids: tuple[str, ...] = ()

    @property
    def change_id(self) -> str:
        """Hash of the whole change."""
        when = self.created_at.isoformat()
        words = (self.action, self.person_id, self.other_id, self.name, self.author, when, *self.face_ids)
        return hash_words(*words)


@dataclass
class Identities:
    """The people after all changes: ``overrides`` are people of single faces, ``None`` for no person.

    ``merged_names`` are the names of merged people before, by id.
    """

    parents: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    merged_names: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, str | None] = field(default_factory=dict)

    def find(self, person_id: str) -> str:
        """Return the person into whom this one was merged, or the same one."""
        while person_id in self.parents:
            person_id = self.parents[person_id]
        return person_id

    def resolve(self, face_id: str, cluster_id: str | None) -> str | None:
        """Return the person of a face; ``None`` if it has no person."""
        person_id = self.overrides.get(face_id, cluster_id or None)
        return None if person_id is None else self.find(person_id)

    def apply(self, change: PersonChange) -> None:
        """Apply the next change."""
        person = self.find(change.person_id)
        if change.action == "named":
            self.names.pop(person, None)
            if change.name:
                self.names[person] = change.name
        elif change.action == "merged":
            other = self.find(change.other_id)
            if other != person:
                name = self.names.pop(other, "")
                self.parents[other] = person
                self.merged_names[other] = name
                if name and person not in self.names:
                    self.names[person] = name
        elif change.action == "unmerged":
            self._take_apart(change.other_id)
        else:
            targets = {"split": change.other_id, "assigned": change.person_id}
            self.overrides.update(dict.fromkeys(change.face_ids, targets.get(change.action)))

    def _take_apart(self, other: str) -> None:
        """Undo the last merge of a person into another: the name comes back unless a third person has it now."""
        parent = self.parents.pop(other, None)
        if parent is None:
            return
        person, name = self.find(parent), self.merged_names.pop(other)
        if not name:
            return
        if self.names.get(person) == name:
            del self.names[person]
        if fold_name(name) not in map(fold_name, self.names.values()):
            self.names[other] = name


def apply_changes(changes: Iterable[PersonChange]) -> Identities:
    """Return the identities after these changes, the oldest first."""
    identities = Identities()
    for change in changes:
        identities.apply(change)
    return identities


def read_changes(settings: Settings) -> list[PersonChange]:
    """Return all changes, the oldest first. Raises ``DamagedTableError``."""
    rows = settings.lake.read(TABLE, [PARTITION]).to_pylist()
    changes = [
        PersonChange(
            action=row["action"],
            person_id=row["person_id"],
            author=row["author"],
            created_at=row["created_at"],
            other_id=row["other_id"] or "",
            name=row["name"] or "",
            face_ids=tuple(row["face_ids"] or ()),
        )
        for row in rows
    ]
    return sorted(changes, key=lambda each: each.created_at)


def write_changes(settings: Settings, changes: Sequence[PersonChange]) -> None:
    """Replace the table; the caller holds the lock :data:`LOCK`."""
    rows = [
        {
            "change_id": each.change_id,
            "action": each.action,
            "person_id": each.person_id,
            "other_id": each.other_id,
            "name": each.name,
            "author": each.author,
            "face_ids": list(each.face_ids),
            "created_at": each.created_at,
            "event_timestamp": each.created_at,
            "created_timestamp": each.created_at,
        }
        for each in changes
    ]
    settings.lake.write(TABLE, PARTITION, rows)
