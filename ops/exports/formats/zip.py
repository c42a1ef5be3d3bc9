"""A zip of frame-exact, full-resolution clips cut from the sources, with a manifest."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ops.core.errors import MediaError, StorageError
from ops.core.media import FACTS_REVISION
from ops.exports.clip import Clip, Missing
from ops.exports.format import ExportContext, ExportFormat, ExportOutcome
from ops.exports.formats.json import format_json
from ops.exports.names import make_file_stem

MANIFEST = "manifest.json"
MAX_THREADS = 4
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of all entries: the same clips give the same names and dates."""


class ZipFormat(ExportFormat):
    """QuickTime files with their handles, and ``manifest.json`` that lists the content of each and the missing clips.

    ``clip_tracks`` in it are the source's numbers of the sound tracks of a clip, in their order there. Videos are read
    one after the other, each once. A clip goes into the zip as soon as it is cut. So the disk never holds more than the
    zip and the clips of one video, and none of it is in memory. ``stop`` is checked with every frame that is read. If a
    video is missing, changed or damaged, only its own clips are lost.

    Raises ``MediaError`` with the reason if no clip is left.
    """

    name = "zip"
    label = "Clips at full resolution (zip)"
    suffix = ".zip"
    media_type = "application/zip"
    position = 70
    summary = "holds clips cut from the source"
    handles_note = "Each clip is cut longer by these frames, up to the film's ends."
    is_slow = True

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        numbered_clips = list(enumerate(clips, start=1))
        films: dict[str, list[tuple[int, Clip]]] = {}
        for number, clip in numbered_clips:
            films.setdefault(clip.film.video_id, []).append((number, clip))
        context.settings.scratch.mkdir(parents=True, exist_ok=True)
        missing: dict[int, Missing] = {}
        with (
            tempfile.TemporaryDirectory(dir=context.settings.scratch, prefix="clips-") as folder,
            zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
        ):
            context.progress.start("export", len(clips), "clips")
            for cut_list in films.values():
                failures = _cut_film(cut_list, Path(folder), archive, context)
                missing |= failures
                context.progress.advance("export", len(failures))
            if len(missing) == len(clips):
                raise MediaError(f"not one clip could be cut: {next(iter(missing.values())).reason}")
            context.progress.finish("export")
            document = _build_manifest(context.title, numbered_clips, missing)
            archive.writestr(zipfile.ZipInfo(MANIFEST, EPOCH), format_json(document, indent=2) + "\n")
        return ExportOutcome(missing=tuple(missing[number] for number in sorted(missing)))


def name_entry(number: int, clip: Clip) -> str:
    """Name of a clip in the zip: number, video, frames; a plain file name on any system."""
    return f"{number:04d}_{make_file_stem(Path(clip.film.name).stem)}_{clip.head_frame}-{clip.tail_frame}.mov"


def _cut_film(
    clips: Sequence[tuple[int, Clip]], folder: Path, archive: zipfile.ZipFile, context: ExportContext
) -> dict[int, Missing]:
    """Cut the clips of one video into the archive; return the missing ones by number."""
    from ops.videos.clip_process import ClipProcess
    from ops.videos.clips import ClipSpan, open_unchanged_source
    from ops.videos.hashes import HashCache

    settings, stop = context.settings, context.stop
    film = clips[0][1].film
    left = dict(clips)
    spans = {
        ClipSpan(start_frame=clip.head_frame, end_frame=clip.tail_frame, target=folder / f"{number}.mov"): number
        for number, clip in clips
    }
    threads = min(settings.workers, MAX_THREADS)
    hashes = HashCache(settings.home / "cache" / "hashes.db")
    try:
        stop.check()
        with (
            open_unchanged_source(
                film.path, film.content_hash, film.bytes, hashes=hashes, scratch=settings.scratch
            ) as source,
            ClipProcess(settings.film_limits) as process,
        ):
            # The record is also the source of timelines, so that a clip agrees with them; an old one is read again.
            info = film.media if film.media and film.media.revision == FACTS_REVISION else None
            for span in process.cut(
                source, list(spans), name=film.path, frames=film.frames, threads=threads, stop=stop, info=info
            ):
                clip = left.pop(spans[span])
                _move_into(archive, span.target, name_entry(spans[span], clip))
                context.progress.advance("export")
    except (MediaError, StorageError) as error:
        reason = str(error) if film.path in str(error) else f"{film.path}: {error}"
        return {number: Missing(shot_id=clip.shot_id, path=film.path, reason=reason) for number, clip in left.items()}
    return {}


def _move_into(archive: zipfile.ZipFile, file: Path, name: str) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.file_size = file.stat().st_size
    entry.external_attr = 0o644 << 16
    with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as sink:
        while part := source.read(1 << 20):
            sink.write(part)
    file.unlink()


def _build_manifest(title: str, clips: Sequence[tuple[int, Clip]], missing: dict[int, Missing]) -> dict[str, object]:
    return {
        "format": "needle-clips",
        "version": 1,
        "title": title,
        "clips": [
            {
                "number": number,
                "file": name_entry(number, clip),
                "frames": clip.tail_frame - clip.head_frame,
                "mark_in": clip.in_frame - clip.head_frame,
                "mark_out": clip.out_frame - clip.head_frame,
                "clip_tracks": [track.number for track in clip.film.media.clip_tracks] if clip.film.media else None,
                **clip.list_facts(),
            }
            for number, clip in clips
            if number not in missing
        ],
        "missing": [
            {"number": number, "shot_id": failure.shot_id, "path": failure.path, "reason": failure.reason}
            for number, failure in sorted(missing.items())
        ],
    }


FORMAT = ZipFormat()
