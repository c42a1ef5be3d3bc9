"""Batches for the loop: features in memory, or frames that stream in.

Legend: N pairs, V views, T frames, C captions of all pairs, B batch; X is a tower's input for one frame or text.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ops.core.errors import MediaError, StorageError
from ops.embeddings.embed import map_ahead
from ops.training.pair_reader import PairReader
from ops.training.pairs import CaptionPair

_BATCHES_AHEAD = 2
_LARGEST_DRAW = 1 << 31
_BLANK = (64, 64, 3)


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchChoice:
    """Rows of one batch (B,), with the view and the caption of each."""

    rows: torch.Tensor
    views: torch.Tensor
    captions: torch.Tensor

    def part(self, start: int, end: int) -> BatchChoice:
        return BatchChoice(rows=self.rows[start:end], views=self.views[start:end], captions=self.captions[start:end])


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """``frames_BTX``, ``mask_BT`` (true for a frame; frames come first), ``text_BX``.

    ``semantic_BTX`` are vectors that join the frames' unchanged; of the starter encoder only. ``usable_B`` is false if
    an image could not be read. That row only fills its place, so that all workers have the same number of rows
    (``None``: all were read). ``keys_B2`` is the same number for the same image, and for the same text.
    """

    frames_BTX: torch.Tensor
    mask_BT: torch.Tensor
    text_BX: torch.Tensor
    semantic_BTX: torch.Tensor | None = None
    usable_B: torch.Tensor | None = None
    keys_B2: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.mask_BT)

    def parts(self, size: int) -> list[Batch]:
        """Split the batch into parts of ``size`` rows; 0 keeps it whole."""
        starts = range(0, len(self), size or len(self))
        return [self._map(lambda tensor, at=start: tensor[at : at + (size or len(self))]) for start in starts]  # type: ignore[misc]

    def to(self, device: str) -> Batch:
        return self if device == "cpu" else self._map(lambda tensor: tensor.pin_memory().to(device, non_blocking=True))

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        return Batch(
            frames_BTX=change(self.frames_BTX),
            mask_BT=change(self.mask_BT),
            text_BX=change(self.text_BX),
            semantic_BTX=None if self.semantic_BTX is None else change(self.semantic_BTX),
            usable_B=None if self.usable_B is None else change(self.usable_B),
            keys_B2=None if self.keys_B2 is None else change(self.keys_B2),
        )


class Examples(Protocol):
    """Pairs as tensors."""

    draws_ahead: bool
    """Whether batches are read ahead: if so, an epoch's choices are drawn at its start."""
    skipped: dict[str, str]
    """Pairs that could not be read at least once, with the reason; grows with the batches if examples stream."""

    def __len__(self) -> int: ...

    def choose(self, rows: torch.Tensor) -> BatchChoice:
        """Draw a view and a caption for each row from torch's random numbers."""
        ...

    def batches(self, choices: Iterable[BatchChoice]) -> Iterator[Batch]:
        """Yield the batches of the choices, in their order."""
        ...


class InMemory:
    """Features of every view and caption, computed by a frozen tower.

    ``frames`` (N, V, T, X), ``mask`` (N, T), ``text`` (C, X) with the captions of pair n at
    ``starts[n]:starts[n + 1]``, ``semantic`` (N, T, X) or ``None``. ``skipped`` names pairs without features.
    """

    draws_ahead = False

    def __init__(
        self,
        frames_NVTX: torch.Tensor,
        mask_NT: torch.Tensor,
        text_CX: torch.Tensor,
        starts: Sequence[int],
        semantic_NTX: torch.Tensor | None = None,
        skipped: Mapping[str, str] | None = None,
    ) -> None:
        self.skipped = dict(skipped or {})
        self.frames_NVTX, self.mask_NT, self.text_CX, self.semantic_NTX = frames_NVTX, mask_NT, text_CX, semantic_NTX
        self.captions = Captions(np.diff(np.asarray(starts)))
        # Of the first view: the others are random crops of the same image.
        self._image_keys_N, self._text_keys_C = hash_rows(frames_NVTX[:, 0]), hash_rows(text_CX)

    def __len__(self) -> int:
        return len(self.frames_NVTX)

    def choose(self, rows: torch.Tensor) -> BatchChoice:
        views = torch.randint(self.frames_NVTX.shape[1], (len(rows),))
        return BatchChoice(rows=rows, views=views, captions=self.captions.draw(rows))

    def batches(self, choices: Iterable[BatchChoice]) -> Iterator[Batch]:
        for choice in choices:
            rows, texts = choice.rows, self.captions.place(choice)
            yield Batch(
                frames_BTX=self.frames_NVTX[rows, choice.views],
                mask_BT=self.mask_NT[rows],
                text_BX=self.text_CX[texts],
                keys_B2=torch.stack([self._image_keys_N[rows], self._text_keys_C[texts]], dim=1),
                semantic_BTX=None if self.semantic_NTX is None else self.semantic_NTX[rows],
            )


class Streamed:
    """Frames that threads read, decode and scale while the model works on earlier batches.

    ``prepare`` turns RGB frames of one size (T, H, W, C) into the image tower's input (T, ...). An image that cannot
    be read (any more) is skipped: its row in the batch is not usable.
    """

    draws_ahead = True

    def __init__(
        self,
        pairs: Sequence[CaptionPair],
        reader: PairReader,
        prepare: Callable[[NDArray[np.uint8]], NDArray[Any]],
        text_CX: torch.Tensor,
        frames: int,
    ) -> None:
        self._pairs, self._reader, self._prepare = pairs, reader, prepare
        self._text_CX, self._frames = text_CX, frames
        self.captions = Captions(np.array([len(pair.captions) for pair in pairs]))
        self._text_keys_C = hash_rows(text_CX)
        self._image_keys: dict[int, int] = {}
        self.skipped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def choose(self, rows: torch.Tensor) -> BatchChoice:
        return BatchChoice(rows=rows, views=torch.zeros_like(rows), captions=self.captions.draw(rows))

    def batches(self, choices: Iterable[BatchChoice]) -> Iterator[Batch]:
        all_choices = list(choices)
        rows = (row for choice in all_choices for row in choice.rows.tolist())
        size = max((len(choice.rows) for choice in all_choices), default=1)
        # As many threads as the model has: several workers of one machine share its cores.
        pool = ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="needle-pairs")
        try:
            ready = map_ahead(pool, self._read_frames, rows, _BATCHES_AHEAD * size)
            for choice in all_choices:
                read = [self._note_reason(row, next(ready)) for row in choice.rows.tolist()]
                yield self._batch(read, choice)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _read_frames(self, row: int) -> NDArray[Any] | str:
        try:
            frames = self._reader.read(self._pairs[row])
        except (MediaError, StorageError) as error:
            return str(error)
        if row not in self._image_keys:
            self._image_keys[row] = _hash_bytes(np.stack(frames))
        return np.concatenate([self._prepare(frame[None]) for frame in frames])

    def _note_reason(self, row: int, read: NDArray[Any] | str) -> NDArray[Any] | None:
        if isinstance(read, str):
            self.skipped[self._pairs[row].thing] = read
            return None
        return read

    def _batch(self, read: list[NDArray[Any] | None], choice: BatchChoice) -> Batch:
        # A black image replaces one that could not be read: towers need shapes and values that work.
        shots = [self._prepare(np.zeros((1, *_BLANK), dtype=np.uint8)) if each is None else each for each in read]
        longest = max(map(len, shots))
        frames = np.zeros((len(shots), longest, *shots[0].shape[1:]), dtype=shots[0].dtype)
        mask = np.zeros((len(shots), longest), dtype=bool)
        for row, shot in enumerate(shots):
            frames[row, : len(shot)], mask[row, : len(shot)] = shot, True
        texts = self.captions.place(choice)
        image_keys = torch.tensor([self._image_keys.get(row, 0) for row in choice.rows.tolist()])
        return Batch(
            frames_BTX=torch.from_numpy(frames),
            mask_BT=torch.from_numpy(mask),
            text_BX=self._text_CX[texts],
            keys_B2=torch.stack([image_keys, self._text_keys_C[texts]], dim=1),
            usable_B=torch.tensor([each is not None for each in read]),
        )


def hash_rows(rows: Iterable[Any]) -> torch.Tensor:
    """Return an int64 for each row, equal for rows of equal bytes."""
    return torch.tensor([_hash_bytes(row) for row in rows], dtype=torch.int64)


def _hash_bytes(array: Any) -> int:
    digest = hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


class Captions:
    """The number of captions of each pair, and their positions among all captions."""

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self._counts = torch.as_tensor(counts, dtype=torch.int64)
        self._starts = torch.cumsum(self._counts, 0) - self._counts
        # One draw below a common multiple serves every count without bias. A bound keeps the multiple in the
        # generator's range; there the bias is below one in a million.
        self._multiple = min(math.lcm(*set(self._counts.tolist())), _LARGEST_DRAW)

    def draw(self, rows: torch.Tensor) -> torch.Tensor:
        """Draw a caption of each row, numbered within the row."""
        return torch.randint(self._multiple, (len(rows),)) % self._counts[rows]

    def place(self, choice: BatchChoice) -> torch.Tensor:
        """Return the positions of the chosen captions among all captions."""
        return self._starts[choice.rows] + choice.captions
