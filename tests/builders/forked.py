"""Commands as processes of their own that start in milliseconds: forks of a process that imported the command line.

A new process imports Dagster, Feast and the service for two to four CPU seconds. The parent never runs a command, so
its forks begin with nothing but modules. ``python -m tests.builders.forked SOCKET`` is that parent.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

_CHECKOUT = Path(__file__).resolve().parents[2]
_MODULES = (
    "assets.definitions",
    "ops.cli.main",
    "ops.features.store",
    "ops.index.build",
    "ops.serve.app",
    "ops.upgrade.switch",
)
_LONGEST = 1 << 17  # bytes of a request: arguments and environment


class ForkedCommand:
    """A running command, with the part of ``subprocess.Popen`` that tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        stdout: IO[Any],
        stderr: IO[Any],
        *,
        new_session: bool = False,
    ) -> None:
        self.returncode: int | None = None
        reading, writing = os.pipe()
        try:
            descriptors = array.array("i", [stdout.fileno(), stderr.fileno(), writing])
            request = json.dumps([list(arguments), dict(environment), new_session]).encode()
            _connect().sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        finally:
            os.close(writing)
        self._answers = os.fdopen(reading, "rb", buffering=0)
        self.pid = self._read()

    def wait(self, timeout: float) -> int:
        """Return the exit status, negative after a signal. Raises ``subprocess.TimeoutExpired``."""
        if self.returncode is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("needle", timeout)
            self.returncode = self._read()
            self._answers.close()
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(self.pid, number)

    def _read(self) -> int:
        answer = self._answers.read(12)
        assert answer, "the parent of forked commands has ended"
        return int(answer)


@lru_cache(maxsize=1)
def _connect() -> socket.socket:
    """Start the parent of forked commands; it ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLE_", "DAGSTER_"))}
    command = [sys.executable, "-m", "tests.builders.forked", str(theirs.fileno())]
    parent = subprocess.Popen(command, cwd=_CHECKOUT, env=clean, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    theirs.close()

    def end() -> None:
        ours.close()
        parent.wait(30)

    atexit.register(end)
    return ours


def _import_commands() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    gc.freeze()


def _wait_for_command(requests: socket.socket) -> list[str]:
    """Fork for each request; return its arguments in the fork. Ends the process if no more can come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the tests end it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets forks that have ended
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, _LONGEST, 3)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            arguments, environment, new_session = json.loads(request)
            _watch_a_fork(descriptors, new_session)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.environ.clear()
            os.environ.update(environment)
            return list(arguments)
        for descriptor in descriptors:
            os.close(descriptor)


def _watch_a_fork(descriptors: Sequence[int], new_session: bool) -> None:
    """Fork once more: the fork returns with its output redirected, this process reports its id and its end."""
    stdout, stderr, answers = descriptors
    waiting, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        if new_session:
            os.setsid()
        os.close(waiting)
        os.close(ready)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        for descriptor in descriptors:
            os.close(descriptor)
        return
    os.close(stdout)
    os.close(stderr)
    os.close(ready)
    os.read(waiting, 1)  # until the fork has its session
    os.write(answers, b"%12d" % pid)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(answers, b"%12d" % status)
    os._exit(0)


if __name__ == "__main__":
    _import_commands()
    arguments = _wait_for_command(socket.socket(fileno=int(sys.argv[1])))
    sys.argv = ["needle", *arguments]
    from ops.cli.main import main

    main(arguments)
