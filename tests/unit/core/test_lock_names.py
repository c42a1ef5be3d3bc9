"""Locks by name in one file: names exclude only themselves, threads and processes alike, and die with their holder."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from ops.core.locks import lock_name
from ops.core.storage import ObjectStore
from ops.core.tables import Lake

CHECKOUT = Path(__file__).resolve().parents[3]
HOLD = """
import sys
from pathlib import Path
from ops.core.locks import lock_name
with lock_name(Path(sys.argv[1]), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


def _hold_elsewhere(path: Path, name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), name],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def _wait_for(path: Path, name: str) -> tuple[threading.Thread, threading.Event]:
    is_held = threading.Event()

    def hold() -> None:
        with lock_name(path, name):
            is_held.set()

    thread = threading.Thread(target=hold)
    thread.start()
    return thread, is_held


def test_a_name_excludes_itself_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "lake.lock"
    with _hold_elsewhere(path, "shots-one") as process:
        with lock_name(path, "shots-two"), lock_name(path, "videos-one"):
            pass
        thread, is_held = _wait_for(path, "shots-one")
        assert not is_held.wait(0.2)
        process.kill()  # a holder that is killed holds nothing
        assert is_held.wait(10)
        thread.join()
    with lock_name(path, "a"):
        thread, is_held = _wait_for(path, "a")
        assert not is_held.wait(0.2)
    assert is_held.wait(10)
    thread.join()


def test_a_lake_has_one_lock_file(tmp_path: Path) -> None:
    lake = Lake(ObjectStore(str(tmp_path / "store")), tmp_path / "locks")
    for number in range(20):
        lake.ensure("videos", f"{number:016x}")
        lake.update("shots", f"{number:016x}", f"{number:016x}", [])
    assert [path.name for path in (tmp_path / "locks").iterdir()] == ["lake.lock"]
