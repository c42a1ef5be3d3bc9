"""A killed ingest is completed by the next one, and ends with the digest of an undisturbed one."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.films import Film
from tests.pipeline.conftest import Home

KILLS = 10


@pytest.mark.slow
@pytest.mark.xdist_group("killed")
def test_ten_kills_lose_and_double_nothing(
    library: tuple[Path, dict[str, Film]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = str(library[0])
    calm = Home(tmp_path_factory.mktemp("calm"))
    began = time.monotonic()
    calm.run("ingest", folder, expect=3)
    seconds = time.monotonic() - began
    chance = random.Random(20261122)
    disturbed = Home(tmp_path_factory.mktemp("disturbed"))
    statuses = []
    for number in range(KILLS):
        if number == KILLS // 2:  # from the start again, so that late moments are hit early as well
            shutil.rmtree(disturbed.path)
        statuses.append(disturbed.killed("ingest", folder, after=chance.uniform(0.1, 1.0) * seconds))
    assert statuses.count(-9) >= KILLS // 2, "most of the runs must really have been killed"
    disturbed.run("ingest", folder, expect=3)

    assert disturbed.json("status")["index_version"] == calm.json("status")["index_version"]
    for table, key in (("videos", "video_id"), ("shots", "shot_id")):
        ours, theirs = (pq.read_table(home.path / "media" / "lake" / table).to_pandas() for home in (disturbed, calm))
        assert sorted(ours[key]) == sorted(theirs[key])
    proxies = [
        sorted(name for name in home.files() if name.startswith(("media/p", "scratch"))) for home in (disturbed, calm)
    ]
    assert proxies[0] == proxies[1]
    assert not list((disturbed.path / "ingests").glob("*"))
    before = disturbed.files()
    disturbed.run("ingest", folder, expect=3)
    assert disturbed.files() == before
