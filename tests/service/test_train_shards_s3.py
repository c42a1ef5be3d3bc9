"""A fit on shards in an object store, against an S3 server on loopback."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path

import pytest
import s3fs

from ops.core.errors import UsageError
from ops.core.settings import load_settings
from ops.core.types import SilentProgress
from ops.training.metrics import read_metrics
from ops.training.recipes import build_recipe
from ops.training.train import train
from tests.builders.homes import Home
from tests.builders.ray_workers import finish, list_workers, start_command, wait_for_workers
from tests.builders.shards import make_clips, make_images, write_shard
from tests.builders.training import NOW


def test_clips_of_a_bucket_are_streamed(bucket: str, tmp_path: Path) -> None:
    store = s3fs.S3FileSystem()
    for number in range(3):
        path = write_shard(tmp_path / f"web-{number:03d}.tar", make_clips(3 * number, 3))
        store.put_file(str(path), f"{bucket}/sets/clips/{path.name}")
    store.put_file(str(write_shard(tmp_path / "p_val.tar", make_images(0, 4))), f"{bucket}/sets/clips/p_val.tar")
    settings = load_settings(home=tmp_path / "home", encoder="starter")
    recipe = build_recipe("debug", pooling="mean", epochs=1)
    made = train(settings, recipe, [f"{bucket}/sets/clips"], NOW, SilentProgress(), name="remote", threads=1)
    assert made.lineage["steps"] == 2 and made.lineage["validation"]["pairs"] == 4
    braces = train(
        settings, recipe, [f"{bucket}/sets/clips/web-{{000..002}}.tar"], NOW, SilentProgress(), name="same", threads=1
    )
    assert braces.lineage["pairs_digest"] == made.lineage["pairs_digest"]
    with pytest.raises(UsageError, match="holds no WebDataset shard"):
        train(settings, recipe, [f"{bucket}/sets/none"], NOW, SilentProgress(), name="none", threads=1)
    with pytest.raises(UsageError, match="does not exist"):
        train(settings, recipe, [f"{bucket}/sets/none.tar"], NOW, SilentProgress(), name="none", threads=1)


@pytest.mark.slow
@pytest.mark.timeout(3000)  # many processes of Ray beside other tests on two cores
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes under /proc")
def test_workers_keep_their_checkpoints_in_the_bucket_and_resume_from_it(bucket: str, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'needle[ray]'")
    store = s3fs.S3FileSystem()
    for number in range(2):
        path = write_shard(tmp_path / f"web-{number}.tar", make_images(8 * number, 8))
        store.put_file(str(path), f"{bucket}/sets/{path.name}")
    home = Home(tmp_path / "home")
    recipe = ("--recipe", "debug", "--pooling", "mean", "--epochs", "10", "--threads", "1")
    arguments = ("train", *recipe, "--data", f"{bucket}/sets", "--name", "mine", "--workers", "2", "--json")
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as scratch:
        extra = {"NEEDLE_ENGINE": "ray", "NEEDLE_STORAGE": f"{bucket}/needle", "TMPDIR": scratch}
        with start_command(home, *arguments, **extra) as process:
            wait_for_workers("RayTrainWorker", process, lambda: has_checkpoint(store, f"{bucket}/needle/training/mine"))
            os.kill(min(list_workers("RayTrainWorker")), signal.SIGKILL)
            made = json.loads(finish(process))
    assert made["workers"] == 2 and made["steps"] == 40
    assert [figures.step for figures in read_metrics(home.path / "encoders" / "mine")] == list(range(1, 41))
    assert not store.find(f"{bucket}/needle/training")


def has_checkpoint(store: s3fs.S3FileSystem, prefix: str) -> bool:
    store.invalidate_cache()
    return any(key.endswith("checkpoint.pt") for key in store.find(prefix))
