"""Files in which people write definitions by name, such as ``probes.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies

from ops.core.errors import UsageError


def entries_of(path: Path, hint: str) -> dict[str, Any]:
    """What stands below each name of a yaml file; empty where there is no file.

    ``hint`` says how to write an entry. Raises ``UsageError`` for a file that cannot be read or has no names.
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
