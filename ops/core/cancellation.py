"""Cancellation of work in another thread if its result is no longer needed."""

from __future__ import annotations

from threading import Event

from ops.core.errors import JobCancelledError


class CancelToken:
    """A flag that is set once; long work calls :meth:`check` whenever it can end without partial results."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Request the end of the work; safe from any thread."""
        self._event.set()

    def check(self) -> None:
        """Raise ``JobCancelledError`` if the flag is set."""
        if self._event.is_set():
            raise JobCancelledError("cancelled: its result is no longer needed")
