"""The small open_clip model of the training suite, and one exported image tower for all homes of its tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.training.conftest import tiny_clip

__all__ = ["tiny_clip"]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _shared_cache(tmp_path: Path, cache: Path) -> None:
    """Exporting the tower takes seconds; what is kept there is named by what it was made of."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").symlink_to(cache)
