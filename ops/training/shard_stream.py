"""Batches of a fit from shards that are streamed: decoded ahead by threads, embedded by frozen towers as they come.

Legend: N pairs, T frames, B rows of this worker's share of a batch, M frames of all rows; X is a tower's input for one
frame or text.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ops.core.errors import MediaError, TrainingError, take_first_sentence
from ops.embeddings.embed import IMAGE_ERRORS, map_ahead
from ops.training.clip_frames import read_clip_frames
from ops.training.distributed import rank, world_size
from ops.training.examples import Batch, hash_rows
from ops.training.pair_reader import decode_image
from ops.training.shard_reader import Position, ShardReader, count_readers
from ops.training.shards import Sample, ShardSet
from ops.videos.film_errors import convert_film_errors

_BATCHES_AHEAD = 2
_MOST_NAMES = 100
"""Things that are named with their reason; more of them are only counted, because their number may grow with the
data."""
_MOST_PASSES = 50
"""Passes of a reader, whose shards are other ones each time, in which every sample may be one of the validation."""
_BLANK = (1, 64, 64, 3)

_Choice = tuple[Sample, int, Position]
"""A sample, its reader, and the position after it."""


class StreamTowers(Protocol):
    """The parts of a base that a stream needs. Picklable; models are loaded at their first use in a process."""

    def prepare(self, frames_THWC: NDArray[np.uint8]) -> NDArray[Any]:
        """Return RGB frames as the image tower's input (T, ...); called by threads."""
        ...

    def embed_frames(self, prepared_MX: NDArray[Any]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return what the model gets for each frame, and the vectors that join it unchanged (starter encoder)."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Return what the model gets for each text."""
        ...


class ShardStream:
    """Batches without end; ``len`` is the estimated number of pairs of a pass.

    ``positions`` holds the position of each reader after the last batch, as text, for checkpoints; with several workers
    each has those of its own readers. ``skipped`` has the first things that could not be used, and counts the rest.
    ``excluded_digests`` are those of media that are validated on.
    """

    def __init__(
        self,
        shards: ShardSet,
        towers: StreamTowers,
        *,
        batch: int,
        frames: int,
        seed: int,
        excluded_digests: frozenset[str],
    ) -> None:
        self._shards, self._towers, self._excluded_digests = shards, towers, excluded_digests
        self._batch_size, self._frames, self._seed = batch, frames, seed
        self.readers = count_readers(batch, len(shards.learn))
        self.positions: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self._unnamed_count = 0

    def __len__(self) -> int:
        return max(self._shards.pairs, self._batch_size)

    def read_batches(self, positions: Mapping[str, str]) -> Generator[Batch, None, None]:
        """Yield this worker's share of each batch, from the ``positions`` of a checkpoint or from the start."""
        first = rank() * self.readers // world_size()
        numbers = range(first, (rank() + 1) * self.readers // world_size())
        with ExitStack() as stack:
            readers = {
                number: stack.enter_context(closing(self._open_reader(number, positions.get(f"{number}"))))
                for number in numbers
            }
            pool = ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="needle-pairs")
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            rows = self._batch_size // self.readers * len(readers)
            batches = map_ahead(pool, self._prepare, self._choose(readers), _BATCHES_AHEAD * rows)
            while True:
                items = [next(batches) for _ in range(rows)]
                self.positions |= {f"{number}": position.to_text() for (_, number, position), _ in items}
                yield self._build_batch([choice for choice, _ in items], [frames for _, frames in items])

    def _open_reader(self, number: int, position: str | None) -> ShardReader:
        start = Position.from_text(position) if position else Position()
        return ShardReader(number, self.readers, self._shards.learn, self._seed, start, self._note)

    def _choose(self, readers: Mapping[int, ShardReader]) -> Iterator[_Choice]:
        """Yield samples for the rows of batches: those of one reader are adjacent, and each gives as many."""
        while True:
            for number, reader in readers.items():
                for _ in range(self._batch_size // self.readers):
                    yield self._take(reader, number)

    def _take(self, reader: ShardReader, number: int) -> _Choice:
        first_round: int | None = None
        while True:
            sample, position = reader.take()
            if not self._excluded_digests or sample.digest not in self._excluded_digests:
                return sample, number, position
            self._note(sample.thing, "the same clip or image is validated on")
            first_round = position.round if first_round is None else first_round
            if position.round > first_round + _MOST_PASSES:
                raise TrainingError(
                    f"{sample.thing}, and every other sample that its reader finds, is also among the held-out ones: "
                    "give other shards to train on"
                )

    def _prepare(self, choice: _Choice) -> tuple[_Choice, NDArray[Any] | str]:
        """Return the tower's input of a sample, or the reason why there is none."""
        try:
            frames_THWC = read_sample_frames(choice[0], self._frames)
        except MediaError as error:
            return choice, str(error)
        try:
            return choice, self._towers.prepare(frames_THWC)
        except IMAGE_ERRORS as error:  # a blank image goes through the same function, so a broken one ends the fit
            return choice, f"its frames cannot be prepared for the model: {take_first_sentence(error)}"

    def _note(self, thing: str, reason: str) -> None:
        if thing in self.skipped or len(self.skipped) < _MOST_NAMES:
            self.skipped[thing] = reason
            return
        self._unnamed_count += 1
        more = f"more than these {_MOST_NAMES} (worker {rank()})"
        self.skipped[more] = f"{self._unnamed_count:,} times in all passes something else was left out"

    def _build_batch(self, choices: list[_Choice], read: list[NDArray[Any] | str]) -> Batch:
        blank = self._towers.prepare(np.zeros(_BLANK, dtype=np.uint8))
        shots: list[NDArray[Any]] = []
        for (sample, _, _), frames in zip(choices, read, strict=True):
            if isinstance(frames, str):
                self._note(sample.thing, frames)
            shots.append(blank if isinstance(frames, str) else frames)
        lengths_B = torch.tensor([len(shot) for shot in shots])
        mask_BT = torch.arange(int(lengths_B.max())) < lengths_B[:, None]
        frames_MX, semantic_MX = self._towers.embed_frames(np.concatenate(shots))
        text_BX = self._towers.embed_texts([self._choose_caption(choice) for choice in choices])
        image_keys_B = hash_rows(np.frombuffer(bytes.fromhex(sample.digest), np.uint8) for sample, _, _ in choices)
        return Batch(
            frames_BTX=_spread(frames_MX, mask_BT),
            mask_BT=mask_BT,
            text_BX=text_BX,
            semantic_BTX=None if semantic_MX is None else _spread(semantic_MX, mask_BT),
            usable_B=torch.tensor([not isinstance(frames, str) for frames in read]),
            keys_B2=torch.stack([image_keys_B, hash_rows(text_BX)], dim=1),
        )

    def _choose_caption(self, choice: _Choice) -> str:
        """Return one of the captions, by the place of the sample in the fit and not by a generator's state."""
        sample, number, position = choice
        place = f"{self._seed} {number} {position.to_text()}".encode()
        draw = int.from_bytes(hashlib.blake2b(place, digest_size=8).digest(), "little")
        return sample.captions[draw % len(sample.captions)]


def read_sample_frames(sample: Sample, count: int) -> NDArray[np.uint8]:
    """Return RGB frames (T, H, W, 3): one of an image, ``count`` of a clip. Raises ``MediaError``."""
    if not sample.is_clip:
        return decode_image(sample.thing, sample.media)[None]
    with tempfile.TemporaryDirectory(prefix="needle-") as folder:
        path = Path(folder) / f"clip{sample.ending}"
        path.write_bytes(sample.media)
        with convert_film_errors(str(path), "reading its frames"):
            return read_clip_frames(path, count)


def _spread(rows_MX: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """Return rows by shot and frame, padded with zeros."""
    rows_BTX = rows_MX.new_zeros((*mask_BT.shape, *rows_MX.shape[1:]))
    rows_BTX[mask_BT] = rows_MX
    return rows_BTX
