"""Warnings of a run that the command line started."""

from __future__ import annotations

import logging

import pytest

from ops.cli.runs import quieten


def test_warnings_reach_the_terminal_once_beside_the_handler_of_dagster(capsys: pytest.CaptureFixture[str]) -> None:
    logger, other = logging.getLogger("ops"), logging.NullHandler()
    before = list(logger.handlers)
    logger.addHandler(other)  # Dagster adds its own for the time of a run
    try:
        quieten()
        quieten()
        logging.getLogger("ops.cluster.workers").warning("a worker was lost after step %d", 8)
        logging.getLogger("ops.cluster.workers").info("not for the terminal")
    finally:
        logger.handlers[:] = before
    assert capsys.readouterr().err == "a worker was lost after step 8\n"
