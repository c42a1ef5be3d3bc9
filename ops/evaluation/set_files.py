"""Files of public test sets in a folder: their videos, and texts of a limited size.

Names in annotations are foreign: a video is looked up among the files of the folder, and a name never becomes a path.
"""

from __future__ import annotations

from pathlib import Path

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.videos.file_kinds import FOOTAGE


def list_videos(folder: Path) -> list[Path]:
    """All video files below the folder, in the order of their paths."""
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower().lstrip(".") in FOOTAGE and is_plain(path)]


def is_plain(path: Path) -> bool:
    """Whether the path is a file that is not hidden; macOS leaves hidden copies beside files."""
    return path.is_file() and not path.name.startswith(".")


def take_only(paths: list[Path]) -> Path:
    """The one video of an annotation. Raises ``UsageError`` if there is none, or more than one."""
    if not paths:
        raise UsageError("its video is not in the folder")
    if len(paths) > 1:
        raise UsageError(f"{plural(len(paths), 'video')} could be its: {', '.join(path.name for path in paths[:3])}")
    return paths[0]


def read_text(path: Path, most_bytes: int) -> str:
    """The text of an annotation file. Raises ``UsageError`` if it cannot be read, is not UTF-8, or is too large."""
    try:
        if path.stat().st_size > most_bytes:
            raise UsageError(f"it has more than {most_bytes >> 20} MiB: this is not an annotation")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"it cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"it is not text in UTF-8: {error.reason} at byte {error.start}") from error
