"""Qdrant Edge: Qdrant's own engine inside this process, as immutable versions in a folder.

::

    <folder>/versions/<version>/manifest.json
                                shard/
    <folder>/current -> versions/<version>
    <folder>/building-*/        what a publisher writes; left over only by a kill
    <folder>/locks/             one file a version, held shared by its readers

The engine must never open a shard that another process writes (the owner's next flush then fails), so
nothing is written after the rename that makes a version visible.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ops.core.errors import VectorIndexError
from ops.core.locks import exclusive
from ops.index import tuning
from ops.index.points import (
    BLANK,
    MARKS_KEY,
    SAMPLED,
    StoredPoint,
    Wanted,
    in_batches,
    point_id_of,
    require_rows,
    shot_id_at,
)

REPAIR = "delete its folder and run `needle ingest` again"


class EdgeVersions:
    """Versions of one encoder's index below ``folder`` (``<home>/index/<encoder_id>``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def current(self) -> str | None:
        try:
            return os.path.basename(os.readlink(self.folder / "current"))
        except FileNotFoundError:
            return None

    def has(self, version: str) -> bool:
        return (self._path(version) / "manifest.json").exists()

    def build(self, manifest: Mapping[str, Any], points: Iterable[StoredPoint]) -> None:
        self._sweep()
        self.folder.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix="building-", dir=self.folder))
        building.chmod(0o755)
        try:
            require_rows(manifest, _write_shard(building / "shard", manifest["dim"], points))
            with (building / "manifest.json").open("w") as handle:
                json.dump(dict(manifest), handle, indent=1, sort_keys=True)
                handle.flush()
                os.fsync(handle.fileno())
            target = self._path(manifest["version"])
            target.parent.mkdir(exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)  # no manifest inside: not a version, or has() had seen it
            building.rename(target)
            _sync_folder(target.parent)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def switch(self, version: str) -> None:
        if self.current() != version:
            link = self.folder / ".current-new"
            link.unlink(missing_ok=True)
            link.symlink_to(Path("versions") / version)
            link.replace(self.folder / "current")
            os.utime(self._path(version))  # when it was last made current: the order of dropping
            _sync_folder(self.folder)
        self._drop_old(version, kept=tuning.KEPT)

    def drop_old(self) -> None:
        if current := self.current():
            self._drop_old(current, kept=0)

    def open(self, version: str) -> EdgeStore:
        held = self._hold(version)
        try:
            return EdgeStore(self._path(version), held, self.folder / "locks" / "opening")
        except VectorIndexError:
            os.close(held)
            raise

    def _path(self, version: str) -> Path:
        return self.folder / "versions" / version

    def _hold(self, version: str) -> int:
        """Descriptor of the version's lock file, held shared: a version in use is not dropped, whoever uses it."""
        if not self._path(version).is_dir():
            raise VectorIndexError(f"version {version} of the index {self.folder} is gone: open the current one")
        (self.folder / "locks").mkdir(exist_ok=True)
        descriptor = os.open(self.folder / "locks" / version, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def _sweep(self) -> None:
        """Delete what killed publishers left; the caller is the only publisher."""
        for folder in self.folder.glob("building-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _drop_old(self, current: str, kept: int) -> None:
        found = [path for path in (self.folder / "versions").iterdir() if path.name != current]
        found.sort(key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
        for path in found[kept:]:
            lock = self.folder / "locks" / path.name
            lock.parent.mkdir(exist_ok=True)
            with lock.open("a") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # somebody reads it; the next publisher tries again
                (path / "manifest.json").unlink(missing_ok=True)  # first, so that a kill leaves no half version
                shutil.rmtree(path)
                lock.unlink()


class EdgeStore:
    """One version. The shard is opened by the first question that needs its points.

    ``held`` is the descriptor of the version's lock file, which the store closes; ``opening`` the lock file
    of all that open shards here.
    """

    def __init__(self, path: Path, held: int, opening: Path) -> None:
        self._path = path
        self._opening = opening
        self._closed = False
        try:
            self._manifest: dict[str, Any] = json.loads((path / "manifest.json").read_text())
        except (OSError, ValueError) as error:
            raise VectorIndexError(f"the index {path} has no manifest that can be read: {error}; {REPAIR}") from error
        self._release = weakref.finalize(self, os.close, held)

    def manifest(self) -> dict[str, Any]:
        return self._manifest

    @cached_property
    def _shard(self) -> Any:
        import qdrant_edge

        if self._closed:
            raise VectorIndexError("this index was closed: open it again")
        # Opening rewrites the shard's small state files (to the same content), so one opens at a time.
        with exclusive(self._opening), _mapped(f"cannot open the index {self._path}"):
            return qdrant_edge.EdgeShard.load(str(self._path / "shard"))

    def counts(self, key: str) -> dict[str, int]:
        import qdrant_edge

        request = qdrant_edge.FacetRequest(key=key, limit=max(1, self._manifest["rows"]), exact=True)
        with self._mapped():
            return {str(hit.value): int(hit.count) for hit in self._shard.facet(request)}

    def query(self, vector: Sequence[float], depth: int, wanted: Wanted, *, exact: bool) -> list[tuple[str, float]]:
        import qdrant_edge

        codes = qdrant_edge.QuantizationSearchParams(ignore=exact, rescore=True, oversampling=tuning.OVERSAMPLING)
        request = qdrant_edge.QueryRequest(
            query=qdrant_edge.Query.Nearest(list(vector)),
            limit=depth,
            filter=_filter_of(wanted),
            params=qdrant_edge.SearchParams(hnsw_ef=max(tuning.HNSW_EF, depth), exact=exact, quantization=codes),
            with_payload=False,
            with_vector=False,
        )
        with self._mapped():
            return [(shot_id_at(point.id), float(point.score)) for point in self._shard.query(request)]

    def fetch(self, shot_ids: Sequence[str], *, vectors: bool) -> list[StoredPoint]:
        found: list[StoredPoint] = []
        for start in range(0, len(shot_ids), tuning.BATCH):
            ids = [point_id_of(shot_id) for shot_id in shot_ids[start : start + tuning.BATCH]]
            with self._mapped():
                found.extend(map(_stored, self._shard.retrieve(ids, with_payload=True, with_vector=vectors)))
        return found

    def scroll(self, wanted: Wanted, *, vectors: bool) -> Iterator[StoredPoint]:
        import qdrant_edge

        offset = None
        while True:
            request = qdrant_edge.ScrollRequest(
                offset=offset, limit=tuning.BATCH, filter=_filter_of(wanted), with_payload=True, with_vector=vectors
            )
            with self._mapped():
                points, offset = self._shard.scroll(request)
            yield from map(_stored, points)
            if offset is None:
                return

    def close(self) -> None:
        self._closed = True
        self.__dict__.pop("_shard", None)
        self._release()

    def _mapped(self) -> _mapped:
        return _mapped(f"the index {self._path} cannot be read")


def _write_shard(path: Path, dim: int, points: Iterable[StoredPoint]) -> int:
    """Write a shard nobody else knows of; the number of points that are in it."""
    import qdrant_edge

    path.mkdir()
    with _mapped(f"the index cannot be written to {path}"):
        shard = qdrant_edge.EdgeShard.create(str(path), _config(dim))
        for name, schema in _payload_indexes():
            shard.update(qdrant_edge.UpdateOperation.create_field_index(name, schema))
    for batch in in_batches(points, tuning.BATCH):
        with _mapped(f"the index cannot be written to {path}"):
            shard.update(qdrant_edge.UpdateOperation.upsert_points([_point(point) for point in batch]))
    with _mapped(f"the index cannot be optimised in {path}"):
        shard.optimize()
        shard.flush()
        counted = int(shard.count(qdrant_edge.CountRequest(exact=True)))
        shard.close()
    return counted


def _config(dim: int) -> Any:
    import qdrant_edge

    return qdrant_edge.EdgeConfig(
        # Dot, not Cosine: of unit vectors it is the cosine, and the engine keeps their bits as they are.
        vectors=qdrant_edge.EdgeVectorParams(size=dim, distance=qdrant_edge.Distance.Dot),
        hnsw_config=qdrant_edge.HnswIndexConfig(
            m=tuning.HNSW_M,
            ef_construct=tuning.HNSW_EF_CONSTRUCT,
            full_scan_threshold=tuning.SCAN_KB,
            payload_m=tuning.PAYLOAD_M,
        ),
        quantization_config=qdrant_edge.ScalarQuantizationConfig(
            type=qdrant_edge.ScalarType.Int8, quantile=tuning.QUANTILE, memory=qdrant_edge.Memory.Pinned
        ),
        optimizers=qdrant_edge.EdgeOptimizersConfig(indexing_threshold=tuning.SCAN_KB, default_segment_number=1),
        # The default reads payloads from disk at random: one page fault a hit, which waits for other processes.
        payload_memory=qdrant_edge.Memory.Cached,
        # A version is built in a folder that a kill throws away: a log would only cost.
        wal_enabled=False,
        # A version is one segment: a second thread has nothing to do but to wait for the first.
        max_search_threads=1,
    )


def _payload_indexes() -> list[tuple[str, Any]]:
    import qdrant_edge

    # Only shows get graph edges of their own: for other fields they would cost a second graph and gain nothing.
    return [
        ("show", qdrant_edge.KeywordIndexParams(enable_hnsw=True)),
        ("video_id", qdrant_edge.KeywordIndexParams(enable_hnsw=False)),
        (MARKS_KEY, qdrant_edge.KeywordIndexParams(enable_hnsw=False)),
    ]


def _point(point: StoredPoint) -> Any:
    import qdrant_edge

    vector = point.vector.tolist() if point.vector is not None else []
    return qdrant_edge.Point(id=point_id_of(point.shot_id), vector=vector, payload=point.payload)


def _stored(record: Any) -> StoredPoint:
    vector = None if record.vector is None else np.asarray(record.vector, np.float32)
    return StoredPoint(shot_id=shot_id_at(record.id), payload=dict(record.payload or {}), vector=vector)


def _filter_of(wanted: Wanted) -> Any:
    import qdrant_edge as edge

    must: list[Any] = [
        edge.FieldCondition(key=key, match=edge.MatchAny(list(values)))
        for key, values in (("show", wanted.shows), ("video_id", wanted.videos))
        if values
    ]
    if wanted.sampled:
        must.append(edge.FieldCondition(key=MARKS_KEY, match=edge.MatchAny([SAMPLED])))
    blank: list[Any] = []
    if wanted.exclude_blank:
        blank.append(edge.FieldCondition(key=MARKS_KEY, match=edge.MatchAny([BLANK])))
    return edge.Filter(must=must or None, must_not=blank or None) if must or blank else None


class _mapped:  # noqa: N801 - reads as a verb in a with statement
    """Turn the engine's errors into ours: bare ``Exception``, and ``ValueError`` or ``TypeError`` for arguments.

    A class, because an ``except Exception`` would also catch every other error, and this does not.
    """

    def __init__(self, trouble: str) -> None:
        self._trouble = trouble

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind in (Exception, ValueError, TypeError, OverflowError):
            raise VectorIndexError(f"{self._trouble}: {error}; {REPAIR}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
