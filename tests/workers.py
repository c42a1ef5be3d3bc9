"""How several workers share the tests: a file stays on one of them, and the longest files go first.

Not by the mark ``xdist_group``: pytest 9.2 and xdist 3.8 together ignore it without a word
(pytest-dev/pytest-xdist#1386), and both workers paid for the films of every module. Once that is mended, marks and
``--dist loadgroup`` may take the place of :class:`WholeFiles`. A worker that dies ends the run (the Makefile's
``--max-worker-restart 0``): xdist would hand out what it had finished once more, and wait for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = {
    "a Ray beside a Ray takes too long to start": (
        "tests/unit/training/test_training_on_ray.py",
        "tests/pipeline/test_ingest_on_ray.py",
        "tests/unit/cluster/test_starting.py",
    ),
    "the annotated films are watched once": ("tests/quality/test_re",),
    "one home is served to the browser": ("tests/browser/",),
}
"""Beginnings of the paths of files that one worker runs, by the reason why."""

LONGEST = (
    "tests/quality/test_shots_quality.py",
    "tests/unit/training/test_training_on_ray.py",
    "tests/browser/",
    "tests/service/test_dagster_daemon.py",
    "tests/unit/upgrade/test_upgrade_command.py",
    "tests/pipeline/test_killed_ingest.py",
    "tests/quality/",
    "tests/pipeline/",
    "tests/service/test_upgrade_live.py",
    "tests/notebooks/",
    "tests/service/",
    "tests/unit/upgrade/",
)
"""Beginnings of paths, the longest first: at the end, workers wait for the file that was begun last.

From 370 s for the first to 100 s for the sixth, with three workers on two busy cores (2026-11-28).
"""


class WholeFiles(LoadScopeScheduling):
    """Gives a worker one file after the other, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """What one worker runs from beginning to end: the test's file, or why that goes with others."""
    file = nodeid.partition("::")[0]
    return next((reason for reason, files in TOGETHER.items() if file.startswith(files)), file)


def longest_first(items: list[pytest.Item]) -> None:
    """Sort in place; the tests of a file keep their order."""
    items.sort(key=lambda item: rank_of(item.nodeid))


def rank_of(nodeid: str, longest: Sequence[str] = LONGEST) -> int:
    return next((rank for rank, start in enumerate(longest) if nodeid.startswith(start)), len(longest))
