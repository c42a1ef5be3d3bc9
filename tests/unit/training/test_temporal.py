"""The temporal head: the mean at its start, the same in torch and numpy, and blind to padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ops.core.errors import EncoderError
from ops.embeddings.pooling import load_temporal, pool_mean
from ops.training.temporal import TemporalModule

FRAMES = [1, 2, 5, 8, 20]


def shots(dim: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit frame vectors (5, 20, D) with rubbish beyond each shot's own frames, and the mask."""
    frames = torch.nn.functional.normalize(torch.randn(5, 20, dim, generator=torch.Generator().manual_seed(1)), dim=2)
    return frames, torch.arange(20) < torch.tensor(FRAMES)[:, None]


def head(seed: int = 0) -> TemporalModule:
    """A head that is not at its start any more."""
    torch.manual_seed(seed)
    module = TemporalModule(12, 8, 2, 2)
    torch.nn.init.normal_(module.widen.weight, std=0.3)
    torch.nn.init.normal_(module.layers[0].qkv.bias, std=0.5)  # type: ignore[union-attr,arg-type]
    return module.eval()


def test_a_new_head_is_mean_pooling() -> None:
    torch.manual_seed(0)
    module = TemporalModule(12, 8, 2, 1)
    frames, mask = shots()
    found = module(frames, mask)
    for row, own in enumerate(FRAMES):
        wanted = pool_mean(frames[row, :own].numpy())
        np.testing.assert_allclose(found[row].detach().numpy(), wanted, atol=1e-6)
        np.testing.assert_allclose(module.build_head()(frames[row, :own].numpy()), wanted, atol=1e-6)


def test_numpy_computes_what_torch_does(tmp_path: Path) -> None:
    module = head()
    module.build_head().save(tmp_path / "temporal.npz")
    loaded = load_temporal(tmp_path / "temporal.npz", 12)
    frames, mask = shots()
    found = module(frames, mask).detach().numpy()
    for row, own in enumerate(FRAMES):
        np.testing.assert_allclose(loaded(frames[row, :own].numpy()), found[row], atol=1e-5)
        assert not np.allclose(found[row], pool_mean(frames[row, :own].numpy()), atol=1e-3)


def test_it_sees_the_order_of_frames_and_the_mean_does_not() -> None:
    frames = shots()[0][4].numpy()
    fitted = head().build_head()
    assert not np.allclose(fitted(frames), fitted(frames[::-1]), atol=1e-4)
    np.testing.assert_allclose(pool_mean(frames), pool_mean(frames[::-1]), atol=1e-6)


def test_the_same_head_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        head().build_head().save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "temporal.npz"
    module = head()
    module.build_head().save(path)
    with pytest.raises(EncoderError, match="vectors of 13 dimensions"):
        load_temporal(path, 13)
    with torch.no_grad():
        module.position[0, 0] = float("nan")
    module.build_head().save(path)
    with pytest.raises(EncoderError, match="NaN"):
        load_temporal(path, 12)
    np.savez(path, heads=np.asarray(1), other=np.zeros(3))
    with pytest.raises(EncoderError, match="not a temporal head"):
        load_temporal(path, 12)
    path.write_bytes(b"PK no archive")
    with pytest.raises(EncoderError, match="not a temporal head"):
        load_temporal(path, 12)
