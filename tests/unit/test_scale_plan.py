"""The arithmetic of docs/scale.md, and that the document has its tables."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ops.core.settings import CHECKOUT
from tests.bench.scale_plan import COSTS, PARTS, find_bottleneck, find_limit, format_plan, plan


def test_a_part_is_over_its_limit_beyond_the_titles_that_it_names() -> None:
    for name, load in PARTS.items():
        limit = find_limit(name)
        assert load(limit).use <= 1 < load(round(1.1 * limit)).use


@pytest.mark.parametrize("name", PARTS)
def test_every_part_grows_with_the_catalogue(name: str) -> None:
    loads = [plan(titles)[name] for titles in (10, 1000, 10_000, 300_000)]
    assert all(small.use < large.use and small.size_b <= large.size_b for small, large in pairwise(loads))


def test_the_part_that_uses_most_of_its_limit_comes_first() -> None:
    name, use = find_bottleneck(300_000)
    assert use == max(load.use for load in plan(300_000).values()) and find_limit(name) == min(map(find_limit, PARTS))
    small, use = find_bottleneck(10)
    assert use < 1 and small in PARTS


def test_costs_are_measured_or_marked_as_computed() -> None:
    assert all(cost.value > 0 for cost in COSTS.values())
    assert [name for name, cost in COSTS.items() if not cost.source] == ["Qdrant, bytes of memory a shot and replica"]


def test_the_document_has_the_tables() -> None:
    assert format_plan([1000, 10_000, 300_000]) in (CHECKOUT / "docs" / "scale.md").read_text()
