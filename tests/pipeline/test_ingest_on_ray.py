"""The same catalogue, whether one process embeds it or the actors of a Ray cluster do."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.builders.films import make_film
from tests.builders.homes import CHECKOUT, Home

pytest.importorskip("ray", reason="Ray is not installed: pip install 'needle[ray]'")


def vectors(home: Home) -> list[dict[str, object]]:
    table = pq.read_table(home.path / "media" / "lake" / "shot_embeddings")
    columns = ["shot_id", "vector_hash", "frames_used", "input_hash"]
    return sorted(table.select(columns).to_pylist(), key=lambda row: str(row["shot_id"]))


@pytest.mark.slow
@pytest.mark.timeout(3000)  # many processes of Ray beside other tests on two cores
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


TWO_NODES = """
import json, signal, sys
from contextlib import suppress
from pathlib import Path
import psutil
from ray.cluster_utils import Cluster
from ops.core.settings import load_settings
from ops.embeddings import scaled
from ops.embeddings.embed import EncodingTimes, ShotToEmbed, ShotVector

nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
nodes.add_node(wait=False, num_cpus=1)
nodes.wait_for_nodes(timeout=300)
scaled.BLOCK_SHOTS = 2
settings = load_settings(home=sys.argv[1], encoder="starter", ray_address=nodes.address)
rows = settings.lake.read("shots", settings.lake.list_partitions("shots")).to_pylist()
shots = [
    ShotToEmbed(shot_id=row["shot_id"], proxy_key=row["proxy_uri"], frames=row["end_frame"] - row["start_frame"])
    for row in rows
]
killed, hashes, times = 0, {}, EncodingTimes()
for result in scaled.embed_on_cluster(shots * 6, settings, sys.argv[2], times):
    assert isinstance(result, ShotVector)
    hashes.setdefault(result.shot_id, []).append(result.vector_hash)
    for process in psutil.Process().children(recursive=True) if not killed else ():
        with suppress(psutil.Error):  # it has ended meanwhile
            if "BlockEncoder" in " ".join(process.cmdline()):
                process.send_signal(signal.SIGKILL)
                killed += 1
print(json.dumps({"killed": killed, "hashes": hashes, "busy_s": times.busy_s}))
nodes.shutdown()
"""


@pytest.mark.slow
@pytest.mark.timeout(3000)  # many processes of Ray beside other tests on two cores
def test_two_nodes_embed_every_shot_although_an_encoder_is_killed(tmp_path: Path) -> None:
    library = tmp_path / "films"
    library.mkdir()
    make_film(library / "one.mp4", cuts=(40, 60, 90), frames=130)
    home = Home(tmp_path / "home")
    home.run("ingest", str(library))
    encoder_id = home.json("status")["encoder_id"]
    program = [sys.executable, "-c", TWO_NODES, str(home.path), str(encoder_id)]
    done = subprocess.run(
        program, capture_output=True, text=True, timeout=1200, cwd=CHECKOUT, check=False, env=home.environment()
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["killed"] >= 1 and found["busy_s"] > 0
    assert found["hashes"] == {str(row["shot_id"]): [row["vector_hash"]] * 6 for row in vectors(home)}
