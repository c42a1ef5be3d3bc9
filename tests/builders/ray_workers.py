"""Commands of their own process that use Ray, and the processes of its workers, to kill one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.builders.homes import CHECKOUT, Home

PATIENCE_S = 600


def is_head(node: int) -> bool:
    """Return True if the process is the one of a cluster's first node."""
    return "\0--head\0" in Path(f"/proc/{node}/cmdline").read_text(errors="replace")


def list_workers(name: str) -> dict[int, int]:
    """Map the processes of Ray's workers with this name to their nodes' processes."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_text(errors="replace").startswith(f"ray::{name}"):
                status = (folder / "stat").read_text(errors="replace")
                parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return parents


def wait_for_workers(name: str, process: subprocess.Popen[str], is_at_work: Callable[[], bool]) -> dict[int, int]:
    """Wait until the work has begun; return its workers with their nodes' processes."""
    end = time.monotonic() + PATIENCE_S
    while not ((workers := list_workers(name)) and is_at_work()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"no {name} begins"
        time.sleep(0.25)  # they need the cores
    return workers


@contextmanager
def start_command(home: Home, *arguments: str, **extra: str) -> Iterator[subprocess.Popen[str]]:
    """A command of its own process, which ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.cli", *arguments],
        cwd=CHECKOUT,
        env=home.environment(**extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=2 * PATIENCE_S)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out
