"""Metrics of the service, for Prometheus.

They are counted here, in the memory of this process, and ``prometheus_client`` only formats them. Its own counters and
histograms write to files if PROMETHEUS_MULTIPROC_DIR is set when it is imported, and an import of Feast (0.67,
``feast/metrics.py``) sets it: the order of the two imports would decide. Its own histogram may replace this one when
Feast leaves the environment alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import accumulate
from threading import Lock

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

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
        self._running = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def add_gauge(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Report ``value()`` as ``needle_<name>``."""
        self._gauges[name] = (meaning, value)

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
