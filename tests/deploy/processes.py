"""Processes instead of containers: started with their own environment, watched, and stopped as compose stops them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.deploy.compose_file import Command


class Processes:
    """Processes by name, each with a log; none of them can write into ``user_home`` unnoticed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.user_home = folder / "user-home"
        self._base = {
            "PATH": os.environ["PATH"],
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "HOME": str(self.user_home),
            "TMPDIR": str(folder / "tmp"),
        }
        for place in (self.user_home, folder / "tmp", folder / "logs"):
            place.mkdir()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._grace_s: dict[str, float] = {}

    def start(self, command: Command, directory: Path) -> None:
        """Start the command of a service in a session of its own."""
        environment = self._base | dict(command.environment)
        with self.locate_log(command.name).open("w") as log:
            self._running[command.name] = subprocess.Popen(
                command.arguments, cwd=directory, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._grace_s[command.name] = command.grace_s

    def start_s3(self, port: int) -> None:
        """Start the stand-in of the S3 server."""
        arguments = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self.start(Command(name="s3", arguments=arguments, environment={}, health=(), grace_s=10), self._folder / "tmp")

    def locate_log(self, name: str) -> Path:
        return self._folder / "logs" / f"{name}.log"

    def read_log(self, name: str) -> str:
        return self.locate_log(name).read_text(errors="replace")

    def require_running(self) -> None:
        """Raise ``AssertionError`` with the log of a process that has ended."""
        for name, process in self._running.items():
            assert process.poll() is None, f"{name} ended with {process.returncode}:\n{self.read_log(name)[-3000:]}"

    def is_healthy(self, command: Command) -> bool:
        """Run the health check of a service as its container does."""
        arguments = [sys.executable if part == "python" else part for part in command.health]
        return subprocess.run(arguments, env=self._base, capture_output=True, timeout=30, check=False).returncode == 0

    def stop(self) -> dict[str, str]:
        """Send SIGTERM to each, the last first; return how each ended. What is left of a session is killed."""
        ends = {}
        for name, process in reversed(self._running.items()):
            process.terminate()
            try:
                ends[name] = f"exit status {process.wait(self._grace_s[name])}"
            except subprocess.TimeoutExpired:
                ends[name] = f"killed after {self._grace_s[name]:.0f} s"
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()
        return ends


def find_ports(count: int) -> list[int]:
    """Return free ports of loopback."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def list_secrets_in(text: str, secrets: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Return the names of the variables whose values a text contains."""
    return [name for name in names if len(secrets[name]) >= 16 and secrets[name] in text]
