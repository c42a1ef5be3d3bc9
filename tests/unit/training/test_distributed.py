"""Workers of one fit: the same batches whatever their models draw, one checkpoint format, one beginning."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray

from ops.core.errors import TrainingError, UsageError
from ops.core.settings import load_settings
from ops.training.checkpoint import Checkpoint
from ops.training.distributed import rank
from ops.training.examples import Batch, BatchChoice, InMemory, Streamed
from ops.training.loop import fit
from ops.training.model import DualEncoder
from ops.training.pair_reader import PairReader
from ops.training.pairs import CaptionPair, build_image_pair
from ops.training.ray_fit import plan_ray_fit
from ops.training.recipes import Recipe
from tests.builders.training import examples, fill_captioned, jpeg, model
from tests.unit.training.test_loss import spawned

pytestmark = pytest.mark.home(fill=fill_captioned, encoder="starter")

RECIPE = Recipe(name="test", epochs=3, batch=8, learning_rate=1e-2, checkpoint_steps=4)
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


class Drawing(torch.nn.Module):
    """A tower that takes more random numbers in one worker than in the other, as dropout on padded frames does."""

    def __init__(self, tower: torch.nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, features: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        torch.rand(1 + 1000 * rank())
        vectors: torch.Tensor = self.tower(features, *more)
        return vectors


class Watched:
    """Examples that note which rows, views and captions were asked for."""

    def __init__(self, inner: InMemory | Streamed) -> None:
        self.inner, self.asked = inner, []  # type: ignore[var-annotated]
        self.draws_ahead, self.skipped = inner.draws_ahead, inner.skipped

    def __len__(self) -> int:
        return len(self.inner)

    def choose(self, rows: torch.Tensor) -> BatchChoice:
        return self.inner.choose(rows)

    def batches(self, choices: Iterable[BatchChoice]) -> Iterator[Batch]:
        for choice in choices:
            self.asked.append(torch.stack([choice.rows, choice.views, choice.captions]))
            yield from self.inner.batches([choice])


def fitted(
    path: Path | None = None,
    recipe: Recipe = RECIPE,
    own: DualEncoder | None = None,
    inner: InMemory | Streamed | None = None,
) -> dict[str, Any]:
    own = own or model(drop=0.0, temporal=False)
    watched = Watched(inner or examples())
    torch.manual_seed(0)
    checkpoint = Checkpoint(path=path, identity="mine") if path else None
    result = fit(own, watched, recipe, checkpoint=checkpoint)
    return {"losses": result.losses, "model": own.state_dict(), "asked": watched.asked, "aside": result.skipped}


def corners(frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Twelve numbers of each picture."""
    return frames_NHWC[:, :2, :2].reshape(len(frames_NHWC), -1).astype(np.float32) / 255


def streamed(folder: Path) -> Streamed:
    """24 pictures that stream in from a file; three of them cannot be decoded, which differ in what workers see."""
    file, rng = folder / "pictures.parquet", np.random.default_rng(5)
    colours = rng.integers(0, 256, (24, 3)).tolist()
    data = [b"no picture" if n in (3, 4, 17) else jpeg(tuple(colour)) for n, colour in enumerate(colours)]
    if not file.exists():
        pq.write_table(pa.table({"image": data}), file)
    found = [build_image_pair(str(file), str(n), "show", own, [f"picture {n}"]) for n, own in enumerate(data)]
    pairs = [own for own in found if isinstance(own, CaptionPair)]
    text = torch.from_numpy(rng.normal(size=(24, 10))).float()
    return Streamed(pairs, PairReader(load_settings(home=folder / "home"), pairs, 1), corners, text, 1)


def part_way(path: Path) -> None:
    """A checkpoint of the fifth of nine steps."""

    def on_step(step: int, loss: float) -> None:
        if step == 5:
            raise KeyboardInterrupt

    own = model(drop=0.0, temporal=False)
    torch.manual_seed(0)
    checkpoint = Checkpoint(path=path, identity="mine")
    with pytest.raises(KeyboardInterrupt):
        fit(own, examples(), RECIPE, checkpoint=checkpoint, on_step=on_step)


def _worker(number: int, world: int, folder: str) -> None:
    import torch.distributed as distributed

    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=number, world_size=world)
    home = Path(folder)
    found = {"resumed": fitted(home / "here.pt"), "broken": fitted(home / "broken.pt", inner=streamed(home))}
    drawing = model(drop=0.0, temporal=False)
    drawing.image = Drawing(drawing.image)
    found["drawing"] = fitted(own=drawing)
    other = model(seed=number, drop=0.0, temporal=False)
    found["other"] = fitted(own=other)
    part_way(home / "there.pt")
    try:
        fitted(home / ("here.pt" if number == 0 else "none.pt"))
    except TrainingError as error:
        found["apart"] = str(error)  # type: ignore[assignment]
    torch.save(found, f"{folder}/{number}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """What two workers left, and checkpoints: ``here.pt`` of one process, ``there.pt`` of two workers."""
    with tempfile.TemporaryDirectory() as name:
        part_way(Path(name) / "here.pt")
        streamed(Path(name))
        spawned(_worker, name)
        yield Path(name)


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"{number}.pt") for number in (0, 1)]


def assert_close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert set(one) == set(other)
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, **CLOSE)


def test_workers_draw_the_batches_that_one_process_draws(found: list[dict[str, Any]]) -> None:
    alone = fitted()
    assert len(alone["asked"]) == 9
    for step, batch in enumerate(alone["asked"]):
        together = torch.cat([worker["drawing"]["asked"][step] for worker in found], dim=1)
        assert torch.equal(together, batch), step
    for worker in found:
        assert worker["drawing"]["losses"] == pytest.approx(alone["losses"], abs=1e-5)


def test_workers_begin_with_the_first_ones_weights(found: list[dict[str, Any]]) -> None:
    alone = fitted()
    for worker in found:
        assert_close(alone["model"], worker["other"]["model"])
    assert all(
        torch.equal(value, found[1]["other"]["model"][name]) for name, value in found[0]["other"]["model"].items()
    )


def test_workers_leave_out_the_same_pictures_that_one_process_leaves_out(
    found: list[dict[str, Any]], folder: Path
) -> None:
    alone = fitted(inner=streamed(folder))
    assert [thing.rpartition(" ")[2] for thing in sorted(alone["aside"])] == ["17", "3", "4"]
    assert len(alone["losses"]) == 9 and all("cannot be decoded" in reason for reason in alone["aside"].values())
    for worker in found:
        assert worker["broken"]["losses"] == pytest.approx(alone["losses"], abs=1e-5)
        assert_close(alone["model"], worker["broken"]["model"])
        assert worker["broken"]["aside"] == alone["aside"], "each knows what another could not read"
    ended = fitted(folder / "broken.pt", inner=streamed(folder))
    assert not ended["asked"] and ended["aside"] == alone["aside"], "and so does who reads their checkpoint"


def test_what_one_process_began_two_workers_end(found: list[dict[str, Any]]) -> None:
    alone = fitted()
    for worker in found:
        assert len(worker["resumed"]["asked"]) == 5, "steps of the checkpoint are not done again"
        assert worker["resumed"]["losses"] == pytest.approx(alone["losses"], abs=1e-5)
        assert_close(alone["model"], worker["resumed"]["model"])


def test_what_two_workers_began_one_process_ends(folder: Path, tmp_path: Path) -> None:
    alone = fitted()
    shutil.copy(folder / "there.pt", tmp_path / "there.pt")
    ended = fitted(tmp_path / "there.pt")
    assert len(ended["asked"]) == 5
    assert all(torch.equal(*pair) for pair in zip(ended["asked"], alone["asked"][4:], strict=True))
    assert_close(alone["model"], ended["model"])


def test_workers_that_see_different_checkpoints_stop(found: list[dict[str, Any]]) -> None:
    for worker in found:
        assert "steps [0, 9]" in worker["apart"] and "all nodes share" in worker["apart"]


def test_a_batch_that_cannot_be_shared_evenly_is_refused_before_ray_starts() -> None:
    with (
        pytest.raises(UsageError, match=r"batch of 8 .* by 3 workers: --workers 2, or --batch 6"),
        plan_ray_fit("", replace(RECIPE, batch=8), 3, None, None),
    ):
        pass


def test_what_goes_to_a_worker_survives_the_way(settings: Any, tmp_path: Path, tiny_clip: str) -> None:
    """Streaming examples hold open files and locks; the copy must open its own."""
    cloudpickle = pytest.importorskip("ray.cloudpickle", reason="Ray is not installed: pip install 'needle[ray]'")
    from ops.core.types import SilentProgress
    from ops.training.bases import load_base
    from ops.training.pair_reader import PairReader
    from ops.training.pair_table import build_pairs, load_pairs
    from ops.training.recipes import build_recipe
    from tests.unit.training.test_train import NOW

    recipe = build_recipe("debug", base=tiny_clip)
    build_pairs(settings, settings.lake.list_partitions("videos"), NOW, SilentProgress())
    pairs = load_pairs(settings)
    base = load_base(recipe, settings, "cpu", 1)
    with PairReader(settings, pairs, 2) as reader:
        streamed, own = base.read_examples(pairs, reader, SilentProgress()), base.build_model()
        choice = streamed.choose(torch.arange(4))
        (wanted,) = streamed.batches([choice])
        copied, again = cloudpickle.loads(cloudpickle.dumps((streamed, own)))
        (batch,) = copied.batches([choice])
    assert torch.equal(batch.frames_BTX, wanted.frames_BTX) and torch.equal(batch.text_BX, wanted.text_BX)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in own.state_dict().items())
