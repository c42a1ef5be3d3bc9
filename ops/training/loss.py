"""The contrastive loss, and how one batch becomes gradients, however many parts and workers it is cut into.

The towers of a batch are run part by part; the loss is computed once, over the vectors of all parts of all
workers; its gradient with respect to each vector is then sent back through the part the vector came from. So
the negatives, the loss and the gradients are those of the whole batch (Gao et al., "Scaling deep contrastive
learning batch size under memory limited setup", 2021). Legend: B batch of all workers, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from ops.training.sharing import gathered, rank

Vectors = tuple[torch.Tensor, torch.Tensor]
MAX_SCALE = 100.0
"""Largest inverse temperature, as in CLIP."""


def symmetric_infonce(image_BD: torch.Tensor, text_BD: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of image -> text and text -> image over the batch; rows are unit vectors in pairs."""
    logits_BB = scale * image_BD @ text_BD.T
    own_B = torch.arange(len(logits_BB), device=logits_BB.device)
    return (cross_entropy(logits_BB, own_B) + cross_entropy(logits_BB.T, own_B)) / 2


def backward_loss(
    encode: Callable[[Any], Vectors],
    parts: Sequence[Any],
    log_scale: torch.Tensor,
    *,
    autocast: Callable[[], AbstractContextManager[Any]],
    grow: float = 1.0,
    usable_B: torch.Tensor | None = None,
) -> torch.Tensor:
    """Add the gradients of the whole batch's loss to all parameters; returns the loss, detached.

    ``encode`` runs both towers over one of this worker's ``parts``. With several parts each is run twice, with
    the same random numbers. ``grow`` multiplies gradients (of fp16, against underflow). Rows of the whole batch
    (of all workers) that are not ``usable`` are neither pairs nor negatives, and get no gradient. Where
    torch.distributed runs, every worker computes the same loss of all workers' vectors; tower gradients
    are then those of its own rows, to be summed with ``sharing.sum_gradients``.
    """
    at_once = len(parts) == 1
    randomness = [_random_state() for _ in parts]
    made: list[Vectors] = []
    for number, part in enumerate(parts):
        randomness[number] = _random_state()
        with torch.set_grad_enabled(at_once), autocast():
            made.append(encode(part))
    own = [torch.cat([pair[side].detach().float() for pair in made]) for side in (0, 1)]
    image_BD, text_BD = (gathered(vectors).requires_grad_() for vectors in own)
    pairs = (image_BD, text_BD) if usable_B is None else (image_BD[usable_B], text_BD[usable_B])
    loss = symmetric_infonce(*pairs, log_scale.exp().clamp(max=MAX_SCALE))
    (loss * grow).backward()  # type: ignore[no-untyped-call]
    gradients = [
        torch.split(_own_rows(vectors, len(own[0])), [len(pair[0]) for pair in made]) for vectors in (image_BD, text_BD)
    ]
    for number, part in enumerate(parts):
        again = made[number]
        if not at_once:
            with _replayed(randomness[number]), autocast():
                again = encode(part)
        pulled = zip(again, (gradients[0][number], gradients[1][number]), strict=True)
        learning = [(vectors, gradient.to(vectors.dtype)) for vectors, gradient in pulled if vectors.requires_grad]
        torch.autograd.backward([vectors for vectors, _ in learning], [gradient for _, gradient in learning])
    return loss.detach()


def _own_rows(vectors_BD: torch.Tensor, rows: int) -> torch.Tensor:
    assert vectors_BD.grad is not None
    start = rows * rank()
    return vectors_BD.grad[start : start + rows]


def _random_state() -> tuple[torch.Tensor, list[torch.Tensor]]:
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


class _replayed:  # noqa: N801 - reads as a verb where it is used
    """Random numbers as they were, and afterwards as they are now."""

    def __init__(self, state: tuple[torch.Tensor, list[torch.Tensor]]) -> None:
        self._then = state

    def __enter__(self) -> None:
        self._now = _random_state()
        self._set(self._then)

    def __exit__(self, *_: object) -> None:
        self._set(self._now)

    def _set(self, state: tuple[torch.Tensor, list[torch.Tensor]]) -> None:
        torch.set_rng_state(state[0])
        if state[1]:
            torch.cuda.set_rng_state_all(state[1])
