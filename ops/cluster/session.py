"""Ray for a block: started on this machine, or reached at an address; one session per process, for all its users.

A Ray that is started here is closed to others (loopback only, calls need a token) and sends no usage statistics. It
ends with the block, including its processes and files. Ray is imported only when it is needed.
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ops.core.child_processes import copy_environment
from ops.core.errors import ClusterError
from ops.core.locks import is_alive
from ops.core.settings import CHECKOUT, count_cores

if TYPE_CHECKING:
    import psutil

log = logging.getLogger(__name__)

_STARTS = 2
_LONGEST_REASON = 300
_START_S = 60
"""Limit for Ray's first server to start and answer: its own 30 and 20 s are not enough on a busy laptop. For the next
one Ray has a fixed 30 s."""
_PATIENCE_S = 10.0
_SCRATCH = "needle-ray-"
_LONGEST_FOLDER = 25


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The resources of all nodes; ``address`` is empty if Ray was started on this machine."""

    address: str
    cpus: int
    gpus: int
    nodes: int


class _Session:
    """The number of users of Ray in this process, and the files to delete after the last one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users = 0
        self.is_ours = False
        self.scratch: Path | None = None


_SESSION = _Session()


@contextmanager
def keep_open() -> Iterator[None]:
    """Keep a Ray that is started within the block until its end, for several users in turn.

    Starts nothing itself, so it costs nothing if Ray is not used.
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
def open_cluster(address: str) -> Iterator[Cluster]:
    """Yield Ray at ``address`` (``host:port``, or ``auto`` on one of its nodes); if that is empty, on this machine.

    A Ray that already runs in this process is used as it is. Raises ``ClusterError`` if Ray is not installed, cannot be
    reached, or does not start in two attempts.
    """
    with keep_open():
        with _SESSION.lock:
            ray = _import_ray(address)
            if not ray.is_initialized():
                _start(ray, address)
        resources = ray.cluster_resources()
        yield Cluster(
            address=address,
            cpus=int(resources.get("CPU", 0)),
            gpus=int(resources.get("GPU", 0)),
            nodes=sum(node["Alive"] for node in ray.nodes()),
        )


def describe_cluster(address: str) -> str:
    """Describe the Ray of ``cluster(address)`` without starting it. Raises ``ClusterError`` if it is not available."""
    if importlib.util.find_spec("ray") is None:
        raise _make_missing_error("no module named ray")
    if not address:
        return "Ray, started on this machine when it is needed"
    if address != "auto":
        _check_address(address)
    return f"the Ray cluster at {address}"


def _make_missing_error(reason: str) -> ClusterError:
    return ClusterError(f"Ray is not installed ({reason}): pip install 'needle[ray]', or use --engine local")


def _import_ray(address: str) -> ModuleType:
    """Import Ray. It reads its environment at import, so that is set before."""
    if address not in ("", "auto"):
        _check_address(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    if not address and "ray" not in sys.modules:
        # Meant for systems with a firewall that prompts: the node is then 127.0.0.1, and all of its servers listen
        # only there. `_node_ip_address` does not help: ray 2.60 replaces loopback by the machine's own address.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", str(_START_S))
        # It looks for nodes that a cloud takes away: a process of 4 CPU s for each fit.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    try:
        import ray
    except ImportError as error:
        raise _make_missing_error(str(error)) from error
    import ray._private.worker

    # Ray prints worker errors on standard output, which belongs to results, even if `log_to_driver` is off. May go
    # when `listen_error_messages` writes to a log.
    ray._private.worker._worker_logs_enabled = False
    return ray


def _check_address(address: str) -> None:
    """Raise ``ClusterError`` if nothing listens at ``address``: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise ClusterError(
            f"{address!r} is not an address of a Ray cluster: give HOST:PORT of its head node (Ray Client, ray://, "
            "cannot carry this work), or run the command there: "
            "`ray job submit --address http://HOST:8265 -- needle ...`"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        raise _make_unreachable_error(address, str(error)) from error


def _make_unreachable_error(address: str, reason: str) -> ClusterError:
    return ClusterError(
        f"no Ray cluster can be reached at {address} ({reason}): start one with `ray start --head`, correct "
        "NEEDLE_RAY_ADDRESS or RAY_ADDRESS, or unset it to use this machine"
    )


def _start(ray: ModuleType, address: str) -> None:
    reasons = []
    for _ in range(1 if address else _STARTS):
        try:
            _connect(ray, address)
            return
        except Exception as error:  # noqa: BLE001 - Ray raises plain Exception if it does not start; reported below
            reasons.append((str(error).strip().splitlines() or [type(error).__name__])[0][:_LONGEST_REASON])
            log.warning("Ray did not start: %s", reasons[-1])
            _stop(ray)
    if address:
        raise _make_unreachable_error(
            address, f"{reasons[-1]}; if it asks for a token, set RAY_AUTH_MODE and RAY_AUTH_TOKEN"
        )
    raise ClusterError(
        f"Ray did not start in {_STARTS} attempts ({reasons[-1]}): try again when the machine is less busy, or use "
        "--engine local"
    )


def _connect(ray: ModuleType, address: str) -> None:
    """Join the Ray at ``address``, or start one on this machine; its processes get the environment of that moment."""
    if address:
        ray.init(**_configure_remote(address))
    else:
        with _extend_environment(_list_local_variables()):
            ray.init(**_configure_local())
    _SESSION.is_ours = True


def _list_local_variables() -> dict[str, str]:
    """Return what every process of a local Ray has in its environment.

    Not by ``runtime_env``: a worker with one imports Ray twice, and those that Ray starts first cannot be used.
    """
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(CHECKOUT), copy_environment().get("PYTHONPATH")])),
        "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # a process that looks for nodes which are about to be taken away
    }


@contextmanager
def _extend_environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = copy_environment()
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name)
        os.environ.update({name: before[name] for name in variables if name in before})


def _configure_local() -> dict[str, Any]:
    # Ray's sockets are below this folder, and their paths must not be longer than 107 bytes.
    folder = tempfile.gettempdir() if len(tempfile.gettempdir()) <= _LONGEST_FOLDER else "/tmp"
    _clear(Path(folder))
    _SESSION.scratch = Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-", dir=folder))
    return {
        "address": "local",
        "num_cpus": count_cores(),
        "include_dashboard": False,
        "_temp_dir": str(_SESSION.scratch),
        **_configure_quiet(),
    }


def _clear(folder: Path) -> None:
    """Delete the files of killed processes; their Ray ended with them."""
    for left in folder.glob(f"{_SCRATCH}*-*"):
        owner = left.name.removeprefix(_SCRATCH).partition("-")[0]
        if owner.isdigit() and not is_alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _configure_remote(address: str) -> dict[str, Any]:
    """Send the code of this checkout: nodes of a cluster may have none, or another one.

    They must have the packages that the code needs.
    """
    runtime_env = {"py_modules": [str(CHECKOUT / "ops")], "config": {"eager_install": False}}
    return {"address": address, "runtime_env": runtime_env, **_configure_quiet()}


def _configure_quiet() -> dict[str, Any]:
    return {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": "needle"}


def _stop(ray: ModuleType | None = None) -> None:
    """End what this process started: first processes, then files."""
    if ray is not None or _SESSION.is_ours:
        import ray as loaded

        processes = _list_processes()
        loaded.shutdown()  # waits for the first of them only
        _SESSION.is_ours = False
        _end(processes)
    if _SESSION.scratch:
        shutil.rmtree(_SESSION.scratch, ignore_errors=True)
        _SESSION.scratch = None


def _list_processes() -> list[psutil.Process]:
    """Return Ray's processes below this process: its servers and their workers."""
    import psutil

    processes = []
    for child in psutil.Process().children() if _SESSION.scratch else []:
        with suppress(psutil.Error):  # it has just ended
            if str(_SESSION.scratch) in " ".join(child.cmdline()):
                processes += [child, *child.children(recursive=True)]
    return processes


def _end(processes: list[psutil.Process]) -> None:
    """Wait until the processes end, then kill those that still run."""
    import psutil

    for process in _wait(processes):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _wait(processes)


def _wait(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Wait until all have ended, or for ten seconds; return those that still run."""
    end = time.monotonic() + _PATIENCE_S
    while (running := [process for process in processes if _is_running(process)]) and time.monotonic() < end:
        time.sleep(0.02)
    return running


def _is_running(process: psutil.Process) -> bool:
    """Whether it runs, and is not a zombie of a parent that does not wait for it (a container's first process)."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
