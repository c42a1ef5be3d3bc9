"""A fit on CUDA: each precision learns what the CPU learns, a stopped one resumes, and memory is what options say."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ops.core.errors import TrainingError
from ops.training.checkpoint import Checkpoint
from ops.training.examples import Batch
from ops.training.loop import _Run, fit
from ops.training.model import DualEncoder, build_clip_model
from ops.training.recipes import Recipe, build_recipe
from tests.builders.training import examples, model

RECIPE = Recipe(name="test", epochs=6, batch=8, learning_rate=1e-2, checkpoint_steps=2)
Weights = dict[str, torch.Tensor]


class StoppedError(Exception):
    """As if the process had been killed."""


def fit_small(device: str, recipe: Recipe = RECIPE, path: Path | None = None, stop: int = 0) -> tuple[Weights, Any]:
    own = model(drop=0.0)
    torch.manual_seed(0)

    def on_step(step: int, loss: float) -> None:
        if step == stop:
            raise StoppedError

    checkpoint = Checkpoint(path=path, identity="mine") if path else None
    result = fit(own, examples(), recipe, device=device, checkpoint=checkpoint, on_step=on_step)
    return {name: value.cpu() for name, value in own.state_dict().items()}, result.losses


def test_in_float32_the_losses_are_those_of_the_cpu() -> None:
    recipe = replace(RECIPE, precision="fp32")
    _, losses = fit_small("cuda", recipe)
    _, expected = fit_small("cpu", recipe)
    assert losses == pytest.approx(expected, rel=0.01) and losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("precision", ["auto", "bf16", "fp16"])
@pytest.mark.parametrize("micro_batch", [0, 3])
def test_half_precision_learns_as_much(precision: str, micro_batch: int) -> None:
    weights, losses = fit_small("cuda", replace(RECIPE, precision=precision, micro_batch=micro_batch))
    _, expected = fit_small("cpu", replace(RECIPE, precision="fp32"))
    assert all(bool(value.isfinite().all()) for value in weights.values())
    assert losses[-1] == pytest.approx(expected[-1], rel=0.15)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_fit_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, precision: str) -> None:
    recipe = replace(RECIPE, precision=precision)
    whole, losses = fit_small("cuda", recipe)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(StoppedError):
        fit_small("cuda", recipe, path, stop=7)
    resumed, both = fit_small("cuda", recipe, path)
    assert losses == both and all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_checkpoint_of_a_gpu_is_continued_on_a_cpu(tmp_path: Path) -> None:
    recipe, path = replace(RECIPE, precision="fp32"), tmp_path / "checkpoint.pt"
    with pytest.raises(StoppedError):
        fit_small("cuda", recipe, path, stop=8)
    _, losses = fit_small("cpu", recipe, path)
    _, expected = fit_small("cpu", recipe)
    assert len(losses) == 18 and losses == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gradient_that_is_no_number_ends_the_fit(precision: str) -> None:
    broken, own = examples(), model()

    def on_step(step: int, loss: float) -> None:
        if step == 3:
            broken.frames_NVTX[:] = math.nan

    with pytest.raises(TrainingError, match="step 4 of 18"):
        fit(own, broken, replace(RECIPE, precision=precision), device="cuda", on_step=on_step)


def test_recomputed_activations_take_less_memory_and_give_the_same_gradients() -> None:
    kept, kept_memory = measure_step(recompute=False)
    again, again_memory = measure_step(recompute=True)
    assert again_memory < 0.7 * kept_memory
    for name, value in kept.items():
        torch.testing.assert_close(again[name], value, rtol=0.02, atol=1e-5 + 0.02 * float(value.abs().max()))


def measure_step(recompute: bool) -> tuple[Weights, int]:
    """Gradients of one batch of ViT-B-32, and the peak of memory above that of the model."""
    import open_clip

    torch.manual_seed(0)
    recipe = build_recipe("adapt", base="open_clip:ViT-B-32/x", recompute=recompute, precision="bf16", batch=64)
    clip = open_clip.create_model("ViT-B-32")
    own: DualEncoder = build_clip_model(recipe, clip, 512).to("cuda").train()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run = _Run(own, examples(64), recipe, "cuda", None)
    run.step(draw_batch(64).to("cuda"))
    gradients = {name: value.grad.cpu() for name, value in own.named_parameters() if value.grad is not None}
    return gradients, torch.cuda.max_memory_allocated() - before


def draw_batch(pairs: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(
        frames_BTX=torch.randn((pairs, 2, 3, 224, 224), generator=generator),
        mask_BT=torch.ones((pairs, 2), dtype=torch.bool),
        text_BX=torch.randint(1, 49407, (pairs, 77), generator=generator),
    )
