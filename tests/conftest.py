"""Shared fixtures: homes that go away, the generated films, and the real data beside the checkout."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

SHARED = Path(__file__).resolve().parents[2] / "shared"

# A slow example on a busy machine says nothing of the code.
settings.register_profile("needle", deadline=None)
settings.load_profile("needle")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
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
def captions() -> Path:
    """Folder of captioned photographs; use with ``@pytest.mark.shared``."""
    return SHARED / "captions"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("NEEDLE_", "DAGSTER_")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _no_logged_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A logged ERROR fails the test."""
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors, f"logged errors: {errors}"
