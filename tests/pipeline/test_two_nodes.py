"""A Ray cluster of two nodes trains on a library; a whole node is killed meanwhile.

Stands for several machines: the nodes are processes of this one, with resources, object stores and ports of their own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.builders.films import make_film
from tests.builders.homes import Home
from tests.builders.ray_workers import PATIENCE_S, finish, is_head, start_command, wait_for_workers
from tests.builders.training import write_captions

pytest.importorskip("ray", reason="Ray is not installed: pip install 'needle[ray]'")

START = """
import sys
from ray.cluster_utils import Cluster
options = {"num_cpus": 1, "include_dashboard": False, "temp_dir": sys.argv[1], "object_store_memory": 100 << 20}
cluster = Cluster(initialize_head=True, head_node_args=options)
cluster.add_node(wait=False, num_cpus=1, object_store_memory=100 << 20)
cluster.wait_for_nodes(timeout=300)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture
def cluster() -> Iterator[tuple[str, int]]:
    """The address of a cluster of two nodes on this machine, and the process below which they run."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("NEEDLE_", "RAY_"))}
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as scratch:
        process = subprocess.Popen(
            [sys.executable, "-c", START, scratch],
            env={**clean, "RAY_USAGE_STATS_ENABLED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin and process.stdout
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.stdin.close()
            process.wait(timeout=60)
            process.stdout.close()


@pytest.mark.slow
@pytest.mark.timeout(3000)  # many processes of Ray beside other tests on two cores
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes under /proc")
def test_two_nodes_train_though_one_is_lost(tmp_path: Path, cluster: tuple[str, int]) -> None:
    address, _ = cluster
    library = tmp_path / "films"
    for number in range(2):
        (library / f"show{number}").mkdir(parents=True)
        film = make_film(
            library / f"show{number}" / "film.mp4", cuts=(24, 48, 72, 96), frames=120, seed=number, width=160, height=90
        )
        write_captions(film.path, 5)
    there = Home(tmp_path / "there")
    ray = {"NEEDLE_ENGINE": "ray", "NEEDLE_RAY_ADDRESS": address}

    there.run("ingest", str(library))  # two nodes embed in test_ingest_on_ray.py
    recipe = ("--recipe", "debug", "--pooling", "mean", "--epochs", "100", "--learning-rate", "0.003", "--threads", "1")
    fit = ("train", *recipe, "--name", "mine", "--json", "--workers")
    with start_command(there, *fit, "2", **ray) as process:
        checkpoint = there.path / "training" / "mine" / "checkpoint.pt"
        workers = wait_for_workers("RayTrainWorker", process, checkpoint.exists)
        assert len(set(workers.values())) == 2, "the workers run on two nodes"
        (second,) = {node for node in workers.values() if not is_head(node)}
        for lost in (second, *(worker for worker, node in workers.items() if node == second)):
            with suppress(ProcessLookupError):
                os.kill(lost, signal.SIGKILL)  # all that runs on it: a worker alone goes on for a while
        out, err = process.communicate(timeout=2 * PATIENCE_S)
    if process.returncode:  # Ray had put the fit's controller on that node
        assert "start the same command again" in err
        with start_command(there, *fit, "1", **ray) as process:  # the cluster has one CPU left
            out = finish(process)
    made = json.loads(out)
    assert made["workers"] == 1 and made["steps"] == 200
