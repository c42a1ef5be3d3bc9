"""The clients that do not behave: readers and writers of a few bytes a second, heads without an end, huge bodies."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.load.http import build_request, parse_head

HUGE = 512 * 1024 * 1024
PIECE = 64 * 1024
PAUSE_S = 0.5
READERS, WRITERS, HEADS, HUGE_BODIES = 24, 24, 12, 4


@dataclass
class Outcome:
    """How slow clients ended, counted; the most bytes of a huge body that were sent, with those in buffers."""

    counts: Counter[str] = field(default_factory=Counter)
    most_sent: int = 0


class SlowClients:
    """All of them, on one service; ``preview`` is the address of a preview that is larger than socket buffers."""

    def __init__(self, port: int, preview: str, seed: int) -> None:
        self._port, self._preview = port, preview
        self._chance = random.Random(seed)
        self.outcome = Outcome()

    async def run(self, seconds: float) -> None:
        """Let all of them do their worst for this long, each again and again."""
        kinds = ((self._read, READERS), (self._write, WRITERS), (self._begin, HEADS), (self._send_huge, HUGE_BODIES))
        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for act, count in kinds:
                    for _ in range(count):
                        group.create_task(self._repeat(act))
        except TimeoutError:
            pass  # the end of their time

    async def _repeat(self, act: Callable[[], Awaitable[str]]) -> None:
        while True:
            try:
                self.outcome.counts[await act()] += 1
            except OSError as error:
                self.outcome.counts[f"{act.__name__.strip('_')}: {type(error).__name__}"] += 1
            await asyncio.sleep(PAUSE_S)

    async def _read(self) -> str:
        """Ask for a large preview, and take some bytes now and then."""
        loop = asyncio.get_running_loop()
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            await loop.sock_connect(connection, ("127.0.0.1", self._port))
            await loop.sock_sendall(connection, build_request("GET", self._preview))
            for _ in range(self._chance.randint(10, 60)):
                if not await loop.sock_recv(connection, 512):
                    return "slow readers that were cut off"
                await asyncio.sleep(PAUSE_S)
        return "slow readers that left"

    async def _write(self) -> str:
        """Announce a long search, and send it byte by byte."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(build_request("POST", "/api/search", b" " * 100_000)[:-99_999])
            for _ in range(self._chance.randint(10, 60)):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(PAUSE_S)
            return "slow writers that left"
        finally:
            writer.close()

    async def _begin(self) -> str:
        """Send a head that does not end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(b"GET / HTTP/1.1\r\n")
            while not reader.at_eof():
                writer.write(b"x-more: 1\r\n")
                await writer.drain()
                await asyncio.sleep(PAUSE_S)
                await _look(reader)
            return "endless heads that were cut off"
        finally:
            writer.close()

    async def _send_huge(self) -> str:
        """Send 512 MB, with and without their length, to three routes; count what the service took of them."""
        path = self._chance.choice(("/api/images", "/api/search", "/api/labels"))
        is_chunked = self._chance.random() < 0.5
        fields = {"transfer-encoding": "chunked"} if is_chunked else {"content-length": str(HUGE)}
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(build_request("POST", path, headers={"content-type": "application/json", **fields}))
            answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
            await self._send_until_answered(writer, answer, is_chunked)
            return f"bodies of 512 MB, answered {parse_head(await answer)[0]}"
        except (asyncio.IncompleteReadError, ConnectionError):
            return "bodies of 512 MB that were cut off"
        finally:
            if answer.done() and not answer.cancelled():
                answer.exception()  # or asyncio logs that it was never read
            answer.cancel()
            writer.close()

    async def _send_until_answered(
        self, writer: asyncio.StreamWriter, answer: asyncio.Task[bytes], is_chunked: bool
    ) -> None:
        piece = b" " * PIECE
        data = f"{PIECE:x}\r\n".encode() + piece + b"\r\n" if is_chunked else piece
        for sent in range(0, HUGE, PIECE):
            if answer.done():
                break
            writer.write(data)
            await writer.drain()
            self.outcome.most_sent = max(self.outcome.most_sent, sent + PIECE)
            await asyncio.sleep(0)


async def _look(reader: asyncio.StreamReader) -> None:
    """Notice the end of the connection."""
    try:
        async with asyncio.timeout(0.01):
            await reader.read(100)
    except TimeoutError:
        pass
