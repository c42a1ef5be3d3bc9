"""Run the application on one address until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from ops.core.errors import NeedleError, UsageError
from ops.core.settings import Settings
from ops.serve.guard import is_loopback
from ops.serve.tokens import has_valid_token

log = logging.getLogger(__name__)

GRACE_S = 10
HEAD_S = 20.0
HEAD_BYTES = 64 * 1024
CONNECTIONS = 512
KEEP_ALIVE_S = 30
BACKLOG = 128


def require_safe_address(settings: Settings, host: str) -> None:
    """Raise ``UsageError`` if other machines could reach ``host`` and no token is valid."""
    if not is_loopback(host) and not has_valid_token(settings):
        raise UsageError(
            f"--host {host} can be reached by others, and no token is valid: add one with `needle token add NAME "
            "--role administer`, set NEEDLE_TOKENS to one or more long random texts, separated by commas, or stay on "
            "127.0.0.1"
        )


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that listens on the address; ``port`` 0 takes a free one.

    Raises ``NeedleError`` if the port is in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener
    except OSError as error:
        raise NeedleError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; choose another --port, "
            "or stop the program that listens there"
        ) from error


def run(app: FastAPI, listener: socket.socket, on_start: Callable[[], None] | None = None) -> None:
    """Serve on ``listener`` until SIGINT or SIGTERM, and give running requests ten seconds to end.

    ``started`` is called when the first request can be answered.
    """
    config = _Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    with listener:
        server = Server(config, on_start)
        app.state.server = server
        server.run(sockets=[listener])


def stop(app: FastAPI) -> None:
    """Stop a :func:`run` of the application in another thread, as a signal does."""
    app.state.server.should_exit = True


class _Config(uvicorn.Config):
    """uvicorn's configuration, with a protocol that limits time and size of the head of a request."""

    def load(self) -> None:
        super().load()
        self.http_protocol_class = make_impatient(self.http_protocol_class)


def make_impatient(base: Any) -> Any:
    """Return a subclass of ``base`` (uvicorn's h11 or httptools) that closes connections with slow or huge headers.

    uvicorn has a deadline only between an answer and the next byte. A client that opens connections and sends a byte
    now and then would hold them all. h11 limits the size of a head; httptools keeps all of it, four times as much
    memory as was sent (0.26 GB for 60 MB of short headers, 30 November 2026).
    """

    class Impatient(base):  # type: ignore[misc]  # which of the two is known at run time only
        _deadline: asyncio.TimerHandle | None = None
        _silent_bytes = 0  # since the parser delivered something

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._expect_head()

        def data_received(self, data: bytes) -> None:
            self._silent_bytes += len(data)
            super().data_received(data)
            if self._silent_bytes > HEAD_BYTES and hasattr(base, "on_message_begin"):
                self._refuse_head()
            if self.cycle is not None and not self.cycle.response_complete:
                self._forget_deadline()
            elif self._deadline is None:
                self._expect_head()

        # The callbacks of httptools. Between them are a head, the trailer of a body, or extensions of its chunks.
        def on_message_begin(self) -> None:
            self._silent_bytes = 0
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._silent_bytes = 0
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._silent_bytes = 0
            super().on_body(body)

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget_deadline()
            super().connection_lost(exc)

        def _refuse_head(self) -> None:
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(
                    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            self.transport.close()

        def _expect_head(self) -> None:
            self._deadline = self.loop.call_later(HEAD_S, self.transport.close)

        def _forget_deadline(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Impatient


class Server(uvicorn.Server):
    """uvicorn's server, but it returns on a stop signal instead of raising the signal again."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._tell = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._tell:
            self._tell()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()
