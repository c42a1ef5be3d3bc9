"""The guard before every route: authentication, origin, request size, and time limits.

Plain ASGI and outermost, so that nothing is parsed before it is allowed, and every answer has the headers that protect
browsers.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from math import ceil
from urllib.parse import urlsplit

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops.core.errors import StorageError
from ops.core.logs import name_in_logs
from ops.core.tracing import describe_answer, read_trace_id, trace_request
from ops.serve.metrics import Metrics
from ops.serve.problems import ProblemError, report_unexpected
from ops.serve.roles import ANYBODY, AccessRules, Identity, Role, remember_identity
from ops.serve.tokens import COOKIE, Tokens

log = logging.getLogger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Form of a caller's ``X-Request-Id`` that is taken over; another one is replaced by a new id."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
SAFE_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
DEFAULT_PORTS = {"http": 80, "https": 443}
READING = ("GET", "HEAD", "OPTIONS")
MIB = 1024 * 1024
BODY_LIMIT = 2 * MIB
BODY_LIMITS: Mapping[str, int] = {"/api/images": 32 * MIB, "/api/search": 16 * MIB, "/api/export": 16 * MIB}
# Limit of all request bodies that are being received, together.
HELD_LIMIT = 512 * MIB
# A client that reads nothing for this long has disconnected, or has paused a video, which it can request again.
UNREAD_S = 120.0
# Limits of the pause between two pieces of a request body, and of the time for the whole body.
PIECE_S = 20.0
BODY_S = 300.0
# A page of hits loads a picture for each, and scrolling through a long video loads hundreds.
MEDIA_FACTOR = 10


class Guard:
    """ASGI middleware; ``loopback_host`` is the loopback address of the listener, ``None`` for any other address.

    ``public_url`` is the address of the proxy in front of the service; empty if there is none. A proxy's headers about
    the original request (``Forwarded``, ``X-Forwarded-*``) are not trusted, because any client can send them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Tokens,
        rules: AccessRules,
        metrics: Metrics,
        loopback_host: str | None,
        public_url: str = "",
        rate_limit: int = 0,
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._rules = rules
        self._rate = RateLimit(rate_limit)
        self._metrics = metrics
        self._loopback_host = loopback_host
        self._public_origin = parse_origin(public_url)
        self._public_host = _parse_host(urlsplit(public_url).netloc) or None
        self._open_bytes = _Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = choose_request_id(headers)
        with trace_request(scope["method"], headers) as span:
            ids = {"request_id": request_id} | ({"trace_id": read_trace_id(span)} if span else {})
            with name_in_logs(**ids):
                route, status = await self._answer(scope, receive, _Answer(send, request_id))
            describe_answer(span, scope["method"], route, status)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> tuple[str, int]:
        """Answer a request; return its route and the status, which are also counted and logged."""
        body = _Body(scope, receive, self._open_bytes)
        started_at = time.perf_counter()
        self._metrics.count_start()
        try:
            self._admit(scope, body)
            await self._app(scope, body.receive, answer.send)
        except ProblemError as problem:
            await answer.send_instead(problem.build_response(), scope, receive)
        except ClientDisconnect:
            pass  # the client has disconnected
        except Exception as error:  # noqa: BLE001 - logged with an id; the service answers and continues
            what = f"{scope['method']} {getattr(scope.get('route'), 'path', 'an unknown path')}"
            await answer.send_instead(report_unexpected(error, what), scope, receive)
        finally:
            self._open_bytes.bytes -= body.seen
            route = getattr(scope.get("route"), "path", "none")
            seconds = time.perf_counter() - started_at
            self._metrics.count_end(scope["method"], route, answer.status, seconds)
            # The template, because addresses hold what people look for.
            log.info("%s %s answered %d in %.3f s", scope["method"], route, answer.status, seconds)
        return route, answer.status

    def _admit(self, scope: Scope, body: _Body) -> None:
        headers = Headers(scope=scope)
        self._require_host(headers)
        self._require_same_origin(scope, headers)
        self._require_role(scope, headers)
        body.require_length(headers)

    def _require_host(self, headers: Headers) -> None:
        """Reject other hosts: a foreign page whose name resolves to this machine must not reach the service."""
        if len(headers.getlist("host")) > 1:
            raise ProblemError(400, "the request names several hosts (RFC 9112, 3.2)")
        if self._loopback_host is None:
            return
        host = _parse_host(headers.get("host", ""))
        if host not in (self._loopback_host, self._public_host) and not is_loopback(host):
            raise ProblemError(
                400,
                "this service answers on this machine only: call it by localhost or 127.0.0.1, or, behind a proxy, "
                "set NEEDLE_PUBLIC_URL to the address that people use",
            )

    def _require_same_origin(self, scope: Scope, headers: Headers) -> None:
        """Reject other origins: a foreign page must not change anything here with the cookies of its visitor.

        Over TLS and on this machine, browsers report if the page is ours by ``Sec-Fetch-Site``. No page can set that
        header and no proxy has a reason to change it. If it is missing, the Origin is compared.
        """
        if scope["method"] in READING:
            return
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            is_own = site in ("none", "same-origin")
        else:
            origins = {parse_origin(f"{scheme}://{headers.get('host', '')}") for scheme in DEFAULT_PORTS} | {
                self._public_origin
            }
            is_own = origin is None or parse_origin(origin) in origins - {""}
        if not is_own:
            raise ProblemError(
                403,
                "this request came from another page: use the page of this service, or no browser; behind a proxy, set "
                "NEEDLE_PUBLIC_URL to the address that people use",
            )

    def _require_role(self, scope: Scope, headers: Headers) -> None:
        """Find out who sends the request, and reject it if the role does not include the route, or for its rate."""
        needed_role = self._rules.find_role(scope)
        if needed_role is None:  # what the page needs before sign-in, and what orchestrators ask
            return
        try:
            is_needed = self._tokens.are_needed
            identity = identify_sender(self._tokens, headers) if is_needed else ANYBODY
        except StorageError as error:
            raise ProblemError(503, str(error)) from None
        if identity is None:
            raise ProblemError(
                401,
                "a token is needed: send `Authorization: Bearer <token>`, or sign in on the page",
                {"www-authenticate": "Bearer"},
            )
        if not identity.role.includes(needed_role):
            raise ProblemError(403, describe_missing_role(identity, needed_role))
        if is_needed:
            self._rate.count(identity, is_media=scope["path"].startswith("/media/"))
        remember_identity(scope, identity)


class RateLimit:
    """At most ``per_minute`` requests of each token, and ten times as many for media; 0 sets none.

    The minute slides: the count of the minute before fades out while the current one grows.
    """

    def __init__(self, per_minute: int) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage()) if per_minute else None
        self._items = {
            False: RateLimitItemPerMinute(per_minute, namespace="requests"),
            True: RateLimitItemPerMinute(per_minute * MEDIA_FACTOR, namespace="media"),
        }

    def count(self, identity: Identity, *, is_media: bool) -> None:
        """Count one request. Raises ``ProblemError`` 429 if it is one too many; rejected ones are not counted."""
        item = self._items[is_media]
        if self._limiter is None or self._limiter.hit(item, identity.name):
            return
        wait = max(1, ceil(self._limiter.get_window_stats(item, identity.name).reset_time - time.time()))
        kind = "requests for media" if is_media else "requests"
        raise ProblemError(
            429,
            f"more than {item.amount} {kind} in a minute with one token: try again in {wait} s, or ask for fewer at "
            "once",
            {"retry-after": str(wait)},
        )


@dataclass
class _Held:
    """Bytes of the bodies of running requests."""

    bytes: int = 0


class _Body:
    """A request's body, counted and timed while it arrives."""

    def __init__(self, scope: Scope, receive: Receive, open_bytes: _Held) -> None:
        self._receive = receive
        self._open_bytes = open_bytes
        self._limit = BODY_LIMITS.get(scope["path"], BODY_LIMIT)
        self.seen = 0
        self._is_complete = False
        self._until = time.monotonic() + BODY_S

    def require_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise ProblemError(400, "the header Content-Length is not a number")
        self._require(int(length))

    async def receive(self) -> Message:
        if self._is_complete:  # a later message can only be the end of the connection
            return await self._receive()
        try:
            async with asyncio.timeout(min(PIECE_S, max(0.0, self._until - time.monotonic()))):
                message = await self._receive()
        except TimeoutError:
            raise ProblemError(408, "the request came in too slowly: send it again", {"connection": "close"}) from None
        if message["type"] == "http.request":
            length = len(message.get("body", b""))
            self.seen += length
            self._open_bytes.bytes += length
            self._is_complete = not message.get("more_body", False)
            self._require(self.seen)
            if self._open_bytes.bytes > HELD_LIMIT:
                raise ProblemError(429, "too much is being sent at once: try again", {"retry-after": "5"})
        return message

    def _require(self, length: int) -> None:
        if length > self._limit:
            raise ProblemError(
                413, f"a request here may have {self._limit // MIB} MB: send less", {"connection": "close"}
            )


class _Answer:
    """The answer, with the security headers and the id of the request."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 499  # the client disconnected before there was an answer

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
            headers["x-request-id"] = self._request_id
        try:
            async with asyncio.timeout(UNREAD_S):
                await self._send(message)
        except TimeoutError:
            raise ClientDisconnect from None

    async def send_instead(self, response: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Answer with a problem if nothing was sent yet; a partial answer stays truncated."""
        if self.status == 499:
            await response(scope, receive, self.send)


def choose_request_id(headers: Headers) -> str:
    """Return the id that the caller or a proxy gave to the request, or a new one."""
    request_id = headers.get("x-request-id", "")
    return request_id if REQUEST_ID.fullmatch(request_id) else uuid.uuid4().hex


def identify_sender(tokens: Tokens, headers: Headers) -> Identity | None:
    """Return whose request it is, by its token or its session; ``None`` if neither is valid."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    # Headers arrive as latin-1; tokens with other characters are sent as UTF-8.
    token = token.strip().encode("latin-1").decode("utf-8", "surrogateescape")
    now = time.time()
    by_token = tokens.identify(token, now) if scheme.lower() == "bearer" else None
    return by_token or tokens.identify_session(_read_cookie(headers), now)


def describe_missing_role(identity: Identity, needed_role: Role) -> str:
    """Return the message for a role that does not suffice: who one is, the role that is needed, and who can give it."""
    who = f"{identity.name!r} may {identity.role}" if identity.name else f"your token may {identity.role}"
    return (
        f"{who}, and this needs the role {needed_role}: ask the person who runs this service for a token with it "
        f"(`needle token add NAME --role {needed_role}`)"
    )


def is_loopback(host: str) -> bool:
    """Return True if only this machine can reach the address or name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _parse_host(header: str) -> str:
    """Return the name in a Host header, without port and brackets; empty if it is invalid."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def parse_origin(url: str) -> str:
    """Return scheme, host and port of an address in the form of an Origin header.

    Empty for ``null`` and for an invalid address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if not (parts.scheme and parts.hostname):
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{port}")


def _read_cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
