"""A proxy before an S3 server that answers some requests wrongly: errors, stalls, half a body, stale lists."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["error", "stall", "half", "stale"]
ERRORS = ((500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable"))
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass(kw_only=True)
class FaultyStore:
    """Faults of the proxy: a ``share`` of the requests that each kind of fault concerns is answered with it.

    ``counts`` are the requests that were answered wrongly, by fault. ``stall_s`` is how long a stalled request waits
    before its connection is closed without an answer. A stale list is the one that the same request got ``stale_s``
    seconds ago or longer.
    """

    target: str
    share: float = 0.0
    faults: tuple[Fault, ...] = ()
    stall_s: float = 2.0
    stale_s: float = 2.0
    seed: int = 0
    url: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock, self._chance = threading.Lock(), random.Random(self.seed)
        self._lists: dict[str, list[tuple[float, int, list[tuple[str, str]], bytes]]] = {}

    def draw(self, is_list: bool, has_body: bool) -> Fault | None:
        """Choose the fault of a request; ``None`` for an answer as it is."""
        possible = [each for each in self.faults if (each != "stale" or is_list) and (each != "half" or has_body)]
        with self._lock:
            if not possible or self._chance.random() >= self.share:
                return None
            return self._chance.choice(possible)

    def count(self, fault: Fault) -> None:
        with self._lock:
            self.counts[fault] = self.counts.get(fault, 0) + 1

    def remember(self, path: str, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        with self._lock:
            self._lists.setdefault(path, []).append((time.monotonic(), status, headers, body))

    def recall(self, path: str) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """Return the newest answer to a list that is old enough."""
        with self._lock:
            old = [each for each in self._lists.get(path, []) if time.monotonic() - each[0] >= self.stale_s]
        return old[-1][1:] if old else None

    @contextmanager
    def serve(self) -> Iterator[FaultyStore]:
        """Serve on loopback for the block; ``url`` is the address."""
        handler = type("Handler", (_Handler,), {"store": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: FaultyStore

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_list = self.command == "GET" and "list-type=2" in self.path
        fault = self.store.draw(is_list, self.command == "GET")
        if fault and fault != "stale":
            self.store.count(fault)
        if fault == "stall":
            time.sleep(self.store.stall_s)
            self.close_connection = True
            return
        if fault == "error":
            status, code = ERRORS[len(self.path) % len(ERRORS)]
            text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>drawn</Message></Error>'.encode()
            self._answer(status, [("Content-Type", "application/xml")], text)
            return
        status, headers, answer = self._ask(body)
        if is_list:
            self.store.remember(self.path, status, headers, answer)
            if fault == "stale" and (old := self.store.recall(self.path)):
                self.store.count(fault)
                status, headers, answer = old
        self._answer(status, headers, answer, cut_at=len(answer) // 2 if fault == "half" else None)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        target = urlsplit(self.store.target)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            self.length = answer.getheader("Content-Length")
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, cut_at: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        length = self.length if self.command == "HEAD" and status < 400 else str(len(body))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut_at is None else body[:cut_at])
        self.close_connection = self.close_connection or cut_at is not None

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - of the base
        """Say nothing: the log of a test is for its own."""
