"""The rows of the lake that belong in the index, and their digests by video.

Digests are kept in ``<home>/cache/index/``, with the stamps of the files from which they were computed. So the version
that the lake would give is known without reading a partition whose files did not change. The file may be deleted at any
time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.core.settings import Settings
from ops.core.storage import write_atomically
from ops.embeddings.build import convert_to_matrix, name_table, require_dimension
from ops.index import tuning
from ops.index.plan import RowSums
from ops.index.points import IndexRow, VideoDigest
from ops.videos import catalogue

EMBEDDING_COLUMNS = ("shot_id", "video_id", "embedding", "vector_hash")
SHOT_COLUMNS = ("shot_id", "video_id", "show", "start_frame", "end_frame", "is_blank")


@dataclass(frozen=True, kw_only=True)
class LakePartition:
    """What the index needs of one partition: ``videos`` with shots that belong in the index, of ``dim`` numbers each.

    ``stamps`` are those of the files from which it was read.
    """

    stamps: tuple[str | None, ...]
    dim: int
    videos: Mapping[str, VideoDigest]


@dataclass(frozen=True, kw_only=True)
class RowSource:
    """Where the rows of an index are in the lake.

    ``read_partition`` returns those of a partition of the first of ``tables``, or of some of its videos; files of other
    tables do not change them. ``name`` is that of the file of digests.
    """

    name: str
    tables: tuple[str, ...]
    read_partition: Callable[[str, Collection[str] | None], Iterator[IndexRow]]


class LakeVideos:
    """The videos of the lake that belong in an index, as they are when it is created.

    By default in that of the encoder's vectors.
    Raises ``DamagedTableError`` for a partition that is damaged, or whose vectors are not of the encoder's length.
    """

    def __init__(self, settings: Settings, encoder_id: str, source: RowSource | None = None) -> None:
        self._settings = settings
        self._encoder_id = encoder_id
        self._source = source or name_vector_source(settings, encoder_id)
        self._path = settings.home / "cache" / "index" / f"{self._source.name}.json"
        self._stored_partitions = _read_stored(self._path)
        self._partitions = self._read_partitions()
        self.dim = max((each.dim for each in self._partitions.values()), default=0)
        self.videos = {name: digest for each in self._partitions.values() for name, digest in each.videos.items()}

    def store(self) -> None:
        """Keep the digests for the next time; writes nothing if they are kept already."""
        if self._partitions == self._stored_partitions:
            return
        content = {
            name: (each.stamps, each.dim, {key: _write_digest(digest) for key, digest in each.videos.items()})
            for name, each in self._partitions.items()
        }
        with write_atomically(self._path) as target:
            target.write_text(json.dumps({"recipe": tuning.RECIPE, "partitions": content}))

    def _read_partitions(self) -> dict[str, LakePartition]:
        stamps = [self._settings.lake.stat_partitions(name) for name in self._source.tables]
        partitions: dict[str, LakePartition] = {}
        known_dim = 0
        for name in sorted(stamps[0]):
            now = tuple(each.get(name) for each in stamps)
            known_partition = self._stored_partitions.get(name)
            if known_partition and known_partition.stamps == now:
                known_dim = require_dimension(self._settings, self._encoder_id, name, known_partition.dim, known_dim)
                partitions[name] = known_partition
                continue
            sums = RowSums()
            for row in self._source.read_partition(name, None):
                sums.add(row)
            known_dim = require_dimension(self._settings, self._encoder_id, name, sums.dim, known_dim)
            partitions[name] = LakePartition(stamps=now, dim=sums.dim, videos=sums.videos())
        return partitions


def name_vector_source(settings: Settings, encoder_id: str) -> RowSource:
    """Return the source of the index of an encoder's vectors."""
    return RowSource(
        name=encoder_id,
        tables=(name_table(encoder_id), "shots", "videos"),
        read_partition=lambda partition, video_ids: read_partition_rows(settings, encoder_id, partition, video_ids),
    )


def read_wanted_rows(
    settings: Settings, encoder_id: str, video_ids: Collection[str] | None = None
) -> Iterator[IndexRow]:
    """Yield every row that belongs in the index, or those of some videos, partition by partition (constant memory).

    Raises ``DamagedTableError`` for a partition that is damaged, or whose vectors are not of the encoder's length.
    """
    partitions = settings.lake.list_partitions(name_table(encoder_id))
    if video_ids is not None:
        wanted_names = {settings.resolve_partition(video_id) for video_id in video_ids}
        partitions = [name for name in partitions if name in wanted_names]
    dim = 0
    for partition in partitions:
        for row in read_partition_rows(settings, encoder_id, partition, video_ids):
            if not dim or len(row.vector) != dim:
                dim = require_dimension(settings, encoder_id, partition, len(row.vector), dim)
            yield row


def read_partition_rows(
    settings: Settings, encoder_id: str, partition: str, video_ids: Collection[str] | None = None
) -> Iterator[IndexRow]:
    """Yield the rows of one partition that belong in the index, or those of some of its videos."""
    rows = catalogue.read_videos(settings.lake, [partition])
    # A video that was only moved is pending until its file is checked again; it stays searchable meanwhile.
    ready = {
        row["video_id"] for row in rows if row["state"] == "ready" or (row["state"] == "pending" and row["frames"])
    }
    if video_ids is not None:
        ready.intersection_update(video_ids)
    if not ready:
        return
    shots = {row.pop("shot_id"): row for row in settings.lake.read("shots", [partition], SHOT_COLUMNS).to_pylist()}
    table = settings.lake.read(name_table(encoder_id), [partition], EMBEDDING_COLUMNS)
    vectors = convert_to_matrix(table["embedding"])
    for row, vector in zip(table.drop_columns(["embedding"]).to_pylist(), vectors, strict=True):
        if row["video_id"] in ready and row["shot_id"] in shots:
            yield IndexRow(
                shot_id=row["shot_id"], vector=vector, vector_hash=row["vector_hash"], payload=shots[row["shot_id"]]
            )


def _read_stored(path: Path) -> dict[str, LakePartition]:
    """Return the kept partitions; empty if there are none, or if the file is from another release or damaged."""
    try:
        content = json.loads(path.read_text())
        if content["recipe"] != tuning.RECIPE:
            return {}
        return {
            name: LakePartition(
                stamps=tuple(stamps),
                dim=dim,
                videos={key: _read_digest(values) for key, values in videos.items()},
            )
            for name, (stamps, dim, videos) in content["partitions"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write_digest(digest: VideoDigest) -> tuple[int, str, str]:
    return digest.rows, f"{digest.content:x}", f"{digest.digest:x}"


def _read_digest(values: tuple[int, str, str]) -> VideoDigest:
    rows, content, digest = values
    return VideoDigest(rows=rows, content=int(content, 16), digest=int(digest, 16))
