"""The index of lines by its size: ``python -m tests.bench.bench_lines [--titles 20 200]``.

Generated lines of seven English words, drawn by their rank with the exponent of real speech (Zipf's law), 1,000 a
title, published into the embedded engine. CPU seconds of this process; a search has three words and 50 hits.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from time import process_time
from typing import Any

from wordfreq import top_n_list

from ops.index.backends.tantivy_lines import TantivyLineVersions
from ops.index.line_points import LineRow
from ops.index.line_publishing import plan_lines, publish_planned_lines_to
from ops.index.line_sums import LineSums
from ops.index.lines import open_line_versions
from ops.index.plan import Plan
from tests.builders.subtitles import line_row

LINES, WORDS, SEARCHES = 1000, 7, 100
KNOWN_WORDS = 30_000


class Titles:
    """The lines of a growing catalogue, with what an ingest remembers of them: their sums."""

    def __init__(self, count: int) -> None:
        self._draw = random.Random(1)
        self._words = top_n_list("en", KNOWN_WORDS)
        self._rows: dict[str, list[LineRow]] = {}
        self._sums: dict[str, LineSums] = {}
        for _ in range(count):
            self.add()

    def add(self) -> None:
        """Add a title."""
        video = len(self._rows)
        rows = [
            line_row(n, self.draw_words(WORDS), language="en", show=f"show {video % 30}", video=video, second=n * 2.0)
            for n in range(LINES)
        ]
        self._set(rows)

    def halve(self) -> None:
        """Remove half of the lines of the first title."""
        self._set(next(iter(self._rows.values()))[: LINES // 2])

    def draw_words(self, count: int) -> str:
        """Return random words, the frequent ones often."""
        places = (min(KNOWN_WORDS, int(self._draw.paretovariate(0.6))) - 1 for _ in range(count))
        return " ".join(self._words[place] for place in places)

    def plan(self) -> Plan:
        """Plan the index of all lines."""
        sums = LineSums()
        for each in self._sums.values():
            sums.update(each)
        return plan_lines(sums)

    def read(self, video_ids: Collection[str] | None) -> Iterator[LineRow]:
        """Yield the lines of some titles, or of all."""
        for video_id in self._rows if video_ids is None else video_ids:
            yield from self._rows[video_id]

    def _set(self, rows: list[LineRow]) -> None:
        self._rows[rows[0].video_id] = rows
        self._sums[rows[0].video_id] = LineSums(rows)


def measure(count: int, folder: Path) -> dict[str, float]:
    """Return the costs of an index of ``count`` titles."""
    titles, versions = Titles(count), TantivyLineVersions(folder)

    def publish() -> Any:
        return publish_planned_lines_to(versions, titles.plan, titles.read)

    costs = {"write all lines, CPU s": _time(publish)}
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    costs["bytes of disk a line"] = size / count / LINES
    titles.add()
    costs["one more title, CPU s"] = _time(publish)
    titles.halve()
    costs["half of a title's lines removed, CPU s"] = _time(publish)
    index = open_line_versions(versions)
    assert index is not None
    with index:
        queries = [titles.draw_words(3) for _ in range(SEARCHES)]
        seconds = sorted(_time(lambda query=query: index.search(query, limit=50)) for query in queries)
        costs["search, CPU ms, median"] = seconds[SEARCHES // 2] * 1000
        costs["search, CPU ms, 95 %"] = seconds[SEARCHES * 95 // 100] * 1000
        costs["words and shots of all lines, CPU s"] = _time(lambda: (index.vocabulary, index.shot_ids))
    costs["removed lines out of all files (`needle forget`), CPU s"] = _time(versions.drop_old)
    return costs


def _time(work: Callable[[], Any]) -> float:
    began = process_time()
    work()
    return process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--titles", type=int, nargs="+", default=[20, 200])
    sizes = parser.parse_args().titles
    results = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(count, Path(folder) / "lines"))
    print("| index of lines |", " | ".join(f"{count * LINES:,}" for count in sizes), "| growth |")
    print("| --- |" + " --- |" * (len(sizes) + 1))
    for name in results[0]:
        values = [result[name] for result in results]
        print(f"| {name} |", " | ".join(f"{value:.3g}" for value in values), f"| {values[-1] / values[0]:.2g} |")


if __name__ == "__main__":
    main()
