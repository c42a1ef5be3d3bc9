"""Settings of glibc's malloc for a process with many threads that runs for months; other libraries have none."""

from __future__ import annotations

import ctypes

_ARENAS = 2
_M_ARENA_MAX = -8
"""The parameter of ``mallopt`` in glibc's ``malloc.h``."""


def limit_memory_arenas() -> None:
    """Let all threads share two arenas. Call it before threads start.

    By default eight a core are made, and each keeps the memory that its threads freed: under 64 clients the service
    took 614 to 637 MB, with two arenas 548 to 522 (``python -m tests.load --minutes 3``, 2026-11-29).
    """
    if library := _load_glibc():
        library.mallopt(_M_ARENA_MAX, _ARENAS)


def return_free_memory() -> None:
    """Give pages without used memory back to the system.

    Bodies and previews of slow clients leave gaps: beside 224 to 228 MB of used memory malloc kept 65 MB, then 100, of
    free pages within eight minutes of ``make load``. Called each five seconds, the service took 485 to 508 MB in ten
    minutes; twice a minute, 510 to 554 (2026-11-30). Takes up to 80 ms among 700 MB in small pieces. A lower threshold
    for memory of its own pages (``M_MMAP_THRESHOLD``, 64 KiB) leaves no gaps, and makes an image or a text in torch a
    fifth slower.
    """
    if library := _load_glibc():
        library.malloc_trim(0)


def _load_glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
