"""Ingest mutated films and subtitles: ``python -m tests.hostile [--only WORD] [--seed N] [--each N] [--together N]``.

Some kinds at a time, one ``needle ingest`` of an undamaged film beside the mutations, within the limits of the
settings. Each mutation must be read or set aside with its reason, the undamaged film must be searchable, and the
command must end by itself with status 0 or 3. Prints a table by kind.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.builders.homes import Home
from tests.hostile.ingest import LIMITS, Outcome, ingest, judge_films, judge_subtitles
from tests.hostile.libraries import GOOD, IS_SUBTITLES, KINDS, write_good, write_kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="kinds with this word in their name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, default=24, help="mutations of a kind at most, drawn at random; 0: all")
    parser.add_argument("--together", type=int, default=3, help="kinds in one ingest")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if options.only in kind]
    total = Outcome()
    with tempfile.TemporaryDirectory(prefix="needle-hostile-") as name:
        for start in range(0, len(kinds), options.together):
            chosen = kinds[start : start + options.together]
            for kind, outcome in try_kinds(chosen, Path(name), options.seed, options.each).items():
                print_row(kind, outcome)
                total.take(outcome)
    print_row(f"{len(kinds)} kinds", total)
    return 1 if total.faults else 0


def try_kinds(kinds: list[str], folder: Path, seed: int, most: int) -> dict[str, Outcome]:
    """Ingest the mutations of some kinds into the home below ``folder``, and judge each."""
    home, library, scratch = Home(folder / "home"), folder / "library", folder / "scratch"
    for each in (library, scratch):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir()
    write_good(library)
    names = {kind: write_kind(library, scratch, kind, seed, most) for kind in kinds}
    try:
        seconds = ingest(home, library)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        return {" + ".join(kinds): Outcome(faults=[f"the ingest: {str(error)[-3000:]}"])}
    print(f"# {sum(map(len, names.values()))} mutations ingested in {seconds:.0f} s", flush=True)
    good = next(video for video in home.json("status", **LIMITS)["videos"] if video["path"] == str(library / GOOD))
    outcomes = {
        kind: (judge_subtitles if kind.startswith(IS_SUBTITLES) else judge_films)(home, each)
        for kind, each in names.items()
    }
    if good["state"] != "ready" or good["indexed"] != 2:
        outcomes[kinds[0]].faults.append(f"the undamaged film is not searchable: {good}")
    return outcomes


def print_row(kind: str, outcome: Outcome) -> None:
    columns = [outcome.mutations, outcome.read, outcome.set_aside, *outcome.contained.values(), len(outcome.faults)]
    titles = ["mutations", "read", "set aside", *outcome.contained, "wrong"]
    print(f"{kind:<26}", *(f"{title} {count:<4}" for title, count in zip(titles, columns, strict=True)), flush=True)
    for fault in outcome.faults:
        print(f"    {fault}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
