from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ops.core.child_processes import copy_environment, get_child_context, set_environment
from ops.core.interrupts import hold_back_interrupts
from tests.builders.homes import CHECKOUT

_USES_A_CHILD = """
import time
from ops.core.child_processes import get_child_context

def burn():
    while time.process_time() < 0.5:
        pass

if __name__ == "__main__":
    process = get_child_context().Process(target=burn)
    process.start()
    process.join()
"""


_ENDS_AFTER_ITS_FOLDER = """
import atexit
from multiprocessing import util
from ops.core.child_processes import get_child_context

def nothing():
    pass

if __name__ == "__main__":
    process = get_child_context().Process(target=nothing)
    process.start()
    process.join()
    atexit.register(util._exit_function)  # runs before what was registered earlier
"""


_STARTS_WITH_A_MODULE = """
import sys

def report():
    modules = {"ops.shots.processes", "ops.videos.probe_process", "ops.dialogue.sources"}
    assert modules <= set(sys.modules), sorted(sys.modules)

if __name__ == "__main__":
    from ops.core.child_processes import get_child_context
    from ops.pipeline import list_steps

    list_steps()
    process = get_child_context().Process(target=report)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


def report_environment(environment: dict[str, str], answers: Connection) -> None:
    set_environment(environment)
    answers.send(dict(os.environ))


def test_a_child_has_the_environment_that_its_parent_has_now(monkeypatch: pytest.MonkeyPatch) -> None:
    context = get_child_context()
    for name in ("FIRST", "SECOND"):
        monkeypatch.delenv("FIRST", raising=False)
        monkeypatch.setenv(name, "set")
        answers, theirs = context.Pipe()
        process = context.Process(target=report_environment, args=(copy_environment(), theirs))
        with hold_back_interrupts():
            process.start()
        assert answers.recv() == dict(os.environ)
        process.join()


def test_the_cpu_time_of_children_counts_as_that_of_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_USES_A_CHILD)
    before = os.times()
    subprocess.run([sys.executable, str(script)], check=True, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system > 0.5


def test_children_start_with_the_modules_that_steps_name(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_STARTS_WITH_A_MODULE)
    subprocess.run([sys.executable, str(script)], check=True, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})


def test_the_end_of_the_server_is_silent_if_its_folder_is_gone(tmp_path: Path) -> None:
    """In Dagster's runs multiprocessing ends first."""
    script = tmp_path / "script.py"
    script.write_text(_ENDS_AFTER_ITS_FOLDER)
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
