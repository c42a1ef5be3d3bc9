"""Errors about one film become its reason; errors about the system or the installation end the run.

The rule, for every step that opens a film:

=============================================  =======================================================================
our own errors; ``OSError`` (a full disk, a    pass
folder that vanished; PyAV's too); a library
that cannot be imported
what libraries raise about data; no memory     ``MediaError``, the reason why the film is set aside
anything else                                  a fault of Needle that this film brought out: logged as an error with
                                               its traceback, then ``MediaError`` too, because no film may stop another
=============================================  =======================================================================

Only the work on one film stands inside the block. Reading maps its own ``OSError`` before (``reader.py``,
``container.py``).
"""

from __future__ import annotations

import logging
import struct
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from ops.core.errors import MediaError, NeedleError, first_sentence

logger = logging.getLogger(__name__)

DATA_ERRORS = (
    av.FFmpegError,
    ValueError,
    ArithmeticError,
    LookupError,
    EOFError,
    BufferError,
    MemoryError,
    struct.error,
)
"""What PyAV, numpy and our own reading of headers raise for data that they cannot take."""


@contextmanager
def film_errors(path: str, step: str, *also: type[Exception]) -> Iterator[None]:
    """Turn errors about the film at ``path`` into ``MediaError``; ``step`` is what failed, such as "cutting it".

    ``also`` names data errors of further libraries. ``NeedleError``, ``OSError`` and ``ImportError`` pass.
    """
    try:
        yield
    except (NeedleError, OSError, ImportError):
        raise
    except MemoryError as error:
        raise MediaError(
            f"{step} needs more memory than there is: free memory, or convert it to a smaller size"
        ) from error
    except Exception as error:
        if isinstance(error, (*DATA_ERRORS, *also)):
            logger.info("%s: %s failed", path, step, exc_info=True)
            raise MediaError(f"{step} failed ({first_sentence(error)}): convert it, or copy it again") from error
        logger.exception("%s: %s failed by a fault of Needle", path, step)
        raise MediaError(f"{step} failed by a fault of Needle ({_place_of(error)}): please report it") from error


def _place_of(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {first_sentence(error)}, in {Path(last.filename).name} line {last.lineno}"
