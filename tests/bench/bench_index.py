"""Speed and recall of the index against an exact numpy scan, side by side, as ratios.

``python -m tests.bench.bench_index [--rows 100000] [--dim 512] [--queries 200]`` publishes generated
clustered unit vectors and searches them through the same code as ``needle search`` does. Targets: p50 at most
a tenth of the scan's, recall@10 at least 0.98, with and without a filter on a show of 10 %.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.settings import Settings, load_settings
from ops.index.index import VectorIndex, open_index
from ops.index.points import IndexRow
from ops.index.publishing import publish
from tests.builders.vectors import SHOWS, clustered, row_of

ENCODER = "bench"
TOP = 10
ROUNDS = 5
# A server that has been up for a minute has answered this many. Graph, codes and vectors (250 MB) then lie in the
# processor's cache, as the matrix of the scan does after its first pass; the first queries are told apart.
WARM_UP = 2_000
FIRST = 200
SETTLE_S = 0.1  # numpy's threads spin on for a moment after their last product
TARGET_RATIO = 0.1
TARGET_RECALL = 0.98


def measure(rows: int, dim: int, queries: int) -> dict[str, Any]:
    """All figures; times are wall seconds of this machine, of which only the ratios mean anything."""
    vectors = clustered(rows + WARM_UP + queries, dim)
    stored, warming, asked = vectors[:rows], vectors[rows : rows + WARM_UP], vectors[rows + WARM_UP :]

    def source() -> Iterator[IndexRow]:
        return (row_of(number, vector) for number, vector in enumerate(stored))

    with tempfile.TemporaryDirectory() as home:
        settings = load_settings(home=home)
        before = peak_memory()
        built = seconds(lambda: publish(settings, ENCODER, source))
        grown = peak_memory() - before
        again = seconds(lambda: publish(settings, ENCODER, source))
        with open_index(settings, ENCODER) as index:
            first: list[float] = []
            for vector in warming:
                timed(first, lambda v=vector: index.search(v, limit=TOP, with_payload=False))  # type: ignore[misc]
            figures: dict[str, Any] = {
                "all": compare(index, stored, asked, None),
                "show_10_percent": compare(index, stored, asked, 3),
            }
            figures["all"]["first_queries_p50_ratio"] = round(
                1e3 * float(np.median(first[:FIRST])) / figures["all"]["numpy_p50_ms"], 4
            )
            figures["check_of_all_rows_s"] = round(seconds(lambda: check(index, settings, source)), 3)
    return {
        "rows": rows,
        "dim": dim,
        "queries": queries,
        "build_s": round(built, 2),
        "publish_again_to_build_ratio": round(again / built, 3),
        "build_memory_to_vectors_ratio": round(grown / (rows * dim * 4), 2),
        **figures,
        "targets": {"p50_ratio": TARGET_RATIO, "recall_at_10": TARGET_RECALL},
        "met": all(
            figures[name]["p50_ratio"] <= TARGET_RATIO and figures[name]["recall_at_10"] >= TARGET_RECALL
            for name in ("all", "show_10_percent")
        ),
    }


def check(index: VectorIndex, settings: Settings, source: Callable[[], Iterator[IndexRow]]) -> None:
    assert index.check(index.digest(), source()).passed


def compare(
    index: VectorIndex, stored: NDArray[np.float32], asked: NDArray[np.float32], show: int | None
) -> dict[str, float]:
    """Index and scan in alternating rounds over the same queries, so that both meet the same load.

    The scan is ``matrix @ query`` over all vectors with what is not wanted masked out (the naive way), and
    for the show also over a ready copy of only its rows (the best numpy can do).
    """
    # Payloads are left out, as `ops.search` leaves them out: it reads what it shows from the lake.
    allowed = np.arange(len(stored)) % len(SHOWS) == show if show is not None else np.ones(len(stored), bool)
    ids = np.array([row_of(number, stored[number]).shot_id for number in range(len(stored))])
    penalty = np.where(allowed, 0, -2).astype(np.float32)
    subset = np.ascontiguousarray(stored[allowed])
    shows = [] if show is None else [SHOWS[show]]
    times: dict[str, list[float]] = {"index": [], "scan": [], "subset": []}
    recalls = []
    for chunk in np.array_split(asked, ROUNDS):
        truth = [timed(times["scan"], lambda v=vector: top(stored @ v + penalty)) for vector in chunk]
        time.sleep(SETTLE_S)
        found = [
            timed(times["index"], lambda v=vector: index.search(v, limit=TOP, shows=shows, with_payload=False))
            for vector in chunk
        ]
        for vector in chunk:
            timed(times["subset"], lambda v=vector: top(subset @ v))
        recalls += [
            len({h.shot_id for h in hits} & set(ids[best])) / TOP for hits, best in zip(found, truth, strict=True)
        ]
    p50 = {name: float(np.median(values)) for name, values in times.items()}
    return {
        "recall_at_10": round(float(np.mean(recalls)), 4),
        "p50_ms": round(1e3 * p50["index"], 3),
        "p95_ms": round(1e3 * float(np.percentile(times["index"], 95)), 3),
        "numpy_p50_ms": round(1e3 * p50["scan"], 3),
        "p50_ratio": round(p50["index"] / p50["scan"], 4),
        "p50_ratio_to_scan_of_wanted_rows_only": round(p50["index"] / p50["subset"], 4),
    }


def top(scores: NDArray[np.float32]) -> NDArray[np.intp]:
    best = np.argpartition(-scores, TOP)[:TOP]
    return best[np.argsort(-scores[best])]


def timed(times: list[float], call: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = call()
    times.append(time.perf_counter() - start)
    return result


def seconds(call: Callable[[], Any]) -> float:
    times: list[float] = []
    timed(times, call)
    return times[0]


def peak_memory() -> int:
    """Peak resident bytes of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=200)
    given = parser.parse_args()
    print(json.dumps(measure(given.rows, given.dim, given.queries), indent=1))


if __name__ == "__main__":
    main()
