"""An ingest on a full disk names it, and goes on once there is room; `make faults` tries every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders.films import Film
from tests.builders.homes import Home
from tests.faults.disks import Task, find_obstacle, try_disks

LIMITS = (("bytes", 0.4), ("inodes", 0.6))


@pytest.mark.slow
@pytest.mark.skipif(bool(find_obstacle("full disk")), reason=find_obstacle("full disk") or "disks can be mounted")
def test_an_ingest_without_room_loses_and_doubles_nothing(
    library: tuple[Path, dict[str, Film]], tmp_path: Path
) -> None:
    folder, films = library
    home = Home(tmp_path / "begun")
    home.fork("ingest", str(films["two"].path))
    task = Task(begins_with=home, arguments=("ingest", str(folder)), statuses=(3,), library=folder)
    result = try_disks(LIMITS, task, tmp_path / "disks")
    assert not result.faults and (result.killed, result.ended) == (2, 0)
