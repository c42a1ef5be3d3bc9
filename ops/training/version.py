"""The version of the fitting code, computed without importing it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ops.embeddings import pooling

# Modules that do not influence the weights of a fit.
_EXCLUDED = ("definitions.py", "version.py")


def compute_code_version() -> str:
    """Return 12 hex digits that change with the code of a fit."""
    fits = [file for file in sorted(Path(__file__).parent.glob("*.py")) if file.name not in _EXCLUDED]
    return hashlib.sha256(b"".join(file.read_bytes() for file in [*fits, Path(pooling.__file__)])).hexdigest()[:12]
