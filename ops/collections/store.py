"""The ``collections`` table: who created, saved, renamed and deleted which collection, when, and its shots.

One file per collection, one row per change. Changes are written under the table's lock. An editor names the version
that they opened: if somebody else has saved since, nothing is written, and the error names them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypedDict, cast

from ops.collections.entries import (
    CollectionEntry,
    PickedShot,
    RefusedShot,
    ShotFinder,
    accept_picks,
    decode_entries,
    encode_entries,
)
from ops.core.errors import ConflictError, DamagedTableError, NotFoundError, UsageError
from ops.core.names import fold_name, hash_words, require_name
from ops.core.plural import plural
from ops.core.settings import Settings

TABLE = "collections"
MAX_SHOTS = 5_000
FORGET = "needle forget"
"""Author of the changes that `needle forget` makes."""


class ChangeRow(TypedDict):
    """A row of the table. ``entries`` is null but in the latest row."""

    change_id: str
    collection_id: str
    action: str
    name: str
    author: str
    created_at: datetime
    shots: int
    note: str | None
    entries: str | None
    event_timestamp: datetime
    created_timestamp: datetime


@dataclass(frozen=True, kw_only=True)
class CollectionChange:
    """One change of a collection: who made it, when, and the name and number of shots after it."""

    action: str
    author: str
    created_at: datetime
    name: str
    shots: int
    note: str


class CollectionFacts(TypedDict):
    """A collection in documents: who created and changed it, with times in ISO 8601, and its number of shots."""

    collection_id: str
    name: str
    version: str
    shots: int
    created_by: str
    created_at: str
    changed_by: str
    changed_at: str


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A collection as it is now; ``version`` changes with each change. The history is the oldest change first."""

    collection_id: str
    version: str
    name: str
    entries: tuple[CollectionEntry, ...]
    history: tuple[CollectionChange, ...]

    @property
    def latest(self) -> CollectionChange:
        return self.history[-1]

    def summarise(self) -> CollectionFacts:
        """Return the facts of the collection, for a document."""
        first = self.history[0]
        return {
            "collection_id": self.collection_id,
            "name": self.name,
            "version": self.version,
            "shots": len(self.entries),
            "created_by": first.author,
            "created_at": first.created_at.isoformat(),
            "changed_by": self.latest.author,
            "changed_at": self.latest.created_at.isoformat(),
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What was removed without an editor since one of them saved last."""
        saves = [at for at, change in enumerate(self.history) if change.action in ("created", "saved")]
        return tuple(change.note for change in self.history[saves[-1] :] if change.note)


@dataclass(frozen=True, kw_only=True)
class SavedCollection:
    """The result of a change: the collection, and the shots that were not taken."""

    collection: Collection
    refused: tuple[RefusedShot, ...] = ()


def list_collections(settings: Settings, damage: list[DamagedTableError] | None = None) -> list[Collection]:
    """Every collection, the last changed first; a damaged file is added to ``damage``, or logged."""
    by_id: dict[str, list[ChangeRow]] = {}
    for row in settings.lake.read(TABLE, damage=damage).to_pylist():
        by_id.setdefault(row["collection_id"], []).append(cast(ChangeRow, row))
    collections = [each for rows in by_id.values() if (each := _parse(rows)).latest.action != "deleted"]
    return sorted(collections, key=lambda each: (each.latest.created_at, each.collection_id), reverse=True)


def read_collection(settings: Settings, collection_id: str) -> Collection:
    """The collection with this id. Raises ``NotFoundError`` if there is none, or if it was deleted."""
    rows = _read_rows(settings, collection_id)
    if not rows:
        raise NotFoundError(f"no collection {collection_id!r}: `needle collections list` lists them")
    collection = _parse(rows)
    if collection.latest.action == "deleted":
        latest = collection.latest
        raise NotFoundError(
            f"the collection {collection.name!r} was deleted by {latest.author} on {_format_time(latest.created_at)}"
        )
    return collection


def find_collection(settings: Settings, name: str) -> Collection:
    """The collection with this id or name. Raises ``NotFoundError``, naming the others, if there is none."""
    collections = list_collections(settings)
    for each in collections:
        if name == each.collection_id or fold_name(name) == fold_name(each.name):
            return each
    choices = ", ".join(each.name for each in collections[:10])
    hint = f"there are {choices}" if choices else "there are none yet; the page's tray saves one"
    raise NotFoundError(f"no collection {name!r}: {hint}")


def create_collection(
    settings: Settings, name: str, picks: Sequence[PickedShot], *, author: str, now: datetime
) -> SavedCollection:
    """Create a collection; its id is a hash of name, author and time.

    Raises ``UsageError`` for an invalid name, ``ConflictError`` if the name is in use, ``NotFoundError`` if none of
    the shots exists.
    """
    name = require_name(name, "collection")
    with settings.lake.hold_lock(TABLE):
        _require_free(settings, name, "")
        entries, refused_shots = _accept_all(settings, picks, (), author, now)
        collection_id = hash_words(name, author, now.isoformat())[:16]
        row = _build_row(collection_id, "created", name, author, now, entries)
        return SavedCollection(collection=_append(settings, row), refused=refused_shots)


def change_collection(
    settings: Settings,
    collection_id: str,
    version: str,
    *,
    name: str | None = None,
    picks: Sequence[PickedShot] | None = None,
    author: str,
    now: datetime,
) -> SavedCollection:
    """Rename a collection, replace its shots, or both; ``None`` leaves them. Without a difference nothing is written.

    Raises ``ConflictError`` if ``version`` is not the present one, otherwise as :func:`create_collection`.
    """
    new_name = require_name(name, "collection") if name is not None else None
    with settings.lake.hold_lock(TABLE):
        old = read_collection(settings, collection_id)
        _require_version(old, version)
        if new_name is not None:
            _require_free(settings, new_name, collection_id)
        entries, refused_shots = old.entries, tuple[RefusedShot, ...]()
        if picks is not None:
            entries, refused_shots = _accept_all(settings, picks, old.entries, author, now)
        if (new_name or old.name) == old.name and entries == old.entries:
            return SavedCollection(collection=old, refused=refused_shots)
        action = "saved" if entries != old.entries else "renamed"
        row = _build_row(collection_id, action, new_name or old.name, author, now, entries)
        return SavedCollection(collection=_append(settings, row), refused=refused_shots)


def delete_collection(settings: Settings, collection_id: str, version: str, *, author: str, now: datetime) -> None:
    """Delete a collection and its entries; who deleted it stays known.

    Raises ``NotFoundError`` if there is none, ``ConflictError`` if ``version`` is not the present one.
    """
    with settings.lake.hold_lock(TABLE):
        old = read_collection(settings, collection_id)
        _require_version(old, version)
        _append(settings, _build_row(collection_id, "deleted", old.name, author, now, ()))


def forget_video_entries(settings: Settings, video_id: str, now: datetime) -> int:
    """Remove the entries of a forgotten video from every collection; return their number.

    The caller has written the video's tombstone: from then on no entry of it is accepted.
    """
    removed_count = 0
    with settings.lake.hold_lock(TABLE):
        for collection in list_collections(settings):
            entries = tuple(entry for entry in collection.entries if entry.video_id != video_id)
            if lost_count := len(collection.entries) - len(entries):
                note = (
                    f"{plural(lost_count, 'shot')} of a forgotten video {'was' if lost_count == 1 else 'were'} removed"
                )
                row = _build_row(collection.collection_id, "forgotten", collection.name, FORGET, now, entries)
                _append(settings, row | {"note": note})
                removed_count += lost_count
    return removed_count


def forget_entry_queries(settings: Settings, is_lost: Callable[[str], bool], now: datetime) -> int:
    """Remove from every collection the text of searches that ``is_lost``; the shots stay. Return their number."""
    removed_count = 0
    with settings.lake.hold_lock(TABLE):
        for collection in list_collections(settings):
            entries = tuple(
                replace(entry, query=None) if entry.query and is_lost(entry.query) else entry
                for entry in collection.entries
            )
            if entries != collection.entries:
                count = sum(old != new for old, new in zip(collection.entries, entries, strict=True))
                row = _build_row(collection.collection_id, "forgotten", collection.name, FORGET, now, entries)
                note = f"the search that found {plural(count, 'shot')} was removed: it named a person who is forgotten"
                _append(settings, row | {"note": note})
                removed_count += count
    return removed_count


def _accept_all(
    settings: Settings, picks: Sequence[PickedShot], before: Sequence[CollectionEntry], author: str, now: datetime
) -> tuple[tuple[CollectionEntry, ...], tuple[RefusedShot, ...]]:
    if len(picks) > MAX_SHOTS:
        raise UsageError(f"{len(picks):,} shots are more than one collection holds ({MAX_SHOTS:,}): save a part")
    entries, refused_shots = accept_picks(ShotFinder(settings), picks, before, author, now)
    if refused_shots and not entries:
        raise NotFoundError("; ".join(f"{each.shot_id}: {each.reason}" for each in refused_shots[:5]))
    return entries, refused_shots


def _require_free(settings: Settings, name: str, collection_id: str) -> None:
    for each in list_collections(settings):
        if fold_name(each.name) == fold_name(name) and each.collection_id != collection_id:
            raise ConflictError(
                f"there is already a collection {each.name!r} (by {each.history[0].author}): choose another name"
            )


def _require_version(collection: Collection, version: str) -> None:
    if version != collection.version:
        latest = collection.latest
        raise ConflictError(
            f"the collection {collection.name!r} was changed by {latest.author} on {_format_time(latest.created_at)}, "
            "after you opened it: nothing was written. Open it again, or save yours under another name"
        )


def _format_time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _build_row(
    collection_id: str, action: str, name: str, author: str, now: datetime, entries: Sequence[CollectionEntry]
) -> ChangeRow:
    text = encode_entries(entries)
    return {
        "change_id": hash_words(collection_id, action, name, author, now.isoformat(), text),
        "collection_id": collection_id,
        "action": action,
        "name": name,
        "author": author,
        "created_at": now,
        "shots": len(entries),
        "note": None,
        "entries": text,
        "event_timestamp": now,
        "created_timestamp": now,
    }


def _append(settings: Settings, row: ChangeRow) -> Collection:
    """Append a change; rows before it lose their entries, so that a file has each shot once. The lock is held."""
    old_rows = [each | {"entries": None} for each in _read_rows(settings, row["collection_id"])]
    settings.lake.write(TABLE, row["collection_id"], [*old_rows, row])
    return _parse([*old_rows, row])


def _read_rows(settings: Settings, collection_id: str) -> list[ChangeRow]:
    return cast(list[ChangeRow], settings.lake.read(TABLE, [collection_id]).to_pylist())


def _parse(rows: Sequence[ChangeRow]) -> Collection:
    latest = rows[-1]
    return Collection(
        collection_id=latest["collection_id"],
        version=latest["change_id"],
        name=latest["name"],
        entries=decode_entries(latest["entries"] or "[]"),
        history=tuple(
            CollectionChange(
                action=row["action"],
                author=row["author"],
                created_at=row["created_at"],
                name=row["name"],
                shots=row["shots"],
                note=row["note"] or "",
            )
            for row in rows
        ),
    )
