"""The clients that behave: searches, ranges of media, posters, labels and exports, in a fixed mix."""

from __future__ import annotations

import asyncio
import csv
import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.builders.homes import Home
from tests.load.http import Answer, Connection, build_request

LABELS = ("close", "dark")
TEXTS = ("stripes", "a grey wall", "many colours", "noise on a screen", "a blue square", "a pattern of dots", "night")
FORMATS = ("edl", "otio", "csv", "json", "fcpxml", "sheet", "zip")
GONE = (404, 409, 410)
"""Statuses of a shot whose film was forgotten since the client saw it."""
BUSY = 429
LAG_S = 0.05
WEIGHTS = {"search": 40, "range of a preview": 30, "poster": 18, "label": 6, "export": 6}
"""Kinds of requests, in the order of `Client._choose`, with how often each is chosen."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One request: its kind, its begin in seconds of the run, how long it took, and its status; 0: no answer."""

    kind: str
    began_s: float
    seconds: float
    status: int
    fault: str = ""


@dataclass
class Record:
    """What all clients have seen, and what the service has promised to keep."""

    kept_videos: frozenset[str] = frozenset()
    """Films that are never forgotten, so that none of their shots may be missing."""
    samples: list[Sample] = field(default_factory=list)
    labels: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    """The last value that was stored, by label, shot and annotator."""
    versions: set[str] = field(default_factory=set)


class Client:
    """One client that sends a request, waits for its answer, pauses, and sends the next."""

    def __init__(self, number: int, port: int, record: Record, seed: int) -> None:
        self._name = f"client {number}"
        self._connection = Connection(port)
        self._record = record
        self._chance = random.Random(f"{seed} {number}")
        self._shots: list[dict[str, str]] = []
        self._named: set[str] = set()
        """Films of the shots of the last request."""

    async def run(self, began_at: float, over: asyncio.Event, pause_s: float) -> None:
        """Send requests until it is over. The first is a search, which finds the shots for the others."""
        await asyncio.sleep(self._chance.uniform(0, pause_s))
        try:
            while not over.is_set():
                await self._request_one(began_at)
                await asyncio.sleep(self._chance.expovariate(1 / pause_s) if pause_s else 0)
        finally:
            self._connection.close()

    async def _request_one(self, began_at: float) -> None:
        kind, act = self._choose()
        self._named.clear()
        began, status, fault = time.monotonic(), 0, ""
        try:
            answer, check = await act()
            status = answer.status
            # The pause of other tasks of this process is none of the service: checks come after the clock.
            seconds = time.monotonic() - began
            fault = self._judge(answer, check)
        except (OSError, asyncio.IncompleteReadError) as error:
            seconds, fault = time.monotonic() - began, f"no answer: {error!r}"
        self._record.samples.append(
            Sample(kind=kind, began_s=began - began_at, seconds=seconds, status=status, fault=fault)
        )

    def _choose(self) -> tuple[str, Callable[[], Awaitable[tuple[Answer, Check]]]]:
        if not self._shots:
            return "search", self._search
        acts = (self._search, self._read_range, self._read_poster, self._label, self._export)
        return self._chance.choices(list(zip(WEIGHTS, acts, strict=True)), list(WEIGHTS.values()))[0]

    async def _post(self, path: str, document: object) -> Answer:
        return await self._connection.send(build_request("POST", path, json.dumps(document).encode()))

    async def _search(self) -> tuple[Answer, Check]:
        body: dict[str, object] = {"text": self._chance.choice(TEXTS), "limit": 20, "include_blank": True}
        if self._shots and self._chance.random() < 0.3:
            body["like"] = [self._choose_shot()["shot_id"]]
        answer = await self._post("/api/search", body)

        def check() -> str:
            document = answer.json()
            self._shots = document["hits"]
            self._record.versions.add(document["index_version"])
            return "" if self._shots else "a search without hits"

        return answer, check

    async def _read_range(self) -> tuple[Answer, Check]:
        start = self._chance.choice((0, 0, 100, 1000))
        length = self._chance.choice((1, 1000, 200_000))
        headers = {"range": f"bytes={start}-{start + length - 1}"}
        answer = await self._connection.send(build_request("GET", self._choose_shot()["proxy"], headers=headers))

        def check() -> str:
            total = int(answer.headers["content-range"].rpartition("/")[2])
            expected = min(length, total - start)
            return "" if len(answer.body) == expected else f"{len(answer.body)} bytes instead of {expected}"

        return answer, check

    async def _read_poster(self) -> tuple[Answer, Check]:
        size = self._chance.choice(("", "&size=small"))
        answer = await self._connection.send(build_request("GET", self._choose_shot()["poster"] + size))
        return answer, lambda: "" if answer.body.startswith(b"\xff\xd8") else "a poster that is not a JPEG"

    async def _label(self) -> tuple[Answer, Check]:
        key = self._chance.choice(LABELS), self._choose_shot()["shot_id"], self._name
        value = self._chance.random() < 0.5
        answer = await self._post(
            "/api/labels", {"label": key[0], "shots": [key[1]], "value": value, "annotator": self._name}
        )

        def check() -> str:
            self._record.labels[key] = value
            return "" if answer.json()["written"] + answer.json()["unchanged"] == 1 else "a label that was not stored"

        return answer, check

    async def _export(self) -> tuple[Answer, Check]:
        chosen = self._chance.choices(FORMATS, [8] * 5 + [2, 1])[0]
        picks = [{"shot_id": self._choose_shot()["shot_id"]} for _ in range(self._chance.randint(1, 4))]
        answer = await self._post("/api/export", {"format": chosen, "picks": picks, "title": self._name})
        return answer, lambda: "" if answer.body else "an empty export"

    def _choose_shot(self) -> dict[str, str]:
        shot = self._chance.choice(self._shots)
        self._named.add(shot["video_id"])
        return shot

    def _judge(self, answer: Answer, check: Check) -> str:
        """Return what is wrong with an answer, empty if nothing is."""
        if answer.status in (200, 206):
            return check()
        may_be_gone = bool(self._named - self._record.kept_videos)
        if answer.status == BUSY or (answer.status in GONE and may_be_gone):
            return ""
        return f"{answer.status} {answer.body[:300].decode(errors='replace')}"


Check = Callable[[], str]
"""Looks into an answer that has a good status, and returns what is wrong with it."""


async def measure_lag(over: asyncio.Event) -> float:
    """Return the longest time by which this process of clients was late itself: answers waited for it by so much."""
    longest = 0.0
    while not over.is_set():
        began = time.monotonic()
        await asyncio.sleep(LAG_S)
        longest = max(longest, time.monotonic() - began - LAG_S)
    return longest


def list_lost_labels(home: Home, record: Record) -> list[str]:
    """Return the labels that the service confirmed and the home does not have; films that are gone do not count."""
    stored: dict[tuple[str, str, str], bool] = {}
    for label in LABELS:
        path = home.path.with_name(f"{label}.csv")
        home.fork("label", label, "--export", str(path))
        with path.open(newline="") as file:
            for row in sorted(csv.DictReader(file), key=lambda row: row["created_at"]):
                stored[row["label"], row["shot_id"], row["annotator"]] = row["value"] == "yes"
    return [
        f"{key}: {value}, stored {stored.get(key)}"
        for key, value in record.labels.items()
        if key[1].partition(":")[0] in record.kept_videos and stored.get(key) != value
    ]
