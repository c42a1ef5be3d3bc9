"""Asking a source for more until there is enough."""

from __future__ import annotations

import pytest

from ops.index.fetching import Fetched, fetch_until


@pytest.mark.parametrize(
    ("size", "needed", "asked"), [(1000, 3, [3]), (1000, 20, [3, 6, 12, 24]), (10, 20, [3, 6, 12]), (0, 20, [3])]
)
def test_twice_as_many_until_enough_or_all(size: int, needed: int, asked: list[int]) -> None:
    questions: list[int] = []

    def fetch(count: int) -> Fetched[int]:
        questions.append(count)
        items = range(min(count, size))
        return Fetched(items=items, is_all=len(items) < count, looked_at=len(items))

    found = fetch_until(fetch, 3, lambda items: len(items) >= needed)
    assert questions == asked
    assert list(found.items) == list(range(min(asked[-1], size))) and found.is_all == (asked[-1] > size)


def test_what_a_source_has_given_already_is_not_asked_for_again() -> None:
    questions: list[int] = []

    def fetch(count: int) -> Fetched[int]:
        """A source that never gives fewer than a thousand, nearly all of them left out."""
        questions.append(count)
        given = max(count, 1000)
        return Fetched(items=range(given // 500), is_all=False, looked_at=given)

    fetch_until(fetch, 10, lambda items: len(items) > 4)
    assert questions == [10, 1001, 2002, 4004][: len(questions)] and len(questions) == 4
