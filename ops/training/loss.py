"""The contrastive loss, and its gradients for a batch that is cut into parts and shared by workers.

The towers run part by part. The loss is computed once, over the vectors of all parts of all workers; the gradient of
each vector then goes back through the part that the vector came from. So negatives, loss and gradients are those of
the whole batch (Gao et al., "Scaling deep contrastive learning batch size under memory limited setup", 2021).
Legend: B batch of all workers, D dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from ops.training.distributed import all_gather, all_reduce, local_rows, rank

Vectors = tuple[torch.Tensor, torch.Tensor]
RandomState = tuple[torch.Tensor, list[torch.Tensor]]
MAX_LOG_SCALE = math.log(100.0)
"""Largest logarithm of the inverse temperature, as in CLIP. The loop clamps the parameter after each step, as open_clip
does. A clamp in the loss would end its gradient: in float32, exp(ln 100) is above 100."""


def compute_infonce(
    image_BD: torch.Tensor, text_BD: torch.Tensor, scale: torch.Tensor, keys_B2: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean cross-entropy of image -> text and text -> image; rows are pairs of unit vectors.

    ``keys_B2`` identify the image and the text of each pair. Pairs that share one are not each other's negatives: the
    caption of one is right for the other.
    """
    logits_BB = scale * image_BD @ text_BD.T
    if keys_B2 is not None:
        same_BB = find_same_pairs(keys_B2).fill_diagonal_(False)
        if same_BB.any():
            logits_BB = logits_BB.masked_fill(same_BB, -math.inf)
    targets_B = torch.arange(len(logits_BB), device=logits_BB.device)
    return (cross_entropy(logits_BB, targets_B) + cross_entropy(logits_BB.T, targets_B)) / 2


def compute_infonce_share(
    image_BD: torch.Tensor,
    text_BD: torch.Tensor,
    scale: torch.Tensor,
    rows: slice,
    keys_B2: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the part of :func:`compute_infonce` that these ``rows`` add: all parts together are the whole loss.

    A worker computes its rows against the columns of all, so memory is divided by the workers.
    """
    if rows == slice(0, len(image_BD)):
        return compute_infonce(image_BD, text_BD, scale, keys_B2)
    targets = torch.arange(rows.start, rows.stop, device=image_BD.device)
    same = None
    if keys_B2 is not None:
        same = find_same_pairs(keys_B2, rows)
        same[torch.arange(len(targets), device=same.device), targets] = False
    parts = []
    for one, other in ((image_BD, text_BD), (text_BD, image_BD)):
        logits = scale * one[rows] @ other.T
        logits = logits if same is None else logits.masked_fill(same, -math.inf)
        parts.append(cross_entropy(logits, targets, reduction="sum"))
    return (parts[0] + parts[1]) / (2 * len(image_BD))


def find_same_pairs(keys_B2: torch.Tensor, rows: slice | None = None) -> torch.Tensor:
    """Return which pairs (B, B) share their image or their text; for some ``rows`` only their lines."""
    rows_keys = keys_B2 if rows is None else keys_B2[rows]
    same = rows_keys[:, None, 0] == keys_B2[None, :, 0]
    return same | (rows_keys[:, None, 1] == keys_B2[None, :, 1])


def backward_loss(
    encode: Callable[[Any], Vectors],
    parts: Sequence[Any],
    log_scale: torch.Tensor,
    *,
    autocast: Callable[[], AbstractContextManager[Any]],
    grow: float = 1.0,
    usable_B: torch.Tensor | None = None,
    keys_B2: torch.Tensor | None = None,
) -> torch.Tensor:
    """Add the gradients of the whole batch's loss to all parameters; return the loss, detached.

    ``encode`` runs both towers over one of this worker's ``parts``; if there are several parts, each runs twice, with
    the same random numbers. ``grow`` multiplies gradients (of fp16, against underflow). Rows of the whole batch
    that are not ``usable`` are neither pairs nor negatives, and get no gradient. ``keys_B2`` of the whole batch as in
    :func:`compute_infonce`. With torch.distributed, every worker computes the loss of its own rows against the columns
    of all workers, and they sum the loss and the gradients of vectors and scale. A worker's tower gradients are those
    of its own rows, to be summed with ``distributed.sum_gradients``.
    """
    at_once = len(parts) == 1
    randomness = [_read_random_state() for _ in parts]
    vectors: list[Vectors] = []
    for number, part in enumerate(parts):
        randomness[number] = _read_random_state()
        with torch.set_grad_enabled(at_once), autocast():
            vectors.append(encode(part))
    local = [torch.cat([pair[side].detach().float() for pair in vectors]) for side in (0, 1)]
    image_BD, text_BD = (all_gather(side).requires_grad_() for side in local)
    usable = slice(None) if usable_B is None else usable_B
    keys = None if keys_B2 is None else keys_B2[usable]
    scale = log_scale.detach().clone().requires_grad_()
    own = local_rows(len(image_BD), usable_B)
    loss = compute_infonce_share(image_BD[usable], text_BD[usable], scale.exp(), own, keys)
    (loss * grow).backward()  # type: ignore[no-untyped-call]
    loss = loss.detach()
    all_reduce(loss, *_list_gradients(image_BD, text_BD, scale))
    if log_scale.requires_grad and scale.grad is not None:
        log_scale.grad = scale.grad if log_scale.grad is None else log_scale.grad + scale.grad
    sizes = [len(pair[0]) for pair in vectors]
    gradients = [torch.split(_compute_local_gradients(side, len(local[0])), sizes) for side in (image_BD, text_BD)]
    for number, part in enumerate(parts):
        again = vectors[number]
        if not at_once:
            with _restore_random_state(randomness[number]), autocast():
                again = encode(part)
        sides = zip(again, (gradients[0][number], gradients[1][number]), strict=True)
        learning = [(side, gradient.to(side.dtype)) for side, gradient in sides if side.requires_grad]
        torch.autograd.backward([side for side, _ in learning], [gradient for _, gradient in learning])
    return loss


def _list_gradients(*tensors: torch.Tensor) -> list[torch.Tensor]:
    for tensor in tensors:
        if tensor.grad is None:
            tensor.grad = torch.zeros_like(tensor)
    return [tensor.grad for tensor in tensors if tensor.grad is not None]


def _compute_local_gradients(vectors_BD: torch.Tensor, rows: int) -> torch.Tensor:
    assert vectors_BD.grad is not None
    start = rows * rank()
    return vectors_BD.grad[start : start + rows]


def _read_random_state() -> RandomState:
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


@contextmanager
def _restore_random_state(state: RandomState) -> Iterator[None]:
    """Use an earlier state of the random numbers within the block, then restore the present one."""
    present = _read_random_state()
    _set_random_state(state)
    try:
        yield
    finally:
        _set_random_state(present)


def _set_random_state(state: RandomState) -> None:
    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])
