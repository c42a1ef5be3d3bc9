"""The named tokens of a home: a file with the name, role and hash of each, never with a secret.

``needle token`` writes it; a running service reads it again when it has changed.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ops.core.errors import NotFoundError, StorageError, UsageError
from ops.core.locks import lock_exclusively
from ops.core.settings import Settings
from ops.core.storage import write_atomically
from ops.serve.roles import Role

log = logging.getLogger(__name__)

PREFIX = "needle_"
SECRET_BYTES = 32
MAX_NAME = 60
RESERVED_NAMES = ("page", "me")
"""Names under which people without a named token label: the page's and the command line's defaults."""
CHECK_S = 1.0
UNREADABLE = "the service cannot read its list of tokens: its log has the reason"
_SPAN = re.compile(r"([1-9]\d{0,4})([hdw])")
_SPAN_S = {"h": 3_600, "d": 86_400, "w": 604_800}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class NamedToken(BaseModel):
    """One token. Revoked ones stay listed: their names are in labels, and an emptied list must not open a service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: Role
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None

    def describe_state(self, now: datetime) -> str:
        """Return ``valid``, ``revoked`` or ``expired``."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= now else "valid"

    @property
    def digest(self) -> bytes:
        return bytes.fromhex(self.sha256)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(default=1, ge=1, le=1)
    tokens: tuple[NamedToken, ...] = ()


class TokenList:
    """The list of one home, in a file that only its owner can read."""

    def __init__(self, settings: Settings) -> None:
        self.path = settings.home / "serve" / "tokens.json"
        self._lock = settings.home / "locks" / "tokens.lock"

    def read(self) -> tuple[NamedToken, ...]:
        """Return all tokens, also those that are not valid any more. Raises ``StorageError`` for a damaged file."""
        try:
            return _File.model_validate_json(self.path.read_bytes()).tokens
        except FileNotFoundError:
            return ()
        except (OSError, ValidationError) as error:
            why = error.strerror if isinstance(error, OSError) else f"{error.error_count()} errors in its content"
            raise StorageError(
                f"the list of tokens {self.path} cannot be read ({why}): restore it, or delete it and add every token "
                "again with `needle token add`"
            ) from error

    def add(self, name: str, role: Role, expires_at: datetime | None, now: datetime) -> tuple[NamedToken, str]:
        """Add a token and return it with its secret, which is stored nowhere.

        Raises ``UsageError`` for an invalid name, or one that a token has.
        """
        name = check_name(name)
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        token = NamedToken(name=name, role=role, sha256=hash_token(secret).hex(), created_at=now, expires_at=expires_at)
        with self._change() as tokens:
            same = next((each for each in tokens if each.name.casefold() == name.casefold()), None)
            if same and same.describe_state(now) == "valid":
                raise UsageError(
                    f"there is a token {same.name!r} already: choose another name, or revoke it first with "
                    f"`needle token revoke {same.name!r}`"
                )
            tokens[:] = [*(each for each in tokens if each is not same), token]
        return token, secret

    def revoke(self, name: str, now: datetime) -> NamedToken:
        """Revoke a token. Raises ``NotFoundError`` if none has this name, ``UsageError`` if it is revoked already."""
        with self._change() as tokens:
            normal_name = unicodedata.normalize("NFC", name).strip()
            match = next((each for each in tokens if each.name == normal_name), None)
            if match is None:
                names = ", ".join(each.name for each in tokens) or "none yet"
                raise NotFoundError(f"no token {name!r}: there are {names}")
            if match.revoked_at:
                raise UsageError(f"the token {match.name!r} was revoked on {match.revoked_at:%Y-%m-%d}")
            new = match.model_copy(update={"revoked_at": now})
            tokens[:] = [new if each is match else each for each in tokens]
        return new

    @contextmanager
    def _change(self) -> Iterator[list[NamedToken]]:
        """Yield the tokens for a change, and write them if the block succeeds."""
        with lock_exclusively(self._lock):
            tokens = list(self.read())
            yield tokens
            content = _File(tokens=tuple(tokens)).model_dump_json(indent=1).encode()
            with write_atomically(self.path, mode=0o600) as temporary:
                temporary.write_bytes(content)


class WatchedTokenList:
    """A :class:`TokenList` for a running service: read again within a second of a change. Safe to use from threads."""

    def __init__(self, tokens: TokenList) -> None:
        self._list = tokens
        self._lock = Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._checked_at = float("-inf")
        self._tokens: tuple[NamedToken, ...] = tokens.read()
        self._error: StorageError | None = None

    def read(self) -> Sequence[NamedToken]:
        """Return the tokens as they are now. Raises ``StorageError`` while the file is damaged."""
        with self._lock:
            now = time.monotonic()
            if now - self._checked_at >= CHECK_S:
                self._checked_at = now
                self._refresh()
            if self._error:
                raise self._error
            return self._tokens

    def _refresh(self) -> None:
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return
        try:
            self._tokens, self._error = self._list.read(), None
        except StorageError as error:
            log.warning("%s", error)
            # without the path: whoever is not signed in may read it
            self._tokens, self._error = (), StorageError(UNREADABLE)
        self._stamp = stamp

    def _read_stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._list.path.stat()
        except OSError:  # missing, or unreadable: then reading reports it
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size


def hash_token(text: str) -> bytes:
    """Return the SHA-256 of a token. Its 256 random bits cannot be guessed, so a slow hash would add nothing."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def check_name(name: str) -> str:
    """Return the name in its stored form. Raises ``UsageError`` for a name that could not stand in labels."""
    name = unicodedata.normalize("NFC", name).strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise UsageError(
            f"{name[:MAX_NAME]!r} cannot be the name of a token: use 1 to {MAX_NAME} printable characters, such as ann"
        )
    if name.casefold() in RESERVED_NAMES or name.startswith("-"):
        raise UsageError(f"{name!r} cannot be the name of a token: it stands for people without one; choose another")
    return name


def parse_expiry(text: str, now: datetime) -> datetime:
    """Return the end that ``2027-01-31`` (of that day, UTC), an ISO time, or ``90d``, ``12h``, ``4w`` names.

    Raises ``UsageError`` for anything else, and for a time that is over.
    """
    span = _SPAN.fullmatch(text)
    try:
        if span:
            return datetime.fromtimestamp(now.timestamp() + int(span[1]) * _SPAN_S[span[2]], UTC)
        end = datetime.fromisoformat(f"{text}T23:59:59+00:00" if _DAY.fullmatch(text) else text)
    except ValueError as error:
        raise UsageError(
            f"--expires {text!r} is not a time: write a date such as 2027-01-31, or a span such as 90d, 12h or 4w"
        ) from error
    end = end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC)
    if end <= now:
        raise UsageError(f"--expires {text!r} is over: name a time to come")
    return end
