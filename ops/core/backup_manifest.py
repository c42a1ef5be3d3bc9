"""The list of a backup, ``backup.json``: its files with their digests, and the links of the home.

Stands alone because a restore writes wherever the list says: a list from elsewhere may be wrong on purpose, so every
entry is checked before the first file is written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, PlainValidator, ValidationError

from ops.core.errors import NotFoundError, StorageError
from ops.core.plural import plural
from ops.core.restore_marker import MARKER
from ops.core.storage import write_atomically

FORMAT: Literal[1] = 1
MANIFEST = "backup.json"
PLACES = ("home", "store")
_LONGEST = 255
"""Bytes of a file name: NAME_MAX of Linux."""
_PIECE = 1 << 20


def _require_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


Name = Annotated[str, PlainValidator(_require_text)]
"""A name of a file. Pydantic's own check refuses lone surrogates, which stand for bytes that are not UTF-8."""


class BackupFile(BaseModel):
    """Size and BLAKE2b (32 hex digits) of a file of a backup."""

    size: int = Field(ge=0, strict=True)
    digest: str = Field(pattern="^[0-9a-f]{32}$")


class Manifest(BaseModel):
    """Files of a backup by their path below it: ``home/...`` and ``store/...``; links of the home, with their targets.

    A link names the current version of an index. Earlier backups have none: `needle doctor --repair` after a restore
    publishes the indexes again.
    """

    format: Literal[1]
    needle: str
    created_at: datetime
    files: dict[Name, BackupFile]
    links: dict[Name, Name] = {}


def read_manifest(source: Path) -> Manifest:
    """Return the list of a backup's files, all of whose names and links lead into the home or the store.

    Raises ``NotFoundError``, or ``StorageError`` if the list cannot be read or an entry of it is refused.
    """
    path = source / MANIFEST
    try:
        # The parser of Python keeps names that are not UTF-8, pydantic's does not.
        manifest = Manifest.model_validate(json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"{source} is not a backup: it has no {MANIFEST}") from None
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise StorageError(f"{path} cannot be read ({where}: {fault['msg']}): use another backup") from None
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{path} cannot be read (invalid JSON: {error}): use another backup") from None
    if refusal := _refuse_entry(manifest):
        raise StorageError(
            f"{path} has an entry that no backup has: {refusal}; nothing was restored: use another backup"
        )
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the list into the folder of its backup, atomically and durably."""
    document = manifest.model_dump() | {"created_at": manifest.created_at.isoformat()}
    with write_atomically(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(document, indent=1))


def leads_inside(target: str) -> bool:
    """Return whether a link with this target leads to something in its own folder."""
    return not os.path.isabs(target) and ".." not in Path(target).parts


def _refuse_entry(manifest: Manifest) -> str:
    """Return the first entry that a backup of Needle never has, with the reason; empty if there is none."""
    links = {f"home/{name}" for name in manifest.links}
    for name in manifest.files:
        place = name.partition("/")[0]
        fault = _find_fault(name) if place in PLACES else "is not in home/ or store/"
        if fault:
            return f"the file {name!r} {fault}"
        if name in links:
            return f"{name!r} is a file and a link"
    for name, target in manifest.links.items():
        if fault := _find_fault(f"home/{name}"):
            return f"the link {name!r} {fault}"
        if not target or _find_unwritable(target) or not leads_inside(target):
            return f"the link {name!r} leads to {target!r}"
    for name in [*manifest.files, *sorted(links)]:
        for parent in map(str, Path(name).parents):
            if parent in links:
                return f"{name!r} is written through the link {parent!r}"
            if parent in manifest.files:
                return f"{name!r} is below the file {parent!r}"
    return ""


def _find_fault(name: str) -> str:
    """Return why a path of ``home/...`` or ``store/...`` is refused; empty if it is not."""
    if unwritable := _find_unwritable(name):
        return unwritable
    place, *parts = name.split("/")
    if not parts or not {"", ".", ".."}.isdisjoint(parts):
        return f"leads out of the {place} or is not a plain path"
    return "marks an unfinished restore" if (place, parts[0]) == ("home", MARKER) else ""


def _find_unwritable(path: str) -> str:
    """Return why no file can have this path; empty if one can."""
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        return "has a character that no file name can have"
    if b"\x00" in raw:
        return "has a character that no file name can have"
    return "is too long" if any(len(part) > _LONGEST for part in raw.split(b"/")) else ""


def find_damage(source: Path, manifest: Manifest) -> list[str]:
    """Return the files of a backup that are missing or have another content, sorted."""
    present = {str(path.relative_to(source)) for path in list_files(source)}
    return sorted(
        name for name, file in manifest.files.items() if name not in present or describe_file(source / name) != file
    )


def list_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, sorted, without links."""
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def describe_file(path: Path) -> BackupFile:
    """Return size and digest of a file, which is read."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return BackupFile(size=path.stat().st_size, digest=digest.hexdigest())


def describe_backup(manifest: Manifest) -> str:
    """Return one line: number of files, bytes, and the moment."""
    size = sum(file.size for file in manifest.files.values())
    return f"{plural(len(manifest.files), 'file')}, {size / 1e6:.1f} MB, of {manifest.created_at:%Y-%m-%d %H:%M} UTC"
