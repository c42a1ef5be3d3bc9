"""Who may come in: API tokens, and the sessions that a browser gets in exchange for one.

A session's cookie holds when it ends and a keyed hash over that and the token, never the token. It is good for
as long as the token is one of the settings', also after a restart.
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
    """The tokens of one service; none at all means that everybody may come in."""

    def __init__(self, tokens: Sequence[str], secret: bytes) -> None:
        self._tokens = [_digest(token) for token in tokens]
        self._secret = secret

    @property
    def are_needed(self) -> bool:
        return bool(self._tokens)

    def accept(self, token: str) -> bool:
        """Whether it is one of the tokens; takes the same time whichever it is and however much of it is right."""
        return self._matching(token) is not None

    def session(self, token: str, now: float) -> str | None:
        """The cookie's value for a session that begins at ``now`` (Unix seconds); ``None`` for a wrong token."""
        digest = self._matching(token)
        return None if digest is None else self._signed(digest, str(int(now) + SESSION_S))

    def accept_session(self, value: str, now: float) -> bool:
        """Whether a cookie's value is that of a session that has not ended."""
        ends, _, _ = value.partition(".")
        given, good = _digest(value), False
        for digest in self._tokens:
            good |= hmac.compare_digest(_digest(self._signed(digest, ends)), given)
        return good and ends.isascii() and ends.isdigit() and int(ends[:20]) > now

    def _matching(self, token: str) -> bytes | None:
        given, found = _digest(token), None
        for digest in self._tokens:
            found = digest if hmac.compare_digest(digest, given) else found
        return found

    def _signed(self, digest: bytes, ends: str) -> str:
        return f"{ends}.{hmac.new(self._secret, digest + _digest(ends), hashlib.sha256).hexdigest()}"


def session_secret(path: Path) -> bytes:
    """The key of this home's sessions, made at first use, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            handle.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    found = path.read_bytes()
    # Empty for a moment while another process makes it, or for ever after a kill: then sessions end with us.
    return found if len(found) == 32 else secrets.token_bytes(32)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
