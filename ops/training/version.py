"""The version of the code that fits, without loading it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ops.embeddings import pooling

# What the room has beside the code that decides a fit.
_BESIDE = ("build.py", "definitions.py", "version.py")


def code_version() -> str:
    """12 hex digits of the code that fits: they change when it does."""
    fits = [file for file in sorted(Path(__file__).parent.glob("*.py")) if file.name not in _BESIDE]
    return hashlib.sha256(b"".join(file.read_bytes() for file in [*fits, Path(pooling.__file__)])).hexdigest()[:12]
