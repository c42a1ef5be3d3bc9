"""The filter ``person:``: the shots that show a person, from the lake's ``shot_people`` and ``people``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from threading import Lock

from ops.core.errors import NotFoundError
from ops.core.names import fold_name
from ops.core.rows import LakePerson
from ops.core.settings import Settings
from ops.index.words import split_words
from ops.people.catalogue import read_people
from ops.people.changes import Identities, apply_changes, read_changes

ANYBODY = "*"
"""The value of ``person:`` that any person fulfils."""
REREAD_AFTER_S = 2.0
"""Seconds after which a change of names or faces is looked for, by the stamps of the files."""
MOST_NAMED = 10
NO_PEOPLE = "no faces are indexed: set NEEDLE_PEOPLE=on and run `needle ingest`, or take person: away"


@dataclass(frozen=True, kw_only=True)
class _Known:
    stamps: tuple[tuple[str, str], ...]
    people: tuple[LakePerson, ...]
    shots: Mapping[str, frozenset[str]]
    by_show: Mapping[str, Mapping[str, int]]
    merged_ids: Mapping[str, str]


class PeopleShots:
    """The shots of each person; read on first use, and again when names or faces have changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._known: _Known | None = None
        self._look_again_at = 0.0

    def find_shots(self, person: str) -> frozenset[str]:
        """Return the shots with a person, by id, name, or words of a name that no other one has; ``*``: with anybody.

        The id of a person who was merged into another one finds that one.

        Raises ``NotFoundError`` with similar names for an unknown or ambiguous name, and if no faces are indexed.
        """
        people = self._read()
        if not people.people:
            raise NotFoundError(NO_PEOPLE)
        if person == ANYBODY:
            return frozenset().union(*people.shots.values())
        folded_name = fold_name(person)
        folded_name = people.merged_ids.get(folded_name, folded_name)
        for each in people.people:
            if folded_name in (each["person_id"], fold_name(each["name"] or "") or None):
                return people.shots.get(each["person_id"], frozenset())
        alike = [each for each in people.people if is_part_of_name(person, each["name"] or "")]
        if len(alike) == 1:
            return people.shots.get(alike[0]["person_id"], frozenset())
        if alike:
            names = ", ".join(str(each["name"]) for each in alike[:MOST_NAMED])
            raise NotFoundError(f"person {person!r} may be any of {names}: type more of the name")
        raise _report_unknown(person, [each["name"] for each in people.people if each["name"]])

    def list_people(self) -> list[tuple[LakePerson, Mapping[str, int]]]:
        """Return the people of the catalogue, those with most shots first, each with its shots by show."""
        people = self._read()
        return [(each, people.by_show.get(each["person_id"], {})) for each in people.people]

    def forget(self) -> None:
        """Read everything again from now on."""
        with self._lock:
            self._known = None

    def _read(self) -> _Known:
        with self._lock:
            if self._known and time.monotonic() < self._look_again_at:
                return self._known
            lake = self._settings.lake
            stamps = tuple(
                sorted(
                    (f"{table}/{name}", stamp)
                    for table in ("people", "shot_people", "people_changes")
                    for name, stamp in lake.stat_partitions(table).items()
                )
            )
            if self._known is None or self._known.stamps != stamps:
                self._known = self._load(stamps)
            self._look_again_at = time.monotonic() + REREAD_AFTER_S
            return self._known

    def _load(self, stamps: tuple[tuple[str, str], ...]) -> _Known:
        shots: dict[str, set[str]] = {}
        by_show: dict[str, dict[str, int]] = {}
        people = read_people(self._settings)
        rows = self._settings.lake.read("shot_people", None, ("shot_id", "show", "people")) if people else None
        for row in rows.to_pylist() if rows else ():
            for person in filter(None, (row["people"] or "").split(",")):
                shots.setdefault(person, set()).add(row["shot_id"])
                counts = by_show.setdefault(person, {})
                counts[row["show"]] = counts.get(row["show"], 0) + 1
        identities = apply_changes(read_changes(self._settings)) if people else Identities()
        return _Known(
            stamps=stamps,
            merged_ids={person: identities.find(person) for person in identities.parents},
            people=tuple(people),
            shots={person: frozenset(ids) for person, ids in shots.items()},
            by_show=by_show,
        )


def is_part_of_name(typed: str, name: str) -> bool:
    """Return True if every word that was typed is a word of the name, without accents, marks and case."""
    words = set(split_words(typed))
    return bool(words) and words <= set(split_words(name))


def _report_unknown(person: str, names: list[str]) -> NotFoundError:
    by_folded = {fold_name(name): name for name in names}
    close = [by_folded[each] for each in get_close_matches(fold_name(person), by_folded, n=3, cutoff=0.6)]
    if close:
        why = f"do you mean {' or '.join(close)}?"
    elif names:
        why = f"the names are {', '.join(names[:MOST_NAMED])}"
    else:
        why = "no person has a name yet: `needle people` lists the people, and person:ID finds one"
    return NotFoundError(f"no person {person!r}: {why}")
