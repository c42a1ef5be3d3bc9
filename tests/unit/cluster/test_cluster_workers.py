"""Repeated losses of workers end a run."""

from __future__ import annotations

import pytest

from ops.cluster.workers import WorkerLosses
from ops.core.errors import ClusterError


def test_the_third_loss_in_a_row_without_a_step_ends_the_run() -> None:
    losses = WorkerLosses()
    for step in (0, 0, 5, 5, 9, 12):
        losses.count(step, "out of memory")
    losses.count(12, "out of memory")
    with pytest.raises(ClusterError, match=r"lost 3 times at step 12 \(out of memory\)"):
        losses.count(3, "out of memory")
