"""The loop: it learns, it repeats itself, it goes on where it was stopped, and it stops where it must."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ops.core.errors import TrainingError
from ops.training.checkpoint import Checkpoint
from ops.training.examples import InMemory
from ops.training.loop import _Run, fit
from ops.training.metrics import MetricsLog, StepFigures, read_metrics, summarise_metrics
from ops.training.recipes import Recipe
from tests.builders.training import examples, model
from tests.unit.training.test_loss import spawned

RECIPE = Recipe(name="test", epochs=6, batch=8, learning_rate=1e-2, checkpoint_steps=2)


class StoppedError(Exception):
    """As if the process had been killed."""


def fitted(
    recipe: Recipe = RECIPE, path: Path | None = None, stop: int = 0, seed: int = 0
) -> tuple[dict[str, torch.Tensor], list[float]]:
    own = model(seed)
    torch.manual_seed(seed)

    def on_step(step: int, loss: float) -> None:
        if step == stop:
            raise StoppedError

    checkpoint = Checkpoint(path=path, identity="mine") if path else None
    result = fit(own, examples(), recipe, checkpoint=checkpoint, on_step=on_step)
    return own.state_dict(), result.losses


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_and_the_same_seed_gives_the_same_weights() -> None:
    weights, losses = fitted()
    again, _ = fitted()
    other, _ = fitted(seed=1)
    assert len(losses) == 18 and losses[-1] < 0.6 * losses[0]
    assert same(weights, again) and not same(weights, other)


@pytest.mark.parametrize("stop", [1, 4, 7])
@pytest.mark.parametrize("micro_batch", [0, 3])
def test_a_fit_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, stop: int, micro_batch: int) -> None:
    recipe = replace(RECIPE, micro_batch=micro_batch)
    whole, losses = fitted(recipe)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(StoppedError):
        fitted(recipe, path, stop=stop)
    assert path.exists() == (stop >= 2)
    resumed, both = fitted(recipe, path)
    assert same(whole, resumed) and losses == both
    assert same(whole, fitted(recipe, path)[0]), "a finished fit goes on to nothing"


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    broken = examples()
    own = model()

    def on_step(step: int, loss: float) -> None:
        if step == 3:
            broken.frames_NVTX[:] = float("nan")

    with pytest.raises(TrainingError, match=r"loss is nan at step 4 of 18 .*checkpoint\.pt, of step 2"):
        fit(own, broken, RECIPE, checkpoint=Checkpoint(path=path, identity="mine"), on_step=on_step)
    kept = torch.load(path, weights_only=True)
    assert kept["steps"] == 2 and all(torch.isfinite(value).all() for value in kept["model"].values())


def test_weights_that_are_no_numbers_never_replace_a_checkpoint(tmp_path: Path) -> None:
    """The last step of all breaks them: no loss after it tells."""
    path, own = tmp_path / "checkpoint.pt", model()

    def on_step(step: int, loss: float) -> None:
        if step == 17:
            with torch.no_grad():
                own.log_scale.fill_(-float("inf"))
                own.text.linear.bias.fill_(float("inf"))
                own.text.linear.weight.fill_(0.0)
        if step == 18:
            raise AssertionError("the fit ended well")

    with pytest.raises(TrainingError, match=r"of step 16"):
        fit(own, examples(), RECIPE, checkpoint=Checkpoint(path=path, identity="mine"), on_step=on_step)
    assert torch.load(path, weights_only=True)["steps"] == 16
    after = model()
    run = Checkpoint(path=path, identity="mine")
    broken = replace(RECIPE, checkpoint_steps=100)

    def at_the_end(step: int, loss: float) -> None:
        if step == 18:
            after.log_scale.data.fill_(float("nan"))

    with pytest.raises(TrainingError, match=r"a weight is NaN or infinite at step 18 of 18 .*of step 16"):
        fit(after, examples(), broken, checkpoint=run, on_step=at_the_end)
    assert torch.load(path, weights_only=True)["steps"] == 16


def test_a_checkpoint_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    fitted(path=path)
    before = path.read_bytes()
    for identity, width, reason in (("yours", True, "another recipe"), ("mine", False, "another model")):
        with pytest.raises(TrainingError, match=reason):
            fit(model(temporal=width), examples(), RECIPE, checkpoint=Checkpoint(path=path, identity=identity))
    assert path.read_bytes() == before
    for content in (b"", b"no checkpoint", before[:100]):
        path.write_bytes(content)
        with pytest.raises(TrainingError, match="cannot be read"):
            fitted(path=path)
        assert path.read_bytes() == content


def test_bf16_learns_too() -> None:
    _, losses = fitted(replace(RECIPE, precision="bf16"))
    assert losses[-1] < 0.7 * losses[0]


def test_fp16_scales_the_loss() -> None:
    """As on CUDA: before, the scaler had no factor and an assertion of torch ended the fit."""
    _, losses = fitted(replace(RECIPE, precision="fp16"))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gradient_that_is_nan_reaches_no_weight(precision: str) -> None:
    own = model()
    own.text.linear.weight.register_hook(lambda gradient: gradient * (float("nan") if armed else 1.0))  # type: ignore[union-attr,operator]
    armed: list[int] = []

    def on_step(step: int, loss: float) -> None:
        if step == 2:
            armed.append(step)

    with pytest.raises(TrainingError, match="a gradient is NaN or infinite at step 3 of 18"):
        fit(own, examples(), replace(RECIPE, precision=precision), on_step=on_step)  # type: ignore[arg-type]
    assert all(bool(value.isfinite().all()) for value in own.state_dict().values())


@pytest.mark.parametrize("start", [math.log(100), math.log(99), 4.8])
def test_the_temperature_learns_from_where_clip_ends(start: float) -> None:
    """exp(ln 100) is above 100 in float32: a clamp in the loss left it there for ever."""
    own = model()
    with torch.no_grad():
        own.log_scale.fill_(start)
    before = min(start, math.log(100))
    fit(own, examples(), replace(RECIPE, epochs=2))
    assert own.log_scale.item() < before - 1e-3
    with torch.no_grad():
        own.log_scale.fill_(-3.0)
    fit(own, examples(), replace(RECIPE, epochs=1))
    assert 0 <= own.log_scale.item() <= math.log(100) + 1e-6


def test_pairs_that_do_not_differ_are_refused() -> None:
    same = examples()
    same.frames_NVTX[:] = same.frames_NVTX[:1]
    equal = InMemory(same.frames_NVTX, same.mask_NT, same.text_CX, list(range(0, 49, 2)))
    with pytest.raises(TrainingError, match="up to step 3 of 18, share their picture or their caption"):
        fit(model(), equal, RECIPE)
    fit(model(), equal, replace(RECIPE, as_shipped=True))


class _Normalised(torch.nn.Module):
    """An image tower with batch normalisation, which has seen other data before."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = torch.nn.Linear(12, 8), torch.nn.BatchNorm1d(8)
        self.norm.running_mean += 0.3
        self.norm.running_var *= 2.0

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.norm(self.linear(frames)), dim=1)


def test_parts_change_nothing_with_batch_normalisation() -> None:
    results = []
    for micro_batch in (0, 4):
        own = model(drop=0.0, temporal=False)
        torch.manual_seed(5)
        own.image = _Normalised()
        before = own.image.norm.running_mean.clone()
        torch.manual_seed(0)
        losses = fit(own, examples(), replace(RECIPE, micro_batch=micro_batch)).losses
        assert torch.equal(own.image.norm.running_mean, before) and len(own.list_batch_norms()) == 1
        results.append((losses, own.state_dict()))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-4)
    for name, value in results[0][1].items():
        torch.testing.assert_close(results[1][1][name], value, atol=1e-3, rtol=1e-3)


def test_only_matrices_decay_and_momentum_stays() -> None:
    own = model()
    run = _Run(own, examples(), RECIPE, "cpu", None)
    decay = {id(each): group["weight_decay"] for group in run.optimizer.param_groups for each in group["params"]}
    for name, parameter in own.named_parameters():
        assert decay[id(parameter)] == (RECIPE.weight_decay if parameter.ndim > 1 else 0.0), name
    momenta = set()
    run.optimizer.step()
    for _ in range(17):
        run.schedule.step()
        momenta |= {group["betas"] for group in run.optimizer.param_groups}
    assert momenta == {(0.9, 0.999)}


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 5, 10])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_short_fits_have_a_schedule_too(epochs: int, warmup: float) -> None:
    recipe = replace(RECIPE, epochs=epochs, warmup=warmup, batch=24)
    assert len(fitted(recipe)[1]) == epochs


def _worker(rank: int, world: int, folder: str, recipe: Recipe) -> None:
    import torch.distributed as distributed

    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    own = model(drop=0.0, temporal=False)
    torch.manual_seed(0)
    losses = fit(own, examples(), recipe).losses
    torch.save({"losses": losses, "model": own.state_dict()}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_workers_fit_what_one_fits() -> None:
    """Without the temporal head: its key biases have no gradient but rounding noise, which Adam blows up to steps."""
    recipe = replace(RECIPE, epochs=2)
    with tempfile.TemporaryDirectory() as folder:
        spawned(_worker, folder, recipe)
        found = [torch.load(f"{folder}/{rank}.pt") for rank in (0, 1)]
    own = model(drop=0.0, temporal=False)
    torch.manual_seed(0)
    wanted = fit(own, examples(), recipe).losses
    for worker in found:
        assert worker["losses"] == pytest.approx(wanted, abs=1e-5)
        for name, value in own.state_dict().items():
            torch.testing.assert_close(worker["model"][name], value, atol=2e-5, rtol=1e-4)


def test_figures_of_each_step_are_written_beside_the_checkpoint_and_repeated_ones_replaced(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(StoppedError):
        fitted(path=path, stop=7)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')  # as a process leaves it that is killed
    _, losses = fitted(path=path)
    steps = list(read_metrics(tmp_path))
    assert [each.step for each in steps] == list(range(1, 19))
    assert [each.loss for each in steps] == pytest.approx(losses, abs=1e-5)
    assert all(each.pairs_per_s > 0 and 0 <= each.wait_s <= each.seconds for each in steps)
    assert all(each.gradient_norm > 0 and 1 <= each.scale <= 100 for each in steps)
    assert steps[0].rate < steps[1].rate > steps[-1].rate > 0
    speed = summarise_metrics(tmp_path)
    assert 0 <= speed["wait_share"] <= 1 and speed["last_scale"] == steps[-1].scale
    assert summarise_metrics(tmp_path / "none") == {}


def test_a_long_fit_writes_ten_thousand_lines_at_most(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, 25_000)
    for step in range(1, 301):
        log.write(
            StepFigures(
                step=step, loss=1.0, rate=1.0, scale=1.0, gradient_norm=1.0, pairs_per_s=1.0, seconds=1.0, wait_s=0.5
            )
        )
    log.close()
    assert [each.step for each in read_metrics(tmp_path)] == list(range(3, 301, 3))
