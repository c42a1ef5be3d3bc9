"""Videos in a bucket are cut by the two nodes of a local Ray cluster, as they are cut here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ops.cluster.tasks import run_tasks
from ops.core.errors import ClusterError, MediaError, NeedleError
from ops.core.storage import ObjectStore
from ops.shots import on_cluster
from ops.shots.on_cluster import cut_video, segment_on_cluster
from ops.shots.processes import Segmentation, SegmentJob, segment_videos
from tests.builders.films import make_film

FILMS = 10  # with fewer, one node may have cut all before the other one has begun


@pytest.fixture
def address(bucket: str) -> Iterator[str]:
    """A cluster of two nodes with a CPU each, which find the bucket's server in their environment."""
    ray_cluster = pytest.importorskip("ray.cluster_utils")
    cluster = ray_cluster.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(wait=False, num_cpus=1)
    cluster.wait_for_nodes(timeout=300)
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


@pytest.fixture
def jobs(bucket: str, tmp_path: Path) -> list[SegmentJob]:
    """Films in the bucket, the last of which is no video."""
    import s3fs

    files = s3fs.S3FileSystem()
    for number in range(FILMS):
        film = make_film(tmp_path / f"{number}.mp4", cuts=(20, 45 + number), frames=70, seed=number)
        files.put_file(str(film.path), f"{bucket}/films/{number}.mp4")
    files.pipe_file(f"{bucket}/films/broken.mp4", b"not a film")
    names = [*map(str, range(FILMS)), "broken"]
    return [
        SegmentJob(
            path=f"{bucket}/films/{name}.mp4",
            video_id=f"{number:016x}",
            frames=70,
            store=ObjectStore(f"{bucket}/store"),
            detector="adaptive",
            scratch=tmp_path / "only here",
        )
        for number, name in enumerate(names)
    ]


def test_films_of_a_bucket_are_cut_on_two_nodes(
    jobs: list[SegmentJob],
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nodes: set[str] = set()

    def note_nodes(*arguments: object, **options: object) -> Iterator[object]:
        for result in run_tasks(*arguments, **options):  # type: ignore[arg-type]
            nodes.add(result.node)
            yield result

    monkeypatch.setattr(on_cluster, "run_tasks", note_nodes)
    progress: dict[str, int] = {}
    results = {
        job.video_id: outcome for job, outcome in segment_on_cluster(jobs, address, on_progress=progress.__setitem__)
    }
    assert len(nodes) == 2
    assert isinstance(results[jobs[-1].video_id], MediaError)
    assert progress == {job.video_id: 70 for job in jobs[:-1]}
    store = jobs[0].store
    keys = set(store.list("proxies")) | set(store.list("posters"))
    assert len(keys) == 2 * 3 * FILMS and not (tmp_path / "only here").exists()

    here = [replace(job, store=ObjectStore(str(tmp_path / "store"))) for job in jobs[:-1]]
    for job, expected in segment_videos(here, 2):
        assert results[job.video_id] == expected
    assert set(here[0].store.list("proxies")) | set(here[0].store.list("posters")) == keys

    # What only this machine has ends the run, instead of setting videos aside.
    missing = replace(jobs[0], path=str(tmp_path / "elsewhere.mp4"))
    with pytest.raises(ClusterError, match=r"has no .*elsewhere\.mp4: keep the library in a bucket"):
        list(segment_on_cluster([missing], address))


def test_errors_of_a_node_are_returned(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", cuts=(20,), frames=40)
    store = tmp_path / "store"
    job = SegmentJob(
        path=str(film.path), video_id="0" * 16, frames=40, store=ObjectStore(str(store)), scratch=tmp_path / "none"
    )
    assert isinstance(cut_video(replace(job, path=str(tmp_path / "gone.mp4")), 1), ClusterError)
    assert isinstance(cut_video(job, 1), Segmentation)
    other = replace(job, store=ObjectStore(str(film.path) + "/not a folder"))
    assert isinstance(cut_video(other, 1), NeedleError)
