"""``needle serve`` as a process on a home with films, its memory, and the films that come and go meanwhile."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.builders.films import make_film
from tests.builders.homes import CHECKOUT, Home

START_S = 180.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running service."""

    port: int
    pid: int
    log: Path

    def read_memory_mb(self) -> float:
        """Return the memory of the process that is not pages of files."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024

    def read_cpu_s(self) -> float:
        """Return the CPU seconds of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def count_files(self) -> int:
        """Return the number of open files and sockets."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def fill_home(folder: Path) -> Home:
    """Return a home with three films, one of them with a preview that no socket buffer can hold."""
    library = folder / "library"
    (library / "Series").mkdir(parents=True)
    make_film(library / "Series" / "one.mp4", cuts=(40, 90), frames=130, audio=True)
    make_film(library / "Series" / "two.mp4", cuts=(30, 70, 100), frames=140, seed=1)
    make_noise(library / "noise.mp4")
    home = Home(folder / "home")
    home.fork("ingest", str(library))
    return home


def make_noise(path: Path) -> None:
    """Write a shot of noise, whose preview has many megabytes."""
    make_film(path, cuts=(), frames=150, width=640, height=360, crf=23, options=("-vf", "noise=alls=60:allf=t"))


def list_videos(home: Home) -> frozenset[str]:
    """Return the ids of the videos of a home that are searchable."""
    return frozenset(video["video_id"] for video in home.json("status")["videos"] if video["state"] == "ready")


@contextmanager
def serve(home: Home) -> Iterator[Service]:
    """Start the service, wait until it answers searches, and stop it after the block."""
    log = home.path.with_name("serve.log")
    command = [sys.executable, "-m", "ops.cli", "serve", "--port", "0"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=home.environment(), stdout=output, stderr=output)
        try:
            service = Service(port=_wait_for_port(process, log), pid=process.pid, log=log)
            yield service
            assert process.poll() is None, f"the service has ended:\n{log.read_text()[-2000:]}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        if (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())) and _is_ready(int(found[1])):
            return int(found[1])
        time.sleep(0.2)
    raise AssertionError(f"the service is not ready:\n{log.read_text()[-2000:]}")


def _is_ready(port: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200


class Switcher:
    """Adds a small film, forgets it, and so on: each is a new version of the index."""

    def __init__(self, home: Home, folder: Path) -> None:
        self._home, self._folder, self._number = home, folder, 0
        self.switches = 0

    def switch_twice(self) -> None:
        """Run one ``needle ingest`` and one ``needle forget``."""
        self._number += 1
        film = self._folder / f"extra {self._number}.mp4"
        make_film(film, cuts=(20,), frames=40, width=160, height=90, seed=100 + self._number)
        self._home.fork("ingest", str(film))
        self.switches += 1
        self._home.fork("forget", film.name, "--yes")
        self.switches += 1
        film.unlink()
