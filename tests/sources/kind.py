"""What one generated source must give, whoever reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Make = Callable[[Path], Path]
"""Writes the source into the folder and returns its path."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of source and its known facts.

    ``facts`` are attributes of ``MediaInfo`` with their exact values. ``numbers`` are the frame numbers drawn into the
    pictures (``tests/builders/films.py``), in the order in which ``read_media`` must give them; ``None`` if none are
    drawn. ``times`` are the presentation times of those frames in seconds, if they are not ``n / fps``. ``notes`` are
    texts of which each must be part of a note of the record, or of reading the whole film. ``refused`` is part of the
    ``MediaError`` of a source that nothing can be read from; then nothing else is checked. ``reference`` are filters
    with which FFmpeg shows the pictures as they are meant, if it does not by itself.
    """

    name: str
    make: Make
    facts: Mapping[str, Any] = field(default_factory=dict)
    numbers: Sequence[int] | None = None
    times: Sequence[float] | None = None
    notes: tuple[str, ...] = ()
    refused: str = ""
    reference: str = ""
