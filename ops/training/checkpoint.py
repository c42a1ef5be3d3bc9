"""The checkpoint of a fit: everything that decides its next step, in one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

import torch

from ops.core.errors import TrainingError, take_first_sentence
from ops.core.storage import write_atomically


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """``path`` of the file, and ``identity`` (recipe, pairs, base) that a checkpoint must have to be resumed.

    Every worker calls ``on_save`` after each new checkpoint. ``place`` is its name in messages (default: the path).
    """

    path: Path
    identity: str
    on_save: Callable[[], None] | None = None
    place: str = ""

    @property
    def label(self) -> str:
        return self.place or str(self.path)


class CheckpointState(TypedDict):
    """The content of a checkpoint: the state of a run after ``steps`` steps."""

    identity: str
    steps: int
    losses: list[float]
    aside: dict[str, str]
    positions: dict[str, str]
    model: dict[str, torch.Tensor]
    optimizer: Any
    schedule: Any
    scaler: Any
    order: torch.Tensor
    drawn: list[torch.Tensor] | None
    random: torch.Tensor
    random_cuda: list[torch.Tensor]


def write_checkpoint(checkpoint: Checkpoint, state: CheckpointState) -> None:
    """Replace the checkpoint's file."""
    with write_atomically(checkpoint.path) as temporary:
        torch.save(state, temporary)


def read_checkpoint(checkpoint: Checkpoint, device: str) -> CheckpointState:
    """Read the checkpoint. Raises ``TrainingError`` if it cannot be read, or belongs to another fit."""
    import pickle

    try:
        state = torch.load(checkpoint.path, map_location=device, weights_only=True)
        identity = state["identity"]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(
            f"the checkpoint {checkpoint.label} cannot be read ({take_first_sentence(error)}): delete it to start again"
        ) from error
    if identity != checkpoint.identity:
        raise TrainingError(
            f"the checkpoint {checkpoint.label} has another recipe, base or data: choose another --name, or "
            "delete it to start again"
        )
    return cast(CheckpointState, state)
