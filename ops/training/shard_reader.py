"""One reader of a share of the shards: samples in random order, from any position, with bounded memory.

A position is four numbers, so a fit resumes exactly and reads again at most the start of one shard. Readers of a fit
do not depend on its workers: any number of workers that shares them evenly draws the same batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, dataclass

import numpy as np

from ops.core.errors import TrainingError
from ops.training.shard_members import Note
from ops.training.shards import Sample, Shard, read_samples

MOST_READERS = 64
_BLOCK_SAMPLES = 512
_ALL_BLOCK_BYTES = 256 << 20
_LEAST_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Position:
    """The start of a block: pass over the data, shard of the reader's share, sample; and how many were taken of it."""

    round: int = 0
    shard: int = 0
    sample: int = 0
    taken: int = 0

    def to_text(self) -> str:
        return json.dumps(astuple(self))

    @classmethod
    def from_text(cls, text: str) -> Position:
        numbers = json.loads(text)
        return cls(round=numbers[0], shard=numbers[1], sample=numbers[2], taken=numbers[3])


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Samples in random order, where they start, and the start of the next block."""

    start: Position
    samples: list[Sample]
    end: Position


def count_readers(batch: int, shards: int) -> int:
    """Return the number of readers: the largest one that shares the batch evenly and leaves each a shard."""
    return max(count for count in range(1, min(batch, shards, MOST_READERS) + 1) if batch % count == 0)


class ShardReader:
    """Reads its share of each pass over the shards. A pass visits them in another random order.

    Samples are shuffled in blocks of consecutive ones; the next block is read in a thread. ``note`` receives what
    cannot be used.
    """

    def __init__(
        self, number: int, readers: int, shards: Sequence[Shard], seed: int, position: Position, note: Note
    ) -> None:
        self._number, self._readers, self._shards, self._seed = number, readers, shards, seed
        self._note = note
        self._most_bytes = max(_LEAST_BLOCK_BYTES, _ALL_BLOCK_BYTES // readers)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="needle-shards")
        self._blocks = self._read_blocks(position)
        self._next: Future[_Block] = self._pool.submit(self._read_next)
        self._block = _Block(start=position, samples=[], end=position)
        self._position, self._skip = 0, position.taken

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self) -> tuple[Sample, Position]:
        """Return the next sample, and the position after it. Raises ``TrainingError`` if a pass has no sample."""
        while self._position >= len(self._block.samples):
            self._block = self._next.result()
            self._next = self._pool.submit(self._read_next)
            self._position, self._skip = self._skip, 0
        sample = self._block.samples[self._position]
        self._position += 1
        start = self._block.start
        position = Position(round=start.round, shard=start.shard, sample=start.sample, taken=self._position)
        return sample, self._block.end if self._position == len(self._block.samples) else position

    def _read_next(self) -> _Block:
        return next(self._blocks)

    def _read_blocks(self, start: Position) -> Iterator[_Block]:
        """Yield blocks without end; none is empty, and none reaches into the next pass."""
        start = Position(round=start.round, shard=start.shard, sample=start.sample)
        while True:
            samples: list[Sample] = []
            size, is_empty = 0, start.shard == start.sample == 0
            for sample, end in self._read_pass(start):
                samples += [sample] if sample else []
                size += len(sample.media) if sample else 0
                if len(samples) >= _BLOCK_SAMPLES or size >= self._most_bytes:
                    yield self._shuffle(samples, start, end)
                    samples, size, start, is_empty = [], 0, end, False
            end = Position(round=start.round + 1)
            if samples:
                yield self._shuffle(samples, start, end)
            elif is_empty:
                raise TrainingError(
                    f"no sample of {self._list_share(start.round)[0].address} and the other shards of its reader can "
                    "be used: see what was set aside, and repair the shards"
                )
            start = end

    def _read_pass(self, start: Position) -> Iterator[tuple[Sample | None, Position]]:
        """Yield each sample of the rest of a pass with the position after it."""
        for number, shard in enumerate(self._list_share(start.round)):
            if number < start.shard:
                continue
            first = start.sample if number == start.shard else 0
            for index, sample in enumerate(read_samples(shard, self._note)):
                if index >= first:
                    yield sample, Position(round=start.round, shard=number, sample=index + 1)

    def _list_share(self, number: int) -> list[Shard]:
        """Return this reader's shards of a pass, in their order."""
        order = np.random.default_rng([self._seed, number]).permutation(len(self._shards))
        return [self._shards[index] for index in order[self._number :: self._readers]]

    def _shuffle(self, samples: list[Sample], start: Position, end: Position) -> _Block:
        rng = np.random.default_rng([self._seed, self._number, start.round, start.shard, start.sample])
        return _Block(start=start, samples=[samples[index] for index in rng.permutation(len(samples))], end=end)
