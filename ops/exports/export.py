"""Write a selection of clips in one of the formats, atomically."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.core.cancellation import CancelToken
from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.core.storage import write_atomically
from ops.core.types import Progress, SilentProgress
from ops.exports.clip import Clip, Missing
from ops.exports.format import ExportContext
from ops.exports.names import join_lines
from ops.exports.registry import export_formats, find_format

DEFAULT_TITLE = "Needle selection"
MAX_TITLE = 200
MAX_CLIPS = 10_000
PICTURES = (".gif", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes of image files that no format writes."""


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """The result of an export: the file, its number of clips, the missing clips with reasons, and warnings."""

    format: str
    path: Path
    bytes: int
    clips: int
    missing: tuple[Missing, ...] = ()
    warnings: tuple[str, ...] = ()


def choose_format(path: Path, format_name: str | None = None) -> str:
    """The name of the format for a file: ``format_name``, otherwise the one of the suffix.

    Raises ``UsageError`` if the suffix has no format, or belongs to another kind of file than ``format_name``.
    """
    formats = export_formats()
    suffix = path.suffix.lower()
    names = {each.suffix: name for name, each in formats.items()}
    names |= {other: name for name, each in formats.items() for other in each.other_suffixes}
    if format_name:
        format_ = find_format(format_name)
        fitting = (format_.suffix, *format_.other_suffixes, *format_.shared_suffixes)
        if suffix in (*names, *PICTURES) and suffix not in fitting:
            raise UsageError(
                f"{path.name!r} ends in {suffix}, and {format_name} is written: end it in {' or '.join(fitting)}"
            )
        return format_name
    if suffix in names:
        return names[suffix]
    raise UsageError(f"{path.name!r} does not name a format: end it in one of {', '.join(names)}, or say --format")


def export(
    settings: Settings,
    clips: Sequence[Clip],
    format: str,  # noqa: A002 - the word of the interface
    target: Path,
    *,
    title: str,
    missing: Sequence[Missing] = (),
    stop: CancelToken | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write ``clips``, in their order, to ``target``. An existing file is replaced only by a complete new one.

    ``missing`` are clips that no longer exist; the report names them too. ``stop`` ends a slow format, which reports
    each clip to ``progress``.

    Raises ``UsageError`` for an unknown format, no clips or too many, or a selection that the format cannot hold;
    ``MediaError`` if no clip of a ``zip`` can be cut; ``JobCancelledError`` if ``stop`` is set.
    """
    export_format = find_format(format)
    if not clips:
        raise UsageError("there is nothing to export: name at least one shot")
    if len(clips) > MAX_CLIPS:
        raise UsageError(f"{len(clips):,} clips are more than one export takes ({MAX_CLIPS:,}): export a part")
    name = join_lines(title)[:MAX_TITLE] or DEFAULT_TITLE
    context = ExportContext(
        settings=settings, title=name, stop=stop or CancelToken(), progress=progress or SilentProgress()
    )
    with write_atomically(target) as temporary:
        outcome = export_format.write(clips, temporary, context)
    return ExportReport(
        format=format,
        path=target,
        bytes=target.stat().st_size,
        clips=len(clips) - len(outcome.missing),
        missing=(*missing, *outcome.missing),
        warnings=outcome.warnings,
    )
