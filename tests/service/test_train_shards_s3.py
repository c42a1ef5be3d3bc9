"""A fit on shards in an object store, against an S3 server on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest
import s3fs

from ops.core.errors import UsageError
from ops.core.settings import load_settings
from ops.core.types import SilentProgress
from ops.training.recipes import build_recipe
from ops.training.train import train
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
