"""Which errors are about one film: those of the decoder, and internal errors that a film brings out; no others."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import av
import pytest

from ops.core.errors import MediaError, StorageError
from ops.core.process_limits import ProcessLimits
from ops.videos.film_errors import convert_film_errors


@pytest.mark.parametrize(
    "error",
    [
        av.error.InvalidDataError(1094995529, "Invalid data"),
        av.error.ExternalError(542398533, "External"),
        av.error.EOFError(541478725, "End of file"),
        av.error.UndefinedError(1, "Undefined"),
        av.error.BlockingIOError(11, "Resource temporarily unavailable", 'avcodec_open2("h264", {})'),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_the_decoder_are_about_the_film(error: Exception) -> None:
    with pytest.raises(MediaError, match=r"cutting it failed.*convert it"), convert_film_errors("a.mp4", "cutting it"):
        raise error


def test_what_the_decoder_raises_as_an_ordinary_error_is_about_the_film_too() -> None:
    with pytest.raises(MediaError, match=r"cutting it failed.*convert it"), convert_film_errors("a.mp4", "cutting it"):
        av.VideoFrame(16, 16, "yuv420p").reformat(format="nope")


def test_a_lack_of_memory_is_not_blamed_on_the_film() -> None:
    for error in (MemoryError(), av.error.MemoryError(12, "Cannot allocate memory")):
        with (
            pytest.raises(MediaError, match=r"^memory ran out while opening it"),
            convert_film_errors("a.mp4", "opening it"),
        ):
            raise error


@pytest.mark.parametrize(
    "error",
    [
        OSError(12, "Cannot allocate memory"),
        av.error.BlockingIOError(11, "Resource temporarily unavailable", 'avcodec_open2("h264", {})'),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 41140224 bytes"),
        RuntimeError("can't start new thread"),
    ],
    ids=["system", "thread of a decoder", "torch", "thread"],
)
def test_a_lack_of_memory_within_a_limit_names_the_limit(error: Exception) -> None:
    limits = ProcessLimits(memory_bytes=8 << 30)
    with (
        pytest.raises(MediaError, match=r"memory ran out while cutting it.*NEEDLE_FILM_MEMORY_GB"),
        limits.limit_memory(),
        convert_film_errors("a.mp4", "cutting it"),
    ):
        raise error


def test_a_file_that_cannot_be_read_is_named_and_other_files_are_not_it() -> None:
    with pytest.raises(MediaError, match="does not exist"), convert_film_errors("/gone.mp4", "opening it"):
        Path("/gone.mp4").read_bytes()
    with pytest.raises(FileNotFoundError), convert_film_errors("/gone.mp4", "opening it"):
        Path("/scratch/file").read_bytes()


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
    with pytest.raises(type(error)), convert_film_errors("a.mp4", "cutting it"):
        raise error


def test_further_libraries_are_named_by_the_caller() -> None:
    with pytest.raises(MediaError, match="out of shape"), convert_film_errors("a.mp4", "cutting it", RuntimeError):
        raise RuntimeError("out of shape")


@pytest.mark.parametrize(
    "error",
    [
        TypeError("unsupported operand"),
        AttributeError("no attribute"),
        KeyError("prop"),
        IndexError("list index out of range"),
        ValueError("cannot reshape array of size 0"),
        RuntimeError("generator raised StopIteration"),
        ZeroDivisionError("Fraction(1, 0)"),
        struct.error("unpack requires a buffer of 4 bytes"),
        AssertionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_program_is_logged_as_one_and_stops_no_other_film(error: Exception) -> None:
    logger = logging.getLogger("ops.videos.film_errors")
    records: list[logging.LogRecord] = []
    logger.addFilter(lambda record: bool(records.append(record)))  # keeps it from the log, where an error is a failure
    try:
        message = rf"internal error of Needle \({type(error).__name__}.*test_film_errors\.py line"
        with pytest.raises(MediaError, match=message), convert_film_errors("a.mp4", "cutting it"):
            raise error
    finally:
        logger.filters.clear()
    assert [record.levelname for record in records] == ["ERROR"] and records[0].exc_info
