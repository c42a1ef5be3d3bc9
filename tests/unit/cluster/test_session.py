"""What is refused, and how it is said, before Ray is started."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.main import cli
from ops.cluster.resources import WorkerGroup, plan_workers
from ops.cluster.session import Cluster, open_cluster
from ops.core.errors import ClusterError, UsageError
from ops.core.settings import describe_settings, load_settings

SMALL = Cluster(address="", cpus=2, gpus=0, nodes=1)
LARGE = Cluster(address="head:6379", cpus=64, gpus=8, nodes=4)


@pytest.fixture(autouse=True)
def _ray_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_CHDIR_TO_TRIAL_DIR"):
        monkeypatch.setenv(name, "0")  # put back afterwards
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.mark.parametrize(
    ("found", "workers", "gpu", "group"),
    [
        (SMALL, 2, None, WorkerGroup(workers=2, gpu=False)),
        (SMALL, None, None, WorkerGroup(workers=1, gpu=False)),
        (LARGE, None, None, WorkerGroup(workers=8, gpu=True)),
        (LARGE, 3, None, WorkerGroup(workers=3, gpu=True)),
        (LARGE, None, False, WorkerGroup(workers=4, gpu=False)),
        (LARGE, 64, False, WorkerGroup(workers=64, gpu=False)),
    ],
)
def test_workers_are_one_a_gpu_or_a_node_unless_said(
    found: Cluster, workers: int | None, gpu: bool | None, group: WorkerGroup
) -> None:
    assert plan_workers(found, workers, gpu) == group


@pytest.mark.parametrize(
    ("found", "workers", "gpu", "reason"),
    [
        (SMALL, 3, None, r"3 workers need a CPU each, and this machine has 2 .*: --workers 2$"),
        (SMALL, 1, True, r"1 workers need a GPU each, and this machine has 0 .* or --no-gpu$"),
        (LARGE, 9, True, r"the Ray cluster at head:6379 has 8 .*: --workers 8 or --no-gpu$"),
        (LARGE, 65, False, r"65 workers need a CPU each"),
    ],
)
def test_more_workers_than_there_is_room_for_are_refused_at_once(
    found: Cluster, workers: int, gpu: bool | None, reason: str
) -> None:
    with pytest.raises(ClusterError, match=reason):
        plan_workers(found, workers, gpu)


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"pip install 'needle\[ray\]', or use --engine local"), open_cluster(""):
        pass


@pytest.mark.parametrize("address", ["ray://head:10001", "http://head:8265", "head", "head:", ":6379"])
def test_what_is_no_address_is_refused_with_a_way_out(address: str) -> None:
    with (
        pytest.raises(ClusterError, match=r"not an address of a Ray cluster: give HOST:PORT .*ray job submit"),
        open_cluster(address),
    ):
        pass


def test_an_address_where_nobody_listens_is_told_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError, match=rf"reached at {address} .*ray start --head"), open_cluster(address):
            pass


def test_the_doctor_says_whether_ray_can_be_used(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'needle[ray]'")
    found = {}
    for address in ("", "head"):
        more = ["--ray-address", address] if address else []
        arguments = ["doctor", "--json", "--engine", "ray", "--encoder", "starter", "--home", str(tmp_path), *more]
        done = CliRunner().invoke(cli, arguments, standalone_mode=False)
        found[address] = json.loads(done.stdout)["checks"]["engine"], done.return_value
    assert found[""] == ({"ok": True, "note": "Ray, started on this machine when it is needed"}, 0)
    assert not found["head"][0]["ok"] and "HOST:PORT" in found["head"][0]["note"] and found["head"][1] == 1


def test_workers_are_for_ray_only(tmp_path: Path) -> None:
    arguments = ["train", "--recipe", "debug", "--workers", "2", "--home", str(tmp_path)]
    with pytest.raises(UsageError, match="--engine ray"):
        CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)


def test_the_address_is_rays_own_unless_ours_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().ray_address == ""
    monkeypatch.setenv("RAY_ADDRESS", "theirs:6379")
    assert load_settings().ray_address == "theirs:6379"
    assert ("NEEDLE_RAY_ADDRESS", "theirs:6379", "environment (RAY_ADDRESS)") in describe_settings()
    monkeypatch.setenv("NEEDLE_RAY_ADDRESS", "ours:6379")
    assert load_settings().ray_address == "ours:6379"
    assert ("NEEDLE_RAY_ADDRESS", "ours:6379", "environment") in describe_settings()
