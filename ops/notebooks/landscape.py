"""A catalogue's vectors as a map: where shots lie, which belong together, which stand alone, which are the same.

Legend: N shots with unit vectors, D dimensions. Places on the map are for looking at; clusters, outliers and same
pictures are computed from the vectors themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ops.probes.folds import same_pictures

Vectors = NDArray[np.float32]
Places = NDArray[np.float64]

# t-SNE of fewer points says nothing that two principal axes do not.
LEAST = 12
_AXES = 50
_MOST_CLUSTERS = 24


def places_of(vectors_ND: Vectors, *, seed: int) -> Places:
    """Places (N, 2) on which neighbours stay neighbours: t-SNE (van der Maaten and Hinton 2008) of 50 principal axes.

    It begins with the first two axes, so the same vectors and seed give the same map; fewer than twelve shots are
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


def clusters_of(vectors_ND: Vectors, *, seed: int) -> NDArray[np.int64]:
    """Cluster number (N,) of each shot, 0 the largest: k-means with about the square root of half as many centres."""
    from sklearn.cluster import KMeans

    count = int(np.clip(round((len(vectors_ND) / 2) ** 0.5), 1, _MOST_CLUSTERS))
    found = KMeans(count, n_init=4, random_state=seed).fit_predict(vectors_ND.astype(np.float64))
    sizes = np.bincount(found, minlength=count)
    rank = np.empty(count, np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return np.asarray(rank[found], np.int64)


def middles_of(vectors_ND: Vectors, clusters_N: NDArray[np.int64]) -> list[int]:
    """Row of the shot nearest to the mean of each cluster, in the clusters' order."""
    middles = []
    for number in range(int(clusters_N.max(initial=-1)) + 1):
        rows = np.flatnonzero(clusters_N == number)
        mean = vectors_ND[rows].mean(axis=0)
        middles.append(int(rows[np.argmax(vectors_ND[rows] @ mean)]))
    return middles


def outliers_of(vectors_ND: Vectors, *, neighbours: int = 3) -> NDArray[np.float64]:
    """How alone each shot stands (N,): mean distance, 1 - cosine, to its three nearest others; 0 to 2."""
    count = len(vectors_ND)
    if count < 2:
        return np.zeros(count)
    cosines = vectors_ND @ vectors_ND.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = min(neighbours, count - 1)
    best = np.partition(cosines, count - nearest, axis=1)[:, count - nearest :]
    return np.asarray(1 - best.mean(axis=1), np.float64)


def same_pictures_of(vectors_ND: Vectors) -> list[list[int]]:
    """Groups of rows that show the same pictures, largest first, each with the shot that is most like all first.

    Two shots are the same where their distance is less than a tenth of that of two shots at random, as probes and
    search have it; a group is what hangs together by such pairs.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    if len(vectors_ND) < 3:
        return []
    cosines = vectors_ND @ vectors_ND.T
    same = cosines >= same_pictures(cosines)
    count, group_N = connected_components(csr_matrix(same), directed=False)
    groups = [np.flatnonzero(group_N == number) for number in range(count)]
    several = sorted((rows for rows in groups if len(rows) > 1), key=lambda rows: (-len(rows), int(rows[0])))
    return [rows[np.argsort(-cosines[np.ix_(rows, rows)].sum(axis=1), kind="stable")].tolist() for rows in several]
