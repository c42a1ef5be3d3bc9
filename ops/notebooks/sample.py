"""Some shots of a catalogue, with their vectors, for notebooks to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.core.settings import Settings
from ops.embeddings.build import matrix_of, table_of
from ops.probes.vectors import embedding_partitions
from ops.shots.build import TABLE as SHOTS

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Shots to look at, with their shows and unit vectors (N, D); ``total`` counts all that are embedded."""

    shot_ids: list[str]
    shows: list[str]
    vectors: Vectors
    total: int


def sample_of(settings: Settings, encoder_id: str, most: int) -> Sample:
    """At most so many shots that are not blank, spread evenly over the catalogue; vectors of others are not kept."""
    table = settings.lake.read(SHOTS, columns=["shot_id", "is_blank"])
    blank = {shot for shot, is_blank in zip(*(column.to_pylist() for column in table.columns), strict=True) if is_blank}
    embedded = settings.lake.read(table_of(encoder_id), columns=["shot_id"])["shot_id"].to_pylist()
    seen = [shot for shot in embedded if shot not in blank]
    places = np.unique(np.linspace(0, max(len(seen) - 1, 0), min(len(seen), most)).astype(int))
    wanted = {seen[at] for at in places}
    ids: list[str] = []
    shows: list[str] = []
    found: list[Vectors] = []
    for _, rows in embedding_partitions(settings, encoder_id):
        here = [at for at, shot in enumerate(rows["shot_id"].to_pylist()) if shot in wanted]
        if here:
            picked = rows.take(np.array(here, np.int64))
            ids += picked["shot_id"].to_pylist()
            shows += picked["show"].to_pylist()
            found.append(matrix_of(picked["embedding"]))
    vectors = np.concatenate(found) if found else np.zeros((0, 0), np.float32)
    return Sample(shot_ids=ids, shows=shows, vectors=vectors, total=len(embedded))
