"""What the loop takes its batches from: features in memory, or frames that stream in.

Legend: N pairs, V views, T frames, C captions of all pairs, B batch; X is what a tower takes of one frame or text.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ops.core.errors import MediaError, StorageError
from ops.embeddings.embed import map_ahead
from ops.training.pairs import CaptionPair
from ops.training.pictures import Pictures

_BATCHES_AHEAD = 2
_LARGEST_DRAW = 1 << 31
_BLANK = (64, 64, 3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Rows of one batch (B,), and the view and the caption that each shows."""

    rows: torch.Tensor
    views: torch.Tensor
    captions: torch.Tensor

    def part(self, start: int, end: int) -> Choice:
        return Choice(rows=self.rows[start:end], views=self.views[start:end], captions=self.captions[start:end])


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """``frames_BTX``, ``mask_BT`` (true where there is a frame, those first), ``text_BX``.

    ``semantic_BTX`` are vectors that join the frames' as they are; of the starter encoder only. ``usable_B`` is false
    where a picture could not be read: that row only keeps its place, so that all workers have as many (``None``: all
    could).
    """

    frames_BTX: torch.Tensor
    mask_BT: torch.Tensor
    text_BX: torch.Tensor
    semantic_BTX: torch.Tensor | None = None
    usable_B: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.mask_BT)

    def parts(self, size: int) -> list[Batch]:
        """The batch in parts of ``size`` rows; whole where that is 0."""
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
        )


class Examples(Protocol):
    """Pairs as tensors."""

    draws_ahead: bool
    """Whether batches are read before they are asked for: then an epoch's choices are drawn at its start."""
    aside: dict[str, str]
    """What could not be read at least once, with the reason; of examples that stream it grows with the batches."""

    def __len__(self) -> int: ...

    def choose(self, rows: torch.Tensor) -> Choice:
        """Draw a view and a caption for each row from torch's random numbers."""
        ...

    def batches(self, choices: Iterable[Choice]) -> Iterator[Batch]:
        """The batches of choices, in their order."""
        ...


class InMemory:
    """Features of every view and caption, as a frozen tower gives them.

    ``frames`` (N, V, T, X), ``mask`` (N, T), ``text`` (C, X) with the captions of pair n at
    ``starts[n]:starts[n + 1]``, ``semantic`` (N, T, X) or ``None``. ``aside`` tells of which pairs there are none.
    """

    draws_ahead = False

    def __init__(
        self,
        frames_NVTX: torch.Tensor,
        mask_NT: torch.Tensor,
        text_CX: torch.Tensor,
        starts: Sequence[int],
        semantic_NTX: torch.Tensor | None = None,
        aside: Mapping[str, str] | None = None,
    ) -> None:
        self.aside = dict(aside or {})
        self.frames_NVTX, self.mask_NT, self.text_CX, self.semantic_NTX = frames_NVTX, mask_NT, text_CX, semantic_NTX
        self.captions = Captions(np.diff(np.asarray(starts)))

    def __len__(self) -> int:
        return len(self.frames_NVTX)

    def choose(self, rows: torch.Tensor) -> Choice:
        views = torch.randint(self.frames_NVTX.shape[1], (len(rows),))
        return Choice(rows=rows, views=views, captions=self.captions.draw(rows))

    def batches(self, choices: Iterable[Choice]) -> Iterator[Batch]:
        for choice in choices:
            rows = choice.rows
            yield Batch(
                frames_BTX=self.frames_NVTX[rows, choice.views],
                mask_BT=self.mask_NT[rows],
                text_BX=self.text_CX[self.captions.place(choice)],
                semantic_BTX=None if self.semantic_NTX is None else self.semantic_NTX[rows],
            )


class Streamed:
    """Frames that are read, decoded and scaled by threads while the model works on the batches before.

    ``prepare`` turns RGB frames of one size (T, H, W, C) into what the image tower takes (T, ...). A picture that
    cannot be read, or not any more, is set aside: in its batch it is no usable row.
    """

    draws_ahead = True

    def __init__(
        self,
        pairs: Sequence[CaptionPair],
        pictures: Pictures,
        prepare: Callable[[NDArray[np.uint8]], NDArray[Any]],
        text_CX: torch.Tensor,
        frames: int,
    ) -> None:
        self._pairs, self._pictures, self._prepare = pairs, pictures, prepare
        self._text_CX, self._frames = text_CX, frames
        self.captions = Captions(np.array([len(pair.captions) for pair in pairs]))
        self.aside: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def choose(self, rows: torch.Tensor) -> Choice:
        return Choice(rows=rows, views=torch.zeros_like(rows), captions=self.captions.draw(rows))

    def batches(self, choices: Iterable[Choice]) -> Iterator[Batch]:
        listed = list(choices)
        rows = (row for choice in listed for row in choice.rows.tolist())
        size = max((len(choice.rows) for choice in listed), default=1)
        pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="needle-pairs")
        try:
            ready = map_ahead(pool, self._frames_of, rows, _BATCHES_AHEAD * size)
            for choice in listed:
                read = [self._noted(row, next(ready)) for row in choice.rows.tolist()]
                yield self._batch(read, choice)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _frames_of(self, row: int) -> NDArray[Any] | str:
        try:
            frames = self._pictures.frames_of(self._pairs[row])
        except (MediaError, StorageError) as error:
            return str(error)
        return np.concatenate([self._prepare(frame[None]) for frame in frames])

    def _noted(self, row: int, read: NDArray[Any] | str) -> NDArray[Any] | None:
        if isinstance(read, str):
            self.aside[self._pairs[row].thing] = read
            return None
        return read

    def _batch(self, read: list[NDArray[Any] | None], choice: Choice) -> Batch:
        # A black picture in the place of one that is missing: towers get shapes and numbers they can work with.
        shown = [self._prepare(np.zeros((1, *_BLANK), dtype=np.uint8)) if own is None else own for own in read]
        longest = max(map(len, shown))
        frames = np.zeros((len(shown), longest, *shown[0].shape[1:]), dtype=shown[0].dtype)
        mask = np.zeros((len(shown), longest), dtype=bool)
        for row, own in enumerate(shown):
            frames[row, : len(own)], mask[row, : len(own)] = own, True
        return Batch(
            frames_BTX=torch.from_numpy(frames),
            mask_BT=torch.from_numpy(mask),
            text_BX=self._text_CX[self.captions.place(choice)],
            usable_B=torch.tensor([own is not None for own in read]),
        )


class Captions:
    """How many captions each pair has, and where they lie among all of them."""

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self._counts = torch.as_tensor(counts, dtype=torch.int64)
        self._starts = torch.cumsum(self._counts, 0) - self._counts
        # One draw below a common multiple serves every count without bias; a bound keeps it in the generator's
        # range, where the bias is below one in a million.
        self._multiple = min(math.lcm(*set(self._counts.tolist())), _LARGEST_DRAW)

    def draw(self, rows: torch.Tensor) -> torch.Tensor:
        """A caption of each row, by its number among the row's own."""
        return torch.randint(self._multiple, (len(rows),)) % self._counts[rows]

    def place(self, choice: Choice) -> torch.Tensor:
        """Positions of the chosen captions among all."""
        return self._starts[choice.rows] + choice.captions
