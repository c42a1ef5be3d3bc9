"""Frames of a shot, read from its proxy by decord, or by PyAV if decord cannot.

decord reads only proxies that Needle wrote: closed GOPs, no edit list. On these files it is exact; on others it returns
wrong frames next to keyframes without an error. decord2 3.4 cannot copy frames of widths 2, 4, 6, 8, 12, 16, 24, 32,
48, 96 and 144 (all even widths to 698 tried, 2026-11-28). Both readers return the same bytes. Legend: N frames, H x W
pixels, C = RGB.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError, ProxyError
from ops.core.storage import ObjectStore
from ops.shots.proxies import read_proxy

_IMPORTING = threading.Lock()


def sample_positions(frames: int, count: int) -> list[int]:
    """Centres of ``count`` equal parts of ``[0, frames)``, ascending; all frames if there are fewer."""
    if frames <= count:
        return list(range(frames))
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def read_frames(store: ObjectStore, proxy_key: str, positions: list[int], frames: int) -> NDArray[np.uint8]:
    """RGB frames (N, H, W, C) at ``positions`` of the proxy, which must have exactly ``frames`` frames.

    Raises ``ProxyError`` if the proxy is missing, damaged or of another length, and ``StorageError`` if the store
    cannot be read.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix="needle-") as scratch,
            store.fetch_local_file(proxy_key, Path(scratch)) as path,
        ):
            try:
                return _read_by_decord(path, positions, frames)
            except _UnreadableError:
                # Whatever the reason, a proxy is unreadable only if the second reader cannot read it either.
                return read_proxy(path, positions, frames)
    except FileNotFoundError as error:
        raise ProxyError("is missing") from error
    except MediaError as error:
        raise ProxyError(str(error)) from error


class _UnreadableError(Exception):
    """decord cannot read the file."""


def _read_by_decord(path: Path, positions: list[int], frames: int) -> NDArray[np.uint8]:
    decord, decord_error = import_decord()
    try:
        # One decoder thread: shots are read in parallel, and a second thread costs 20-40 % more CPU.
        reader = decord.VideoReader(str(path), num_threads=1)
        if len(reader) != frames:
            raise _UnreadableError(f"{len(reader)} frames")
        frames_NHWC: NDArray[np.uint8] = reader.get_batch(positions).asnumpy()
    except (decord_error, RuntimeError, IndexError) as error:
        raise _UnreadableError from error
    return frames_NHWC


def import_decord() -> tuple[ModuleType, type[Exception]]:
    """decord and its exception, imported without the CUDA libraries in torch's packages.

    decord2 3.4 opens every library under ``site-packages/nvidia`` for the whole process, including NVBLAS. If torch is
    imported later, it calls NVBLAS for its matrix products and dies of a segmentation fault. With the package hidden,
    decord finds none of them. May go when ``import decord, torch`` survives a Linear layer.
    """
    with _IMPORTING:
        if "decord" not in sys.modules:
            hidden_modules = {name: sys.modules.pop(name) for name in ["nvidia"] if name in sys.modules}
            sys.modules["nvidia"] = None  # type: ignore[assignment]
            try:
                import decord
            finally:
                del sys.modules["nvidia"]
                sys.modules.update(hidden_modules)
        import decord
        from decord._ffi.base import DECORDError
    return decord, DECORDError
