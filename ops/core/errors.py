"""Every error Needle raises on purpose.

    NeedleError
    ├── UsageError          the caller asked for something that makes no sense (exit status 2)
    │   └── SettingsError   a setting has a value that cannot be used
    ├── NotFoundError       a video, shot, show, label or encoder that is not in the catalogue
    ├── MediaError          footage that cannot be used; it is set aside with this reason
    ├── StorageError        the object store refused or lost something
    │   └── ProxyError      the proxy of one shot is missing or damaged; the shot is set aside with this reason
    ├── LakeError           a table that breaks its own rules (schema, duplicate keys, NaN)
    │   └── DamagedTableError   one file of a table; what it was of is set aside with this reason
    ├── EncoderError        weights that cannot be had, read or trusted
    ├── TrainingError       a fit that cannot go on, or whose checkpoint cannot be used
    ├── ClusterError        Ray cannot be started, reached or used, or has too little room
    ├── FeatureStoreError   Feast refused
    ├── VectorIndexError    the vector index is missing, broken or unreachable
    ├── ChecksFailedError   a run whose steps did their work, and whose checks speak against what came out
    └── StoppedError        work that was ended because nobody waits for it any more

A message says what happened, to which thing, and what to do next.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path


class NeedleError(Exception):
    """Base of all errors that a person can act on."""


class UsageError(NeedleError):
    """A wrong request: bad option, bad combination, bad value."""


class SettingsError(UsageError):
    """A setting whose value cannot be used; the message shows the value and its source."""


class NotFoundError(NeedleError):
    """Something named by the caller is not in the catalogue."""


class MediaError(NeedleError):
    """A media file that cannot be used.

    ``str(error)`` is the reason shown to people: plain words, no library names, no traceback.
    """


class StorageError(NeedleError):
    """The object store could not read, write, list or delete."""


class ProxyError(StorageError):
    """The proxy of one shot is missing, damaged or of another length: the fault of one object, not of the store."""


class LakeError(NeedleError):
    """Rows that break a table's contract, or a table that cannot be read."""


class DamagedTableError(LakeError):
    """One file of the lake that cannot be read, or whose rows nobody could have written: the fault of that file."""

    def __init__(self, path: str, table: str, partition: str, fault: str) -> None:
        super().__init__(f"{path} is damaged ({fault}){_way_out(table)}")
        self.path, self.table, self.partition, self.fault = path, table, partition, fault

    def __reduce__(self) -> tuple[type[DamagedTableError], tuple[str, str, str, str]]:
        return DamagedTableError, (self.path, self.table, self.partition, self.fault)


def _way_out(table: str) -> str:
    if table == "labels":
        return ": people's labels cannot be computed again; restore the file from a backup, or import an export of them"
    return ": `needle ingest PATH` names what it was of, and with `--retry` computes it again"


class EncoderError(NeedleError):
    """An encoder that cannot be loaded or that gave unusable vectors."""


class TrainingError(NeedleError):
    """A fit that cannot go on, or a checkpoint that cannot be used; what was there before is left as it was."""


class ClusterError(NeedleError):
    """Ray is not there, cannot be started or reached, or has not the CPUs or GPUs that were asked for."""


class FeatureStoreError(NeedleError):
    """The feature store could not apply, write or serve."""


class VectorIndexError(NeedleError):
    """The vector index is missing, broken or unreachable."""


class ChecksFailedError(NeedleError):
    """A run that failed by nothing but its checks; ``assets`` are those that these speak against (`probe/closeup`)."""

    def __init__(self, message: str, assets: Collection[str]) -> None:
        super().__init__(message)
        self.assets = frozenset(assets)


class StoppedError(NeedleError):
    """Work that was asked to end before it was done; it leaves nothing behind."""


def home_error(path: Path, error: Exception) -> StorageError:
    """What to raise where the system does not let a file or folder ``path`` of the home be read or written."""
    reason = getattr(error, "strerror", None) or error
    return StorageError(
        f"the home cannot be written ({path}: {reason}): set NEEDLE_HOME to a folder that your user may write, on a "
        "disk with room"
    )


def first_sentence(error: BaseException) -> str:
    """What a foreign error says, up to its first full stop or line: some go on to advise what is unsafe to do."""
    text = str(error).strip().splitlines()
    sentence = text[0].split(". ")[0].split(".  ")[0].rstrip(". ") if text else ""
    return (sentence or type(error).__name__)[:300]
