"""The file of a home into which a backup is being restored, and the refusal of such a home.

Stands alone because settings are loaded with this check, and restores need settings.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.core.errors import SettingsError
from ops.core.storage import write_atomically

MARKER = "restore.unfinished"
"""File of a home in which a restore was begun, until it is complete."""


@dataclass(frozen=True, kw_only=True)
class RestoreMarker:
    """The backup of an unfinished restore: its moment (ISO 8601), its folder, and the address of the object store.

    Folder and store are empty in markers of earlier versions.
    """

    created_at: str
    source: str = ""
    storage_uri: str = ""

    def describe_command(self, home: Path) -> str:
        """Return the command that finishes the restore into ``home``."""
        store = (
            f" --storage {shlex.quote(self.storage_uri)}" if self.storage_uri not in ("", str(home / "media")) else ""
        )
        source = shlex.quote(self.source) if self.source else "BACKUP"
        command = f"`needle restore {source} --home {shlex.quote(str(home))}{store}`"
        return command if self.source else f"{command} with the backup of {self.created_at}"


def read_marker(home: Path) -> RestoreMarker | None:
    """Return the marker of a home; ``None`` if no restore into it is unfinished."""
    try:
        text = (home / MARKER).read_text(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return None
    try:
        document = json.loads(text)
        return RestoreMarker(**{name: str(document[name]) for name in ("created_at", "source", "storage_uri")})
    except (ValueError, TypeError, KeyError):  # of an earlier version: the moment alone
        return RestoreMarker(created_at=text)


def write_marker(home: Path, marker: RestoreMarker) -> None:
    """Write the marker, atomically and durably."""
    with write_atomically(home / MARKER) as temporary:
        temporary.write_text(json.dumps(asdict(marker)))


def require_restored(home: Path) -> None:
    """Raise ``SettingsError`` with the command that finishes the restore, if one into this home is unfinished."""
    if marker := read_marker(home):
        raise SettingsError(
            f"the home {home} is incomplete, because a restore into it is running or was interrupted: "
            f"{marker.describe_command(home)} finishes it"
        )
