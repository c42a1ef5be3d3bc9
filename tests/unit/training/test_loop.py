"""The loop: it learns, it repeats itself, it goes on where it was stopped, and it stops where it must."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ops.core.errors import TrainingError
from ops.training.loop import Checkpoint, fit
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
