"""Ingests beside others: a store that fails, a database that goes away, another ingest, the daemon."""

from __future__ import annotations

import logging
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import boto3

from tests.builders.faulty_store import Fault, FaultyStore
from tests.builders.forked import ForkedCommand
from tests.builders.homes import CHECKOUT, Home
from tests.builders.postgres import PostgresServer, find_binaries
from tests.faults.contents import compare, digest_home, digest_undisturbed, list_leftovers
from tests.faults.result import Result

STORE_FAULTS: dict[Fault, float] = {"error": 0.05, "stall": 0.05, "half": 0.2, "stale": 1.0}
"""The share of requests that is answered with each fault, of those that it concerns: few read, fewer list twice."""
TRIES = 6
DAEMON_S = (5, 40)
"""Seconds in which the daemon starts, finds the library and begins its first runs."""
_DAEMON_ONLY = "lake/caption_pairs/"
"""Pairs for training follow new footage by the daemon alone; `needle train` makes its own."""
_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True)
class NeighbourHome(Home):
    """A home whose store is a bucket of the S3 server at ``endpoint``, or whose records are in a database."""

    endpoint: str = ""
    bucket: str = ""
    postgres: str = ""

    def environment(self, **extra: str) -> dict[str, str]:
        ours = {"NEEDLE_POSTGRES": self.postgres} if self.postgres else {}
        if self.bucket:
            ours |= {"NEEDLE_STORAGE": f"s3://{self.bucket}/store", "AWS_ENDPOINT_URL": self.endpoint, **_KEYS}
        return super().environment(**{**ours, **extra})


def try_store(fault: Fault, library: Path, folder: Path, seed: int) -> Result:
    """Ingest into a bucket whose server answers some requests wrongly, again and again, then once undisturbed."""
    result = Result()
    with (
        _serve_s3() as target,
        FaultyStore(target=target, faults=(fault,), stall_s=3, stale_s=0.5, seed=seed).serve() as proxy,
    ):
        calm = _home_in_bucket(folder / "calm", target, f"calm-{fault}")
        calm.fork("ingest", str(library), expect=3)
        expected = _digest_bucket(calm, target)
        home = _home_in_bucket(folder / "home", proxy.url, f"disturbed-{fault}")
        proxy.share = STORE_FAULTS[fault]
        for _ in range(TRIES):
            status, text = run_to_end(home, "ingest", str(library))
            if status not in (1, 3) or "Traceback" in text:
                result.add(f"it ended with {status}: {text[-600:]}")
            if status == 3:
                break
        proxy.share = 0.0
        result.killed, result.ended = sum(proxy.counts.values()), int(not proxy.counts)
        home.fork("ingest", str(library), expect=3)
        _compare(result, expected, _digest_bucket(home, target), home)
    return result


def try_database(library: Path, folder: Path, chance: random.Random, times: int) -> Result:
    """Stop the Postgres server during an ingest, start it again, and run the same command."""
    result, binaries = Result(), find_binaries()
    if binaries is None:
        result.add("there is no Postgres here (apt-get install postgresql): it was not tried")
        return result
    with tempfile.TemporaryDirectory(prefix="needle-postgres-") as name:
        server = PostgresServer(Path(name), binaries)
        try:
            calm = NeighbourHome(folder / "calm", postgres=server.create_database("calm"))
            began = time.monotonic()
            calm.fork("ingest", str(library), expect=3)
            longest = time.monotonic() - began
            expected = digest_home(calm) | _digest_database(server, "calm")
            for number in range(times):
                _lose_database(result, server, folder, str(library), chance.uniform(0.5, longest), number, expected)
        finally:
            server.stop()
    return result


def _lose_database(
    result: Result,
    server: PostgresServer,
    folder: Path,
    library: str,
    after: float,
    number: int,
    expected: dict[str, str],
) -> None:
    home = NeighbourHome(folder / str(number), postgres=server.create_database(f"home{number}"))
    with tempfile.TemporaryFile("w+") as log:
        process = ForkedCommand(["ingest", library], home.environment(), log, log)
        try:
            process.wait(after)
            result.ended += 1
        except subprocess.TimeoutExpired:
            result.killed += 1
        server.stop()
        status = process.wait(300)
        log.seek(0)
        text = log.read()
    server.start()
    if status not in (1, 3) or "Traceback" in text:
        result.add(f"without its database after {after:.1f} s, it ended with {status}: {text[-600:]}")
    home.fork("ingest", library, expect=3)
    _compare(result, expected, digest_home(home) | _digest_database(server, f"home{number}"), home)


def try_two_ingests(library: Path, folder: Path, chance: random.Random, times: int) -> Result:
    """Start two ingests of the same library, up to two seconds apart."""
    result = Result()
    expected = digest_undisturbed(folder, library)
    for number in range(times):
        home = Home(folder / str(number))
        with tempfile.TemporaryFile("w+") as one, tempfile.TemporaryFile("w+") as other:
            processes = []
            for log in (one, other):
                processes.append(ForkedCommand(["ingest", str(library)], home.environment(), log, log))
                time.sleep(chance.uniform(0, 2))
            statuses = [process.wait(600) for process in processes]
            one.seek(0)
            other.seek(0)
            text = one.read() + other.read()
        result.killed += 1
        if statuses != [3, 3] or "Traceback" in text:
            result.add(f"the two ended with {statuses}: {text[-900:]}")
        home.fork("ingest", str(library), expect=3)
        _compare(result, expected, digest_home(home), home)
    return result


def try_daemon(library: Path, folder: Path, chance: random.Random, times: int) -> Result:
    """Ingest by hand while the daemon, whose sensor watches the same library, begins to do so; then end both."""
    result = Result()
    expected = digest_undisturbed(folder, library)
    for number in range(times):
        home = Home(folder / str(number))
        with _run_daemon(home, library, folder / f"daemon-{number}.log"):
            time.sleep(chance.uniform(*DAEMON_S))
            status, text = run_to_end(home, "ingest", str(library))
            result.killed += 1
            if status != 3 or "Traceback" in text:
                result.add(f"beside the daemon it ended with {status}: {text[-600:]}")
            time.sleep(chance.uniform(*DAEMON_S))  # it may be at work when it ends
        home.fork("ingest", str(library), expect=3)
        found = {part: digest for part, digest in digest_home(home).items() if not part.startswith(_DAEMON_ONLY)}
        _compare(result, expected, found, home)
    return result


@contextmanager
def _run_daemon(home: Home, library: Path, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "ops.cli", "dagster", "--library", str(library), "--port", "0"]
    environment = home.environment()
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        try:
            yield
            process.terminate()
            process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def run_to_end(home: Home, *arguments: str) -> tuple[int, str]:
    """Run a command that may fail; return its status and what it printed."""
    try:
        done = home.fork(*arguments, expect=3)
        return done.returncode, done.stderr
    except AssertionError as error:
        match = re.search(r"ended with (-?\d+)", str(error))
        return int(match[1]) if match else 0, str(error)


def _compare(result: Result, expected: dict[str, str], found: dict[str, str], home: Home) -> None:
    for wrong in [*compare(expected, found), *(f"{left} is left" for left in list_leftovers(home))]:
        result.add(wrong)


@contextmanager
def _serve_s3() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def _connect(endpoint: str) -> boto3.client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )


def _home_in_bucket(path: Path, endpoint: str, bucket: str) -> NeighbourHome:
    client = _connect(endpoint)
    client.create_bucket(Bucket=bucket)
    client.close()
    return NeighbourHome(path, endpoint=endpoint, bucket=bucket)


def _digest_bucket(home: NeighbourHome, endpoint: str) -> dict[str, str]:
    """Digest a home whose store is a bucket: its objects are copied into the folder of a local store first."""
    client = _connect(endpoint)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=home.bucket, Prefix="store/"):
        for entry in page.get("Contents", []):
            target = home.path / "media" / entry["Key"].removeprefix("store/")
            target.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(home.bucket, entry["Key"], str(target))
    client.close()
    return digest_home(home)


def _digest_database(server: PostgresServer, database: str) -> dict[str, str]:
    """Count the online rows by feature and value."""
    rows = []
    query = "SELECT table_name FROM information_schema.columns WHERE column_name = 'entity_key' ORDER BY 1"
    with server.connect(database) as connection:
        for (table,) in connection.execute(query.encode()).fetchall():
            values = f'SELECT entity_key, feature_name, value FROM "{table}"'
            own = re.compile("timestamp|created_at|available_at")
            rows += [repr(row) for row in connection.execute(values.encode()).fetchall() if not own.search(str(row[1]))]
    return {"database": str(hash(tuple(sorted(rows))))}
