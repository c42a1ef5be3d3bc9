"""Keep a running service warm: at its start, after each published version, and again after a failure."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from ops.core.errors import NeedleError, StorageError

log = logging.getLogger(__name__)

LOOK_S = 0.5
"""Seconds between two checks for a new version."""
RETRY_S = (1.0, 15.0)
"""Seconds before a retry after a failure: the first and the longest delay."""
REFRESH_S = 5.0
"""Minimum seconds between two refreshes; slow ones run less often, and take at most a 20th of the time."""


class Warmup:
    """Warms in a separate thread, so that requests do not wait for it.

    ``version`` names the currently published version, ``warm`` loads all of it. ``refresh``, called soon after that and
    every few seconds, reads changes within a version. They may raise ``NeedleError``.
    """

    def __init__(
        self, version: Callable[[], str | None], warm: Callable[[], None], refresh: Callable[[], object]
    ) -> None:
        self._version = version
        self._warm = warm
        self._refresh = refresh
        self._was_tried = Event()
        self._is_stopping = Event()
        self.has_failed = False
        """True if the last warm-up failed, or the store could not be read since; the log has the reason."""

    def start(self) -> None:
        """Start the thread."""
        Thread(target=self._run, name="warm-up", daemon=True).start()

    def stop(self) -> None:
        """Stop after the current step."""
        self._is_stopping.set()

    def wait(self, timeout_s: float = 0.0) -> bool:
        """Wait for the first warm-up; return True if it finished in time."""
        return self._was_tried.wait(timeout_s)

    def _run(self) -> None:
        is_warm, warm_version, retry_s, refresh_at = False, None, RETRY_S[0], 0.0
        while not self._is_stopping.is_set():
            pause_s = LOOK_S
            try:
                version = self._version()
                if not is_warm or version != warm_version:
                    is_warm = False
                    self._warm_once()
                    is_warm, warm_version, retry_s, refresh_at = True, version, RETRY_S[0], 0.0
                elif time.monotonic() >= refresh_at:
                    start_time = time.monotonic()
                    refresh_at = start_time + REFRESH_S  # also after a failure
                    self._refresh_once()
                    refresh_at += 20 * (time.monotonic() - start_time)
            except (NeedleError, OSError) as error:
                log.warning("%s: %s", "refreshing failed" if is_warm else "warming up failed", error)
                if not is_warm:
                    pause_s, retry_s = retry_s, min(2 * retry_s, RETRY_S[1])
            finally:
                self._was_tried.set()
            self._is_stopping.wait(pause_s)

    def _refresh_once(self) -> None:
        try:
            self._refresh()
            self.has_failed = False
        except (StorageError, OSError):
            self.has_failed = True
            raise

    def _warm_once(self) -> None:
        is_done = False
        try:
            self._warm()
            is_done = True
        finally:
            self.has_failed = not is_done
