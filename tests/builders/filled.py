"""Homes that are filled once in a run and copied: that costs less CPU than writing a catalogue and its index."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ops.core.settings import Settings, load_settings

Fill = Callable[[Settings], None]
AnyFill = TypeVar("AnyFill", bound=Callable[..., None])

_portable = set[Callable[..., None]]()
_templates: dict[tuple[Fill, str], Path] = {}


def portable(fill: AnyFill) -> AnyFill:
    """Mark a function that fills a home and writes no path of it, and nothing beside it."""
    _portable.add(fill)
    return fill


def fill_home(fill: Fill, settings: Settings, options: dict[str, Any], folder: Path) -> None:
    """Fill the home of ``settings``, which were loaded with ``options``; templates are made below ``folder``."""
    function = fill.func if isinstance(fill, partial) else fill
    if function not in _portable:
        fill(settings)
        return
    key = fill, repr(sorted(options.items()))
    if key not in _templates:
        template = folder / f"home{len(_templates)}"
        fill(load_settings(home=template, **options))
        _templates[key] = template
    settings.home.mkdir(parents=True, exist_ok=True)
    # The files of an index have large holes: cp leaves them out, shutil writes them.
    subprocess.run(["cp", "-a", f"{_templates[key]}/.", str(settings.home)], check=True)
