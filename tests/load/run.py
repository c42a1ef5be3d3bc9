"""One run: the crowd all the time, slow clients in every other part of it, indexes that switch; and its table."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.builders.homes import Home
from tests.load.crowd import BUSY, WEIGHTS, Client, Record, Sample, list_lost_labels, measure_lag
from tests.load.service import Service, Switcher, fill_home, list_videos, serve
from tests.load.slow import HUGE, Outcome, SlowClients

MEMORY_S = 0.5
NOTICE_S = 3.0
"""Seconds in which the service and its clients notice a new index."""
WARM_UP_S = 60.0
"""At most, until a request of each kind was answered."""
BUSY_SHARE = 0.01
UNHURT = 1.5
"""How much slow clients may raise the median of the others, beside the slack of the plan."""
MIN_WINDOWS = 4
LONGEST_WINDOW_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Length, clients, the pause that each makes after an answer, how much memory may grow (0.05: 5 %), and a seed.

    ``slack_s`` is what a short run on a busy machine may measure by chance between parts with and without slow clients.
    """

    seconds: float
    clients: int = 64
    pause_s: float = 1.0
    growth: float = 0.05
    slack_s: float = 0.1
    seed: int = 0

    @property
    def window_s(self) -> float:
        """Seconds of a part with or without slow clients."""
        return min(LONGEST_WINDOW_S, self.seconds / MIN_WINDOWS)

    def is_beside_slow(self, at: float) -> bool:
        """Return True if slow clients are there at a second of the run, which goes on until an index has switched."""
        return at < self.seconds and int(at / self.window_s) % 2 == 1


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was measured."""

    plan: Plan
    seconds: float
    record: Record
    outcome: Outcome
    memory_mb: Sequence[float]
    files: tuple[int, int]
    switches: int
    lost_labels: Sequence[str]
    client_lag_s: float
    log: str


def measure_load(plan: Plan) -> Result:
    """Fill a home, start the service, and let the clients come."""
    with tempfile.TemporaryDirectory(prefix="needle-load-") as name:
        folder = Path(name)
        home = fill_home(folder)
        with serve(home) as service:
            result = asyncio.run(_run(plan, home, service, Switcher(home, folder)))
        lost = list_lost_labels(home, result.record)
        return Result(**{**vars(result), "lost_labels": lost, "log": service.log.read_text()})


async def _run(plan: Plan, home: Home, service: Service, switcher: Switcher) -> Result:
    record = Record(kept_videos=await asyncio.to_thread(list_videos, home))
    slow = SlowClients(service.port, await asyncio.to_thread(_find_large_preview, home), plan.seed)
    clients = [Client(number, service.port, record, plan.seed) for number in range(plan.clients)]
    await _warm_up(clients, record, plan)
    files, began_at, over = service.count_files(), time.monotonic(), asyncio.Event()
    watching = [asyncio.create_task(_sample_memory(service, over)), asyncio.create_task(measure_lag(over))]
    crowd = [asyncio.create_task(client.run(began_at, over, plan.pause_s)) for client in clients]
    await asyncio.gather(_switch(switcher, began_at + plan.seconds), _trouble(plan, slow, began_at))
    await asyncio.sleep(NOTICE_S)
    over.set()
    await asyncio.gather(*crowd)
    seconds = time.monotonic() - began_at
    memory_mb, lag_s = await asyncio.gather(*watching)
    await asyncio.sleep(1)  # until the service has closed what clients left
    return Result(
        plan=plan,
        seconds=seconds,
        record=record,
        outcome=slow.outcome,
        memory_mb=memory_mb,
        files=(files, service.count_files()),
        switches=switcher.switches,
        lost_labels=(),
        client_lag_s=lag_s,
        log="",
    )


async def _warm_up(clients: Sequence[Client], record: Record, plan: Plan) -> None:
    """Send requests of each kind, which are not judged: what is loaded at first use is loaded then."""
    over, began_at = asyncio.Event(), time.monotonic()
    crowd = [asyncio.create_task(client.run(began_at, over, plan.pause_s)) for client in clients]
    end = time.monotonic() + WARM_UP_S
    while not {sample.kind for sample in record.samples} >= set(WEIGHTS) and time.monotonic() < end:
        await asyncio.sleep(2 * plan.pause_s + 1)
    over.set()
    await asyncio.gather(*crowd)
    _require_answers(record)
    record.samples.clear()


def _require_answers(record: Record) -> None:
    faults = [sample.fault for sample in record.samples if sample.fault]
    assert record.samples and not faults, f"the service does not answer as it should: {faults[:3]}"


def _find_large_preview(home: Home) -> str:
    (video,) = (each for each in home.json("status")["videos"] if each["path"].endswith("noise.mp4"))
    shots = home.json("shots", video["video_id"])
    largest = max(shots, key=lambda shot: shot["end_frame"] - shot["start_frame"])
    return f"/media/shots/{largest['shot_id']}/proxy.mp4"


async def _switch(switcher: Switcher, until: float) -> None:
    while time.monotonic() < until:
        await asyncio.to_thread(switcher.switch_twice)


async def _sample_memory(service: Service, over: asyncio.Event) -> list[float]:
    samples = []
    while not over.is_set():
        samples.append(service.read_memory_mb())
        await asyncio.sleep(MEMORY_S)
    return samples


async def _trouble(plan: Plan, slow: SlowClients, began_at: float) -> None:
    for start in np.arange(plan.window_s, plan.seconds, 2 * plan.window_s):
        await asyncio.sleep(max(0.0, began_at + start - time.monotonic()))
        await slow.run(plan.window_s)


def list_missed_goals(result: Result) -> list[str]:
    """Return each goal that was missed, with the figures."""
    samples, plan = result.record.samples, result.plan
    missed = [f"{sample.kind}: {sample.fault}" for sample in samples if sample.fault][:10]
    refused = sum(sample.status == BUSY for sample in samples)
    if refused > BUSY_SHARE * len(samples):
        missed.append(f"{refused} of {len(samples)} requests were refused as too many at once")
    before, after = compare_memory(result.memory_mb)
    if after > before * (1 + plan.growth):
        missed.append(f"memory grew from {before:.0f} to {after:.0f} MB, by more than {plan.growth:.0%}")
    calm, beside = split_times(result)
    if np.median(beside) > UNHURT * np.median(calm) + plan.slack_s:
        missed.append(f"slow clients raise the median from {np.median(calm):.3f} to {np.median(beside):.3f} s")
    missed += [f"a label is lost: {label}" for label in result.lost_labels[:10]]
    # Records of errors, and the last line of each traceback.
    missed += [
        f"the log has: {line}" for line in re.findall(r"^.*ERROR.*$|^\S*(?:Error|Exception)\b.*$", result.log, re.M)
    ][:9]
    if len(result.record.versions) < 2:
        missed.append("no client saw an index switch")
    return missed


def compare_memory(memory_mb: Sequence[float]) -> tuple[float, float]:
    """Return the median of the second and of the last fifth: the first is warming up."""
    fifths = np.array_split(np.array(memory_mb), 5)
    return float(np.median(fifths[1])), float(np.median(fifths[-1]))


def split_times(result: Result) -> tuple[list[float], list[float]]:
    """Return the seconds of requests without slow clients, and beside them."""
    samples, plan = result.record.samples, result.plan
    beside = [sample.seconds for sample in samples if plan.is_beside_slow(sample.began_s)]
    return [sample.seconds for sample in samples if not plan.is_beside_slow(sample.began_s)], beside


def format_table(result: Result) -> str:
    """Return the figures as a text table."""
    samples, plan, outcome = result.record.samples, result.plan, result.outcome
    lines = [f"{'requests':<30}{'count':>8}{'per s':>8}{'p50 ms':>8}{'p99 ms':>8}{'429':>6}{'gone':>6}{'wrong':>7}"]
    for kind in sorted({sample.kind for sample in samples}):
        lines.append(_format_row(kind, [sample for sample in samples if sample.kind == kind], result.seconds))
    lines.append(_format_row("all", samples, result.seconds))
    for name, is_beside in (("all, without slow clients", False), ("all, beside slow clients", True)):
        chosen = [sample for sample in samples if plan.is_beside_slow(sample.began_s) == is_beside]
        lines.append(_format_row(name, chosen, plan.seconds / 2 if is_beside else result.seconds - plan.seconds / 2))
    before, after = compare_memory(result.memory_mb)
    lines += [
        "",
        f"{plan.clients} clients for {result.seconds / 60:.1f} min, each pausing {plan.pause_s} s on average",
        f"load average {os.getloadavg()[0]:.1f}; the clients were late by up to {1e3 * result.client_lag_s:.0f} ms",
        f"index: {result.switches} switches, {len(result.record.versions)} versions seen by clients",
        f"memory: {before:.0f} MB, later {after:.0f} ({after / before - 1:+.1%}), at most {max(result.memory_mb):.0f}",
        f"open files: {result.files[0]} before, {result.files[1]} after",
        f"labels: {len(result.record.labels)} promised, {len(result.lost_labels)} lost",
        *(f"{count} {name}" for name, count in sorted(outcome.counts.items())),
        f"of a body of {HUGE >> 20} MB at most {outcome.most_sent / 2**20:.1f} MB could be sent",
    ]
    return "\n".join(lines)


def _format_row(name: str, samples: Sequence[Sample], seconds: float) -> str:
    times = [1e3 * sample.seconds for sample in samples] or [0.0]
    p50, p99 = np.percentile(times, [50, 99])
    busy, gone = (sum(sample.status in statuses for sample in samples) for statuses in ((BUSY,), (404, 409, 410)))
    wrong = sum(bool(sample.fault) for sample in samples)
    rate = len(samples) / seconds
    return f"{name:<30}{len(samples):>8}{rate:>8.1f}{p50:>8.0f}{p99:>8.0f}{busy:>6}{gone:>6}{wrong:>7}"
