"""Real workers of a real Ray, started by the command line; one of them is killed."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from ops.core.settings import Settings
from tests.builders.ray_workers import PATIENCE_S
from tests.builders.training import fill_captioned

pytestmark = pytest.mark.home(fill=fill_captioned, encoder="starter")

pytest.importorskip("ray", reason="Ray is not installed: pip install 'needle[ray]'")

CHECKOUT = Path(__file__).resolve().parents[3]
STEPS = 60
KILLED_AFTER = 8


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where Ray keeps its files; a short path, because its sockets lie there."""
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as name:
        yield Path(name)


@contextmanager
def command(settings: Settings, scratch: Path, name: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A fit of its own process, which ends with the block, whatever happens in it."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("NEEDLE_", "RAY_"))}
    recipe = ["--recipe", "debug", "--pooling", "mean", "--epochs", str(STEPS // 2), "--learning-rate", "0.003"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "train", *recipe, "--threads", "1", "--name", name, *more],
        cwd=CHECKOUT,
        env={**clean, "NEEDLE_HOME": str(settings.home), "NEEDLE_ENCODER": "starter", "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()  # Ray ends with it
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=2 * PATIENCE_S)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out, err


def steps_of(checkpoint: Path) -> int:
    try:
        return int(torch.load(checkpoint, weights_only=True)["steps"])
    except (FileNotFoundError, RuntimeError, EOFError, pickle.UnpicklingError):
        return 0


def wait_for_step(process: subprocess.Popen[str], checkpoint: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while steps_of(checkpoint) < KILLED_AFTER:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"step {steps_of(checkpoint)}"
        time.sleep(0.05)


def list_below(pid: int) -> dict[psutil.Process, str]:
    """Every process that descends from ``pid``, with its command line."""
    names = {}
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            names[process] = " ".join(process.cmdline())
    return names


def is_running(process: psutil.Process) -> bool:
    """Whether it runs. A process that has ended is listed, as a zombie, until the machine's first process reaps it."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def head_of(settings: Settings, name: str) -> dict[str, np.ndarray]:
    with np.load(settings.home / "encoders" / name / "head.npz", allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files if key.endswith(("weight_FJ", "weight_HJ", "_J"))}


@pytest.mark.slow
@pytest.mark.timeout(3000)  # many processes of Ray beside other tests on two cores
def test_two_workers_train_and_a_killed_one_is_replaced(settings: Settings, scratch: Path) -> None:
    with command(settings, scratch, "here", "--json") as process:
        here = ended(process)[0]
    ray = ("--engine", "ray", "--workers", "2", "--json")
    with command(settings, scratch, "calm", *ray) as process:
        calm = ended(process)[0]
    assert calm.startswith("{") and '"workers": 2' in calm and '"workers": 1' in here

    with command(settings, scratch, "killed", *ray) as process:
        checkpoint = settings.home / "training" / "killed" / "checkpoint.pt"
        wait_for_step(process, checkpoint)
        started = list_below(process.pid)
        next(worker for worker, name in started.items() if "RayTrainWorker" in name).kill()
        killed, told = ended(process)
    assert "a worker was lost after step" in told and killed.startswith("{"), told

    first = head_of(settings, "here")
    assert first and np.abs(first["image_weight_FJ"]).max() > 0
    for name, tolerance in (("calm", 2e-3), ("killed", 2e-3)):
        for key, value in head_of(settings, name).items():
            np.testing.assert_allclose(value, first[key], atol=tolerance, err_msg=f"{name} {key}")
    for key, value in head_of(settings, "killed").items():
        np.testing.assert_allclose(value, head_of(settings, "calm")[key], atol=1e-6, err_msg=key)
    left = [name for process, name in started.items() if is_running(process)]
    assert not left and not list(scratch.glob("needle-ray-*")), left


@pytest.mark.slow
@pytest.mark.timeout(3000)  # as above
def test_a_stopped_fit_of_a_cluster_says_after_which_step_it_goes_on(settings: Settings, scratch: Path) -> None:
    steps = 5 * STEPS  # so that it does not end before it is stopped
    ray = ("--engine", "ray", "--workers", "1", "--json", "--epochs", str(steps // 2))
    checkpoint = settings.home / "training" / "stopped" / "checkpoint.pt"
    with command(settings, scratch, "stopped", *ray) as process:
        wait_for_step(process, checkpoint)
        process.send_signal(signal.SIGINT)
        stopped = process.communicate(timeout=2 * PATIENCE_S)[1]
    reached = steps_of(checkpoint)
    assert process.returncode == 1 and "stopped; run the same command again" in stopped
    assert KILLED_AFTER <= reached < steps
    with command(settings, scratch, "stopped", *ray) as process:
        report = ended(process)[1]
    assert f"the fit goes on after step {reached} of {steps}, from the checkpoint of an earlier run" in report
    assert report.count("goes on after") == 1
