"""Fitting a head: the loss against a reference, the same bytes twice, and a space that matches what it saw."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ops.core.errors import UsageError
from ops.embeddings.starter.head import load_head
from ops.embeddings.starter.image_tower import ImageTower
from ops.embeddings.starter.text_tower import TextTower
from ops.training.starter_head import (
    CaptionFeatures,
    HeadRecipe,
    caption_ranks,
    extract_features,
    fit_head,
    main,
    symmetric_infonce,
)


def made_up(photographs: int = 64, seed: int = 0) -> CaptionFeatures:
    """Features in which image and captions share a hidden cause, as photographs and captions do."""
    rng = np.random.default_rng(seed)
    world = np.random.default_rng(99)
    cause = rng.normal(size=(photographs, 8))
    image = np.maximum(cause @ world.normal(size=(8, 1280)), 0)
    text = (cause @ world.normal(size=(8, 384)))[:, None] + 0.1 * rng.normal(size=(photographs, 2, 384))
    return CaptionFeatures(
        pooled_VNF=np.stack([image, image * 1.1]).astype(np.float32),
        logits_NK=(cause @ world.normal(size=(8, 1000))).astype(np.float32),
        text_NGH=(text / np.linalg.norm(text, axis=2, keepdims=True)).astype(np.float32),
    )


CLASSES = np.random.default_rng(5).normal(size=(1000, 384)).astype(np.float32)
RECIPE = HeadRecipe(epochs=30, batch=16, joint_dim=16, conse_weight=0.1)


def write_photographs(path: Path, count: int, captions: int = 2) -> None:
    rows = []
    for number in range(count):
        picture = Image.new("RGB", (48, 32), (number * 37 % 256, number * 91 % 256, 60))
        data = io.BytesIO()
        picture.save(data, "JPEG")
        rows.append({"image": data.getvalue(), "captions": [f"picture {number} said {n}" for n in range(captions)]})
    pq.write_table(pa.Table.from_pylist(rows), path)


def test_the_loss_is_the_mean_of_both_cross_entropies() -> None:
    import torch

    image, text = (np.random.default_rng(seed).normal(size=(6, 4)) for seed in (1, 2))
    logits = 3.0 * image @ text.T
    rows = -np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).diagonal().mean()
    columns = -np.log(np.exp(logits) / np.exp(logits).sum(axis=0, keepdims=True)).diagonal().mean()
    found = symmetric_infonce(torch.from_numpy(image), torch.from_numpy(text), torch.tensor(3.0))
    assert found.item() == pytest.approx((rows + columns) / 2)


def test_a_fit_finds_what_image_and_text_share() -> None:
    head = fit_head(made_up(), CLASSES, RECIPE)
    unseen = made_up(seed=1)
    for ranks in caption_ranks(head, unseen):
        assert np.median(ranks) <= 4  # of 64; by chance 32


def test_the_same_fit_gives_the_same_bytes(tmp_path: Path) -> None:
    import torch

    recipe = HeadRecipe(epochs=2, batch=16, joint_dim=8)
    state = torch.random.get_rng_state()
    for name in ("one", "two"):
        fit_head(made_up(), CLASSES, recipe).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert torch.equal(state, torch.random.get_rng_state()), "a fit leaves the caller's randomness alone"


def test_the_program_fits_a_debug_head_from_photographs(tmp_path: Path) -> None:
    for split, count in (("train", 12), ("dev", 4)):
        write_photographs(tmp_path / f"flickr8k_{split}.parquet", count)
    features = tmp_path / "features"
    features.mkdir()
    arguments = ["--captions", str(tmp_path), "--recipe", "debug", "--features", str(features)]
    for name in ("one.npz", "two.npz"):  # the second fit finds the features stored
        assert main([*arguments, "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    head = load_head(tmp_path / "one.npz")
    assert head.dim == 16 + 384
    text_BH = TextTower()(["anything"])
    np.testing.assert_allclose(np.linalg.norm(head.embed_texts(text_BH), axis=1), 1, atol=1e-5)
    check_views(tmp_path / "flickr8k_dev.parquet", features)


def check_views(photographs: Path, exported: Path) -> None:
    """More crops leave the first ones as they are, and no crops means the photograph alone."""
    tower, text = ImageTower(exported, "cpu", 1), TextTower()
    none, one, two = (extract_features(photographs, tower, text, crops=crops, seed=3) for crops in (0, 1, 2))
    assert [found.pooled_VNF.shape[:2] for found in (none, one, two)] == [(1, 4), (3, 4), (4, 4)]
    assert np.array_equal(one.pooled_VNF, two.pooled_VNF[:3])
    assert np.array_equal(none.pooled_VNF[0], two.pooled_VNF[0])
    assert not np.array_equal(two.pooled_VNF[2], two.pooled_VNF[3])


def test_photographs_must_have_equally_many_captions(tmp_path: Path) -> None:
    rows = [{"image": b"", "captions": ["one"]}, {"image": b"", "captions": ["one", "two"]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "uneven.parquet")

    class Unused:
        def __call__(self, *_: object) -> None:
            raise AssertionError("no tower runs over unusable captions")

    with pytest.raises(UsageError, match="same number of captions"):
        extract_features(tmp_path / "uneven.parquet", Unused(), Unused(), crops=0, seed=0)  # type: ignore[arg-type]
