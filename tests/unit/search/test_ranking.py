"""Combining queries and finding copies: pure functions, so pure numbers."""

from __future__ import annotations

import numpy as np
import pytest

from ops.core.errors import UsageError
from ops.index.lines import LineHit
from ops.search.query_encoding import LIKE_WEIGHT, TEXT_WEIGHT, UNLIKE_WEIGHT, combine
from ops.search.ranking import measure_shares, rank_spoken
from ops.search.retrieval import mark_duplicates
from tests.builders.subtitles import line_row

AXES = np.eye(4, dtype=np.float32)


def test_each_part_alone_is_itself() -> None:
    np.testing.assert_allclose(combine(AXES[0], [], []), AXES[0])
    np.testing.assert_allclose(combine(None, [AXES[1]], []), AXES[1])


def test_parts_have_the_documented_weights() -> None:
    got = combine(AXES[0], [AXES[1], AXES[2]], [AXES[3]])
    expected = np.array([TEXT_WEIGHT, LIKE_WEIGHT / 2, LIKE_WEIGHT / 2, -UNLIKE_WEIGHT])
    np.testing.assert_allclose(got, expected / np.linalg.norm(expected), atol=1e-6)
    assert got.dtype == np.float32 and np.linalg.norm(got) == pytest.approx(1)


def test_the_number_of_examples_does_not_drown_the_text() -> None:
    one, many = combine(AXES[0], [AXES[1]], []), combine(AXES[0], [AXES[1]] * 50, [])
    np.testing.assert_allclose(one, many, atol=1e-6)


def test_an_unwanted_example_loses() -> None:
    query = combine(AXES[0], [], [AXES[1]])
    assert query @ AXES[1] < 0 < query @ AXES[0]


def test_nothing_to_look_for_is_refused() -> None:
    with pytest.raises(UsageError, match="describe what to search for"):
        combine(None, [], [AXES[0]])
    with pytest.raises(UsageError, match="cancel each other out"):
        combine(None, [AXES[0], -AXES[0]], [])


def test_duplicates_are_near_any_example() -> None:
    near = AXES[0] + np.float32(0.01) * AXES[1]
    near /= np.linalg.norm(near)
    vectors = np.stack([AXES[0], near, AXES[1], AXES[2]])
    assert mark_duplicates(vectors, [AXES[0], AXES[2]]).tolist() == [True, True, False, True]
    assert mark_duplicates(vectors, []).tolist() == [False] * 4
    assert mark_duplicates(np.zeros((0,), np.float32), [AXES[0]]).tolist() == []


def test_shots_under_a_line_are_ordered_by_their_share_of_it() -> None:
    row = line_row(0, "hello")
    shots = tuple(f"{row.video_id}:{start}" for start in (24, 96, 120))
    line = LineHit(**vars(row) | {"shot_ids": shots, "start_frame": 90, "end_frame": 130}, score=1.0)
    assert measure_shares(line) == {shots[0]: 6 / 40, shots[1]: 24 / 40, shots[2]: 10 / 40}
    whole = LineHit(**vars(row) | {"shot_ids": shots[:1], "start_frame": 30, "end_frame": 40}, score=1.0)
    assert measure_shares(whole) == {shots[0]: 1.0}
    ranked = rank_spoken([(line, 1.0), (whole, 0.5)])
    assert [(rank, each.shot_id) for rank, each in ranked] == [(1, shots[1]), (1, shots[2]), (1, shots[0])]
    assert ranked[-1][1].line_ids == (line.line_id, whole.line_id)
