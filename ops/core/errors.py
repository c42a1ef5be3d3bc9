"""Every error that Needle raises on purpose.

    NeedleError
    ├── UsageError          the request makes no sense (exit status 2)
    │   └── SettingsError   a setting has an unusable value
    ├── NotFoundError       a video, shot, show, label or encoder that is not in the catalogue
    ├── ConflictError       somebody else changed the thing since the caller read it
    ├── MediaError          unusable footage; it is skipped with this reason
    ├── StorageError        the object store refused or lost something
    │   ├── ProxyError      the proxy of one shot is missing or damaged; the shot is skipped with this reason
    │   └── StoreUnavailableError   it does not answer now (an UnavailableError too)
    ├── LakeError           a table that breaks its own rules (schema, duplicate keys, NaN)
    │   └── DamagedTableError   one file of a table; the video or label of its rows is skipped with this reason
    ├── EncoderError        weights that cannot be downloaded, read or trusted
    ├── TrainingError       a fit that cannot go on, or whose checkpoint cannot be used
    ├── ClusterError        Ray cannot be started, reached or used, or has too few resources
    ├── FeatureStoreError   Feast refused
    ├── VectorIndexError    the vector index is missing, broken or unreachable
    │   └── IndexUnavailableError   its server does not answer now (an UnavailableError too)
    ├── UnavailableError    a store or server does not answer now: the same request may succeed later
    │   └── DatabaseUnavailableError   the Postgres database of ``NEEDLE_POSTGRES``
    ├── ChecksFailedError   a run whose steps succeeded, but whose checks failed
    └── JobCancelledError   cancelled work: its result is no longer needed

A message reports the fault, the affected thing, and the next step.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from pathlib import Path


class NeedleError(Exception):
    """Base class of all errors that the user can act on."""


class UsageError(NeedleError):
    """An invalid request: bad option, bad combination, bad value."""


class SettingsError(UsageError):
    """A setting with an unusable value; the message shows the value and its source."""


class NotFoundError(NeedleError):
    """A thing that the caller named is not in the catalogue."""


class ConflictError(NeedleError):
    """Somebody else changed the thing since the caller read it; nothing was written."""


class MediaError(NeedleError):
    """An unusable media file.

    ``str(error)`` is the reason that users see: plain words, no library names, no traceback.
    """


class StorageError(NeedleError):
    """The object store could not read, write, list or delete."""


class UnavailableError(NeedleError):
    """A store or server does not answer now, or is overloaded: the same request may succeed later."""


class StoreUnavailableError(StorageError, UnavailableError):
    """The object store does not answer now."""


class DatabaseUnavailableError(UnavailableError):
    """The Postgres database does not answer now, or refuses."""


class ProxyError(StorageError):
    """The proxy of one shot is missing, damaged or of another length: a fault of one object, not of the store."""


class LakeError(NeedleError):
    """Rows break a table's contract, or a table cannot be read."""


class DamagedTableError(LakeError):
    """One file of the lake cannot be read, or has rows that Needle cannot have written: a fault of that file."""

    def __init__(self, path: str, table: str, partition: str, fault: str) -> None:
        super().__init__(f"{path} is damaged ({fault}){_suggest_repair(table)}")
        self.path, self.table, self.partition, self.fault = path, table, partition, fault

    def __reduce__(self) -> tuple[type[DamagedTableError], tuple[str, str, str, str]]:
        return DamagedTableError, (self.path, self.table, self.partition, self.fault)


def _suggest_repair(table: str) -> str:
    if table in ("collections", "saved_searches"):
        return f": people's {table.replace('_', ' ')} cannot be computed again; restore the file from a backup"
    if table == "labels":
        return ": people's labels cannot be computed again; restore the file from a backup, or import an export of them"
    return ": `needle ingest PATH` names its video, and with `--retry` computes it again"


class EncoderError(NeedleError):
    """An encoder cannot be loaded, or returned unusable vectors."""


class TrainingError(NeedleError):
    """A fit cannot go on, or a checkpoint cannot be used; earlier results stay unchanged."""


class ClusterError(NeedleError):
    """Ray is missing, cannot be started or reached, or has fewer CPUs or GPUs than requested."""


class FeatureStoreError(NeedleError):
    """The feature store could not apply, write or serve."""


class VectorIndexError(NeedleError):
    """The vector index is missing, broken or unreachable."""


class IndexUnavailableError(VectorIndexError, UnavailableError):
    """The server of the index does not answer now."""


class ChecksFailedError(NeedleError):
    """A run in which only checks failed; ``assets`` are the keys of the checked assets (`probe/closeup`)."""

    def __init__(self, message: str, assets: Collection[str]) -> None:
        super().__init__(message)
        self.assets = frozenset(assets)


class JobCancelledError(NeedleError):
    """Work that was cancelled before its end; it leaves no partial results."""


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Numbers of ``OSError``: a full disk, a quota, a disk that may only be read."""
NOT_PERMITTED = "this user may not read or write it; give it to the user that runs Needle"


def make_home_error(path: Path, error: Exception) -> StorageError:
    """The error to raise if the system refuses to read or write a file or folder ``path`` of the home."""
    if isinstance(error, IsADirectoryError):
        return StorageError(
            f"{error.filename or path} is a folder where a file is expected: move it away, or run "
            "`needle doctor --repair`"
        )
    reason = getattr(error, "strerror", None) or error
    if isinstance(error, PermissionError):
        return StorageError(
            f"the home cannot be used ({path}: {reason}): give this file or folder to the user that runs Needle, or "
            "set NEEDLE_HOME to a folder that your user may write"
        )
    return StorageError(
        f"the home cannot be written ({path}: {reason}): set NEEDLE_HOME to a folder that your user may write, on a "
        "disk with room"
    )


def describe_system_error(error: OSError) -> str:
    """Return what the system refused, for which file, and the way out if there is a usual one."""
    text = f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")
    if error.errno in NO_ROOM:
        return (
            f"{text}: it needs a disk with room that may be written; NEEDLE_HOME sets the folder of Needle's own files"
        )
    if isinstance(error, PermissionError) and error.filename:
        return f"{text}: {NOT_PERMITTED}"
    return text


def take_first_sentence(error: BaseException) -> str:
    """The message up to its first full stop or line break; the rest of some messages advises unsafe steps."""
    text = str(error).strip().splitlines()
    sentence = text[0].split(". ")[0].split(".  ")[0].rstrip(". ") if text else ""
    return (sentence or type(error).__name__)[:300]
