"""The service over a catalogue of a given size: seconds until it answers, memory, and times of queries over HTTP.

Stands alone because it belongs to no generated catalogue: ``bench_scale_index`` calls it for the one that it made.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ops.core.settings import Settings
from tests.bench.bench_serve import LIMIT, length_of, queries, served

QUERIES = 200
WARM_UP = 20
CLOCK = os.sysconf("SC_CLK_TCK")


def read_memory(pid: int | str = "self") -> dict[str, int]:
    """Return resident kilobytes of a process: all, and those that are not pages of files."""
    lines = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    names = {"bytes_per_shot": "VmRSS", "anonymous_bytes_per_shot": "RssAnon"}
    return {name: int(lines[field].split()[0]) for name, field in names.items()}


def measure_service(settings: Settings, shots: int, shows: Sequence[str]) -> dict[str, object]:
    """Start the service on a home; search in all shots at once, and when it is idle in all and in each show."""
    start = time.monotonic()
    with served(settings) as service:
        figures: dict[str, object] = {
            "start_s": round(time.monotonic() - start, 1),
            "start_cpu_s": round(_read_cpu_s(service.pid), 1),
            "load_before": round(os.getloadavg()[0], 1),
        }
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # The details of shots are still being read.
            figures["first searches"] = _search(connection, service.pid, "")
            _wait_until_idle(service.pid)
            for show in ("", *shows):
                figures[f"search in {show or 'all'}"] = _search(connection, service.pid, show)
        memory = read_memory(service.pid)
    return (
        figures
        | {name: round(1024 * value / shots) for name, value in memory.items()}
        | {"memory_mb": memory["bytes_per_shot"] // 1024}
    )


def _search(connection: socket.socket, pid: int, show: str) -> dict[str, float]:
    for text in queries(WARM_UP):
        _ask(connection, text, show)
    cpu = _read_cpu_s(pid)
    times = [1e3 * _ask(connection, text, show) for text in queries(QUERIES)]
    return {
        "p50_ms": round(float(np.median(times)), 1),
        "p99_ms": round(float(np.percentile(times, 99)), 1),
        "cpu_ms": round(1e3 * (_read_cpu_s(pid) - cpu) / QUERIES, 1),
    }


def _ask(connection: socket.socket, text: str, show: str) -> float:
    """Return the seconds from sending a query to having the whole answer."""
    body = json.dumps({"text": text, "limit": LIMIT, "shows": [show] if show else []}).encode()
    head = (
        f"POST /api/search HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    )
    started = time.perf_counter()
    connection.sendall(head.encode() + b"\r\n\r\n" + body)
    content = b""
    while b"\r\n\r\n" not in content:
        content += connection.recv(2**20)
    answer, _, rest = content.partition(b"\r\n\r\n")
    length = length_of(answer)
    while len(rest) < length:
        rest += connection.recv(2**20)
    assert json.loads(rest)["hits"]
    return time.perf_counter() - started


def _wait_until_idle(pid: int) -> None:
    """Wait until the process takes less than a tenth of a core for two seconds, at most five minutes."""
    for _ in range(150):
        cpu_s = _read_cpu_s(pid)
        time.sleep(2)
        if _read_cpu_s(pid) - cpu_s < 0.2:
            return
    raise TimeoutError("the service did not become idle within five minutes")


def _read_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK
