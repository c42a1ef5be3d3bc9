"""One segment of the embedded index: the points of some videos, in files that are never written again.

::

    <segment>/points.arrow   a row for each point: its id, payload, and the scale and error of its code
              codes.i8       (N, D): vectors as 8-bit integers, compared with every query
              vectors.f32    (N, D): the vectors, read for the best candidates only

A code times its scale is the vector but for a difference of length ``error`` at most. That bounds the error of every
score, so that a search can prove that it has the best.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ops.core.errors import VectorIndexError
from ops.core.types import make_shot_id, parse_shot_id
from ops.index import tuning
from ops.index.points import (
    BLANK,
    HASH_KEY,
    LOT_KEY,
    MARKS_KEY,
    Payload,
    StoredPoint,
    VideoDigest,
    Wanted,
    hash_text,
    split_into_batches,
)

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

POINTS, CODES, VECTORS = "points.arrow", "codes.i8", "vectors.f32"
SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("start", pa.int64()),
        ("end_frame", pa.int64()),
        ("show", pa.string()),
        ("is_blank", pa.bool_()),
        (HASH_KEY, pa.string()),
        (LOT_KEY, pa.int64()),
        ("scale", pa.float32()),
        ("error", pa.float32()),
        ("columns", pa.int8()),
    ]
)
_OPTIONAL = ("video_id", "show", "start_frame", "end_frame", "is_blank")
"""Keys of a payload; bit n of ``columns`` is set if the payload has key n."""
_LEVELS = 127


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some points as they are stored: ``rows`` as in ``SCHEMA``, ``codes`` int8 (N, D), ``vectors`` float32 (N, D)."""

    rows: pa.Table
    codes: NDArray[np.int8]
    vectors: Floats


def quantise(vectors: Floats) -> tuple[NDArray[np.int8], Floats, Floats]:
    """Return codes int8 (N, D), scales (N,), and the lengths (N,) of the differences, of vectors (N, D)."""
    scales = (np.abs(vectors).max(axis=1) / np.float32(_LEVELS)).astype(np.float32)
    codes = np.rint(vectors / scales[:, None]).astype(np.int8)
    errors = np.linalg.norm(vectors - codes * scales[:, None], axis=1)
    return codes, scales, errors.astype(np.float32) + np.float32(1e-6)  # for the rounding of the norm itself


def encode_points(points: Iterable[StoredPoint]) -> Iterator[Block]:
    """Yield the points in blocks; ``tuning.BATCH`` of them are in memory at a time."""
    for batch in split_into_batches(points, tuning.BATCH):
        vectors = np.stack([cast(Floats, point.vector) for point in batch])
        codes, scales, errors = quantise(vectors)
        ids = [cast(tuple[str, int], parse_shot_id(point.shot_id)) for point in batch]
        payloads = [point.payload for point in batch]
        columns = {
            "video_id": [video_id for video_id, _ in ids],
            "start": [start for _, start in ids],
            "end_frame": [each.get("end_frame") for each in payloads],
            "show": [each.get("show") for each in payloads],
            "is_blank": [bool(each.get("is_blank")) for each in payloads],
            HASH_KEY: [each[HASH_KEY] for each in payloads],
            LOT_KEY: [each[LOT_KEY] for each in payloads],
            "scale": scales,
            "error": errors,
            "columns": [sum(1 << bit for bit, key in enumerate(_OPTIONAL) if key in each) for each in payloads],
        }
        yield Block(rows=pa.table(columns, SCHEMA), codes=codes, vectors=vectors)


def write_segment(folder: Path, blocks: Iterable[Block]) -> int:
    """Write the blocks to a new folder; return the number of points."""
    folder.mkdir()
    count = 0
    with (
        (folder / CODES).open("wb") as codes,
        (folder / VECTORS).open("wb") as vectors,
        (folder / POINTS).open("wb") as points,
    ):
        with pa.ipc.new_file(points, SCHEMA) as writer:
            for block in blocks:
                writer.write_table(block.rows)
                np.ascontiguousarray(block.codes).tofile(codes)
                np.ascontiguousarray(block.vectors).tofile(vectors)
                count += len(block.codes)
        for handle in (codes, vectors, points):
            handle.flush()
            os.fsync(handle.fileno())
    return count


class Segment:
    """An open segment with vectors of ``dim`` components; safe to use from several threads.

    Codes are mapped into memory. Vectors are read from the file, because mapped ones would fill the memory with the
    neighbours of each candidate. The files may be deleted while it is open.
    Raises ``OSError`` or ``ValueError`` if the files are missing or broken.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self._dim = dim
        with pa.memory_map(str(folder / POINTS)) as source:
            self._rows = pa.ipc.open_file(source).read_all()
        self._chunks = self._rows.to_batches()
        self._chunk_starts = np.cumsum([0, *(len(chunk) for chunk in self._chunks)])
        self._path = folder / VECTORS
        self._vectors = os.open(self._path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._vectors)
        self.count = len(self._rows)
        sizes = ((folder / CODES).stat().st_size, (folder / VECTORS).stat().st_size)
        if sizes != (self.count * dim, 4 * self.count * dim) or not self.count:
            raise ValueError(f"{folder} has {self.count} points of {dim} numbers, but files of {sizes} bytes")
        self.codes = np.memmap(folder / CODES, np.int8, "r", shape=(self.count, dim))
        self.videos, self.video_numbers = _number_values(self._rows["video_id"])
        self.shows, self._show_numbers = _number_values(self._rows["show"])
        self._starts: Rows = self._rows["start"].to_numpy()
        self.scales: Floats = self._rows["scale"].to_numpy()
        self.errors: Floats = self._rows["error"].to_numpy()
        self._is_blank: Mask = self._rows["is_blank"].to_numpy()
        # Rows in the order of (video, frame): as they are stored, unless a caller mixed the videos.
        same_video = np.diff(self.video_numbers) == 0
        is_sorted = np.all((np.diff(self.video_numbers) >= 0) & (~same_video | (np.diff(self._starts) > 0)))
        self._order: Rows | None = None if is_sorted else np.lexsort((self._starts, self.video_numbers))
        video_numbers = self.video_numbers if self._order is None else self.video_numbers[self._order]
        self._offsets = np.searchsorted(video_numbers, np.arange(len(self.videos) + 1))

    @cached_property
    def _number_by_video(self) -> dict[str, int]:
        return {video_id: number for number, video_id in enumerate(self.videos)}

    @property
    def lots(self) -> Rows:
        """Return the lot of each point; see :func:`ops.index.points.draw_lot`."""
        lots: Rows = self._rows[LOT_KEY].to_numpy()
        return lots

    def count_distinct(self) -> int:
        """Return the number of different ids."""
        ids = np.stack([self.video_numbers.astype(np.int64), self._starts])
        if self._order is None:
            return self.count  # ascending
        ids_in_order = ids[:, self._order]
        return 1 + int(np.count_nonzero(np.any(np.diff(ids_in_order, axis=1) != 0, axis=0)))

    def select(self, conditions: Wanted, dropped_videos: frozenset[str]) -> Mask | None:
        """Return the points that fulfil the conditions, without ``dropped_videos``: bool (N,), ``None`` for all."""
        mask: Mask | None = None
        if conditions.videos or dropped_videos:
            wanted_ids = frozenset(conditions.videos) or self._number_by_video.keys()
            mask = np.array([each in wanted_ids and each not in dropped_videos for each in self.videos])[
                self.video_numbers
            ]
        if conditions.shows:
            is_wanted = np.isin(self.shows, conditions.shows)[self._show_numbers]
            mask = is_wanted if mask is None else mask & is_wanted
        if conditions.exclude_blank and self._is_blank.any():
            mask = ~self._is_blank if mask is None else mask & ~self._is_blank
        return mask

    def count_values(self, key: str, mask: Mask | None) -> dict[str, int]:
        """Return the number of points by video or show."""
        values, numbers = (self.videos, self.video_numbers) if key == "video_id" else (self.shows, self._show_numbers)
        counts = np.bincount(numbers if mask is None else numbers[mask], minlength=len(values))
        return {value: int(count) for value, count in zip(values, counts, strict=True) if count}

    def find_row(self, video_id: str, start: int) -> int | None:
        """Return the row of a shot, or ``None``."""
        number = self._number_by_video.get(video_id)
        if number is None:
            return None
        rows = self.list_rows(number)
        at = int(np.searchsorted(self._starts[rows], start))
        return int(rows[at]) if at < len(rows) and self._starts[rows[at]] == start else None

    def list_rows(self, number: int) -> Rows:
        """Return the rows of video ``number`` in the order of frames."""
        first, end = int(self._offsets[number]), int(self._offsets[number + 1])
        return np.arange(first, end) if self._order is None else self._order[first:end]

    def read_vectors(self, rows: Rows) -> Floats:
        """Return vectors, float32 (R, D), of ascending rows."""
        vectors = np.empty((len(rows), self._dim), np.float32)
        if not len(rows):
            return vectors
        view, width = vectors.data.cast("B"), 4 * self._dim
        bounds = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]  # of runs of adjacent rows
        firsts = rows[bounds[:-1]].tolist()
        for first, begin, end in zip(firsts, bounds, bounds[1:], strict=False):
            place = view[width * begin : width * end]
            if os.preadv(self._vectors, [place], width * first) != len(place):
                raise VectorIndexError(f"{self._path} ends too early: `needle doctor --repair` builds the index again")
        return vectors

    def list_ids(self, rows: Rows) -> list[str]:
        """Return the shot ids of rows."""
        numbers, starts = self.video_numbers[rows].tolist(), self._starts[rows].tolist()
        return [make_shot_id(self.videos[number], start) for number, start in zip(numbers, starts, strict=True)]

    def read_points(self, rows: Rows, *, vectors: bool) -> list[StoredPoint]:
        """Return the points of ascending rows."""
        vectors_of_rows = self.read_vectors(rows) if vectors else [None] * len(rows)
        values = self._take(rows).to_pylist()
        return [
            StoredPoint(
                shot_id=make_shot_id(each["video_id"], each["start"]), payload=_build_payload(each), vector=vector
            )
            for each, vector in zip(values, vectors_of_rows, strict=True)
        ]

    def _take(self, rows: Rows) -> pa.Table:
        """Return the stored columns of rows. ``Table.take`` joins the chunks of its table: here, those of the rows."""
        chunks, places = np.unique(np.searchsorted(self._chunk_starts, rows, side="right") - 1, return_inverse=True)
        table = pa.Table.from_batches([self._chunks[number] for number in chunks], SCHEMA)
        lengths = np.diff(self._chunk_starts)[chunks]
        return table.take(pa.array(rows - self._chunk_starts[chunks][places] + (np.cumsum(lengths) - lengths)[places]))

    def compute_digests(self, mask: Mask | None) -> dict[str, VideoDigest]:
        """Return the digests of the videos, computed from the stored ids and hashes; ``content`` is 0."""
        digests = {}
        hashes = self._rows[HASH_KEY].combine_chunks()
        for number, video_id in enumerate(self.videos):
            rows = self.list_rows(number)
            rows = rows if mask is None else rows[mask[rows]]
            if len(rows):
                pairs = zip(self._starts[rows].tolist(), hashes.take(pa.array(rows)).to_pylist(), strict=True)
                total = sum(hash_text(f"{video_id}:{start}\x00{vector_hash}") for start, vector_hash in pairs)
                digests[video_id] = VideoDigest(rows=len(rows), content=0, digest=total % (1 << 128))
        return digests

    def read_blocks(self, mask: Mask | None) -> Iterator[Block]:
        """Yield the points of the mask as they are stored."""
        for first in range(0, self.count, tuning.BATCH):
            rows = np.arange(first, min(first + tuning.BATCH, self.count))
            rows = rows if mask is None else rows[mask[rows]]
            if len(rows):
                yield Block(rows=self._take(rows), codes=self.codes[rows], vectors=self.read_vectors(rows))


def _number_values(column: pa.ChunkedArray) -> tuple[Sequence[str], NDArray[np.int32]]:
    """Return the different values, and for each row the number of its value."""
    dictionary = pc.dictionary_encode(column.combine_chunks())
    values = ["" if each is None else each for each in dictionary.dictionary.to_pylist()]
    if dictionary.null_count:
        values = [*values, ""]
    return values, dictionary.indices.fill_null(len(values) - 1).to_numpy()


def _build_payload(row: dict[str, object]) -> Payload:
    values = {**row, "start_frame": row["start"]}
    bits = cast(int, row["columns"])
    public = {key: values[key] for bit, key in enumerate(_OPTIONAL) if bits & 1 << bit}
    marks = [BLANK] * bool(row["is_blank"])
    return cast(Payload, {**public, HASH_KEY: row[HASH_KEY], MARKS_KEY: marks, LOT_KEY: row[LOT_KEY]})
