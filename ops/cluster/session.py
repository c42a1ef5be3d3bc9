"""Ray for a block: started on this machine, or reached at an address; one for a process, however many ask for it.

What is started here is closed to others (loopback only, calls need a token), says nothing home, and is gone with
the block, its processes and its files. Nothing of Ray is imported before it is needed.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ops.core.errors import ClusterError
from ops.core.locks import is_alive
from ops.core.settings import CHECKOUT

if TYPE_CHECKING:
    import psutil

log = logging.getLogger(__name__)

_STARTS = 2
_LAST_WORDS = 300
_START_S = 60
"""For Ray's first server to come up and to answer; its own 30 and 20 s are not enough on a laptop that is busy with
something else. For the next one Ray has a fixed 30 s."""
_PATIENCE_S = 10.0
_SCRATCH = "needle-ray-"
_LONGEST_FOLDER = 25


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What there is to work with, over all nodes; ``address`` is empty where Ray was started here."""

    address: str
    cpus: int
    gpus: int
    nodes: int


class _Session:
    """Who uses Ray in this process, and what has to be ended after the last of them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users = 0
        self.is_ours = False
        self.scratch: Path | None = None


_SESSION = _Session()


@contextmanager
def kept_open() -> Iterator[None]:
    """Keep a Ray that is started within the block until its end, for those who need it there in turn.

    Starts nothing itself, so it costs nothing where nobody does.
    """
    with _SESSION.lock:
        _SESSION.users += 1
    try:
        yield
    finally:
        with _SESSION.lock:
            _SESSION.users -= 1
            if not _SESSION.users:
                _stop()


@contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """Ray at ``address`` (``host:port``, or ``auto`` on one of its nodes), or, where that is empty, on this machine.

    A Ray that runs in this process already is used as it is. Raises ``ClusterError`` where Ray is not installed,
    cannot be reached, or does not start, which is tried twice.
    """
    with kept_open():
        with _SESSION.lock:
            ray = _ray(address)
            if not ray.is_initialized():
                _start(ray, address)
        found = ray.cluster_resources()
        yield Cluster(
            address=address,
            cpus=int(found.get("CPU", 0)),
            gpus=int(found.get("GPU", 0)),
            nodes=sum(node["Alive"] for node in ray.nodes()),
        )


def described(address: str) -> str:
    """What ``cluster(address)`` would use, without starting anything. Raises ``ClusterError`` where it could not."""
    if importlib.util.find_spec("ray") is None:
        raise _missing("no module named ray")
    if not address:
        return "Ray, started on this machine where it is needed"
    if address != "auto":
        _knock(address)
    return f"the Ray cluster at {address}"


def _missing(reason: str) -> ClusterError:
    return ClusterError(f"Ray is not installed ({reason}): pip install 'needle[ray]', or use --engine local")


def _ray(address: str) -> ModuleType:
    """The package. Its environment is read when it is imported, so it is set before."""
    if address not in ("", "auto"):
        _knock(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    if not address and "ray" not in sys.modules:
        # Made for systems with a firewall that asks: the node then is 127.0.0.1, and all of its servers listen there
        # only. `_node_ip_address` does not help: ray 2.60 turns loopback into the machine's own address.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", str(_START_S))
    try:
        import ray
    except ImportError as error:
        raise _missing(str(error)) from error
    import ray._private.worker

    # Ray prints what happens to its workers on standard output, which belongs to answers, whatever `log_to_driver`
    # says. May go when `listen_error_messages` writes to a log.
    ray._private.worker._worker_logs_enabled = False
    return ray


def _knock(address: str) -> None:
    """Raise ``ClusterError`` where nobody listens at ``address``: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise ClusterError(
            f"{address!r} is no address of a Ray cluster: give HOST:PORT of its head node (Ray Client, ray://, cannot "
            "carry this work), or run the command there, `ray job submit --address http://HOST:8265 -- needle ...`"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str, reason: str) -> ClusterError:
    return ClusterError(
        f"no Ray cluster can be reached at {address} ({reason}): start one with `ray start --head`, mend "
        "NEEDLE_RAY_ADDRESS or RAY_ADDRESS, or unset it to use this machine"
    )


def _start(ray: ModuleType, address: str) -> None:
    reasons = []
    for _ in range(1 if address else _STARTS):
        try:
            ray.init(**(_reaching(address) if address else _here()))
            _SESSION.is_ours = True
            return
        except Exception as error:  # noqa: BLE001 - Ray raises plain Exception where it does not come up; told below
            reasons.append((str(error).strip().splitlines() or [type(error).__name__])[0][:_LAST_WORDS])
            log.warning("Ray did not start: %s", reasons[-1])
            _stop(ray)
    if address:
        raise _unreachable(address, f"{reasons[-1]}; where it asks for a token, set RAY_AUTH_MODE and RAY_AUTH_TOKEN")
    raise ClusterError(
        f"Ray did not start in {_STARTS} attempts ({reasons[-1]}): try again when the machine is less busy, or use "
        "--engine local"
    )


def _here() -> dict[str, Any]:
    # Ray's sockets lie below, and their paths must not be longer than 107 bytes.
    folder = tempfile.gettempdir() if len(tempfile.gettempdir()) <= _LONGEST_FOLDER else "/tmp"
    _clear(Path(folder))
    _SESSION.scratch = Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-", dir=folder))
    loopback = {"GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo"}
    return {
        "address": "local",
        "num_cpus": _cores(),
        "include_dashboard": False,
        "_temp_dir": str(_SESSION.scratch),
        **_quiet({"env_vars": {"PYTHONPATH": str(CHECKOUT), **loopback}}),
    }


def _clear(folder: Path) -> None:
    """Delete what killed processes left; their Ray went with them."""
    for left in folder.glob(f"{_SCRATCH}*-*"):
        owner = left.name.removeprefix(_SCRATCH).partition("-")[0]
        if owner.isdigit() and not is_alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _reaching(address: str) -> dict[str, Any]:
    """Nodes of a cluster may not have this checkout, or another one: they get the code of this one.

    The packages it needs they must have.
    """
    return {"address": address, **_quiet({"py_modules": [str(CHECKOUT / "ops")]})}


def _quiet(runtime_env: dict[str, Any]) -> dict[str, Any]:
    return {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "namespace": "needle",
        "runtime_env": {**runtime_env, "config": {"eager_install": False}},
    }


def _stop(ray: ModuleType | None = None) -> None:
    """End what this process started; processes first, then files."""
    if ray is not None or _SESSION.is_ours:
        import ray as loaded

        started = _processes()
        loaded.shutdown()  # waits for the first of them only
        _SESSION.is_ours = False
        _end(started)
    if _SESSION.scratch:
        shutil.rmtree(_SESSION.scratch, ignore_errors=True)
        _SESSION.scratch = None


def _processes() -> list[psutil.Process]:
    """What Ray runs below this process: its servers, and the workers below them."""
    import psutil

    found = []
    for child in psutil.Process().children() if _SESSION.scratch else []:
        with suppress(psutil.Error):  # it ended just now
            if str(_SESSION.scratch) in " ".join(child.cmdline()):
                found += [child, *child.children(recursive=True)]
    return found


def _end(processes: list[psutil.Process]) -> None:
    """Wait until they have ended by themselves, and end what has not."""
    import psutil

    for process in _left_of(processes):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _left_of(processes)


def _left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after a while of patience; none, as soon as there is none."""
    end = time.monotonic() + _PATIENCE_S
    while (left := [process for process in processes if _runs(process)]) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def _runs(process: psutil.Process) -> bool:
    """Whether it is there, and not only in the books of a parent that does not look (a container's first process)."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
