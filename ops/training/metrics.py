"""Figures of each step of a fit: JSON lines beside its checkpoint, and TensorBoard's files if it is installed."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from ops.core.storage import write_atomically

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"
_MOST_LINES = 10_000


@dataclass(frozen=True, kw_only=True)
class StepFigures:
    """One step: loss, learning rate, inverse temperature, norm of the gradient, pairs of all workers a second, its
    seconds, and of these the ones until its batch was ready (reading, and frozen towers of pairs that stream in)."""

    step: int
    loss: float
    rate: float
    scale: float
    gradient_norm: float
    pairs_per_s: float
    seconds: float
    wait_s: float


class FitSpeed(TypedDict, total=False):
    """Figures of a whole fit, as numbers of its materialisation: medians, and the share of time without a batch."""

    pairs_per_s: float
    wait_share: float
    last_gradient_norm: float
    last_scale: float


class MetricsLog:
    """Appends the figures of steps; of long fits at most 10,000, at equal distances.

    Lines after ``step``, of steps that are repeated, are removed.
    """

    def __init__(self, folder: Path, step: int, total: int) -> None:
        self._every = -(-total // _MOST_LINES)
        path = folder / METRICS
        lines = [figures for figures in read_metrics(folder) if figures.step <= step]
        with write_atomically(path) as temporary:
            temporary.write_text("".join(f"{_format(figures)}\n" for figures in lines), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._board = _open_tensorboard(folder / TENSORBOARD, step)

    def write(self, figures: StepFigures) -> None:
        if figures.step % self._every:
            return
        self._file.write(f"{_format(figures)}\n")
        if self._board is not None:
            for name, value in asdict(figures).items():
                if name != "step":
                    self._board.add_scalar(name, value, figures.step)

    def close(self) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_metrics(folder: Path) -> Iterator[StepFigures]:
    """Yield the figures of steps that a fit wrote into a folder; a line that was not finished is left out."""
    path = folder / METRICS
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield StepFigures(**json.loads(line))


def summarise_metrics(folder: Path) -> FitSpeed:
    """Return figures of the whole fit; empty if it wrote none."""
    steps = list(read_metrics(folder))
    if not steps:
        return {}
    return {
        "pairs_per_s": round(statistics.median(each.pairs_per_s for each in steps), 2),
        "wait_share": round(sum(each.wait_s for each in steps) / sum(each.seconds for each in steps), 3),
        "last_gradient_norm": steps[-1].gradient_norm,
        "last_scale": steps[-1].scale,
    }


def move_metrics(source: Path, target: Path) -> None:
    """Move the figures of a finished fit into the folder of its encoder."""
    for name in (METRICS, TENSORBOARD):
        if (source / name).exists():
            (source / name).rename(target / name)


def _format(figures: StepFigures) -> str:
    return json.dumps(
        {name: float(f"{value:.6g}") if name != "step" else value for name, value in asdict(figures).items()}
    )


def _open_tensorboard(folder: Path, step: int) -> SummaryWriter | None:
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)
