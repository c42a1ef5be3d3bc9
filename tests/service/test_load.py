"""A short form of `make load`: many clients on the service as a process, slow ones beside them, and a new index."""

from __future__ import annotations

from tests.load.run import Plan, format_table, list_missed_goals, measure_load

PLAN = Plan(seconds=10, clients=16, growth=0.5, slack_s=60)
"""In ten seconds memory still grows to its level, and an ingest on one busy core decides the median: `make load` judges
both. Here each request must be answered, and rightly."""


def test_clients_are_answered_beside_slow_ones_while_the_index_switches() -> None:
    result = measure_load(PLAN)
    assert not list_missed_goals(result), format_table(result)
    assert 0 < result.outcome.most_sent < 64 * 2**20
    assert {sample.kind for sample in result.record.samples} >= {"search", "label", "poster", "range of a preview"}
