"""The four feeds: what they offer and what they never do."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ops.probes.feeds import FEEDS, build_feeds, mix_feeds

SCORES = {f"s{number:03d}": number / 99 for number in range(100)}


def test_each_feed_offers_its_kind() -> None:
    feeds = build_feeds(SCORES, set(), count=3, threshold=0.5, seed=1)
    assert feeds["top_positive"] == ["s099", "s098", "s097"]
    assert feeds["top_negative"] == ["s000", "s001", "s002"]
    assert {abs(SCORES[shot] - 0.5) < 0.03 for shot in feeds["borderline"]} == {True}


def test_borderline_follows_the_threshold() -> None:
    (shot,) = build_feeds(SCORES, set(), count=1, threshold=0.2, seed=1)["borderline"]
    assert abs(SCORES[shot] - 0.2) < 0.01


def test_random_is_random_and_repeatable() -> None:
    found = [build_feeds(SCORES, set(), count=20, threshold=0.5, seed=seed)["random"] for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    several = [build_feeds(SCORES, set(), count=5, threshold=0.5, seed=seed)["random"] for seed in range(50)]
    assert abs(np.mean([SCORES[shot] for shots in several for shot in shots]) - 0.5) < 0.1


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=4), st.floats(0, 1), max_size=40),
    st.sets(st.text("abc", min_size=1, max_size=4)),
    st.integers(1, 20),
)
def test_nothing_is_offered_twice_or_again(scores: dict[str, float], labelled: set[str], count: int) -> None:
    feeds = build_feeds(scores, labelled, count=count, threshold=0.5, seed=0)
    offered = [shot for shots in feeds.values() for shot in shots]
    assert len(offered) == len(set(offered)) == min(4 * count, len(set(scores) - labelled))
    assert not set(offered) & labelled
    assert all(len(shots) <= count for shots in feeds.values())
    assert sorted(shot for shot, _ in mix_feeds(feeds, len(offered))) == sorted(offered)


def test_mixed_takes_them_in_turns() -> None:
    feeds = build_feeds(SCORES, set(), count=2, threshold=0.5, seed=1)
    turns = mix_feeds(feeds, 6)
    assert [feed for _, feed in turns] == [*FEEDS, *FEEDS[:2]]
    assert len(dict(turns)) == 6


def test_what_looks_like_something_labelled_or_offered_waits() -> None:
    """Scenes of six shots that look the same: one of each scene is offered before a second one of any."""
    shots = {f"film:{scene * 6 + shot}": scene for scene in range(8) for shot in range(6)}
    vectors = {shot: np.eye(8, dtype=np.float32)[scene] for shot, scene in shots.items()}
    scores = {shot: 1 - at / 100 for at, shot in enumerate(shots)}
    plain, apart = (
        build_feeds(scores, ["film:0"], count=2, threshold=0.75, seed=0, read_vectors=read_vectors)["top_positive"]
        for read_vectors in (None, lambda some: {shot: vectors[shot] for shot in some})
    )
    assert {shots[shot] for shot in plain} == {0}
    offered = [shots[shot] for shot in apart]
    assert 0 not in offered
    assert len(set(offered)) == 2


def test_shots_without_a_vector_and_catalogues_too_small_to_compare_are_offered_all_the_same() -> None:
    some = {f"film:{at}": np.ones(1, np.float32) for at in range(0, 20, 3)}
    scores = {f"film:{at}": at / 20 for at in range(20)}
    feeds = build_feeds(
        scores,
        (),
        count=5,
        threshold=0.5,
        seed=0,
        read_vectors=lambda shots: {shot: some[shot] for shot in shots if shot in some},
    )
    assert sorted(shot for feed in feeds.values() for shot in feed) == sorted(scores)
