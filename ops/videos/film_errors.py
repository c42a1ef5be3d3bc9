"""Errors about one video become its reason; errors about the system or the installation end the run.

The rule, for every step that opens a video:

=============================================  =======================================================================
our own errors; ``OSError`` (a full disk, a    pass
folder that vanished; PyAV's too); a library
that cannot be imported
``OSError`` about the video's own file; errors ``MediaError``, the reason why the video is set aside
that PyAV raises, and of libraries that the
caller names
out of memory                                  ``MediaError`` that reports it: the video itself may be valid
anything else                                  an internal error that this video caused: logged as an error with its
                                               traceback, then ``MediaError`` too, because no video may stop another
=============================================  =======================================================================

``KeyError``, ``ValueError`` and the like are errors about data only if PyAV itself raised them. Our own readers of
headers check their input and raise ``MediaError``. Only the work on one video belongs inside the block.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from ops.core.errors import MediaError, NeedleError, take_first_sentence
from ops.videos.container import explain_os_error

logger = logging.getLogger(__name__)

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
        yield
    except MemoryError as error:  # first, because PyAV's MemoryError is also one of its own errors
        logger.warning("%s: memory ran out while %s", path, step, exc_info=True)
        raise MediaError(
            f"memory ran out while {step}: free memory and try again with `needle ingest --retry`; if that does not "
            "help, convert it to a smaller size"
        ) from error
    except OSError as error:
        if not _is_about(error, path):
            raise
        raise MediaError(explain_os_error(path, error)) from error
    except (NeedleError, ImportError):
        raise
    except Exception as error:
        if isinstance(error, (av.FFmpegError, *also)) or _is_raised_by_pyav(error):
            logger.info("%s: %s failed", path, step, exc_info=True)
            raise MediaError(f"{step} failed ({take_first_sentence(error)}): convert it, or copy it again") from error
        logger.exception("%s: %s failed by an internal error", path, step)
        raise MediaError(
            f"{step} failed by an internal error of Needle ({_describe_place(error)}): please report it"
        ) from error


def _is_about(error: OSError, path: str) -> bool:
    """Return whether the system refused the video's own file, and not another file."""
    return error.filename is not None and str(error.filename).removeprefix("file:") == path


def _is_raised_by_pyav(error: Exception) -> bool:
    raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
    return isinstance(error, _PYAV_DATA_ERRORS) and raised_in.startswith(_PYAV_SOURCES)


def _describe_place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {take_first_sentence(error)}, in {Path(last.filename).name} line {last.lineno}"
