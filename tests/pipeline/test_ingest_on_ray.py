"""The same catalogue, whether one process embeds it or the actors of a Ray cluster do."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.builders.films import make_film
from tests.builders.homes import Home

pytest.importorskip("ray", reason="Ray is not installed: pip install 'needle[ray]'")


def vectors(home: Home) -> list[dict[str, object]]:
    table = pq.read_table(home.path / "media" / "lake" / "shot_embeddings")
    columns = ["shot_id", "vector_hash", "frames_used", "input_hash"]
    return sorted(table.select(columns).to_pylist(), key=lambda row: str(row["shot_id"]))


@pytest.mark.slow
def test_ray_embeds_the_same_vectors_and_a_second_run_writes_nothing(tmp_path: Path) -> None:
    library = tmp_path / "films"
    library.mkdir()
    make_film(library / "one.mp4", cuts=(40, 90), frames=130)
    make_film(library / "two.mkv", cuts=(30, 70, 100), frames=140, fps=25, seed=1)
    here, there = Home(tmp_path / "here"), Home(tmp_path / "there")
    here.run("ingest", str(library))
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as scratch:
        told = there.json("ingest", str(library), NEEDLE_ENGINE="ray", TMPDIR=scratch)
        assert not list(Path(scratch).glob("needle-ray-*"))
    assert told["shots"] == 7 and len(vectors(there)) == 7
    assert vectors(there) == vectors(here)
    assert there.json("status")["index_version"] == here.json("status")["index_version"]
    before = there.files()
    assert there.json("ingest", str(library), NEEDLE_ENGINE="ray")["up_to_date"]
    assert there.files() == before
