"""Fetch more from a source until there is enough: one loop and one rule of growth for index and search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

GROWTH = 2
"""Factor by which each fetch grows.

The last fetch is at most twice as large as needed, and all together at most four times, a bound that no other factor
improves.
"""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Fetched(Generic[T]):
    """The first ``items`` of a source, and whether these are all.

    ``looked_at``: how many the source returned for them, which is more if some were left out.
    """

    items: Sequence[T]
    is_all: bool
    looked_at: int = 0


def fetch_until(fetch: Callable[[int], Fetched[T]], count: int, is_enough: Callable[[Sequence[T]], bool]) -> Fetched[T]:
    """Fetch ``count`` items, then more, until they are enough or all."""
    while True:
        batch = fetch(count)
        if batch.is_all or is_enough(batch.items):
            return batch
        count = max(GROWTH * count, batch.looked_at + 1)
