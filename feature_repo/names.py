"""Names of feature views. Does not import Feast, which takes seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass

EMBEDDING_PREFIX = "shot_embedding__"
PROBE_PREFIX = "probe_score__"


OWNER = "needle"
"""Owner of all definitions in Feast's registry: the pipeline writes them, and nobody else may."""


@dataclass(frozen=True, kw_only=True)
class ServedColumn:
    """A feature: a column of the lake with its Arrow type, such as ``int32``, and its meaning, unit and range."""

    name: str
    kind: str
    description: str


@dataclass(frozen=True, kw_only=True)
class ServedTable:
    """A table of the lake that Feast serves as it is, with a row for each shot or video.

    ``key`` is ``shot_id`` or ``video_id``. ``columns`` are the features.
    """

    view: str
    table: str
    key: str
    description: str
    columns: tuple[ServedColumn, ...]


def embedding_view(encoder_id: str) -> str:
    """Return the name of the view with an encoder's vectors: ``shot_embedding__<id>``, other characters as ``_``.

    Letters, digits and ``_`` only: Feast splits references on ``:`` and ``@``. ``feast apply`` (0.67) writes the name
    into SQL without quotes, so ``-`` and ``.`` break it.
    """
    return EMBEDDING_PREFIX + re.sub(r"[^A-Za-z0-9_]", "_", encoder_id)


def probe_view(probe: str) -> str:
    """Return the name of the view with a probe's scores; a probe's name has only small letters, digits and ``_``."""
    return PROBE_PREFIX + probe
