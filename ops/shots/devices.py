"""Whether a CUDA device exists. Loads torch only if the driver's device files exist."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_DRIVER_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")


@cache
def has_cuda() -> bool:
    """Whether torch can use a CUDA device. Without a driver, torch is not loaded, which takes seconds."""
    if not any(Path(name).exists() for name in _DRIVER_FILES):
        return False
    import torch

    return torch.cuda.is_available()
