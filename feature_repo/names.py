"""What a feature view may be called. Free of Feast, whose import takes seconds."""

from __future__ import annotations

import re

EMBEDDING_PREFIX = "shot_embedding__"
PROBE_PREFIX = "probe_score__"


def embedding_view(encoder_id: str) -> str:
    """Name of the view that holds an encoder's vectors: ``shot_embedding__`` and the id, other signs as ``_``.

    Letters, digits and ``_`` only: Feast splits references on ``:`` and ``@``, and ``feast apply`` (0.67)
    writes the name into SQL without quotes, so that ``-`` and ``.`` break it.
    """
    return EMBEDDING_PREFIX + re.sub(r"[^A-Za-z0-9_]", "_", encoder_id)


def probe_view(probe: str) -> str:
    """Name of the view that holds a probe's scores; a probe's name has small letters, digits and ``_`` only."""
    return PROBE_PREFIX + probe
