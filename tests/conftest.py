"""Shared fixtures: homes that go away, the generated films, and the real data beside the checkout."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Read when numpy, scipy and torch are loaded, so it stands before their imports. If several processes want the cores,
# threads of OpenBLAS and OpenMP wait for each other busily: a fit of the tests' small models takes 30 times its CPU
# with two of them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings as hypothesis_settings

from ops.core.child_processes import preload_in_children
from ops.core.settings import Settings, load_settings

SHARED = Path(__file__).resolve().parents[2] / "shared"

# A slow example on a busy machine says nothing of the code, and a run of the suite is to say the same each time.
# `pytest --hypothesis-profile search` looks for new examples.
hypothesis_settings.register_profile("needle", deadline=None, derandomize=True, database=None)
hypothesis_settings.register_profile("search", deadline=None)
hypothesis_settings.load_profile("needle")


# The server that forks children imports them once, when it starts; a module that it lacks is imported by each
# child, for up to 1.3 CPU seconds. A test compares them with the steps of the pipeline.
CHILD_MODULES = ("ops.shots.processes", "ops.videos.probe_process", "ops.dialogue.sources", "ops.sound.measure")
preload_in_children(CHILD_MODULES)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getvalue("dist") != "load":
        return None  # somebody asked for another way
    from tests.workers import WholeFiles

    config.option.loadscopereorder = False  # the order is that of the collection below
    return WholeFiles(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        from tests.workers import longest_first

        longest_first(items)
    if SHARED.is_dir():
        return
    skip = pytest.mark.skip(reason=f"needs the real data in {SHARED}")
    for item in items:
        if "shared" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def footage() -> Path:
    """Folder of real, annotated films; use with ``@pytest.mark.shared``."""
    return SHARED / "footage"


@pytest.fixture(scope="session")
def cases() -> Path:
    """Folder of awkward inputs with known results; use with ``@pytest.mark.shared``."""
    return SHARED / "cases"


@pytest.fixture(scope="session")
def captions() -> Path:
    """Folder of captioned photographs; use with ``@pytest.mark.shared``."""
    return SHARED / "captions"


@pytest.fixture(scope="session", autouse=True)
def _shared_films(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Encode each generated film once a run, for all workers."""
    from tests.builders import films

    base = tmp_path_factory.getbasetemp()
    films.kept_films = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "films"
    films.kept_films.mkdir(exist_ok=True)
    yield
    films.kept_films = None


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path, filled_homes: Path) -> Settings:
    """Settings for a home of the test's own, filled as the mark ``home`` says."""
    return _make_home(request.node.get_closest_marker("home"), tmp_path, filled_homes)


@pytest.fixture(scope="module")
def module_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, filled_homes: Path
) -> Settings:
    """Settings for a home that the tests of the module share, filled as the module's mark ``home`` says."""
    return _make_home(request.node.get_closest_marker("home"), tmp_path_factory.mktemp("module"), filled_homes)


@pytest.fixture(scope="session")
def filled_homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of homes that are filled once and copied."""
    return tmp_path_factory.mktemp("filled")


def _make_home(mark: pytest.Mark | None, folder: Path, filled_homes: Path) -> Settings:
    """``fill`` of the mark is called with the settings. An option of the mark that is a ``Path`` is beside the home."""
    options = dict(mark.kwargs) if mark else {}
    fill = options.pop("fill", None)
    options = {name: str(folder / value) if isinstance(value, Path) else value for name, value in options.items()}
    settings = load_settings(home=folder / "home", **options)
    if fill:
        from tests.builders.filled import fill_home

        fill_home(fill, settings, options, filled_homes)
    return settings


OURS = ("NEEDLE_", "DAGSTER_")


def pytest_configure() -> None:
    """No setting of who runs the tests, nor of one test for the fixtures of the next module.

    A script starts what runs in the background with SIGINT ignored; Dagster, once it ran in this process, gives SIGTERM
    the same fate, and with it every process that a test starts, and ends by it.
    """
    _forget_settings()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _clean_environment() -> Iterator[None]:
    _forget_settings()
    yield
    _forget_settings()  # commands that run in this process leave their options to those that they start
    gc.unfreeze()  # and freeze what they leave: indexes and open files would never be collected


def _forget_settings() -> None:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]


@pytest.fixture(autouse=True)
def _no_logged_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A logged ERROR fails the test."""
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors, f"logged errors: {errors}"
