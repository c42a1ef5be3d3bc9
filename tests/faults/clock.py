"""Ingests while the clock of the machine jumps: by hours and weeks, back and forth."""

from __future__ import annotations

import glob
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.builders.homes import CHECKOUT, Home
from tests.faults.contents import compare, digest_home, digest_undisturbed, list_leftovers
from tests.faults.result import Result

_LIBRARIES = "/usr/lib/*/faketime/libfaketimeMT.so.1"
JUMPS = ("-30d", "-3h", "+0", "+2h", "+400d")
"""Differences from the true time."""


def try_clock(library: Path, folder: Path, chance: random.Random, times: int) -> Result:
    """Ingest under a clock that jumps every second, then with the true one; ``times`` times."""
    result = Result()
    preload = next(iter(glob.glob(_LIBRARIES)), "")
    if not preload:
        result.add("libfaketime is not installed (apt-get install libfaketime): jumps of the clock were not tried")
        return result
    expected = digest_undisturbed(folder, library)
    for number in range(times):
        home = Home(folder / str(number))
        status, text, jumps = _ingest(home, library, preload, folder / f"clock-{number}", chance)
        result.killed += bool(jumps)
        result.ended += not jumps
        if status != 3 or "Traceback" in text:
            result.add(f"while the clock jumped {jumps} times, it ended with {status}: {text[-600:]}")
        home.fork("ingest", str(library), expect=3)
        for wrong in [*compare(expected, digest_home(home)), *(f"{left} is left" for left in list_leftovers(home))]:
            result.add(f"after {jumps} jumps: {wrong}")
    return result


def _ingest(home: Home, library: Path, preload: str, clock: Path, chance: random.Random) -> tuple[int, str, int]:
    """Run an ingest to its end; return its status, what it printed, and how often the clock jumped meanwhile."""
    clock.write_text("+0\n")
    environment = home.environment(
        LD_PRELOAD=preload,
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        FAKETIME_DONT_RESET="1",
    )
    command = [sys.executable, "-m", "ops.cli", "ingest", str(library)]
    jumps, end = 0, time.monotonic() + 600
    with tempfile.TemporaryFile("w+") as log:
        with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log) as process:
            while process.poll() is None and time.monotonic() < end:
                time.sleep(1)
                changed = clock.with_suffix(".new")
                changed.write_text(chance.choice(JUMPS) + "\n")
                changed.replace(clock)
                jumps += 1
            process.kill()
        log.seek(0)
        return process.returncode, log.read(), jumps
