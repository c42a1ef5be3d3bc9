"""Errors about one video become its reason; errors about the system or the installation end the run.

The rule, for every step that opens a video:

=============================================  =======================================================================
our own errors; ``OSError`` (a full disk, a    pass
folder that vanished; PyAV's too); a library
that cannot be imported
``OSError`` about the video's own file; errors ``MediaError``, the reason why the video is set aside
that PyAV raises, and of libraries that the
caller names
out of memory, or beyond a limit of the        ``MediaError`` that reports it: the video itself may be valid
process (``ops/core/process_limits.py``)
anything else                                  an internal error that this video caused: logged as an error with its
                                               traceback, then ``MediaError`` too, because no video may stop another
=============================================  =======================================================================

``KeyError``, ``ValueError`` and the like are errors about data only if PyAV itself raised them. Our own readers of
headers check their input and raise ``MediaError``. Only the work on one video belongs inside the block.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from ops.core.errors import NO_ROOM, MediaError, NeedleError, take_first_sentence
from ops.core.process_limits import is_memory_limited
from ops.videos.container import explain_os_error

logger = logging.getLogger(__name__)

_NO_MEMORY = re.compile("cannot allocate|can't allocate|failed to allocate|insufficient memory|start new thread", re.I)

_PYAV_SOURCES = "av/"
"""Names of PyAV's source files in a traceback begin with this; the files are compiled, so they have no folder."""
_PYAV_DATA_ERRORS = (ValueError, ArithmeticError, LookupError, EOFError, BufferError, RuntimeError)
"""PyAV raises these, besides its own errors, for unusable data. A ``TypeError`` there is our own mistake."""


@contextmanager
def convert_film_errors(path: str, step: str, *also: type[Exception]) -> Iterator[None]:
    """Turn errors about the video at ``path`` into ``MediaError``; ``step`` names the step, such as "cutting it".

    ``also`` names data errors of further libraries. ``NeedleError``, other ``OSError`` and ``ImportError`` pass.
    """
    try:
        with _report_lack_of_memory(path, step):
            yield
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise MediaError(
                f"{step} would write a larger file than NEEDLE_FILM_FILE_GB allows: convert it, or allow more"
            ) from error
        if not _is_about(error, path) and _is_about_system(error):
            raise
        if isinstance(error, av.FFmpegError):
            raise _build_data_error(path, step, error) from error
        raise MediaError(explain_os_error(path, error)) from error
    except (NeedleError, ImportError):
        raise
    except Exception as error:
        if isinstance(error, (av.FFmpegError, *also)) or _is_raised_by_pyav(error):
            raise _build_data_error(path, step, error) from error
        logger.exception("%s: %s failed by an internal error", path, step)
        raise MediaError(
            f"{step} failed by an internal error of Needle ({_describe_place(error)}): please report it"
        ) from error


def _build_data_error(path: str, step: str, error: Exception) -> MediaError:
    logger.info("%s: %s failed", path, step, exc_info=error)
    return MediaError(f"{step} failed ({take_first_sentence(error)}): convert it, or copy it again")


def _is_about_system(error: OSError) -> bool:
    """Return whether the system is at fault; an error of PyAV that names a function is about the data of the video."""
    is_pyav = isinstance(error, av.FFmpegError)
    return not is_pyav or error.errno in NO_ROOM or os.path.isabs(str(error.filename))


@contextmanager
def _report_lack_of_memory(path: str, step: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not _is_lack_of_memory(error):
            raise
        logger.warning("%s: memory ran out while %s", path, step, exc_info=True)
        raise MediaError(f"memory ran out while {step}: {_explain_memory()}") from error


def _is_lack_of_memory(error: Exception) -> bool:
    """Return whether an error is a lack of memory; within a limit, libraries report that in many ways.

    PyAV reports a decoder that cannot start its threads as ``BlockingIOError``, torch a ``RuntimeError``.
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    is_pyav_thread = isinstance(error, av.FFmpegError) and isinstance(error, BlockingIOError)
    return is_memory_limited() and (is_pyav_thread or bool(_NO_MEMORY.search(str(error))))


def _explain_memory() -> str:
    if is_memory_limited():
        return "it needs more than NEEDLE_FILM_MEMORY_GB allows: convert it to a smaller size, or allow more"
    return "free memory and try again with `needle ingest --retry`; if that does not help, convert it to a smaller size"


def _is_about(error: OSError, path: str) -> bool:
    """Return whether the system refused the video's own file, and not another file."""
    return error.filename is not None and str(error.filename).removeprefix("file:") == path


def _is_raised_by_pyav(error: Exception) -> bool:
    raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
    return isinstance(error, _PYAV_DATA_ERRORS) and raised_in.startswith(_PYAV_SOURCES)


def _describe_place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {take_first_sentence(error)}, in {Path(last.filename).name} line {last.lineno}"
