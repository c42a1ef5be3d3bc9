"""The published versions that are searched: the newest, and the one before it for those who are paging through it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, Protocol, TypeVar

from ops.core.errors import NotFoundError


class Version(Protocol):
    """One immutable published version of something."""

    version: str

    def is_current(self) -> bool:
        """Whether no newer one was published."""
        ...


V = TypeVar("V", bound=Version)


class Versions(Generic[V]):
    """Opens the newest version when it is asked for, and keeps the one before it open; safe for threads.

    ``opened`` opens the newest, or gives ``None`` where there is none. ``switched`` is called when another
    one is opened. ``name`` is what people call it.
    """

    def __init__(self, name: str, opened: Callable[[], V | None], switched: Callable[[], None] | None = None) -> None:
        self._name = name
        self._opened = opened
        self._switched = switched
        self._lock = Lock()
        self._kept: list[V] = []

    def get(self, version: str | None = None) -> V | None:
        """The newest, or the one called ``version``.

        Raises ``NotFoundError`` where that is neither the newest nor the one before, and what ``opened`` raises.
        """
        with self._lock:
            if not self._kept or not self._kept[0].is_current():
                fresh = self._opened()
                # The oldest is not closed: another thread may be asking it. It closes when nobody holds it.
                self._kept = [] if fresh is None else [fresh, *self._kept[:1]]
                if self._switched:
                    self._switched()
            if version is None:
                return self._kept[0] if self._kept else None
            for each in self._kept:
                if each.version == version:
                    return each
        raise NotFoundError(f"{self._name} version {version} is gone: start the search again")
