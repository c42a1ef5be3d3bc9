"""Avid Log Exchange (ALE): the shot log that Avid Media Composer, Resolve and dailies systems read."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from ops.core.time import make_timecode
from ops.exports.clip import Clip
from ops.exports.clip_markers import describe_marker
from ops.exports.conform import require_one_rate, warn_over_midnight, warn_rates
from ops.exports.film import Film
from ops.exports.format import (
    ExportContext,
    ExportFormat,
    ExportOutcome,
    choose_source_reels,
    collect_warnings,
    format_rate,
)
from ops.exports.formats.json import flatten_value
from ops.exports.names import join_lines

VIDEO_FORMATS = {480: "NTSC", 486: "NTSC", 576: "PAL", 720: "720", 1080: "1080"}
"""By height of the picture; any other is ``CUSTOM``."""
MAX_TRACKS = 24
"""Sound tracks of an Avid clip."""
FACTS = ("query", "score", "relevance", "note", "dialogue", "show", "title", "shot_id")
"""Facts with a column each, which Avid adds to the bin."""


class AleFormat(ExportFormat):
    """One row per clip: name, tape, file, and ``Start`` to ``End`` of the source's timecode, ``End`` not included.

    Avid relinks by name, ``Tape`` or ``Source File``, and timecode. Reel names are whole; a file without one gets the
    name that it has in an EDL. ``Comments`` is the text of the marker. An ALE has one frame rate.
    """

    name = "ale"
    label = "Avid log (ALE)"
    suffix = ".ale"
    media_type = "text/plain; charset=utf-8"
    position = 46
    has_one_rate = True
    handles_note = "Rows keep in and out as marked; Avid trims into the linked file."
    summary = "is a shot log for Avid"

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        rate = require_one_rate(clips, "an ALE")
        reels = choose_source_reels(clips)
        rows = [_list_cells(clip, rate, reels[clip.film.video_id]) for clip in clips]
        first = clips[0].film
        sections = (
            ("Heading", [("FIELD_DELIM", "TABS"), *_list_headings(first, rate)]),
            ("Column", [tuple(rows[0])]),
            ("Data", [tuple(row.values()) for row in rows]),
        )
        text = "\n\n".join("\n".join([name, *("\t".join(line) for line in lines)]) for name, lines in sections)
        target.write_text(text + "\n", encoding="utf-8", newline="\n")
        warnings = collect_warnings(context.settings, clips) + warn_over_midnight(clips, "an ALE", "row")
        return ExportOutcome(warnings=warnings + warn_rates(clips, "an ALE") + _warn_sound(clips))


def _list_headings(film: Film, rate: Fraction) -> list[tuple[str, str]]:
    """The project of the log, from the first video."""
    samples = film.sound_tracks[0].sample_rate if film.sound_tracks else 48_000
    return [
        ("VIDEO_FORMAT", VIDEO_FORMATS.get(film.height, "CUSTOM")),
        ("AUDIO_FORMAT", f"{samples // 1000}khz"),
        ("FPS", format_rate(rate)),
    ]


def _list_cells(clip: Clip, rate: Fraction, reel: str) -> dict[str, str]:
    """The row of a clip, by column. Cells hold neither tabs nor line breaks."""
    film, marker = clip.film, describe_marker(clip)
    zero = "00:00:00;00" if film.is_drop else "00:00:00:00"
    first = film.start + clip.source_in
    facts = {name: value for name, value in clip.list_facts().items() if name in FACTS and value is not None}
    cells = {
        "Name": film.name if join_lines(film.name) else film.video_id,
        "Tracks": "V" + "".join(f"A{at}" for at in range(1, min(len(film.sound_channels), MAX_TRACKS) + 1)),
        "Start": make_timecode(first, rate, zero),
        "End": make_timecode(first + clip.length, rate, zero),
        "Tape": reel,
        "Source File": film.name,
        "Source Path": film.path,
        "FPS": format_rate(rate),
        "Comments": f"{marker.name}; {marker.comment}",
    }
    cells |= {f"Needle {name.replace('_', ' ')}": str(flatten_value(facts.get(name, ""))) for name in FACTS}
    return {name: join_lines(text) for name, text in cells.items()}


def _warn_sound(clips: Sequence[Clip]) -> tuple[str, ...]:
    films = {clip.film.video_id: clip.film for clip in clips}.values()
    return tuple(
        f"{film.path}: it has {len(film.sound_channels)} sound channels and an ALE names {MAX_TRACKS}"
        for film in films
        if len(film.sound_channels) > MAX_TRACKS
    )


FORMAT = AleFormat()
