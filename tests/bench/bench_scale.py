"""Costs by the size of the catalogue, measured and computed.

``make bench BENCH=scale``, or ``python -m tests.bench.bench_scale [--films 100 1000 10000] [--shots 20000 100000]
[--million] [--folder DIR]``, makes generated lakes, measures, and prints tables with growth factors and goals. The
lakes of films take about half an hour of CPU time; with ``--folder`` they stay for a next time. ``--million`` adds an
index of a million shots: 10 GB of disk and the time in docs/scale.md.

``python -m tests.bench.bench_scale --titles 300000`` computes the plan for 1,000, 10,000 and that many titles from
costs that were measured before (:mod:`tests.bench.scale_plan`); it measures nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.scale_plan import format_plan

CHECKOUT = Path(__file__).resolve().parents[2]
GOALS = {"nothing to do": 1.5, "one new film": 1.5}
"""Most by which a cost may grow from the first size to the last."""


def measure(module: str, options: Sequence[str]) -> list[dict[str, Any]]:
    """Run a part in a process of its own; return its figures. Its progress goes to the error stream."""
    with tempfile.NamedTemporaryFile("r") as out:
        command = [sys.executable, "-m", f"tests.bench.{module}", "--out", out.name, *options]
        subprocess.run(command, cwd=CHECKOUT, check=True, stdout=sys.stderr)
        figures: list[dict[str, Any]] = json.loads(out.read())
        return figures


def format_films(costs: Sequence[dict[str, Any]]) -> str:
    """Return the table of ``needle ingest`` by the number of films; CPU seconds, with those of the indexes."""
    films = sorted({cost["films"] for cost in costs})
    rows = [
        _row("`needle ingest`, CPU s", [f"{count:,} films" for count in films], "growth", "goal"),
        _rule(len(films)),
    ]
    for what in dict.fromkeys(cost["what"] for cost in costs):
        values = [next(c["cpu_s"] for c in costs if (c["films"], c["what"]) == (count, what)) for count in films]
        goal = f"{GOALS[what]}" if what in GOALS else ""
        if what == "nothing to do":
            # The goal of this one is between the two largest catalogues.
            growth = (
                f"{values[-1] / values[0]:.2f}; the last two {values[-1] / values[-2 if len(values) > 1 else -1]:.2f}"
            )
        else:
            growth = f"{values[-1] / values[0]:.2f}"
        rows.append(_row(what, [f"{value:.2f}" for value in values], growth, goal))
    return "\n".join(rows)


def format_shots(results: Sequence[dict[str, Any]]) -> str:
    """Return the table of index, reader and service by the number of shots."""
    columns = [f"{result['shots']:,} shots" for result in results]
    rows = [_row("index of shots", columns, "growth", "goal"), _rule(len(results))]

    def add(name: str, values: Sequence[float], goal: str = "", unit: str = "") -> None:
        growth = f"{values[-1] / values[0]:.2f}" if values[0] else ""
        rows.append(_row(name, [f"{value:g}{unit}" for value in values], growth, goal))

    add("write the lake, CPU s", [result.get("lake_cpu_s", 0) for result in results])
    add("build, CPU s", [result["build_cpu_s"] for result in results])
    add("one more video of 1,000 shots, CPU s", [result["one_more_video_cpu_s"] for result in results], "5")
    add("nothing to do, CPU s", [result["nothing_to_do_cpu_s"] for result in results])
    add("check, CPU s", [result["check_cpu_s"] for result in results])
    for name in results[0]["searches"]:
        add(f"recall@10, {name}", [result["searches"][name]["recall"] for result in results], "0.99")
    add("HTTP, at once after the start, p99 ms", [result["service"]["first searches"]["p99_ms"] for result in results])
    for name in (name for name in results[0]["service"] if name.startswith("search")):
        add(f"HTTP, {name}, p99 ms", [result["service"][name]["p99_ms"] for result in results], "150")
        add(f"HTTP, {name}, CPU ms a query", [result["service"][name]["cpu_ms"] for result in results])
    add("service answers after, s", [result["service"]["start_s"] for result in results], "10")
    add("the same, CPU s", [result["service"]["start_cpu_s"] for result in results])
    add("service, memory in MB", [result["service"]["memory_mb"] for result in results])
    add("service, memory in bytes a shot", [result["service"]["bytes_per_shot"] for result in results], "2500")
    add("load of the machine before", [result["service"]["load_before"] for result in results])
    add("minutes in all", [result["minutes"] for result in results])
    return "\n".join(rows)


def _row(name: str, values: Sequence[str], growth: str, goal: str) -> str:
    return f"| {' | '.join([name, *values, growth, goal])} |"


def _rule(columns: int) -> str:
    return f"|{' --- |' * (columns + 3)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--titles", type=int, nargs="+", help="compute the plan, and measure nothing")
    parser.add_argument("--films", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--shots", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.titles:
        print(format_plan(sorted({1000, 10_000, *options.titles})))
        return
    folder = ["--folder", str(options.folder)] if options.folder else []
    films = measure("bench_scale_lake", ["--films", *map(str, options.films), *folder])
    print(format_films(films), flush=True)
    shots = measure(
        "bench_scale_index", ["--shots", *map(str, options.shots), *(["--million"] if options.million else [])]
    )
    print(format_shots(shots))


if __name__ == "__main__":
    main()
