"""A way to tell work in another thread that nobody waits for it any more."""

from __future__ import annotations

from threading import Event

from ops.core.errors import StoppedError


class Stop:
    """A flag that is set once; long work calls :meth:`check` wherever it can end without leaving anything behind."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Ask the work to end; safe from any thread."""
        self._event.set()

    def check(self) -> None:
        """Raises ``StoppedError`` once the flag is set."""
        if self._event.is_set():
            raise StoppedError("stopped: nobody waits for it any more")
