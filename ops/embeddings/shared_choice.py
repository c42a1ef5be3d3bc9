"""The choice of encoder that all homes on one bucket share, and what each still uses: ``<store>/encoder.json``.

Stands alone because it is not what a home searches with: that is what its own index holds, and its own record
(:mod:`ops.embeddings.registry`) names it. An upgrade in one home writes this choice, and the others follow
(:mod:`ops.upgrade.shared_encoder`). Until then their entries keep the vectors that they use. Only stores with
conditional writes (S3) have it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from uuid import uuid4

from ops.core.backup import HOME_ID
from ops.core.errors import EncoderError, NotFoundError, make_home_error
from ops.core.locks import lock_exclusively
from ops.core.settings import Settings
from ops.core.storage import ObjectStore, write_atomically
from ops.embeddings.registry import EncoderRegistry, RegistryState, dump_state, parse_state

KEY = "encoder.json"
HOME_DAYS = 90
"""A home that did neither ingest nor index for this number of days counts as gone."""


@dataclass(frozen=True, kw_only=True)
class HomeUse:
    """A home on the store: its name for people, the encoders whose data it needs, and the day it was last seen (UTC).

    ``seen`` is in ISO 8601.
    """

    name: str
    encoder_ids: tuple[str, ...]
    seen: str


@dataclass(frozen=True, kw_only=True)
class SharedChoice:
    """The choice of ``auto`` of the homes on one bucket, and their live encoder after the first upgrade.

    ``homes`` are by the id of the home, ``None`` before the first one was recorded. Until the day ``unknown_until``
    (ISO 8601, empty for never) there may be homes that are not recorded. ``left_ids`` are those of encoders that were
    replaced; their data stay while a home uses them. ``version`` is that of the object; ``None`` without one.
    """

    auto: tuple[str, str] | None = None
    state: RegistryState = field(default_factory=RegistryState)
    homes: dict[str, HomeUse] | None = None
    unknown_until: str = ""
    left_ids: tuple[str, ...] = ()
    version: str | None = None

    def knows_homes(self, today: date) -> bool:
        """Return True if all homes on the store are recorded."""
        return self.homes is not None and today.isoformat() >= self.unknown_until

    def list_ids(self) -> set[str]:
        """Return the ids of the shared live encoder and of those to which any home may roll back."""
        state = self.state
        return {each.encoder_id for each in (state.live, state.previous, state.rolled_back_from) if each}


def read_choice(store: ObjectStore) -> SharedChoice | None:
    """Return the choice of the homes on this store, empty before the first one; ``None`` if it cannot be shared.

    Raises ``EncoderError`` if the object cannot be read.
    """
    if not store.has_conditions:
        return None
    try:
        content, version = store.read_version(KEY)
    except FileNotFoundError:
        return SharedChoice()
    try:
        document = json.loads(content)
        auto = document["auto"]
        return SharedChoice(
            auto=(str(auto["spec"]), str(auto["reason"])) if auto else None,
            state=parse_state(document["succession"]),
            homes=_parse_homes(document["homes"]) if "homes" in document else None,
            unknown_until=str(document.get("unknown_until", "")),
            left_ids=tuple(str(each) for each in document.get("left_ids", ())),
            version=version,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderError(
            f"{store.uri(KEY)} cannot be read ({error}): delete it, and each home keeps the encoder that it has"
        ) from error


def read_home_id(settings: Settings) -> str:
    """Return the id of this home, which is made at first use. Raises ``StorageError`` if it cannot be written."""
    path = settings.home / HOME_ID
    try:
        if not path.exists():
            settings.home.mkdir(parents=True, exist_ok=True)
            with lock_exclusively(settings.home / "locks" / "home_id.lock"):
                if not path.exists():
                    with write_atomically(path) as temporary:
                        temporary.write_text(uuid4().hex[:12] + "\n")
        return path.read_text().strip()
    except OSError as error:
        raise make_home_error(settings.home, error) from error


def list_other_homes(settings: Settings, choice: SharedChoice, today: date) -> dict[str, HomeUse]:
    """Return the homes on the store, but this one and those that were not seen for :data:`HOME_DAYS`."""
    homes, here = choice.homes or {}, read_home_id(settings)
    return {home_id: use for home_id, use in homes.items() if home_id != here and not _is_gone(use, today)}


def list_ids_of_others(settings: Settings, choice: SharedChoice, today: date) -> set[str]:
    """Return the ids of encoders whose data other homes on the store need."""
    return {each for use in list_other_homes(settings, choice, today).values() for each in use.encoder_ids}


def note_use(settings: Settings, encoder_id: str, today: date) -> SharedChoice | None:
    """Record in the store that this home needs the data of its encoder and of its candidate; return what is there now.

    Writes nothing if the same was recorded today or yesterday. Homes that are gone are left out. The first home that
    is recorded in a store with videos cannot know of others: then nothing is deleted for :data:`HOME_DAYS`.
    """
    while (choice := read_choice(settings.store)) is not None:
        candidate = EncoderRegistry(settings.home).read_state().candidate
        ids = {encoder_id, candidate.encoder_id} if candidate else {encoder_id}
        use = HomeUse(name=settings.home_name, encoder_ids=tuple(sorted(ids)), seen=today.isoformat())
        here = read_home_id(settings)
        before = (choice.homes or {}).get(here)
        if before is not None and replace(before, seen=use.seen) == use and _count_days(before, today) <= 1:
            return choice
        unknown_until = choice.unknown_until
        if choice.homes is None and settings.lake.list_partitions("videos"):
            unknown_until = (today + timedelta(days=HOME_DAYS)).isoformat()
        others = list_other_homes(settings, choice, today)
        gone_uses = [use for home_id, use in (choice.homes or {}).items() if home_id not in (*others, here)]
        gone = {each for gone_use in gone_uses for each in gone_use.encoder_ids}
        left_ids = tuple(sorted({*choice.left_ids, *gone} - ids)) if gone else choice.left_ids
        after = replace(choice, homes=others | {here: use}, unknown_until=unknown_until, left_ids=left_ids)
        if write_choice(settings.store, after):
            return after
    return None


def forget_home(settings: Settings, name: str) -> None:
    """Remove another home from the record: what only it used is deleted by the next :func:`note_use` and its caller.

    ``name`` is the name or id of one that is gone. Raises ``NotFoundError``, naming the others, if there is none.
    """
    while True:
        choice = read_choice(settings.store) or SharedChoice()
        others = {each: use for each, use in (choice.homes or {}).items() if each != read_home_id(settings)}
        matches = {each: use for each, use in others.items() if name in (each, use.name)}
        if not matches:
            names = ", ".join(f"{use.name} ({each})" for each, use in others.items()) or "none"
            raise NotFoundError(f"no other home {name!r} on {settings.storage_uri}; the others are: {names}")
        left_ids = {*choice.left_ids, *(each for use in matches.values() for each in use.encoder_ids)}
        homes = {each: use for each, use in (choice.homes or {}).items() if each not in matches}
        if write_choice(settings.store, replace(choice, homes=homes, left_ids=tuple(sorted(left_ids)))):
            return


def forget_all_homes(store: ObjectStore) -> None:
    """Remove all homes from the record of a store that was restored from a backup: they are on another store."""
    while (choice := read_choice(store)) is not None and choice.version is not None:
        if choice.homes is None or write_choice(store, replace(choice, homes=None, unknown_until="", left_ids=())):
            return


def change_left(settings: Settings, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
    """Add ids of replaced encoders that other homes still use, or remove those whose data were deleted."""
    while (choice := read_choice(settings.store)) is not None:
        left_ids = tuple(sorted({*choice.left_ids, *add} - {*remove}))
        if left_ids == choice.left_ids or write_choice(settings.store, replace(choice, left_ids=left_ids)):
            return


def share_auto(store: ObjectStore, choose: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """Return ``(spec, reason)`` of ``auto`` for the homes on this store; ``choose`` decides if none has decided."""
    chosen: tuple[str, str] | None = None
    while (choice := read_choice(store)) is not None:
        if choice.auto is not None:
            return choice.auto
        chosen = chosen or choose()
        if write_choice(store, replace(choice, auto=chosen)):
            break
    return chosen or choose()


def write_choice(store: ObjectStore, choice: SharedChoice) -> bool:
    """Write the choice over the version that it was read from; return false, and write nothing, if that changed."""
    auto = {"spec": choice.auto[0], "reason": choice.auto[1]} if choice.auto else None
    document: dict[str, object] = {
        "auto": auto,
        "succession": dump_state(choice.state) if choice.state.live else None,
        "left_ids": list(choice.left_ids),
    }
    if choice.homes is not None:
        homes = {home_id: asdict(use) for home_id, use in choice.homes.items()}
        document |= {"homes": homes, "unknown_until": choice.unknown_until}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    return store.write_if(KEY, text.encode(), choice.version)


def _parse_homes(content: dict[str, dict[str, object]]) -> dict[str, HomeUse]:
    """Return the homes of :func:`write_choice`. Raises ``ValueError``, ``KeyError`` or ``TypeError`` for others."""
    homes = {}
    for home_id, use in content.items():
        ids, seen = use["encoder_ids"], date.fromisoformat(str(use["seen"]))
        if not isinstance(ids, list):
            raise TypeError(f"encoder_ids of {home_id} are no list")
        name, encoder_ids = str(use["name"]), tuple(str(each) for each in ids)
        homes[home_id] = HomeUse(name=name, encoder_ids=encoder_ids, seen=seen.isoformat())
    return homes


def _count_days(use: HomeUse, today: date) -> int:
    return abs((today - date.fromisoformat(use.seen)).days)


def _is_gone(use: HomeUse, today: date) -> bool:
    return today - date.fromisoformat(use.seen) > timedelta(days=HOME_DAYS)
