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

from ops.core.errors import EncoderError
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.embeddings.registry import EncoderRegistry, RegistryState, dump_state, parse_state

KEY = "encoder.json"
HOME_DAYS = 90
"""A home that did neither ingest nor index for this number of days counts as gone."""


@dataclass(frozen=True, kw_only=True)
class HomeUse:
    """The encoders whose data a home needs, and the day (ISO 8601, UTC) on which it was last seen."""

    encoder_ids: tuple[str, ...]
    seen: str


@dataclass(frozen=True, kw_only=True)
class SharedChoice:
    """The choice of ``auto`` of the homes on one bucket, and their live encoder after the first upgrade.

    ``homes`` are by ``Settings.home_name``. ``left`` are ids of replaced encoders, whose data stay while a home uses
    them. ``version`` is that of the object; ``None`` if it does not exist.
    """

    auto: tuple[str, str] | None = None
    state: RegistryState = field(default_factory=RegistryState)
    homes: dict[str, HomeUse] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    version: str | None = None

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
            homes=_parse_homes(document.get("homes", {})),
            left=tuple(str(each) for each in document.get("left", ())),
            version=version,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderError(
            f"{store.uri(KEY)} cannot be read ({error}): delete it, and each home keeps the encoder that it has"
        ) from error


def list_other_homes(settings: Settings, choice: SharedChoice, today: date) -> dict[str, HomeUse]:
    """Return the homes on the store, but this one and those that were not seen for :data:`HOME_DAYS`."""
    return {name: use for name, use in choice.homes.items() if name != settings.home_name and not _is_gone(use, today)}


def list_ids_of_others(settings: Settings, choice: SharedChoice, today: date) -> set[str]:
    """Return the ids of encoders whose data other homes on the store need."""
    return {each for use in list_other_homes(settings, choice, today).values() for each in use.encoder_ids}


def note_use(settings: Settings, encoder_id: str, today: date) -> SharedChoice | None:
    """Record in the store that this home needs the data of its encoder and of its candidate; return what is there now.

    Writes nothing if the same was recorded today or yesterday. Homes that are gone are left out.
    """
    while (choice := read_choice(settings.store)) is not None:
        candidate = EncoderRegistry(settings.home).read_state().candidate
        ids = {encoder_id, candidate.encoder_id} if candidate else {encoder_id}
        use = HomeUse(encoder_ids=tuple(sorted(ids)), seen=today.isoformat())
        before = choice.homes.get(settings.home_name)
        is_recent = before is not None and abs(today - date.fromisoformat(before.seen)) <= timedelta(days=1)
        if before is not None and is_recent and before.encoder_ids == use.encoder_ids:
            return choice
        homes = list_other_homes(settings, choice, today) | {settings.home_name: use}
        if write_choice(settings.store, replace(choice, homes=homes)):
            return replace(choice, homes=homes)
    return None


def change_left(settings: Settings, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
    """Add ids of replaced encoders that other homes still use, or remove those whose data were deleted."""
    while (choice := read_choice(settings.store)) is not None:
        left = tuple(sorted({*choice.left, *add} - {*remove}))
        if left == choice.left or write_choice(settings.store, replace(choice, left=left)):
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
    document = {
        "auto": auto,
        "succession": dump_state(choice.state) if choice.state.live else None,
        "homes": {name: asdict(use) for name, use in choice.homes.items()},
        "left": list(choice.left),
    }
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    return store.write_if(KEY, text.encode(), choice.version)


def _parse_homes(content: dict[str, dict[str, object]]) -> dict[str, HomeUse]:
    """Return the homes of :func:`write_choice`. Raises ``ValueError``, ``KeyError`` or ``TypeError`` for others."""
    homes = {}
    for name, use in content.items():
        ids, seen = use["encoder_ids"], date.fromisoformat(str(use["seen"]))
        if not isinstance(ids, list):
            raise TypeError(f"encoder_ids of {name} are no list")
        homes[name] = HomeUse(encoder_ids=tuple(str(each) for each in ids), seen=seen.isoformat())
    return homes


def _is_gone(use: HomeUse, today: date) -> bool:
    return today - date.fromisoformat(use.seen) > timedelta(days=HOME_DAYS)
