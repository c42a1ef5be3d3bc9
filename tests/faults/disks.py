"""Commands on disks that fill up: without room, without free inodes, or beyond a quota."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.builders.homes import Home
from tests.faults.contents import compare, digest_home, list_leftovers
from tests.faults.neighbours import run_to_end
from tests.faults.result import Result

Limit = tuple[str, float]
LIMITS: dict[str, tuple[Limit, ...]] = {
    "full disk": (("bytes", 0.1), ("bytes", 0.3), ("bytes", 0.5), ("bytes", 0.7), ("bytes", 0.9), ("inodes", 0.5)),
    "quota": (("quota", 0.2), ("quota", 0.6)),
}
"""What a command may still take of its disk (bytes, inodes, or bytes of a quota), as shares of what it takes
undisturbed."""
_NO_ROOM = re.compile("no space left|disk is full|quota exceeded", re.IGNORECASE)
_READ = (("search", "a grey picture", "--json"), ("status", "--json"))
"""Commands that only read, so they need no room."""
_LARGE, _MANY = 1 << 30, 1 << 18
_BTRFS = 512 << 20
"""Size of the image of a disk with quotas, which stays sparse; btrfs refuses less than about 110 MB."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A command to be disturbed, and the home that it finds.

    The first of ``statuses`` is that of an undisturbed run; a second run may end with any.
    """

    begins_with: Home
    arguments: tuple[str, ...]
    statuses: tuple[int, ...]
    library: Path


def try_disks(limits: Iterable[Limit], task: Task, folder: Path) -> Result:
    """Run a command on disks with too little room, then enlarge each and run the same command again."""
    result = Result()
    folder.mkdir(parents=True)
    with _mount_tmpfs(folder / "calm") as disk:
        calm = _copy(task.begins_with, disk)
        before = _count_used(disk)
        with _watch(disk) as highest:
            _run(calm, task)
        taken = {kind: max(highest[kind] - before[kind], 0) for kind in before}
        calm.fork("ingest", str(task.library), expect=3)
        expected = digest_home(calm)
    for kind, share in limits:
        mount = _mount_btrfs if kind == "quota" else _mount_tmpfs
        with mount(folder / f"{kind}-{share}") as disk:
            home = _copy(task.begins_with, disk)
            _limit(disk, kind, share, taken)
            moment = f"{kind}, {share:.0%} of what it takes"
            _disturb(result, home, task, kind, moment)
            _enlarge(disk, kind)
            _try_again(result, home, task, moment, expected)
    return result


def _disturb(result: Result, home: Home, task: Task, kind: str, moment: str) -> None:
    """Run the command without room. It may end as ever, if it takes less than before; or it names the disk.

    Btrfs has no third way for SQLite (Dagster's records), which maps memory into a file: it gets SIGBUS.
    """
    status, text = run_to_end(home, *task.arguments)
    if status == task.statuses[0] and not _NO_ROOM.search(text):
        result.ended += 1
        return
    result.killed += 1
    if kind == "quota" and status == -signal.SIGBUS and "Fatal Python error: Bus error" in text:
        result.bus_errors += 1
    elif status != 1 or not _NO_ROOM.search(text) or "Traceback" in text:
        result.add(f"{moment}: it ended with {status}: {text[-600:]}")
    for arguments in _READ if (task.begins_with.path / "index").exists() else ():
        status, text = run_to_end(home, *arguments)
        if status != 0 or "Traceback" in text:
            result.add(f"{moment}: meanwhile, {arguments[0]} ended with {status}: {text[-600:]}")


def _try_again(result: Result, home: Home, task: Task, moment: str, expected: dict[str, str]) -> None:
    try:
        _run(home, task)
        home.fork("ingest", str(task.library), expect=3)
    except AssertionError as error:
        result.add(f"{moment}, and then with room: {str(error)[-600:]}")
        return
    for wrong in [*compare(expected, digest_home(home)), *(f"{left} is left" for left in list_leftovers(home))]:
        result.add(f"{moment}: {wrong}")


def _run(home: Home, task: Task) -> None:
    status, text = run_to_end(home, *task.arguments)
    assert status in task.statuses and "Traceback" not in text, f"{task.arguments} ended with {status}: {text}"


def _copy(home: Home, disk: Path) -> Home:
    target = disk / "home"
    if home.path.exists():
        shutil.copytree(home.path, target, symlinks=True)
    return Home(target, home.frames)


def _count_used(disk: Path) -> dict[str, int]:
    status = os.statvfs(disk)
    return {
        "bytes": (status.f_blocks - status.f_bfree) * status.f_frsize,
        "inodes": status.f_files - status.f_ffree,
    }


@contextmanager
def _watch(disk: Path) -> Iterator[dict[str, int]]:
    """Yield the most bytes and inodes of a disk that were in use at one moment; complete after the block."""
    highest, ended = _count_used(disk), threading.Event()

    def look() -> None:
        while not ended.wait(0.005):
            for kind, used in _count_used(disk).items():
                highest[kind] = max(highest[kind], used)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield highest
    finally:
        ended.set()
        thread.join()


def _limit(disk: Path, kind: str, share: float, taken: dict[str, int]) -> None:
    if kind == "quota":
        os.sync()  # btrfs counts what it has written
        groups = [line.split() for line in _call("btrfs", "qgroup", "show", "--raw", str(disk)).splitlines()]
        (used,) = (int(columns[1]) for columns in groups if columns[:1] == ["0/5"])  # the whole disk
        _call("btrfs", "qgroup", "limit", str(used + int(share * taken["bytes"])), str(disk))
        return
    used = _count_used(disk)[kind]
    option = "size" if kind == "bytes" else "nr_inodes"
    # tmpfs takes no limit of zero, which means none, and counts bytes in pages.
    _remount(disk, f"{option}={max(used + int(share * taken[kind]), 4096 if kind == 'bytes' else 1)}")


def _enlarge(disk: Path, kind: str) -> None:
    if kind == "quota":
        _call("btrfs", "quota", "disable", str(disk))  # beyond its limit, it cannot be raised
    else:
        _remount(disk, f"size={_LARGE},nr_inodes={_MANY}")


def _remount(disk: Path, options: str) -> None:
    _call("mount", "-t", "tmpfs", "-o", f"remount,{options}", "tmpfs", str(disk))


@contextmanager
def _mount_tmpfs(disk: Path) -> Iterator[Path]:
    disk.mkdir()
    _call("mount", "-t", "tmpfs", "-o", f"size={_LARGE},nr_inodes={_MANY}", "tmpfs", str(disk))
    try:
        yield disk
    finally:
        _call("umount", str(disk))


@contextmanager
def _mount_btrfs(disk: Path) -> Iterator[Path]:
    image = disk.with_name(f"{disk.name}.img")
    with image.open("wb") as file:
        file.truncate(_BTRFS)
    _call("mkfs.btrfs", "--quiet", str(image))
    disk.mkdir()
    _call("mount", "-o", "loop", str(image), str(disk))
    try:
        _call("btrfs", "quota", "enable", str(disk))
        yield disk
    finally:
        _call("umount", str(disk))
        image.unlink()


@lru_cache
def find_obstacle(title: str) -> str:
    """Why a kind of disk cannot be mounted here; empty if it can be. Tries it: root of a container may not mount."""
    tools = ("mkfs.btrfs", "btrfs") if title == "quota" else ()
    for tool in tools:
        if shutil.which(tool) is None:
            return f"{tool} is not installed (apt-get install btrfs-progs)"
    mount = _mount_btrfs if title == "quota" else _mount_tmpfs
    try:
        with tempfile.TemporaryDirectory(prefix="needle-disk-") as folder, mount(Path(folder) / "disk"):
            return ""
    except (AssertionError, FileNotFoundError) as error:
        return f"a disk cannot be mounted: {error}"


def _call(*command: str) -> str:
    """Run a tool of the system. Raises ``AssertionError`` with what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout
