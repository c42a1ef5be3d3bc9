"""Read vectors for probes: those of labelled shots, and the whole catalogue's, one partition at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import parse_shot_id
from ops.embeddings.build import convert_to_matrix, name_table
from ops.probes.fit import LabelledShot
from ops.probes.folds import ShotPlace
from ops.probes.zero_shot import CatalogueTextScores


def iterate_embeddings(settings: Settings, encoder_id: str) -> Iterator[tuple[str, pa.Table]]:
    """Yield each partition of an encoder's vectors, one in memory at a time."""
    table = name_table(encoder_id)
    for partition in settings.lake.list_partitions(table):
        yield partition, settings.lake.read(table, [partition])


def read_labelled_shots(settings: Settings, encoder_id: str, labels: Mapping[str, bool]) -> list[LabelledShot]:
    """Return the labelled shots that have a vector, sorted by id; reads only the partitions of their videos."""
    shots = []
    for partition in _find_partitions(settings, labels):
        table = settings.lake.read(name_table(encoder_id), [partition])
        ids = table["shot_id"].to_pylist()
        rows = [at for at, shot_id in enumerate(ids) if shot_id in labels]
        labelled_rows = table.take(pa.array(rows, pa.int64()))
        vectors = convert_to_matrix(labelled_rows["embedding"])
        names = labelled_rows.select(["shot_id", "video_id", "show", "vector_hash"]).to_pylist()
        for row, vector in zip(names, vectors, strict=True):
            start = int(row["shot_id"].rpartition(":")[2])
            place = ShotPlace(show=row["show"], video_id=row["video_id"], start_frame=start)
            truth = labels[row["shot_id"]]
            shot = LabelledShot(
                shot_id=row["shot_id"], place=place, truth=truth, vector=vector, vector_hash=row["vector_hash"]
            )
            shots.append(shot)
    return sorted(shots, key=lambda shot: shot.shot_id)


def find_embedded(settings: Settings, encoder_id: str, shot_ids: Iterable[str]) -> set[str]:
    """Return the shots that have a vector of the encoder."""
    ids = set(shot_ids)
    rows = settings.lake.read(name_table(encoder_id), _find_partitions(settings, ids), ["shot_id"])
    return ids & set(rows["shot_id"].to_pylist())


def require_embedded(settings: Settings, encoder_id: str) -> None:
    """Raise ``NotFoundError`` if the catalogue has no vector of the encoder."""
    if not settings.lake.list_partitions(name_table(encoder_id)):
        raise NotFoundError(f"nothing is embedded by {encoder_id} yet: run `needle ingest PATH` first")


def _find_partitions(settings: Settings, shot_ids: Iterable[str]) -> list[str]:
    parsed_ids = (parse_shot_id(shot_id) for shot_id in shot_ids)
    return sorted({settings.resolve_partition(video) for video, _ in filter(None, parsed_ids)})


def digest_vectors(settings: Settings, encoder_id: str) -> str:
    """Return a digest of all vectors of an encoder that does not depend on their order."""
    table = name_table(encoder_id)
    parts = (
        settings.lake.read(table, [name], ["shot_id", "vector_hash"]) for name in settings.lake.list_partitions(table)
    )
    return compute_digest(
        pair
        for part in parts
        for pair in zip(part["shot_id"].to_pylist(), part["vector_hash"].to_pylist(), strict=True)
    )


def measure_text_scores(
    settings: Settings, encoder_id: str, text_D: NDArray[np.float32], digest: str
) -> CatalogueTextScores:
    """Return mean and spread of the text score over the catalogue, in one pass; (0, 1) without vectors."""
    count, total, squares = 0, 0.0, 0.0
    for _, rows in iterate_embeddings(settings, encoder_id):
        if len(rows):
            scores = (convert_to_matrix(rows["embedding"]) @ text_D).astype(np.float64)
            count, total, squares = count + len(scores), total + scores.sum(), squares + (scores**2).sum()
    if not count:
        return CatalogueTextScores(mean=0.0, spread=1.0, digest=digest)
    mean = total / count
    deviation = max(squares / count - mean**2, 0.0) ** 0.5
    return CatalogueTextScores(mean=float(mean), spread=float(deviation) or 1.0, digest=digest)
