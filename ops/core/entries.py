"""Files with definitions by name that people write, such as ``probes.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies

from ops.core.errors import UsageError


def read_entries(path: Path, hint: str) -> dict[str, Any]:
    """The entry below each name of a YAML file; empty if the file does not exist.

    ``hint`` is the advice in the error: how to write an entry.

    Raises ``UsageError`` if the file cannot be read or is not a mapping of names.
    """
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: {hint}")
    return {str(name): entry for name, entry in content.items()}
