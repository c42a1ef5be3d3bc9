"""Access control: who sends a request, by token or by the session that a browser gets in exchange for one.

A session's cookie contains its end and a keyed hash over that and the token's hash, never the token. It is valid as
long as the token is, also after a restart: it ends when the token is revoked or expires.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ops.core.errors import NO_ROOM
from ops.core.settings import Settings
from ops.serve.roles import ANYBODY, Identity
from ops.serve.token_list import TokenList, WatchedTokenList, hash_token

COOKIE = "needle_session"
SESSION_S = 30 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class _ValidToken:
    digest: bytes
    identity: Identity


class Tokens:
    """The tokens of one service: those of NEEDLE_TOKENS, which administer, and the named ones of the home.

    Without either, access is open, unless ``is_exposed``: then other machines reach the service, and a list of tokens
    that was deleted must not open it.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        secret: bytes,
        token_list: WatchedTokenList | None = None,
        *,
        is_exposed: bool = False,
    ) -> None:
        self._of_settings = [_ValidToken(digest=hash_token(token), identity=ANYBODY) for token in tokens]
        self._secret = secret
        self._token_list = token_list
        self._is_exposed = is_exposed

    @property
    def are_needed(self) -> bool:
        """Revoked and expired tokens count, so that the end of the last one does not open the service.

        Raises ``StorageError`` if the list of tokens cannot be read.
        """
        return bool(self._of_settings or self._is_exposed or (self._token_list and self._token_list.read()))

    def identify(self, token: str, now: float) -> Identity | None:
        """Return whose token it is; ``None`` for a wrong one.

        The time is the same whichever token it is and however much of it is right.
        """
        valid_token = self._find(token, now)
        return valid_token.identity if valid_token else None

    def open_session(self, token: str, now: float) -> str | None:
        """Return the cookie's value for a session that begins at ``now`` (Unix seconds); ``None`` for a wrong token."""
        valid_token = self._find(token, now)
        return None if valid_token is None else self._sign(valid_token.digest, str(int(now) + SESSION_S))

    def identify_session(self, value: str, now: float) -> Identity | None:
        """Return whose session a cookie's value is; ``None`` if it is none, or has ended."""
        ends, _, _ = value.partition(".")
        if not (ends.isascii() and ends.isdigit() and int(ends[:20]) > now):
            return None
        valid_token = self._match(hash_token(value), now, lambda digest: hash_token(self._sign(digest, ends)))
        return valid_token.identity if valid_token else None

    def _find(self, token: str, now: float) -> _ValidToken | None:
        return self._match(hash_token(token), now, lambda digest: digest)

    def _match(self, digest: bytes, now: float, derive: Callable[[bytes], bytes]) -> _ValidToken | None:
        """Return the token from whose digest ``derive`` makes ``wanted``.

        Those of the settings come first: they work while the list cannot be read.
        """
        return _match(self._of_settings, digest, derive) or _match(self._list_named(now), digest, derive)

    def _list_named(self, now: float) -> list[_ValidToken]:
        time = datetime.fromtimestamp(now, UTC)
        return [
            _ValidToken(digest=token.digest, identity=Identity(name=token.name, role=token.role))
            for token in (self._token_list.read() if self._token_list else ())
            if token.describe_state(time) == "valid"
        ]

    def _sign(self, digest: bytes, ends: str) -> str:
        return f"{ends}.{hmac.new(self._secret, digest + hash_token(ends), hashlib.sha256).hexdigest()}"


def _match(tokens: Sequence[_ValidToken], digest: bytes, derive: Callable[[bytes], bytes]) -> _ValidToken | None:
    match = None
    for token in tokens:
        match = token if hmac.compare_digest(derive(token.digest), digest) else match
    return match


def load_tokens(settings: Settings, *, is_exposed: bool) -> Tokens:
    """Return the tokens of a home's service. Raises ``StorageError`` if the list of tokens is damaged."""
    return Tokens(
        [token.get_secret_value() for token in settings.tokens],
        load_session_secret(settings.home / "serve" / "secret"),
        WatchedTokenList(TokenList(settings)),
        is_exposed=is_exposed,
    )


def has_valid_token(settings: Settings) -> bool:
    """Return True if somebody could sign in to a service of this home now."""
    now = datetime.now(UTC)
    return bool(settings.tokens) or any(each.describe_state(now) == "valid" for each in TokenList(settings).read())


def load_session_secret(path: Path) -> bytes:
    """Return the key of this home's sessions, created at first use, readable by its owner only.

    On a disk without room, or one that may only be read, sessions end with this process.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            handle.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
    secret = path.read_bytes() if path.exists() else b""
    # Empty for a moment while another process creates it, or permanently after a kill: then sessions end with this
    # process.
    return secret if len(secret) == 32 else secrets.token_bytes(32)
