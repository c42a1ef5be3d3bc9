"""Child processes that start in milliseconds, for work that may crash its process.

A process that is spawned imports the work's modules, which takes 0.5 to 1 CPU seconds. A fork starts at once, but a
decoder that crosses ``fork`` hangs. So a server, which never decodes, imports the modules once and is forked for each
child (``multiprocessing``'s start method "forkserver"). It ends with its parent. Windows has no forks and spawns.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from multiprocessing import forkserver, get_all_start_methods, get_context
from multiprocessing.context import ForkServerContext, SpawnContext

_preloaded_modules: set[str] = set()


def preload_in_children(modules: Iterable[str]) -> None:
    """Let children start with these modules imported; call it before the first child is started.

    A module that cannot be imported is left to the child.
    """
    _preloaded_modules.update(modules)


def get_child_context() -> ForkServerContext | SpawnContext:
    """Return the context whose processes and queues are to be used.

    The server inherits the blocked signals of the thread that starts the first child, and children inherit the
    server's: start children in ``hold_back_interrupts()``.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(sorted(_preloaded_modules))
    _end_server_at_exit()
    return context


@lru_cache(maxsize=1)
def _end_server_at_exit() -> None:
    """Wait for the server at exit: otherwise neither its CPU time nor its children's counts as this process's."""
    atexit.register(_end_server)


def _end_server() -> None:
    # If multiprocessing was used first, as in Dagster's runs, it has deleted the folder of the server's socket by now.
    with suppress(FileNotFoundError):
        forkserver._forkserver._stop()  # type: ignore[attr-defined]  # it is not public


def copy_environment() -> dict[str, str]:
    """Copy the environment, to be passed to :func:`set_environment` in a child: the server has that of its start."""
    return dict(os.environ)


def set_environment(environment: Mapping[str, str]) -> None:
    """Set exactly these variables in this process."""
    os.environ.clear()
    os.environ.update(environment)
