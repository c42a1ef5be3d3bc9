"""A sample of a catalogue's vectors as a map, with clusters, outliers and near-duplicates.

Legend: N shots with unit vectors, D dimensions. The map is for viewing; clusters, outliers and near-duplicates are
computed from the vectors themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.core.settings import Settings
from ops.embeddings.build import convert_to_matrix, name_table
from ops.probes.folds import find_near_duplicate_cosine
from ops.probes.vectors import iterate_embeddings
from ops.shots.build import TABLE as SHOTS

Vectors = NDArray[np.float32]
Places = NDArray[np.float64]

# t-SNE of fewer points shows no more than two principal axes.
LEAST = 12
_AXES = 50
_MOST_CLUSTERS = 24


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Sampled shots, with their shows and unit vectors (N, D); ``total`` counts all embedded shots."""

    shot_ids: list[str]
    shows: list[str]
    vectors: Vectors
    total: int


def sample_shots(settings: Settings, encoder_id: str, most: int) -> Sample:
    """Sample at most ``most`` shots that are not blank, spread evenly over the catalogue, with their vectors."""
    table = settings.lake.read(SHOTS, columns=["shot_id", "is_blank"])
    blank = {shot for shot, is_blank in zip(*(column.to_pylist() for column in table.columns), strict=True) if is_blank}
    embedded_ids = settings.lake.read(name_table(encoder_id), columns=["shot_id"])["shot_id"].to_pylist()
    visible = [shot for shot in embedded_ids if shot not in blank]
    places = np.unique(np.linspace(0, max(len(visible) - 1, 0), min(len(visible), most)).astype(int))
    chosen_ids = {visible[at] for at in places}
    ids: list[str] = []
    shows: list[str] = []
    parts: list[Vectors] = []
    for _, rows in iterate_embeddings(settings, encoder_id):
        positions = [at for at, shot in enumerate(rows["shot_id"].to_pylist()) if shot in chosen_ids]
        if positions:
            sample = rows.take(np.array(positions, np.int64))
            ids += sample["shot_id"].to_pylist()
            shows += sample["show"].to_pylist()
            parts.append(convert_to_matrix(sample["embedding"]))
    vectors = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
    return Sample(shot_ids=ids, shows=shows, vectors=vectors, total=len(embedded_ids))


def compute_map(vectors_ND: Vectors, *, seed: int) -> Places:
    """Return positions (N, 2) that keep neighbours: t-SNE (van der Maaten and Hinton 2008) of 50 principal axes.

    It begins with the first two axes, so the same vectors and seed give the same map. Fewer than twelve shots are
    placed by these axes alone. Distances between far groups mean little.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count = len(vectors_ND)
    if count < 3:
        return np.zeros((count, 2))
    axes = PCA(min(_AXES, *vectors_ND.shape), svd_solver="full").fit_transform(vectors_ND.astype(np.float64))
    if count < LEAST:
        return np.asarray(axes[:, :2], np.float64)
    model = TSNE(2, perplexity=min(30.0, (count - 1) / 4), init="pca", random_state=seed)
    return np.asarray(model.fit_transform(axes.astype(np.float32)), np.float64)


def cluster_shots(vectors_ND: Vectors, *, seed: int) -> NDArray[np.int64]:
    """Return the cluster number (N,) of each shot, 0 the largest: k-means with about sqrt(N / 2) centres."""
    from sklearn.cluster import KMeans

    count = int(np.clip(round((len(vectors_ND) / 2) ** 0.5), 1, _MOST_CLUSTERS))
    labels_N = KMeans(count, n_init=4, random_state=seed).fit_predict(vectors_ND.astype(np.float64))
    sizes = np.bincount(labels_N, minlength=count)
    rank = np.empty(count, np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return np.asarray(rank[labels_N], np.int64)


def find_centres(vectors_ND: Vectors, clusters_N: NDArray[np.int64]) -> list[int]:
    """Return the row of the shot nearest to the mean of each cluster, in the clusters' order."""
    centres = []
    for number in range(int(clusters_N.max(initial=-1)) + 1):
        rows = np.flatnonzero(clusters_N == number)
        mean = vectors_ND[rows].mean(axis=0)
        centres.append(int(rows[np.argmax(vectors_ND[rows] @ mean)]))
    return centres


def measure_isolation(vectors_ND: Vectors, *, neighbours: int = 3) -> NDArray[np.float64]:
    """Return each shot's mean distance (N,), 1 - cosine, to its three nearest others; 0 to 2."""
    count = len(vectors_ND)
    if count < 2:
        return np.zeros(count)
    cosines = vectors_ND @ vectors_ND.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = min(neighbours, count - 1)
    best = np.partition(cosines, count - nearest, axis=1)[:, count - nearest :]
    return np.asarray(1 - best.mean(axis=1), np.float64)


def group_near_duplicates(vectors_ND: Vectors) -> list[list[int]]:
    """Return groups of rows with near-duplicate shots, largest first, each with its most typical shot first.

    Two shots are near-duplicates if their distance is less than a tenth of that of two random shots, as for probes and
    search. A group is connected by such pairs.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    if len(vectors_ND) < 3:
        return []
    cosines = vectors_ND @ vectors_ND.T
    same = cosines >= find_near_duplicate_cosine(cosines)
    count, group_N = connected_components(csr_matrix(same), directed=False)
    groups = [np.flatnonzero(group_N == number) for number in range(count)]
    several = sorted((rows for rows in groups if len(rows) > 1), key=lambda rows: (-len(rows), int(rows[0])))
    return [rows[np.argsort(-cosines[np.ix_(rows, rows)].sum(axis=1), kind="stable")].tolist() for rows in several]
