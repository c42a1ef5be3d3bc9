"""A running `needle serve` under searches, while the encoder is upgraded, killed on the way, and rolled back."""

from __future__ import annotations

import itertools
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx

from ops.core.settings import Settings
from ops.embeddings.encoder import resolve_encoder, resolve_spec
from ops.embeddings.registry import EncoderRegistry
from tests.builders.forked import ForkedCommand
from tests.builders.upgrades import SHOTS, add_film, captioned_home, make_head, place

PAUSE_S = 0.1


def command(settings: Settings, *arguments: str, out: IO[Any], err: IO[Any]) -> ForkedCommand:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NEEDLE_", "DAGSTER_"))}
    return ForkedCommand(arguments, {**clean, "NEEDLE_HOME": str(settings.home)}, out, err)


def done(settings: Settings, *arguments: str) -> Any:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        status = command(settings, *arguments, "--json", out=out, err=err).wait(300)
        out.seek(0)
        err.seek(0)
        assert status == 0, err.read()
        return json.load(out)


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def killed_when(settings: Settings, condition: Callable[[], bool], *arguments: str) -> None:
    """Start a command and ``kill -9`` it as soon as the condition holds."""
    with open(os.devnull, "wb") as nothing:
        process = command(settings, *arguments, out=nothing, err=nothing)
    try:
        wait_for(lambda: condition() or process.poll() is not None, 120, "the moment to kill")
    finally:
        process.kill()
        process.wait(30)


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """Address of a `needle serve` of its own process."""
    with tempfile.NamedTemporaryFile("w+") as log:
        process = command(settings, "serve", "--port", "0", out=log, err=log)
        try:
            wait_for(lambda: bool(find_addresses(log.name)), 60, "the service to start")
            yield find_addresses(log.name)[0]
        finally:
            process.terminate()
            process.wait(30)


def find_addresses(log: str) -> list[str]:
    return re.findall(r"http://127\.0\.0\.1:\d+", Path(log).read_text())


class Searches:
    """People who search without a break; what they were answered, in its order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[tuple[str, str]] = []
        self.errors: list[str] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Searches:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(60)

    def _run(self) -> None:
        texts = itertools.cycle(("a man rides a horse", "a child at night", "a baker in a kitchen", "by the sea"))
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self._stopped.wait(PAUSE_S) and len(self.seen) < 20_000:
                answer = client.post("/api/search", json={"text": next(texts), "limit": 5})
                if answer.status_code != 200 or not answer.json()["hits"]:
                    self.errors.append(answer.text)
                    continue
                told = answer.json()
                self.seen.append((told["encoder_id"], told["index_version"]))

    def answers_by(self, encoder_id: str) -> bool:
        return bool(self.seen) and self.seen[-1][0] == encoder_id


def test_searches_go_on_through_kills_the_switch_and_the_way_back(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path)
    old = resolve_encoder(settings).encoder_id
    spec = make_head(settings.home, "mine", 0.25)
    new = place(settings, spec, range(2), noise=0.3)
    registry, upgrade = EncoderRegistry(settings.home), ("upgrade", "--encoder", spec)
    with served(settings) as url, Searches(url) as people:
        wait_for(lambda: people.answers_by(old), 120, "the first answer")
        moments: list[Callable[[], bool]] = [
            lambda: registry.read_state().candidate is not None,
            lambda: (settings.home / "index" / new / "current").is_symlink(),
            lambda: (settings.home / "upgrade" / f"{new}.json").exists(),
        ]
        for moment in moments[:2]:
            with settings.hold_work_lock():  # it cannot switch before it is killed
                killed_when(settings, moment, *upgrade)
            assert registry.read_state().live is None, "killed before the switch, the old one stays live"
        killed_when(settings, moments[2], *upgrade)
        killed_when(settings, lambda: registry.read_state().live is not None, *upgrade)
        live = registry.read_state().live
        assert live and live.encoder_id == new
        add_film(settings, tmp_path, 2, proxies=True)
        assert done(settings, *upgrade)["settled"], "the same again does what is left"
        assert not done(settings, *upgrade)["switched"]
        wait_for(lambda: people.answers_by(new), 60, "an answer of the new encoder")
        assert httpx.get(f"{url}/healthz", timeout=60).json()["encoder_id"] == new
        assert done(settings, "upgrade", "--rollback")["live"]["encoder_id"] == old
        wait_for(lambda: people.answers_by(old), 60, "an answer of the old encoder again")
        told = httpx.get(f"{url}/healthz", timeout=60).json()
        assert told["shots"] == 3 * SHOTS, "what came in meanwhile is found after the way back, too"
    assert not people.errors
    ids = [encoder_id for encoder_id, _ in people.seen]
    assert [each for each, _ in itertools.groupby(ids)] == [old, new, old], "one switch there, one back"
    versions = {version: encoder_id for encoder_id, version in set(people.seen)}
    assert len(versions) == len(set(people.seen)), "no version of an index answers two encoders"
    assert resolve_spec("starter", settings.home).encoder_id == old
