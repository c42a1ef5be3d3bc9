"""What an ingest costs in a large catalogue: nothing to do, and one new film.

``python -m tests.bench.bench_scale_lake [--films 100 1000 10000] [--folder FOLDER]`` makes catalogues of copies of one
film, each in a home of its own, and runs ``needle ingest`` in them as processes of their own. CPU seconds count; the
share of the indexes is measured within the run and shown apart. With ``--folder`` the catalogues stay there for a next
time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ops.core.settings import load_settings
from ops.embeddings.encoder import resolve_encoder
from tests.builders.catalogues import multiply_film
from tests.builders.films import make_film
from tests.builders.homes import Home

CHECKOUT = Path(__file__).resolve().parents[2]
INDEX_WORK = (
    "build_index",
    "check_index",
    "index_is_current",
    "plan_index",
    "build_lines",
    "check_lines",
    "has_current_lines",
    "has_current_texts",
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """CPU seconds of one ingest, with its children, and how many of them went into the indexes."""

    films: int
    what: str
    cpu_s: float
    index_s: float
    wall_s: float
    peak_mb: int

    @property
    def other_s(self) -> float:
        return self.cpu_s - self.index_s


def prepare(folder: Path, films: int) -> Home:
    """Make the catalogue, unless the folder has it already."""
    home, library = Home(folder / f"home-{films}"), folder / f"library-{films}"
    if (home.path / "complete").exists():
        return home
    shutil.rmtree(home.path, ignore_errors=True)
    shutil.rmtree(library, ignore_errors=True)
    library.mkdir(parents=True)
    make_film(library / "a film.mp4", cuts=(40,), frames=80)
    home.start("ingest", str(library))
    with patch.dict(os.environ, home.environment()):
        settings = load_settings()
        encoder_id = resolve_encoder(settings).encoder_id
        multiply_film(settings, encoder_id, library, films, report=lambda text: print(f"  {text}", flush=True))
    (home.path / "complete").touch()
    return home


def ingest(home: Home, library: Path, films: int, what: str) -> tuple[Cost, dict[str, Any]]:
    """Run ``needle ingest`` once and return its cost and its summary."""
    with tempfile.NamedTemporaryFile("r") as shares:
        start, before = time.monotonic(), os.times()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.bench_scale_lake", "--run", shares.name, str(library)],
            cwd=CHECKOUT,
            env=home.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        after = os.times()
        assert done.returncode == 0, done.stderr
        run = json.loads(shares.read())
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    wall_s = round(time.monotonic() - start, 2)
    cost = Cost(
        films=films,
        what=what,
        cpu_s=round(cpu_s, 2),
        index_s=round(run["index_s"], 2),
        wall_s=wall_s,
        peak_mb=run["peak_mb"],
    )
    return cost, json.loads(done.stdout)


def run_here(target: Path, library: str) -> None:
    """Run ``needle ingest`` in this process, and write down the CPU seconds of the indexes and the peak memory."""
    import resource

    import ops.cli.catalogue_status
    import ops.cli.ingest
    import ops.index.build
    import ops.index.dialogue
    from ops.cli.main import main as run_command

    spent = [0.0]
    depth = [0]

    def measured(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start, outer = time.process_time(), depth[0] == 0
            depth[0] += 1
            try:
                return function(*args, **kwargs)
            finally:
                depth[0] -= 1
                spent[0] += time.process_time() - start if outer else 0.0

        return call

    modules = (ops.index.build, ops.index.dialogue, ops.cli.ingest, ops.cli.catalogue_status)
    for module in modules:
        for name in INDEX_WORK:
            if hasattr(module, name):
                setattr(module, name, measured(getattr(module, name)))
    try:
        run_command(["ingest", library, "--json"])
    finally:
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        target.write_text(json.dumps({"index_s": spent[0], "peak_mb": peak_mb}))


def measure(folder: Path, films: int) -> list[Cost]:
    """Measure a catalogue: a first look, which fills the home's cache, nothing to do, and one new film."""
    home, library = prepare(folder, films), folder / f"library-{films}"
    costs = []
    for what in ("first look", "nothing to do"):
        cost, summary = ingest(home, library, films, what)
        assert summary["up_to_date"], summary
        costs.append(cost)
    number = len(list(library.glob("new *.mp4")))
    make_film(library / f"new {number}.mp4", cuts=(30,), frames=60, seed=number + 1)
    for what in ("one new film", "nothing to do after it"):
        cost, summary = ingest(home, library, films, what)
        assert summary["up_to_date"] == (what != "one new film"), summary
        costs.append(cost)
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path, help="write the costs there as JSON, too")
    parser.add_argument("--run", nargs=2, metavar=("FILE", "LIBRARY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_here(Path(options.run[0]), options.run[1])
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        costs: list[Cost] = []
        for films in options.films:
            print(f"{films} films:", flush=True)
            costs += (new := measure(folder, films))
            for cost in new:
                print(
                    f"  {cost.what}: {cost.other_s:.2f} CPU s and {cost.index_s:.2f} for the indexes; {asdict(cost)}",
                    flush=True,
                )
    if options.out:
        options.out.write_text(json.dumps([asdict(cost) for cost in costs]))


if __name__ == "__main__":
    main()
