"""The loss against a reference of five lines; parts and workers against the whole batch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.multiprocessing.spawn import spawn

from ops.core.errors import UsageError
from ops.embeddings.encoders.open_clip import load_tower
from ops.training.distributed import sum_gradients
from ops.training.examples import Batch, BatchChoice, InMemory
from ops.training.loss import backward_loss, compute_infonce, compute_infonce_share
from ops.training.model import DualEncoder, build_clip_model
from ops.training.recipes import build_recipe
from tests.builders.training import examples, model


def test_the_loss_is_the_mean_of_both_cross_entropies() -> None:
    image, text = (np.random.default_rng(seed).normal(size=(6, 4)) for seed in (1, 2))
    logits = 3.0 * image @ text.T
    rows = -np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).diagonal().mean()
    columns = -np.log(np.exp(logits) / np.exp(logits).sum(axis=0, keepdims=True)).diagonal().mean()
    found = compute_infonce(torch.from_numpy(image), torch.from_numpy(text), torch.tensor(3.0))
    assert found.item() == pytest.approx((rows + columns) / 2)


@pytest.mark.parametrize("keys", [[[0, 0], [1, 1], [2, 0], [1, 3]], [[0, 0], [1, 1], [2, 2], [3, 3]]])
def test_pairs_with_the_same_image_or_text_are_not_each_others_negatives(keys: list[list[int]]) -> None:
    image, text = (torch.from_numpy(np.random.default_rng(seed).normal(size=(4, 3))) for seed in (1, 2))
    logits = 3.0 * image @ text.T
    rows, columns = [], []
    for i, own in enumerate(keys):
        others = [j for j, each in enumerate(keys) if j == i or not (own[0] == each[0] or own[1] == each[1])]
        rows.append(torch.logsumexp(logits[i, others], 0) - logits[i, i])
        columns.append(torch.logsumexp(logits[others, i], 0) - logits[i, i])
    found = compute_infonce(image, text, torch.tensor(3.0), torch.tensor(keys))
    assert found.item() == pytest.approx(float(torch.stack(rows + columns).mean()))


def test_examples_know_equal_images_and_texts_whatever_the_view() -> None:
    pairs = examples()
    pairs.frames_NVTX[3] = pairs.frames_NVTX[7]
    again = InMemory(pairs.frames_NVTX, pairs.mask_NT, torch.ones_like(pairs.text_CX), list(range(0, 49, 2)))
    choice = BatchChoice(rows=torch.arange(24), views=torch.arange(24) % 2, captions=torch.zeros(24, dtype=torch.long))
    keys = next(again.batches([choice])).keys_B2
    assert keys is not None and len(keys[:, 1].unique()) == 1
    assert len(keys[:, 0].unique()) == 23 and keys[3, 0] == keys[7, 0]


def a_batch() -> Batch:
    torch.manual_seed(4)
    pairs = examples()
    return next(pairs.batches([pairs.choose(torch.arange(16))]))


def reference(fitted: DualEncoder, batch: Batch) -> torch.Tensor:
    """Plain backpropagation through the whole batch."""
    image, text = fitted.encode(batch)
    loss = compute_infonce(image, text, fitted.log_scale.exp())
    loss.backward()
    return loss


def gradients(fitted: DualEncoder) -> dict[str, torch.Tensor]:
    return {name: own.grad.clone() for name, own in fitted.named_parameters() if own.grad is not None}


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert set(found) == set(wanted)
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-5, msg=name)
    assert max(gradient.abs().max() for gradient in wanted.values()) > 1e-3, "there is something to compare"


@pytest.mark.parametrize("size", [0, 16, 5, 1])
def test_parts_give_the_gradients_of_the_whole_batch(size: int) -> None:
    whole, cut = model(drop=0.0), model(drop=0.0)
    torch.nn.init.normal_(whole.temporal.widen.weight, std=0.1)  # type: ignore[union-attr]  # not zero: all of the head takes part
    cut.load_state_dict(whole.state_dict())
    batch = a_batch()
    wanted = reference(whole, batch)
    found = backward_loss(cut.encode, batch.parts(size), cut.log_scale, autocast=nullcontext)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert_same(gradients(cut), gradients(whole))


@pytest.mark.parametrize("size", [0, 5])
def test_rows_that_are_not_usable_are_as_if_they_were_not_there(size: int) -> None:
    whole, cut = model(drop=0.0), model(drop=0.0)
    batch, usable = a_batch(), torch.arange(16) % 3 != 1
    wanted = reference(whole, batch._map(lambda tensor: tensor[usable]))
    found = backward_loss(cut.encode, batch.parts(size), cut.log_scale, autocast=nullcontext, usable_B=usable)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert_same(gradients(cut), gradients(whole))


def test_gradients_in_bf16_are_those_of_full_precision_to_two_percent() -> None:
    """bf16 keeps 8 bits, a rounding error of 0.4 % in each product; over a whole gradient it is measured as a norm."""
    full, mixed = (model(drop=0.0, temporal=False) for _ in range(2))
    batch = a_batch()
    wanted = backward_loss(full.encode, batch.parts(0), full.log_scale, autocast=nullcontext)
    bf16 = partial(torch.autocast, "cpu", torch.bfloat16)
    found = backward_loss(mixed.encode, batch.parts(0), mixed.log_scale, autocast=bf16)
    assert found.item() == pytest.approx(wanted.item(), rel=0.02)
    exact = gradients(full)
    for name, gradient in gradients(mixed).items():
        assert gradient.dtype == torch.float32
        assert (gradient - exact[name]).norm() <= 0.02 * exact[name].norm(), name
    assert any(not torch.equal(gradient, exact[name]) for name, gradient in gradients(mixed).items()), "bf16 took part"


def test_a_part_sees_the_same_dropout_twice() -> None:
    """Gradients of two runs of a part with other dropout would not be those of any loss: found by differences."""
    fitted = model(drop=0.4, temporal=False)
    parts = a_batch().parts(8)

    def loss() -> torch.Tensor:
        torch.manual_seed(7)
        fitted.zero_grad()
        return backward_loss(fitted.encode, parts, fitted.log_scale, autocast=nullcontext)

    fitted.double()
    parts = [part._map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor) for part in parts]
    weight = fitted.image.linear.weight  # type: ignore[union-attr]
    loss()
    slope = float(weight.grad[2, 3])  # type: ignore[union-attr,index]
    values = []
    for shift in (1e-2, -1e-2):
        with torch.no_grad():
            weight[2, 3] += shift  # type: ignore[index,operator]
        values.append(loss().item())
        with torch.no_grad():
            weight[2, 3] -= shift  # type: ignore[index,operator]
    assert (values[0] - values[1]) / 2e-2 == pytest.approx(slope, rel=2e-2, abs=1e-5)


def test_what_is_locked_gets_no_gradient() -> None:
    fitted = model()
    fitted.text.requires_grad_(False)
    backward_loss(fitted.encode, a_batch().parts(8), fitted.log_scale, autocast=nullcontext)
    found = gradients(fitted)
    assert not any(name.startswith("text") for name in found)
    assert any(name.startswith("image") for name in found) and "log_scale" in found


USABLE = torch.arange(16) % 5 != 1
KEYS = torch.stack([torch.arange(16) // 3, torch.arange(16) % 7], dim=1)


def _worker(rank: int, world: int, folder: str, size: int) -> None:
    import torch.distributed as distributed

    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    fitted = model(drop=0.0)
    share = 16 // world
    own = a_batch()._map(lambda tensor: tensor[rank * share : (rank + 1) * share])
    loss = backward_loss(fitted.encode, own.parts(size), fitted.log_scale, autocast=nullcontext)
    sum_gradients(fitted.learning())
    found: dict[str, Any] = {"loss": loss, "gradients": gradients(fitted)}
    fitted.zero_grad()
    masked = backward_loss(
        fitted.encode, own.parts(size), fitted.log_scale, autocast=nullcontext, usable_B=USABLE, keys_B2=KEYS
    )
    sum_gradients(fitted.learning())
    found |= {"masked": masked, "masked_gradients": gradients(fitted)}
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def spawned(work: Callable[..., Any], *arguments: Any) -> None:
    spawn(work, args=(2, *arguments), nprocs=2, join=True)


@pytest.mark.parametrize("size", [0, 4])
def test_two_workers_give_the_loss_and_gradients_of_one(tmp_path: Path, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spawned(_worker, folder, size)
        found = [torch.load(f"{folder}/{rank}.pt") for rank in (0, 1)]
    one = model(drop=0.0)
    wanted = reference(one, a_batch())
    for worker in found:
        assert worker["loss"].item() == pytest.approx(wanted.item(), rel=1e-6)
        assert_same(worker["gradients"], gradients(one))
    masked = model(drop=0.0)
    batch = a_batch()
    image, text = masked.encode(batch)
    loss = compute_infonce(image[USABLE], text[USABLE], masked.log_scale.exp(), KEYS[USABLE])
    loss.backward()
    for worker in found:
        assert worker["masked"].item() == pytest.approx(loss.item(), rel=1e-6)
        assert_same(worker["masked_gradients"], gradients(masked))


def test_shares_of_the_rows_add_up_to_the_loss_and_keep_no_square_of_the_batch() -> None:
    torch.manual_seed(0)
    image, text = (torch.nn.functional.normalize(torch.randn(12, 4), dim=1).requires_grad_() for _ in range(2))
    keys = torch.stack([torch.arange(12) // 2, torch.arange(12)], dim=1)
    whole = compute_infonce(image, text, torch.tensor(3.0), keys)
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        shares = [
            compute_infonce_share(image, text, torch.tensor(3.0), slice(start, start + 4), keys) for start in (0, 4, 8)
        ]
    assert sum(share.item() for share in shares) == pytest.approx(whole.item(), rel=1e-6)
    assert max(kept) <= 4 * 12
    assert compute_infonce_share(image, text, torch.tensor(3.0), slice(5, 5)).item() == 0


def test_activations_that_are_computed_again_give_the_same_gradients(tiny_clip: str) -> None:
    """And keep less: the largest part of what a block needs is not stored."""
    found = []
    for recompute in (False, True):
        recipe = build_recipe("full_finetune", base=tiny_clip, recompute=recompute)
        clip, tokenizer, *_ = load_tower(tiny_clip.removeprefix("open_clip:"))
        fitted = build_clip_model(recipe, clip, 32).train()
        torch.manual_seed(1)
        frames = torch.randn(6, 1, 3, 32, 32)
        batch = Batch(
            frames_BTX=frames,
            mask_BT=torch.ones(6, 1, dtype=torch.bool),
            text_BX=tokenizer([f"text {n}" for n in range(6)]),
        )
        kept: list[int] = []

        def keep(tensor: torch.Tensor, into: list[int] = kept) -> torch.Tensor:
            into.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            fitted.encode(batch)
        backward_loss(fitted.encode, [batch], fitted.log_scale, autocast=nullcontext)
        found.append((gradients(fitted), sum(kept)))
    assert_same(found[1][0], found[0][0])
    assert found[1][1] < 0.8 * found[0][1]
    with pytest.raises(UsageError, match="no activations to compute again"):
        build_recipe("adapt", recompute=True)
