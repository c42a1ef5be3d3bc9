"""Write a selection of clips in one of the formats, atomically."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.core.stopping import Stop
from ops.core.storage import atomic_path
from ops.core.types import Progress, SilentProgress
from ops.exports.clip import Clip, Missing
from ops.exports.format import ExportFormat
from ops.exports.names import one_line

FORMATS = ("edl", "otio", "fcpxml", "xmeml", "csv", "json", "zip", "sheet")
DEFAULT_TITLE = "Needle selection"
MAX_TITLE = 200
MAX_CLIPS = 10_000
PICTURES = (".gif", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes of pictures that no format is."""


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What was written: the file, how many clips are in it, which are not and why, and what to know of it."""

    format: str
    path: Path
    bytes: int
    clips: int
    missing: tuple[Missing, ...] = ()
    warnings: tuple[str, ...] = ()


def format_named(name: str) -> ExportFormat:
    """The format called ``name``. Raises ``UsageError`` for an unknown one."""
    if name not in FORMATS:
        raise UsageError(f"no export format {name!r}: choose one of {', '.join(FORMATS)}")
    chosen: ExportFormat = importlib.import_module(f"ops.exports.formats.{name}").FORMAT
    return chosen


def suffix_of(format: str) -> str:  # noqa: A002 - the word of the interface
    """The file suffix of a format, with its dot."""
    return format_named(format).suffix


def media_type_of(format: str) -> str:  # noqa: A002 - the word of the interface
    """The media type of a format's files, for ``Content-Type``."""
    return format_named(format).media_type


def format_of(path: Path, wanted: str | None = None) -> str:
    """The format of a file of this name: the one that is ``wanted``, or else the one of its suffix.

    Raises ``UsageError`` where the suffix tells none, or where files of another kind than ``wanted`` end in it.
    """
    suffix = path.suffix.lower()
    known = {suffix_of(name): name for name in FORMATS} | {".jpeg": "sheet", ".png": "sheet"}
    if wanted:
        own = [each for each, name in known.items() if name == wanted] + [".xml"] * (wanted == "fcpxml")
        if suffix in (*known, *PICTURES) and suffix not in own:
            raise UsageError(f"{path.name!r} ends in {suffix}, and {wanted} is written: end it in {' or '.join(own)}")
        return wanted
    if suffix in known:
        return known[suffix]
    raise UsageError(f"{path.name!r} does not tell the format: end it in one of {', '.join(known)}, or say --format")


def export(
    settings: Settings,
    clips: Sequence[Clip],
    format: str,  # noqa: A002 - the word of the interface
    target: Path,
    *,
    title: str,
    lost: Sequence[Missing] = (),
    stop: Stop | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write ``clips``, in their order, to ``target``; what was there before is replaced only by a whole new file.

    ``lost`` are wanted clips that there are none of, which the report names too. ``stop`` ends what takes long, which
    tells ``progress`` of each clip.

    Raises ``UsageError`` for an unknown format, no clips or too many, a selection that the format cannot hold;
    ``MediaError`` where no clip of a ``zip`` could be cut, ``StoppedError`` once ``stop`` is set.
    """
    chosen = format_named(format)
    if not clips:
        raise UsageError("there is nothing to export: name at least one shot")
    if len(clips) > MAX_CLIPS:
        raise UsageError(f"{len(clips):,} clips are more than one export takes ({MAX_CLIPS:,}): export a part")
    name = one_line(title)[:MAX_TITLE] or DEFAULT_TITLE
    with atomic_path(target) as temporary:
        outcome = chosen.write(
            settings, clips, temporary, title=name, stop=stop or Stop(), progress=progress or SilentProgress()
        )
    return ExportReport(
        format=format,
        path=target,
        bytes=target.stat().st_size,
        clips=len(clips) - len(outcome.missing),
        missing=(*lost, *outcome.missing),
        warnings=outcome.warnings,
    )
