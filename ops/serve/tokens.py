"""Access control: API tokens, and the sessions that a browser gets in exchange for one.

A session's cookie contains its end and a keyed hash over that and the token, never the token. It is valid as long as
the token is in the settings, also after a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

COOKIE = "needle_session"
SESSION_S = 30 * 24 * 3600


class Tokens:
    """The tokens of one service; without tokens, access is open."""

    def __init__(self, tokens: Sequence[str], secret: bytes) -> None:
        self._tokens = [_digest(token) for token in tokens]
        self._secret = secret

    @property
    def are_needed(self) -> bool:
        return bool(self._tokens)

    def accept(self, token: str) -> bool:
        """Return True for a valid token; the time is the same whichever token it is and however much of it is right."""
        return self._find_digest(token) is not None

    def open_session(self, token: str, now: float) -> str | None:
        """Return the cookie's value for a session that begins at ``now`` (Unix seconds); ``None`` for a wrong token."""
        digest = self._find_digest(token)
        return None if digest is None else self._sign(digest, str(int(now) + SESSION_S))

    def accept_session(self, value: str, now: float) -> bool:
        """Return True if a cookie's value is that of a session that has not ended."""
        ends, _, _ = value.partition(".")
        signature, good = _digest(value), False
        for digest in self._tokens:
            good |= hmac.compare_digest(_digest(self._sign(digest, ends)), signature)
        return good and ends.isascii() and ends.isdigit() and int(ends[:20]) > now

    def _find_digest(self, token: str) -> bytes | None:
        token_digest, match = _digest(token), None
        for digest in self._tokens:
            match = digest if hmac.compare_digest(digest, token_digest) else match
        return match

    def _sign(self, digest: bytes, ends: str) -> str:
        return f"{ends}.{hmac.new(self._secret, digest + _digest(ends), hashlib.sha256).hexdigest()}"


def load_session_secret(path: Path) -> bytes:
    """Return the key of this home's sessions, created at first use, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            handle.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    secret = path.read_bytes()
    # Empty for a moment while another process creates it, or permanently after a kill: then sessions end with this
    # process.
    return secret if len(secret) == 32 else secrets.token_bytes(32)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
