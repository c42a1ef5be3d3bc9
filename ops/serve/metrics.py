"""Metrics of the service, for Prometheus.

They are counted here, in the memory of this process, and ``prometheus_client`` only formats them. Its own counters and
histograms write to files if PROMETHEUS_MULTIPROC_DIR is set when it is imported, and an import of Feast (0.67,
``feast/metrics.py``) sets it: the order of the two imports would decide. Its own histogram may replace this one when
Feast leaves the environment alone.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from threading import Lock
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from ops.core.errors import DamagedTableError, NeedleError
from ops.core.known_rows import read_rows
from ops.core.settings import Settings
from ops.core.types import VideoState
from ops.index.lag import check_waiting
from ops.serve.work import WorkQueue
from ops.videos import catalogue

log = logging.getLogger(__name__)

REFRESH_S = 30.0

# Seconds: a text search takes ten milliseconds, an export of clips minutes.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Requests by route and status, their durations, and gauges that are read on demand."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._durations: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._sources: list[Callable[[], Iterable[Metric]]] = []
        self._running = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def add_gauge(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Report ``value()`` as ``needle_<name>``."""
        self._gauges[name] = (meaning, value)

    def add_source(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Report what ``collect`` yields at each scrape."""
        self._sources.append(collect)

    def count_start(self) -> None:
        """Count a request that arrived."""
        with self._lock:
            self._running += 1

    def count_end(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered. ``route`` is the route's template, which bounds the number of series."""
        with self._lock:
            self._running -= 1
            self._requests[method, route, str(status)] += 1
            self._durations.setdefault(route, [0] * (len(BUCKETS) + 1))[bisect_left(BUCKETS, seconds)] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]  # a Counter sums floats, too

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics to ``prometheus_client``."""
        with self._lock:
            requests = CounterMetricFamily(
                "needle_http_requests", "Requests answered.", labels=("method", "route", "status")
            )
            for labels, count in sorted(self._requests.items()):
                requests.add_metric(labels, count)
            durations = HistogramMetricFamily(
                "needle_http_request_seconds", "Time to the end of the answer.", labels=("route",)
            )
            for route, counts in sorted(self._durations.items()):
                edges = [*map(str, BUCKETS), "+Inf"]
                buckets = list(zip(edges, map(float, accumulate(counts)), strict=True))
                durations.add_metric((route,), buckets, self._seconds[route])
            running = GaugeMetricFamily("needle_http_requests_running", "Requests being answered.", self._running)
        yield from (requests, durations, running)
        for name, (meaning, value) in self._gauges.items():
            yield GaugeMetricFamily(f"needle_{name}", meaning, value())
        for collect in self._sources:
            yield from collect()


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    """Videos that are not searchable yet, and the longest wait in seconds."""

    videos: int
    longest_s: float


class CatalogueMetrics:
    """How many videos there are by state, and how long new ones have waited to be searchable.

    Both are read from the lake and the index, so at most every ``REFRESH_S`` seconds, and so that reading takes at most
    a 20th of the time; scrapes in between get the last figures. If they cannot be read, ``needle_catalogue_readable``
    is 0, and the figures are missing rather than old.
    """

    def __init__(self, settings: Settings, live_encoder_id: Callable[[], str]) -> None:
        self._settings = settings
        self._live_encoder_id = live_encoder_id
        self._lock = Lock()
        self._due_at = 0.0
        self._videos: Counter[str] | None = None
        self._waiting: _Waiting | None = None

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics to ``prometheus_client``."""
        with self._lock:
            if time.monotonic() >= self._due_at:
                started_at = time.monotonic()
                self._read()
                self._due_at = time.monotonic() + REFRESH_S + 20 * (time.monotonic() - started_at)
            videos, waiting = self._videos, self._waiting
        is_readable = videos is not None and waiting is not None
        yield GaugeMetricFamily("needle_catalogue_readable", "1 if lake and index can be read.", float(is_readable))
        if videos is not None:
            family = GaugeMetricFamily("needle_videos", "Videos of the catalogue by state.", labels=("state",))
            for state in get_args(VideoState):
                family.add_metric((state,), videos[state])
            yield family
        if waiting is not None:
            yield GaugeMetricFamily("needle_videos_waiting", "Videos that are not searchable yet.", waiting.videos)
            yield GaugeMetricFamily(
                "needle_videos_longest_wait_seconds", "Longest time that one of them has waited.", waiting.longest_s
            )

    def _read(self) -> None:
        self._videos = self._waiting = None
        damage: list[DamagedTableError] = []
        try:
            read_rows(self._settings.lake, catalogue.TABLE, damage=damage)
            if damage:  # without their rows the figures would be too low
                raise damage[0]
            self._videos = Counter(row["state"] for row in catalogue.read_videos(self._settings.lake))
            details = check_waiting(self._settings, self._live_encoder_id(), datetime.now(UTC)).details
        except NeedleError as error:
            log.warning("the catalogue cannot be read for /metrics: %s", error)
            return
        if "waiting" in details:
            self._waiting = _Waiting(videos=details["waiting"], longest_s=details["longest_wait_seconds"])
        else:
            log.warning("the catalogue cannot be read for /metrics: %s", "; ".join(details["problems"]))


def collect_queues(queues: Iterable[WorkQueue]) -> Iterable[Metric]:
    """Yield how many tasks of each kind run and wait in this process."""
    running = GaugeMetricFamily("needle_queue_running", "Tasks that run.", labels=("queue",))
    waiting = GaugeMetricFamily("needle_queue_waiting", "Tasks that wait for a thread.", labels=("queue",))
    for queue in queues:
        running.add_metric((queue.name,), queue.running)
        waiting.add_metric((queue.name,), queue.waiting)
    yield from (running, waiting)
