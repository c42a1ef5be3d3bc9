"""A stamp of the project's code: another version of it may compute other rows from the same inputs."""

from __future__ import annotations

import hashlib
import os
from functools import cache

from ops.core.settings import CHECKOUT


@cache
def describe_code() -> str:
    """Return a hash of the stamps of the project's modules."""
    stamps = []
    for name in ("ops", "feature_repo", "notebooks"):
        for folder, _, files in os.walk(CHECKOUT / name):
            paths = (os.path.join(folder, file) for file in files if file.endswith((".py", ".yaml")))
            stamps += [f"{path} {(info := os.stat(path)).st_mtime_ns} {info.st_size}" for path in paths]
    return hashlib.blake2b("\n".join(sorted(stamps)).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
