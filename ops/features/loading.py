"""Importing Feast at a sixth of its price."""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from typing import Any

_IMPORTING = threading.Lock()


def load_feast() -> None:
    """Import Feast, without two things that it does while it is imported; a no-op once it is there.

    Feast 0.67 marks its classes with typeguard's decorator, which parses and compiles their source anew, and
    imports torch for image features, which Needle does not use. Of 4.1 to 4.9 CPU seconds the first costs 2.4
    and the second 1.1; 0.7 remain. ``python -O`` skips the decorator as well: its checks are of the types of
    arguments, which mypy checks here. May go when Feast's import takes less than a second.
    """
    with _IMPORTING:
        if "feast" in sys.modules:
            return
        import typeguard

        checked = typeguard.typechecked
        typeguard.typechecked = _unchecked
        hides_torch = "torch" not in sys.modules
        if hides_torch:
            sys.modules["torch"] = None  # type: ignore[assignment]  # how an import is made to fail
        try:
            import_module("feast")
        finally:
            typeguard.typechecked = checked
            if hides_torch:
                del sys.modules["torch"]


def _unchecked(target: Any = None, **_: Any) -> Any:
    """Stands in for the decorator, which is written with or without arguments."""
    return _unchecked if target is None else target
