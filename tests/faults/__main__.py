"""Kill commands at random moments, run each again, and compare what is left with an undisturbed home.

``python -m tests.faults [--kills N] [--only NAME] [--seed N]``. For each kill: a copy of the same home, the command,
``kill -9`` to it and all its children, the command once more, and an ingest. Then the lake, the store, Feast's rows and
the index must equal those of an undisturbed home, and nothing may be left over. The same holds after each command met
a full disk or a quota, and after an S3 server that fails, a Postgres server that goes away, two ingests at once, an
ingest beside the daemon, and a clock that jumps. Disks need root, who may mount them, quotas btrfs-progs, the clock
libfaketime; what cannot be tried is named, and counts as a fault.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.builders.films import Film
from tests.builders.homes import Home, make_library
from tests.faults.clock import try_clock
from tests.faults.contents import compare, digest_home, list_leftovers
from tests.faults.disks import LIMITS, Task, find_obstacle, try_disks
from tests.faults.neighbours import STORE_FAULTS, try_daemon, try_database, try_store, try_two_ingests
from tests.faults.result import Result

LABEL, ENCODER = "dark", "mine"
_TRAIN = ("train", "--recipe", "debug", "--pooling", "mean", "--epochs", "2", "--threads", "1", "--name", ENCODER)
DISKS = {"disk": "full disk", "quota": "quota"}
Attempt = Callable[[], Result]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A command to be killed, the home that it finds, and the exit statuses of its second run."""

    name: str
    arguments: Callable[[Home], list[str]]
    statuses: tuple[int, ...]
    begins_with: str = "full"
    """``empty``, ``part`` (one film), ``full`` (all films), ``grown`` (all films, in two segments of the index),
    ``unpublished`` (all films, no index), ``labelled``, ``trained`` (all films, and a fitted encoder)."""


def list_operations(library: Path) -> list[Operation]:
    shots = _list_shots
    return [
        Operation(name="ingest", arguments=lambda _: ["ingest", str(library)], statuses=(3,), begins_with="empty"),
        Operation(name="add", arguments=lambda _: ["ingest", str(library)], statuses=(3,), begins_with="part"),
        Operation(
            name="publish", arguments=lambda _: ["ingest", str(library)], statuses=(3,), begins_with="unpublished"
        ),
        Operation(name="compact", arguments=lambda _: ["compact"], statuses=(0,), begins_with="grown"),
        Operation(name="forget", arguments=lambda _: ["forget", "two.mkv", "--yes"], statuses=(0, 1, 2)),
        Operation(
            name="label", arguments=lambda home: ["label", LABEL, *shots(home)[:3], "--value", "yes"], statuses=(0,)
        ),
        Operation(
            name="upgrade",
            arguments=lambda _: ["upgrade", "--encoder", f"finetuned:{ENCODER}", "--force", "a trial"],
            statuses=(0,),
            begins_with="trained",
        ),
        Operation(
            name="fit", arguments=lambda _: ["probe", "fit", LABEL, "--json"], statuses=(0,), begins_with="labelled"
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="of each command")
    parser.add_argument(
        "--only", default="", help="one of the operations, disk, quota, two, daemon, clock, postgres, or s3-FAULT"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="needle-faults-") as name:
        folder = Path(name)
        library = folder / "library"
        for film in make_library(library).values():
            _write_captions(film)
        print(f"{'':<24}{'disturbed':>10}{'ended before':>14}{'wrong':>7}")
        faults, bus_errors = [], 0
        for title, attempt in _list_attempts(options.only, library, folder, options.kills, options.seed):
            result = _try(attempt)
            print(f"{title:<24}{result.killed:>10}{result.ended:>14}{len(result.faults):>7}", flush=True)
            faults += [f"{title}: {fault}" for fault in result.faults]
            bus_errors += result.bus_errors
        if bus_errors:
            print(f"of these, ended by SIGBUS beyond a quota: {bus_errors}")
    print("\n".join(faults))
    return 1 if faults else 0


def _try(attempt: Attempt) -> Result:
    """Return the result of an attempt; a command that failed where it must not ends it as its fault."""
    try:
        return attempt()
    except AssertionError as error:
        return Result(faults=[str(error)[-900:]])


def _list_attempts(only: str, library: Path, folder: Path, kills: int, seed: int) -> Iterator[tuple[str, Attempt]]:
    """Yield title and function of what is to be tried: ``kills`` of each command, and a third as many of the others."""
    operations = list_operations(library)
    killed = [each for each in operations if only in ("", each.name)]
    disks = [title for name, title in DISKS.items() if only in ("", name)]
    homes = _make_homes(folder, library) if killed or disks else {}
    for each in killed:
        yield f"kill -9: {each.name}", partial(try_kills, each, homes, library, folder, kills, random.Random(seed))
    for title in disks:
        for each in operations:
            yield f"{title}: {each.name}", partial(_try_disks, title, each, homes, library, folder)
    others: dict[str, tuple[str, Attempt]] = {}
    for name, title, attempt in (
        ("two", "two ingests at once", try_two_ingests),
        ("postgres", "Postgres goes away", try_database),
        ("daemon", "sensor beside an ingest", try_daemon),
        ("clock", "clock jumps", try_clock),
    ):
        others[name] = (title, partial(attempt, library, folder / name, random.Random(seed), max(kills // 3, 1)))
    for fault in STORE_FAULTS:
        name = f"s3-{fault}"
        others[name] = (f"S3 server: {fault}", partial(try_store, fault, library, folder / name, seed))
    yield from (titled for name, titled in others.items() if only in ("", name))


def _write_captions(film: Film) -> None:
    edges = [0, *film.cuts, film.frames]
    rows = [
        {"shot": number, "start_frame": start, "end_frame": end, "captions": [f"shot {number}", f"part {number} of it"]}
        for number, (start, end) in enumerate(itertools.pairwise(edges))
    ]
    film.path.with_name(film.path.name + ".captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _make_homes(folder: Path, library: Path) -> dict[str, Home]:
    names = ("empty", "part", "full", "grown", "unpublished", "labelled", "trained")
    homes = {name: Home(folder / "homes" / name) for name in names}
    homes["empty"].path.mkdir(parents=True)
    homes["part"].fork("ingest", str(library / "A Series" / "two.mkv"))
    homes["full"].fork("ingest", str(library), expect=3)
    shutil.copytree(homes["part"].path, homes["grown"].path, symlinks=True)
    homes["grown"].fork("ingest", str(library), expect=3)
    for name in ("labelled", "unpublished", "trained"):
        shutil.copytree(homes["full"].path, homes[name].path, symlinks=True)
    homes["trained"].fork(*_TRAIN)
    shutil.rmtree(homes["unpublished"].path / "index")
    shots = _list_shots(homes["labelled"])
    for value, chosen in (("yes", shots[::2]), ("no", shots[1::2])):
        homes["labelled"].fork("label", LABEL, *chosen, "--value", value)
    return homes


def _list_shots(home: Home) -> list[str]:
    return [
        shot["shot_id"]
        for video in sorted(home.json("status")["videos"], key=lambda each: each["path"])
        if video["state"] == "ready"
        for shot in home.json("shots", video["video_id"])
    ]


def try_kills(
    operation: Operation, homes: dict[str, Home], library: Path, folder: Path, kills: int, chance: random.Random
) -> Result:
    """Kill an operation ``kills`` times, each time in a fresh copy of the same home."""
    result = Result()
    calm = _copy(homes[operation.begins_with], folder / operation.name / "calm")
    arguments = operation.arguments(calm)
    began = time.monotonic()
    _run(calm, arguments, operation, result, "undisturbed")
    longest = time.monotonic() - began
    calm.fork("ingest", str(library), expect=3)
    expected = digest_home(calm)
    for number in range(kills):
        home = _copy(homes[operation.begins_with], folder / operation.name / str(number))
        after = chance.uniform(0.05, longest)
        status = home.killed(*arguments, after=after)
        if status == -9:
            result.killed += 1
        else:
            result.ended += 1
        moment = f"killed after {after:.2f} of {longest:.2f} s"
        if _run(home, arguments, operation, result, moment):
            home.fork("ingest", str(library), expect=3)  # which closes the runs of killed processes
            for wrong in [*compare(expected, digest_home(home)), *(f"{left} is left" for left in list_leftovers(home))]:
                result.add(f"{moment}: {wrong}")
        shutil.rmtree(home.path)
    return result


def _run(home: Home, arguments: list[str], operation: Operation, result: Result, moment: str) -> bool:
    try:
        done = home.fork(*arguments, expect=operation.statuses[0])
    except AssertionError as error:
        lines = str(error).splitlines()
        status = lines[0].rpartition(" ")[2]
        if status.isdigit() and int(status) in operation.statuses and "Traceback" not in str(error):
            return True
        result.add(f"{moment}: {lines[0]}: {lines[-1]}")
        return False
    return done.returncode in operation.statuses


def _try_disks(title: str, operation: Operation, homes: dict[str, Home], library: Path, folder: Path) -> Result:
    home = homes[operation.begins_with]
    task = Task(
        begins_with=home,
        arguments=tuple(operation.arguments(home)),
        statuses=operation.statuses,
        library=library,
    )
    if obstacle := find_obstacle(title):
        return Result(faults=[f"{obstacle}: not tried"])
    return try_disks(LIMITS[title], task, folder / title / operation.name)


def _copy(home: Home, target: Path) -> Home:
    shutil.copytree(home.path, target, symlinks=True)
    return Home(target, home.frames)


if __name__ == "__main__":
    sys.exit(main())
