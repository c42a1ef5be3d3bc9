"""A small HTTP client over asyncio, so that 64 of them take little of the two cores that the service needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_ANSWER_S = 120.0
"""Exports of clips wait for each other, one after the other."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status, headers (names in lower case), and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def build_request(method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Return a request as it goes over the wire; a body is JSON."""
    fields = {"host": "127.0.0.1", **(headers or {})}
    if body:
        fields |= {"content-type": "application/json", "content-length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Return status and headers of the head of an answer."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return int(first.split(" ")[1]), {name.strip().lower(): value.strip() for name, _, value in fields}


class Connection:
    """One connection that stays open between requests, as a browser's does; opened again if the service closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> Answer:
        """Return the answer. Raises ``OSError``, ``TimeoutError`` or ``asyncio.IncompleteReadError`` without one."""
        try:
            async with asyncio.timeout(LONGEST_ANSWER_S):
                return await self._exchange(request)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
        self._streams = None

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        status, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return Answer(status=status, headers=headers, body=body)
