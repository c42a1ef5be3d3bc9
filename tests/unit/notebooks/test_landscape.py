"""The map of vectors: neighbours, clusters, outliers and same pictures, on vectors whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ops.core.settings import load_settings
from ops.notebooks.landscape import (
    cluster_shots,
    compute_map,
    find_centres,
    group_near_duplicates,
    measure_isolation,
    sample_shots,
)
from tests.builders.lakes import ENCODER, fill, vector_rows
from tests.builders.vectors import clustered


def four_groups() -> tuple[np.ndarray, np.ndarray]:
    """40 unit vectors (40, 16) around four directions at right angles, 19 + 11 + 6 + 4 of them."""
    truth = np.repeat(np.arange(4), (19, 11, 6, 4))
    random = np.random.default_rng(1)
    vectors = np.eye(16)[truth] + 0.08 * random.normal(size=(40, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), truth


def test_neighbours_on_the_map_are_neighbours() -> None:
    vectors, truth = four_groups()
    places = compute_map(vectors, seed=0)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(40)
    assert (truth[apart.argmin(axis=1)] == truth).mean() > 0.9
    assert np.array_equal(places, compute_map(vectors, seed=0))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 11])
def test_a_few_shots_have_a_place_too(count: int) -> None:
    places = compute_map(clustered(max(count, 1), 8)[:count], seed=0)
    assert places.shape == (count, 2) and np.isfinite(places).all()


def test_clusters_are_told_largest_first_with_their_middle() -> None:
    vectors, truth = four_groups()
    clusters = cluster_shots(vectors, seed=0)
    sizes = np.bincount(clusters)
    assert (np.diff(sizes) <= 0).all()
    assert all(len(set(clusters[truth == group])) == 1 for group in (0, 1, 2, 3))
    assert [clusters[row] for row in find_centres(vectors, clusters)] == list(range(len(sizes)))
    assert find_centres(vectors[:0], clusters[:0]) == []


def test_the_one_that_stands_alone_is_farthest() -> None:
    vectors, _ = four_groups()
    stranger = np.eye(16, dtype=np.float32)[9:10]
    alone = measure_isolation(np.concatenate([vectors, stranger]))
    assert alone.argmax() == 40 and 0.8 < alone[40] < 1.2
    assert measure_isolation(stranger).tolist() == [0.0]


def test_same_pictures_hang_together_and_others_do_not() -> None:
    vectors = clustered(30, 32, noise=3.0, seed=2)
    copies = vectors[[4, 4, 11]] + np.float32(0.01)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    groups = group_near_duplicates(np.concatenate([vectors, copies]))
    assert [sorted(rows) for rows in groups] == [[4, 30, 31], [11, 32]]
    assert group_near_duplicates(vectors[:2]) == []


def test_a_sample_is_spread_over_all_films_and_has_their_vectors(tmp_path: Path) -> None:
    settings = load_settings(home=str(tmp_path))
    assert sample_shots(settings, ENCODER, 5).total == 0
    fill(settings, videos=5, shots=4)  # the third shot of each is blank
    sample = sample_shots(settings, ENCODER, 5)
    assert len(sample.shot_ids) == 5 and sample.total == 20
    assert len({shot.split(":")[0] for shot in sample.shot_ids}) >= 4
    stored = {row["shot_id"]: row for number in range(5) for row in vector_rows(number)}
    for shot, show, vector in zip(sample.shot_ids, sample.shows, sample.vectors, strict=True):
        assert stored[shot]["show"] == show and vector.tolist() == stored[shot]["embedding"]
    everything = sample_shots(settings, ENCODER, 100)
    assert len(everything.shot_ids) == 15 and not any(shot.endswith(":48") for shot in everything.shot_ids)
