"""A real Ray on this machine: closed to others, one for a process, gone with the block; and one that does not start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'needle[ray]'")

CHECKOUT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.slow

PROGRAM = '''
import json, os, sys, time
from pathlib import Path
from ops.cluster.resources import wait_for_resources
from ops.cluster.session import keep_open, open_cluster
from ops.core.errors import ClusterError


def listening():
    """Hexadecimal addresses that processes below this one listen on."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                found[f"socket:[{fields[9]}]"] = fields[1].partition(":")[0]
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    below = {os.getpid()}
    while more := {own for own, parent in parents.items() if parent in below} - below:
        below |= more
    addresses = set()
    for pid in below:
        for entry in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                addresses.add(found.get(os.readlink(entry)))
            except OSError:
                continue
    return sorted(addresses - {None})


told = {"before": "ray" in sys.modules}
with keep_open():
    sessions = []
    for _ in range(2):
        with open_cluster("") as here:
            import ray

            sessions.append(ray.get_runtime_context().get_job_id())
            told["cpus"], told["nodes"] = here.cpus, here.nodes
    told["one"] = len(set(sessions)) == 1 and ray.is_initialized()
    told["listening"] = listening()
    with open_cluster("") as here:

        @ray.remote(num_cpus=here.cpus)
        class Busy:
            def there(self):
                return True

        busy = Busy.remote()
        ray.get(busy.there.remote())
        end = time.monotonic() + 60
        while ray.available_resources().get("CPU", 0) and time.monotonic() < end:
            time.sleep(0.05)  # Ray's books follow what happens
        try:
            wait_for_resources(here, cpus=1, gpus=0, patience_s=1)
        except ClusterError as error:
            told["busy"] = str(error)
told["after"] = ray.is_initialized()
print(json.dumps(told))
'''


def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("NEEDLE_", "RAY_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=clean | extra,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks at sockets under /proc")
def test_ray_is_started_once_on_loopback_and_ends_with_the_block() -> None:
    done = run("-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)  # nothing else is on standard output
    assert not told["before"] and told["one"] and not told["after"]
    assert told["nodes"] == 1 and told["cpus"] == len(os.sched_getaffinity(0))
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert told["listening"] and set(told["listening"]) <= loopback
    assert "0 of" in told["busy"] and "1 CPUs" in told["busy"] and "--workers" in told["busy"]


def test_a_ray_that_does_not_start_is_tried_twice_and_told() -> None:
    program = "from ops.cluster.session import open_cluster\nwith open_cluster(''): pass"
    done = run("-c", program, RAY_OVERRIDE_RESOURCES="no json")
    assert done.returncode == 1 and done.stderr.count("Ray did not start: ") == 2, done.stderr
    assert "ClusterError: Ray did not start in 2 attempts (Expecting value" in done.stderr
