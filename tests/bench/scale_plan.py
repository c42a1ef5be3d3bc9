"""Arithmetic: size, CPU time and engine of each part for a number of titles, from measured costs of one.

Stands alone because it runs nothing: ``bench_scale`` measures, this multiplies. Each cost names the command and the day
of its measurement; a cost without one is computed, and marked so in the table. Costs are those of this machine: two
cores of an AMD EPYC, 24 GB of memory, no GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

SHOTS, LINES, FILM_S = 1000, 1000, 5000
"""Shots, lines of dialogue and seconds of a title."""
CORES, MEMORY_B, DISK_B = 2, 24e9, 250e9
"""Of one machine."""
FIRST_DAYS = 30
"""Days in which a catalogue is to be ingested the first time."""
ADD_S, LOOK_S, QUERY_MS = 60.0, 10.0, 150.0
"""Goals: CPU seconds beside decoding and encoding for one more title, of a look with nothing to do, of one query."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A measured value, with the command and the day; ``source`` is empty for one that is computed."""

    value: float
    source: str = ""


COSTS = {
    "cut and embed, CPU s a second of film": Cost(value=0.112, source="make bench BENCH=ingest, 2026-11-22"),
    "proxies and posters, bytes a second of film": Cost(value=178_000, source="du of five ingested films, 2026-11-29"),
    "lake, bytes a shot": Cost(value=5490, source="bench_scale_index, 2026-11-29"),
    "lake files a title": Cost(value=10, source="bench_scale_lake, 2026-11-29"),
    "look, CPU s": Cost(value=1.0, source="bench_scale_lake, 2026-11-29"),
    "look, CPU s a title": Cost(value=0.00014, source="bench_scale_lake, 2026-11-29"),
    "one more title beside its film, CPU s": Cost(value=6.8, source="bench_scale_lake, 2026-11-29"),
    "one more title, CPU s for each title": Cost(value=0.00096, source="bench_scale_lake, 2026-11-29"),
    "online features, CPU s a shot": Cost(value=0.00029, source="before this release, 2026-11-28"),
    "online features, bytes a shot": Cost(value=3400, source="before this release, 2026-11-28"),
    "Dagster's records, bytes a title": Cost(value=58_000, source="1,000 ingested films, 2026-11-28"),
    "Dagster, CPU s a title": Cost(value=0.14, source="1,000 ingested films, 2026-11-28"),
    "index, CPU s a shot": Cost(value=8e-05, source="bench_scale_index, 2026-11-29"),
    "index, bytes of disk a shot": Cost(value=4580, source="bench_scale_index, 2026-11-29"),
    "index and service, bytes of memory a shot": Cost(value=1706, source="bench_scale_index, 2026-11-29"),
    "query, CPU ms for a million shots": Cost(value=64, source="bench_scale_index, 2026-11-29"),
    "Qdrant, bytes of memory a shot and replica": Cost(value=1200),  # codes 896, 32 edges of 4 bytes, payload indexes
    "lines, CPU s a line": Cost(value=0.00034, source="make bench BENCH=lines, 2026-11-29"),
    "lines, bytes a line": Cost(value=119, source="make bench BENCH=lines, 2026-11-29"),
    "search in lines, CPU ms for 200,000 lines": Cost(value=19.6, source="make bench BENCH=lines, 2026-11-29"),
}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a part needs: bytes, CPU seconds once for the catalogue, and CPU seconds for one more title.

    ``use`` is the share of its limit on one machine with the embedded engine. Above 1 it needs the other engine.
    """

    size_b: float
    first_s: float
    add_s: float
    use: float
    engine: str


def _get(name: str) -> float:
    return COSTS[name].value


def _plan_films(titles: int) -> Load:
    seconds = _get("cut and embed, CPU s a second of film") * FILM_S
    first = titles * seconds
    machines = ceil(first / (FIRST_DAYS * 86_400 * CORES))
    engine = "one machine" if machines == 1 else f"{machines:,} machines: cutting and embedding on Ray"
    return Load(size_b=0, first_s=first, add_s=seconds, use=first / (FIRST_DAYS * 86_400 * CORES), engine=engine)


def _plan_media(titles: int) -> Load:
    size = titles * FILM_S * _get("proxies and posters, bytes a second of film")
    return Load(size_b=size, first_s=0, add_s=0, use=size / DISK_B, engine="disk" if size < DISK_B else "bucket")


def _plan_lake(titles: int) -> Load:
    look = _get("look, CPU s") + titles * _get("look, CPU s a title")
    add = _get("one more title beside its film, CPU s") + titles * _get("one more title, CPU s for each title")
    size = titles * SHOTS * _get("lake, bytes a shot")
    use = max(look / LOOK_S, add / ADD_S)
    files = titles * _get("lake files a title")
    engine = "files of each video" if use <= 1 else f"buckets (`needle compact --divide`): {files:,.0f} files else"
    return Load(size_b=size, first_s=0, add_s=add, use=use, engine=engine)


def _plan_records(titles: int) -> Load:
    size, seconds = titles * _get("Dagster's records, bytes a title"), _get("Dagster, CPU s a title")
    use = titles / 10_000  # one writer; beyond some thousand films docs/operations.md advises Postgres
    engine = "SQLite" if use <= 1 else "Postgres"
    return Load(size_b=size, first_s=titles * seconds, add_s=seconds, use=use, engine=engine)


def _plan_features(titles: int) -> Load:
    size, seconds = (
        titles * SHOTS * _get("online features, bytes a shot"),
        SHOTS * _get("online features, CPU s a shot"),
    )
    use = size / (DISK_B / 4)
    return Load(
        size_b=size, first_s=titles * seconds, add_s=seconds, use=use, engine="SQLite" if use <= 1 else "Postgres"
    )


def _plan_index(titles: int) -> Load:
    shots = titles * SHOTS
    query = shots / 1e6 * _get("query, CPU ms for a million shots")
    memory = shots * _get("index and service, bytes of memory a shot")
    use = max(query / QUERY_MS, memory / MEMORY_B)
    nodes = ceil(shots * _get("Qdrant, bytes of memory a shot and replica") * 2 / (0.8 * MEMORY_B))
    engine = "embedded" if use <= 1 else f"Qdrant, 2 replicas on {max(nodes, 2):,} nodes (computed)"
    seconds = _get("index, CPU s a shot")
    size = shots * _get("index, bytes of disk a shot")
    return Load(size_b=size, first_s=shots * seconds, add_s=SHOTS * seconds, use=use, engine=engine)


def _plan_lines(titles: int) -> Load:
    lines, seconds = titles * LINES, _get("lines, CPU s a line")
    use = lines / 2e5 * _get("search in lines, CPU ms for 200,000 lines") / QUERY_MS
    engine = "embedded" if use <= 1 else "Qdrant"
    size = lines * _get("lines, bytes a line")
    return Load(size_b=size, first_s=lines * seconds, add_s=LINES * seconds, use=use, engine=engine)


PARTS: dict[str, Callable[[int], Load]] = {
    "cutting and embedding": _plan_films,
    "proxies and posters": _plan_media,
    "lake": _plan_lake,
    "Dagster's records": _plan_records,
    "online features": _plan_features,
    "index of shots, search": _plan_index,
    "index of lines": _plan_lines,
}


def plan(titles: int) -> dict[str, Load]:
    """Return the load of each part."""
    return {name: make(titles) for name, make in PARTS.items()}


def find_bottleneck(titles: int) -> tuple[str, float]:
    """Return the part that uses most of its limit on one machine with embedded engines, and that share."""
    loads = plan(titles)
    name = max(loads, key=lambda name: loads[name].use)
    return name, loads[name].use


def find_limit(name: str) -> int:
    """Return the number of titles up to which a part stays within its limit, to two digits."""
    titles = 10
    while titles < 10**7 and PARTS[name](ceil(titles * 1.02)).use <= 1:
        titles = ceil(titles * 1.02)
    digits = len(str(titles)) - 2
    return titles // 10**digits * 10**digits if digits > 0 else titles


def format_plan(sizes: Sequence[int]) -> str:
    """Return a Markdown table for each size, and the limits of the parts."""
    texts = []
    for titles in sizes:
        name, use = find_bottleneck(titles)
        bottleneck = f"First bottleneck: {name}, {_format_share(use)} times its limit."
        texts += [
            f"**{titles:,} titles, {titles * SHOTS:,} shots.** {bottleneck}\n",
            "| part | size | CPU once | CPU for one more title | of its limit | runs on |",
            "| --- | --- | --- | --- | --- | --- |",
            *(
                f"| {name} | {_format_bytes(load.size_b)} | {_format_s(load.first_s)} | {_format_s(load.add_s)} "
                f"| {_format_share(load.use)} | {load.engine} |"
                for name, load in plan(titles).items()
            ),
            "",
        ]
    texts += ["| part | titles within its limit on one machine |", "| --- | --- |"]
    texts += [f"| {name} | {find_limit(name):,} |" for name in sorted(PARTS, key=find_limit)]
    return "\n".join(texts)


def _format_share(share: float) -> str:
    """Two digits, without an exponent."""
    return f"{float(f'{share:.2g}'):,.0f}" if share >= 100 else f"{share:.2g}"


def _format_bytes(size: float) -> str:
    for unit, factor in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size / 1e3:.3g} kB" if size else ""


def _format_s(seconds: float) -> str:
    for unit, factor in (("years", 365 * 86_400), ("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds else ""
