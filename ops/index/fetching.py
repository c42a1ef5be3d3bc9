"""Ask a source for more until it has given enough: the one loop and the one rule of growth, for index and search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

GROWTH = 2
"""Each time so many times as many are asked for: at most twice as many as are needed at last, and at most four times
as many in all, which no other factor betters."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Fetched(Generic[T]):
    """The first ``items`` of a source, and whether these are all.

    ``looked_at``: how many the source has given for them, which is more if some were left out.
    """

    items: Sequence[T]
    is_all: bool
    looked_at: int = 0


def fetch_until(fetch: Callable[[int], Fetched[T]], count: int, is_enough: Callable[[Sequence[T]], bool]) -> Fetched[T]:
    """What ``fetch`` gives for ``count`` or more, at the first time that these are enough, or all."""
    while True:
        found = fetch(count)
        if found.is_all or is_enough(found.items):
            return found
        count = max(GROWTH * count, found.looked_at + 1)
