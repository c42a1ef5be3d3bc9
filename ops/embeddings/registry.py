"""A home's record of its encoders: the spec of each id, the choice of ``auto``, and the live encoder.

Stands alone because every process of an installation must use the same encoder, and must find it in milliseconds. The
record is one small JSON file, ``<home>/encoder.json``, replaced atomically under a lock. ``needle upgrade`` switches by
replacing it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from ops.core.errors import EncoderError, make_home_error
from ops.core.locks import lock_exclusively
from ops.core.storage import write_atomically
from ops.embeddings.weights import fingerprint_files


@dataclass(frozen=True, kw_only=True)
class EncoderRecord:
    """An encoder that is or was live: its spec and id, its start (ISO 8601), and the reason of the switch."""

    spec: str
    encoder_id: str
    since: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class UpgradeCandidate:
    """An encoder that is to become live. ``force`` is a person's reason to switch even if the check fails.

    ``how``: after a comparison, because it was live before, or because another home on the same store made it live.
    ``was_indexed``: shots were indexed by it before it was named, in a home that was never upgraded. In that home
    another setting of NEEDLE_ENCODER may use that index. ``interrupted``: spec and id of the home's own candidate,
    while this one is followed.
    """

    spec: str
    encoder_id: str
    how: Literal["upgrade", "rollback", "follow"] = "upgrade"
    force: str = ""
    was_indexed: bool = False
    interrupted: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class RegistryState:
    """The live encoder since the first upgrade; before that, ``live`` is ``None`` and the setting decides.

    ``previous`` is the target of a rollback, ``rolled_back_from`` the encoder before one. ``replaced_specs`` are those
    that upgrades have replaced: if NEEDLE_ENCODER still names one of them, it is out of date and does not count.
    ``to_delete`` are ids whose vectors and index may be deleted. ``cleanup_done`` is false from a switch until the
    dependent records, features and scores are computed.
    """

    live: EncoderRecord | None = None
    previous: EncoderRecord | None = None
    rolled_back_from: EncoderRecord | None = None
    candidate: UpgradeCandidate | None = None
    replaced_specs: tuple[str, ...] = ()
    to_delete: tuple[str, ...] = ()
    cleanup_done: bool = True

    def require_live(self) -> EncoderRecord:
        """Return the live encoder of a state after an upgrade. Raises ``ValueError`` before the first one."""
        if self.live is None:
            raise ValueError("no encoder is live in this state")
        return self.live


_ROLES = ("live", "previous", "undone")
_STORED_NAMES = {
    "rolled_back_from": "undone",
    "replaced_specs": "superseded",
    "to_delete": "retired",
    "cleanup_done": "settled",
}
"""Names of fields in the file, if they differ: the file keeps its format, because homes exist."""


class _Choice(TypedDict):
    """The choice of ``auto``."""

    spec: str
    reason: str


class _Entry(TypedDict):
    """An encoder of this home: its spec, and the path, size and time of each of its files."""

    spec: str
    files: list[list[object]]


class _RegistryFile(TypedDict):
    """The content of the file; ``succession`` is a :class:`RegistryState` as JSON, once an encoder was named."""

    auto: _Choice | None
    encoders: dict[str, _Entry]
    succession: Any


class EncoderRegistry:
    """The file ``encoder.json`` of one home."""

    def __init__(self, home: Path) -> None:
        self.path = home / "encoder.json"

    def read_auto(self) -> tuple[str, str] | None:
        """``(spec, reason)`` of the pinned ``auto``, or ``None`` before the first use."""
        pin = self._read()["auto"]
        return (pin["spec"], pin["reason"]) if pin else None

    def pin_auto(self, spec: str, reason: str) -> tuple[str, str]:
        """Pin ``auto``; if another process was first, return its choice."""
        with self._lock() as content:
            choice = content["auto"]
            if not choice:
                choice = content["auto"] = {"spec": spec, "reason": reason}
                self._write(content)
            return choice["spec"], choice["reason"]

    def list_ids(self) -> list[str]:
        """The ids of all encoders recorded in this home."""
        return sorted(self._read()["encoders"])

    def find_spec(self, encoder_id: str) -> str | None:
        """The last recorded spec of an id in this home; ``None`` if the id is unknown."""
        entry = self._read()["encoders"].get(encoder_id)
        return entry["spec"] if entry else None

    def find_id(self, spec: str) -> str | None:
        """The id of a spec, if its weights files are unchanged since it was recorded; otherwise ``None``."""
        for encoder_id, entry in self._read()["encoders"].items():
            if entry["spec"] == spec and _is_unchanged(entry["files"]):
                return str(encoder_id)
        return None

    def record(self, encoder_id: str, spec: str, files: list[Path]) -> None:
        """Record the spec and files of ``encoder_id``."""
        entry: _Entry = {"spec": spec, "files": fingerprint_files(files)}
        with self._lock() as content:
            if content["encoders"].get(encoder_id) != entry:
                content["encoders"][encoder_id] = entry
                self._write(content)

    def read_state(self) -> RegistryState:
        """The live encoder, the previous one, and the candidate."""
        return self._parse(self._read())

    def change_state(self, change: Callable[[RegistryState], RegistryState]) -> RegistryState:
        """Replace the state by the result of ``change``, atomically: a reader gets the old one or the new one."""
        with self._lock() as content:
            before = self._parse(content)
            after = change(before)
            if after != before:
                content["succession"] = dump_state(after)
                self._write(content)
            return after

    def _parse(self, content: _RegistryFile) -> RegistryState:
        try:
            return parse_state(content["succession"])
        except ValueError as error:
            raise EncoderError(
                f"{self.path} cannot be read ({error}): delete it, and NEEDLE_ENCODER decides again which encoder is "
                "live"
            ) from error

    @contextmanager
    def _lock(self) -> Iterator[_RegistryFile]:
        """The content of the file, for a block in which no other process changes it."""
        try:
            with lock_exclusively(self.path.with_suffix(".lock")):
                yield self._read()
        except OSError as error:
            raise make_home_error(self.path, error) from error

    def _read(self) -> _RegistryFile:
        try:
            content = json.loads(self.path.read_text())
            return {
                "auto": content["auto"],
                "encoders": dict(content["encoders"]),
                "succession": content.get("succession"),
            }
        except FileNotFoundError:
            return {"auto": None, "encoders": {}, "succession": None}
        except OSError as error:
            raise make_home_error(self.path, error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise EncoderError(
                f"{self.path} cannot be read ({error}): delete it, and the encoder is chosen again"
            ) from error

    def _write(self, content: _RegistryFile) -> None:
        document = {name: value for name, value in content.items() if name != "succession" or value}
        with write_atomically(self.path) as temporary:
            temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def dump_state(state: RegistryState) -> dict[str, Any]:
    """Return the state as JSON, with the names of the file."""
    return {_STORED_NAMES.get(name, name): value for name, value in asdict(state).items()}


def parse_state(content: Any) -> RegistryState:
    """Return the state of :func:`dump_state`, empty for ``None``. Raises ``ValueError`` if it is none."""
    try:
        if content is None:
            return RegistryState()
        live, previous, rolled_back_from = (
            EncoderRecord(**record) if (record := content[name]) else None for name in _ROLES
        )
        return RegistryState(
            live=live,
            previous=previous,
            rolled_back_from=rolled_back_from,
            candidate=_parse_candidate(content["candidate"]) if content["candidate"] else None,
            replaced_specs=tuple(content["superseded"]),
            to_delete=tuple(content["retired"]),
            cleanup_done=bool(content["settled"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a state of encoders: {error}") from error


def _parse_candidate(content: dict[str, Any]) -> UpgradeCandidate:
    interrupted = content.get("interrupted")
    return UpgradeCandidate(**{**content, "interrupted": tuple(interrupted) if interrupted else None})


def _is_unchanged(marks: list[list[object]]) -> bool:
    try:
        return fingerprint_files([Path(str(mark[0])) for mark in marks]) == marks
    except EncoderError:
        return False
