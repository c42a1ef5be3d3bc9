"""What a label, and so its probe, may be called."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from ops.core.errors import UsageError

# It is a file of the lake, a part of a Dagster asset's name, a Feast view's name and a word of `--where`.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def require_name(label: str) -> str:
    """``label`` itself. Raises ``UsageError``, with a name that would do, where it cannot be one."""
    if _NAME.fullmatch(label):
        return label
    near = re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_").lstrip("0123456789_")[:63]
    hint = f"; {near!r} would do" if near else ""
    raise UsageError(f"{label!r} cannot be a label: use small letters, digits and _, a letter first{hint}")


def name_made_of(content: list[Any]) -> str:
    """12 hex digits, made of everything that a fit depends on: the same input has the same name."""
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=6).hexdigest()
