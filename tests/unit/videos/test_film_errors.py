"""Which errors are about one film: those of libraries about data, and faults that a film brings out; no others."""

from __future__ import annotations

import logging
import struct

import av
import pytest

from ops.core.errors import MediaError, StorageError
from ops.videos.film_errors import film_errors


@pytest.mark.parametrize(
    "error",
    [
        av.error.InvalidDataError(1094995529, "Invalid data"),
        av.error.ExternalError(542398533, "External"),
        av.error.EOFError(541478725, "End of file"),
        ValueError("cannot reshape array of size 0"),
        ZeroDivisionError("Fraction(1, 0)"),
        OverflowError("int too large"),
        KeyError("prop"),
        IndexError("list index out of range"),
        struct.error("unpack requires a buffer of 4 bytes"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_about_data_are_about_the_film(error: Exception) -> None:
    with pytest.raises(MediaError, match="cutting it"), film_errors("a.mp4", "cutting it"):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        av.error.OSError(28, "No space left"),
        StorageError("s3"),
        ModuleNotFoundError("No module named 'torch'"),
        SystemExit(),
    ],
    ids=["disk", "av", "store", "import", "exit"],
)
def test_errors_about_the_system_and_the_installation_pass(error: BaseException) -> None:
    with pytest.raises(type(error)), film_errors("a.mp4", "cutting it"):
        raise error


def test_further_libraries_are_named_by_the_caller() -> None:
    with pytest.raises(MediaError, match="out of shape"), film_errors("a.mp4", "cutting it", RuntimeError):
        raise RuntimeError("out of shape")


def test_a_fault_of_the_program_is_logged_as_one_and_stops_no_other_film() -> None:
    logger = logging.getLogger("ops.videos.film_errors")
    records: list[logging.LogRecord] = []
    logger.addFilter(lambda record: bool(records.append(record)))  # keeps it from the log, where an error is a failure
    try:
        told = r"fault of Needle.*TypeError.*test_film_errors\.py line"
        with pytest.raises(MediaError, match=told), film_errors("a.mp4", "cutting it"):
            raise TypeError("unsupported operand")
    finally:
        logger.filters.clear()
    assert [record.levelname for record in records] == ["ERROR"] and records[0].exc_info
