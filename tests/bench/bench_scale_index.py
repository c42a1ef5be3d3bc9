"""The index at a size: cost of building, of one more video, memory of a reader, recall and speed with filters.

``python -m tests.bench.bench_scale_index [--shots 20000 100000] [--million] [--home DIR]`` writes a generated lake of
a thousand videos, without media, indexes it through the same code as ``needle ingest``, and starts ``needle serve`` on
it. ``--million`` adds a lake of a million shots: 10 GB of disk, and the time in docs/scale.md.

Goals: recall@10 at least 0.99 with no filter and with filters of 10, 1 and 0.1 %; one more video at most 5 CPU seconds;
a reader at most 2.5 kB of memory a shot; the service answers within 10 s of its start, its p99 over HTTP is at most
150 ms.

Vectors have a common direction, clusters, and a spread that falls by component, as those of encoders have. Queries are
made as texts are: far from all shots (cosine about 0.2), nearer to those of one cluster.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress, make_shot_id
from ops.embeddings.build import name_table
from ops.embeddings.encoder import resolve_encoder
from ops.index.build import build_index, check_index, index_is_current
from ops.index.index import VectorIndex, open_index
from ops.search.shot_details import ShotDetails
from tests.bench.scale_service import measure_service, read_memory

Floats = NDArray[np.float32]
T = TypeVar("T")
VIDEOS = 1000
FRAMES = 120
TOP = 10
QUERIES = 100
DIM = 896
CLUSTERS = 5000


class Spread:
    """Generates unit vectors (N, D) and queries; ``cosine`` is that of a query with its cluster."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._scale = (np.arange(1, DIM + 1) ** -0.4).astype(np.float32)
        self._mean = self._draw(1)[0]
        self._mean *= np.float32(0.8) / np.linalg.norm(self._mean)
        self.centres = self._scale_to_unit(self._draw(CLUSTERS))

    def draw_shots(self, count: int) -> Floats:
        """Return vectors of one video."""
        clusters = self._random.integers(0, CLUSTERS, count)
        return self._scale_to_unit(self._mean + self.centres[clusters] + 0.8 * self._scale_to_unit(self._draw(count)))

    def draw_queries(self, cosine: float) -> Floats:
        """Return vectors as an encoder gives for texts."""
        near = self.centres[self._random.integers(0, CLUSTERS, QUERIES)]
        noise = self._scale_to_unit(self._random.standard_normal((QUERIES, DIM), dtype=np.float32))
        return self._scale_to_unit(np.float32(cosine) * near + np.float32((1 - cosine**2) ** 0.5) * noise)

    def _draw(self, count: int) -> Floats:
        return self._random.standard_normal((count, DIM), dtype=np.float32) * self._scale

    @staticmethod
    def _scale_to_unit(rows: Floats) -> Floats:
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def name_show(number: int) -> str:
    """Return the show of a video: 10 % are in one, 1 % in another, one video has a show of its own."""
    return "alone" if number == 1 else "tenth" if number % 10 == 0 else "hundredth" if number % 100 == 3 else "others"


def write_video(settings: Settings, encoder_id: str, number: int, vectors: Floats) -> str:
    """Write the rows of one video, one shot for each row of ``vectors``; return its id."""
    count, digest = len(vectors), hashlib.sha256(b"scale %d" % number).hexdigest()
    video_id, show, now = digest[:16], name_show(number), datetime.now(UTC)
    stamps = {"event_timestamp": now, "created_timestamp": now}
    starts = range(0, count * FRAMES, FRAMES)
    ids = [make_shot_id(video_id, start) for start in starts]
    video = {
        "video_id": video_id, "path": f"/videos/{show}/{number:05d}.mp4", "show": show, "title": str(number),
        "content_hash": digest, "bytes": 10**9, "fps_num": 24, "fps_den": 1, "frames": count * FRAMES, "width": 1920,
        "height": 1080, "codec": "h264", "has_audio": False, "state": "ready", "available_at": now, **stamps,
    }  # fmt: skip
    shots = [
        {
            "shot_id": shot_id, "video_id": video_id, "show": show, "index": index, "start_frame": start,
            "end_frame": start + FRAMES, "start_s": start / 24, "end_s": (start + FRAMES) / 24, "transition": "cut",
            "mean_luma": 0.5, "is_blank": index % 50 == 49, "detector": "generated",
            "proxy_uri": f"proxies/{video_id}/{start}-{start + FRAMES}.mp4",
            "poster_uri": f"posters/{video_id}/{start}-{start + FRAMES}.jpg", **stamps,
        }
        for index, (shot_id, start) in enumerate(zip(ids, starts, strict=True))
    ]  # fmt: skip
    offsets = np.arange(0, (count + 1) * DIM, DIM, dtype=np.int32)
    embeddings = pa.table(
        {
            "shot_id": ids,
            "video_id": [video_id] * count,
            "show": [show] * count,
            "embedding": pa.ListArray.from_arrays(offsets, vectors.ravel()),
            "vector_hash": [hashlib.sha256(vector.tobytes()).hexdigest()[:32] for vector in vectors],
            "frames_used": [1] * count,
            "input_hash": ["generated"] * count,
            **{name: [stamp] * count for name, stamp in stamps.items()},
        }
    )
    for table, rows in (("videos", [video]), ("shots", shots), (name_table(encoder_id), embeddings)):
        settings.lake.update(table, settings.resolve_partition(video_id), video_id, rows)
    return video_id


def measure(figures: dict[str, float], name: str, step: Callable[[], T]) -> T:
    """Add the CPU seconds of a step to the figures."""
    start = time.process_time()
    result = step()
    figures[f"{name}_cpu_s"] = round(time.process_time() - start, 2)
    print(name, figures[f"{name}_cpu_s"], file=sys.stderr, flush=True)
    return result


def compare(index: VectorIndex, queries: Floats, shows: list[str], truth: list[set[str]]) -> dict[str, float]:
    """Return recall@10 and wall times of searches in shows (none: everywhere)."""
    times, recalls = [], []
    for query, best in zip(queries, truth, strict=True):
        start = time.perf_counter()
        hits = index.search(query, limit=TOP, shows=shows, with_payload=False)
        times.append(1e3 * (time.perf_counter() - start))
        recalls.append(len({hit.shot_id for hit in hits} & best) / TOP)
    return {
        "recall": round(float(np.mean(recalls)), 4),
        "p50_ms": round(float(np.median(times)), 1),
        "p99_ms": round(float(np.percentile(times, 99)), 1),
    }


def scan(index: VectorIndex, queries: Floats) -> dict[str, list[set[str]]]:
    """Return the ids of the nearest shots of each query, by show (``""``: everywhere), from the vectors themselves."""
    best: dict[str, list[list[tuple[float, str]]]] = {
        show: [[] for _ in queries] for show in ("", "tenth", "hundredth", "alone")
    }
    for part in index._points.parts:  # type: ignore[attr-defined]
        segment = part.segment
        shows = np.array(segment.shows)[segment._show_numbers]
        for first in range(0, segment.count, 20_000):
            rows = np.arange(first, min(first + 20_000, segment.count))
            scores = segment.read_vectors(rows) @ queries.T
            for show, lists in best.items():
                wanted = rows if not show else rows[shows[rows] == show]
                if len(wanted) == 0:
                    continue
                some = scores[wanted - first]
                for number, kept in enumerate(lists):
                    top = np.argsort(-some[:, number])[:TOP]
                    kept += zip(some[top, number].tolist(), segment.list_ids(wanted[top]), strict=True)
    return {
        show: [{shot_id for _, shot_id in sorted(kept, reverse=True)[:TOP]} for kept in lists]
        for show, lists in best.items()
    }


def measure_reader(home: Path) -> None:
    """Open the index and the details of shots, search, and print the time and the memory as JSON."""
    settings = load_settings(home=home, encoder="starter")
    encoder_id = resolve_encoder(settings).encoder_id
    before, figures = read_memory(), dict[str, float]()
    with open_index(settings, encoder_id) as index:
        measure(figures, "open", lambda: index.counts("show"))
        details = ShotDetails(settings, lambda *_: ("", ""))
        measure(figures, "details", details.warm)
        for query in Spread(99).draw_queries(0.2):
            index.search(query, limit=TOP)
        after = read_memory()
        figures |= {name: round((after[name] - before[name]) * 1024 / index.count(), 1) for name in after}
    print(json.dumps(figures))


def run(home: Path, shots: int) -> dict[str, object]:
    """Return all figures for a lake of ``shots``; one in the home is used if it is there."""
    settings = load_settings(home=home, encoder="starter")
    encoder_id, spread, figures = resolve_encoder(settings).encoder_id, Spread(7), dict[str, float]()
    if not settings.lake.list_partitions("videos"):

        def write_lake() -> None:
            for number in range(VIDEOS):
                write_video(settings, encoder_id, number, spread.draw_shots(shots // VIDEOS))

        measure(figures, "lake", write_lake)
    start = read_memory()["anonymous_bytes_per_shot"]
    measure(figures, "build", lambda: build_index(settings, encoder_id, SilentProgress()))
    figures["memory_after_build_mb"] = (read_memory()["anonymous_bytes_per_shot"] - start) // 1024
    write_video(settings, encoder_id, VIDEOS + 1, spread.draw_shots(1000))
    measure(figures, "one_more_video", lambda: build_index(settings, encoder_id, SilentProgress()))
    measure(figures, "nothing_to_do", lambda: index_is_current(settings, encoder_id))
    assert measure(figures, "check", lambda: check_index(settings, encoder_id)).passed
    with open_index(settings, encoder_id) as index:
        searches = {}
        for cosine in (0.2, 0.5):
            queries = spread.draw_queries(cosine)
            truth = scan(index, queries)
            for show, best in truth.items():
                searches[f"{show or 'all'}, cosine {cosine}"] = compare(index, queries, [show] if show else [], best)
    command = [sys.executable, "-m", "tests.bench.bench_scale_index", "--reader", str(home)]
    reader = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    service = measure_service(settings, shots, ["tenth", "hundredth", "alone"])
    return {"shots": shots, **figures, "reader": reader, "searches": searches, "service": service}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shots", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--million", action="store_true", help="also 1,000,000 shots")
    parser.add_argument("--home", type=Path, help="keep the lakes and the indexes in folders there")
    parser.add_argument("--out", type=Path, help="write the figures there as JSON, too")
    parser.add_argument("--reader", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader:
        measure_reader(options.reader)
        return
    results = []
    for shots in [*options.shots, *([1_000_000] if options.million else [])]:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            home = options.home / str(shots) if options.home else Path(folder)
            results.append(run(home, shots) | {"minutes": round((time.monotonic() - start) / 60, 1)})
        print(json.dumps(results[-1], indent=1), flush=True)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
