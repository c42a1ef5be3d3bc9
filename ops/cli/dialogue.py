"""``needle dialogue``: the spoken lines of one video, and the timing of its subtitles."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import click

from ops.cli.main import announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.rows import LakeVideo
from ops.core.settings import Settings
from ops.dialogue.report import read_dialogue
from ops.dialogue.spoken_words import UNSURE
from ops.dialogue.timing import SubtitleTiming, read_timing, set_timing
from ops.search.shot_details import VideoRow
from ops.videos.catalogue import find_video, require_layout, require_same_division

STEPS = ("dialogue", "media_features")
NTSC = {"23.976": "24000/1001", "23.98": "24000/1001", "29.97": "30000/1001", "59.94": "60000/1001"}


@click.command(name="dialogue")
@click.argument("video", metavar="VIDEO")
@click.option("--shift", type=float, metavar="SECONDS", help="Show subtitles so much later; earlier if negative.")
@click.option(
    "--stretch", type=float, metavar="FACTOR", help="Multiply the times of subtitles by this, before a shift."
)
@click.option("--fps", metavar="FROM:TO", help="Stretch by frame rates: subtitles of a FROM version, a film at TO.")
@click.option("--reset", is_flag=True, help="Remove the correction of subtitle times.")
@add_setting_options("encoder", "speech", "speech_language")
@json_option
def command(
    video: str,
    shift: float | None,
    stretch: float | None,
    fps: str | None,
    reset: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """List the spoken lines of VIDEO (a path, a file name or a video id), or set the timing of its subtitles.

    A timing counts from the times in the subtitle files and tracks, stays with the video, and changes its lines and
    their index at once; values that are not given stay as they are. Recognised speech is always in step: if a
    model heard the video before it got subtitles, a note proposes the timing that agrees with it.

    \b
    Example: needle dialogue film.mp4 --shift -1.5
             needle dialogue film.mp4 --fps 25:23.976
    """
    settings = load_command_settings(options)
    require_same_division(settings)
    row = find_video(settings.lake, video)
    if reset or any(each is not None for each in (shift, stretch, fps)):
        require_layout(settings)
        before = SubtitleTiming() if reset else read_timing(settings, row["video_id"])
        timing = _apply_options(before, shift, stretch, fps)
        if set_timing(settings, row["video_id"], timing, datetime.now(UTC)):
            _bring_up_to_date(settings, settings.resolve_partition(row["video_id"]))
    _show(settings, row, as_json)


def _apply_options(
    before: SubtitleTiming, shift: float | None, stretch: float | None, fps: str | None
) -> SubtitleTiming:
    if stretch is not None and fps is not None:
        raise UsageError("give --stretch or --fps, not both")
    factor = _parse_ratio(fps) if fps is not None else stretch
    return SubtitleTiming(
        shift_s=before.shift_s if shift is None else shift, stretch=before.stretch if factor is None else factor
    )


def _parse_ratio(fps: str) -> float:
    """Parse the factor of ``FROM:TO``. Raises ``UsageError`` if these are not two frame rates."""
    try:
        first, second = (Fraction(NTSC.get(part.strip(), part.strip())) for part in fps.split(":"))
        return float(first / second)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--fps {fps}: give two frame rates as FROM:TO, such as 25:23.976") from None


def _bring_up_to_date(settings: Settings, partition: str) -> None:
    from ops.cli.progress import Bars
    from ops.cli.runs import run_pipeline

    with Bars() as bars:
        run_pipeline(
            settings,
            [partition],
            (),
            bars,
            partitioned_steps=STEPS,
            indexes=("dialogue_index",),
            started_by="needle dialogue",
        )


def _show(settings: Settings, row: LakeVideo, as_json: bool) -> None:
    timing = read_timing(settings, row["video_id"])
    lines, sources = read_dialogue(settings, row["video_id"])
    video = VideoRow.build(row)
    for line in lines:
        line["start_timecode"] = video.timecode_at(line["start_frame"], line["start_s"])
    if as_json:
        facts = {name: row[name] for name in ("video_id", "path", "show")}
        print_json(facts | {"timing": vars(timing), "sources": sources, "lines": lines})
        return
    for line in lines:
        is_unsure = line["certainty"] is not None and line["certainty"] < UNSURE
        origin = ", ".join(filter(None, (line["source"], line["language"], "unsure" if is_unsure else "")))
        times = f"{line['start_s']:>9.3f} - {line['end_s']:<9.3f}"
        click.echo(f"{line['start_timecode']}  {times} {make_printable(' '.join(line['text'].split()))} ({origin})")
    if not timing.is_plain:
        announce(f"subtitles: times x {timing.stretch:.6f}, then {timing.shift_s:+.3f} s; --reset undoes it")
        if all(source["source"] == "asr" for source in sources):
            announce("note: the video has no subtitles yet, so this changes nothing until some come")
    for source in sources:
        name = row["path"] if source["source"] == "asr" else source["path"]  # the path of speech is the model's
        for note in filter(None, [source["reason"], *(source["notes"] or [])]):
            announce(f"note: {make_printable(name)}: {make_printable(note)}")
    announce(f"{plural(len(lines), 'line')} of {make_printable(row['path'])}")
