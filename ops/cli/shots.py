"""``needle shots``: the shots of one video, and corrections of its cuts by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import click

from ops.cli.facts import print_facts
from ops.cli.main import announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.search.shot_details import VideoRow
from ops.shots.build import read_shots
from ops.videos.catalogue import find_video, require_known_version, require_same_division

FRAME = click.IntRange(min=0)


@click.command(name="shots")
@click.argument("video", metavar="VIDEO", required=False)
@add_setting_options()
@click.option("--facts", "with_facts", is_flag=True, help="Print the record of facts about VIDEO instead.")
@click.option("--merge", multiple=True, type=FRAME, metavar="FRAME", help="No shot begins at this frame (repeatable).")
@click.option("--split", multiple=True, type=FRAME, metavar="FRAME", help="A shot begins at this frame (repeatable).")
@click.option("--undo", multiple=True, type=FRAME, metavar="FRAME", help="Withdraw a correction (repeatable).")
@click.option("--author", default="me", show_default=True, metavar="NAME", help="Who corrects.")
@click.option("--note", default="", metavar="TEXT", help="Why, kept with the correction.")
@click.option(
    "--corrections", "with_corrections", is_flag=True, help="Print all corrections of VIDEO, or of all videos."
)
@click.option(
    "--annotation", metavar="FILE", help="Write the cuts to FILE.shots.json, as `needle evaluate` reads them."
)
@json_option
def command(
    video: str | None,
    with_facts: bool,
    merge: tuple[int, ...],
    split: tuple[int, ...],
    undo: tuple[int, ...],
    author: str,
    note: str,
    with_corrections: bool,
    annotation: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """List the shots of VIDEO: a path, a file name or a video id; or correct its cuts.

    Frames are source frame numbers, half-open: a shot ends where the next one starts. Corrections name frames, so they
    hold for any detector; the next ingest applies them, and cuts and embeds only the shots that change.

    \b
    Example: needle shots film.mp4
             needle shots film.mp4 --merge 489 --split 605
    """
    settings = load_command_settings(options)
    require_known_version(settings)
    require_same_division(settings)
    if with_corrections and not (merge or split or undo or annotation or with_facts):
        _list_corrections(settings, video, as_json)
        return
    if video is None:
        raise UsageError("name a video: a path, a file name or a video id; `needle status` lists them")
    if sum(map(bool, (with_facts, with_corrections, annotation, merge or split or undo))) > 1:
        raise UsageError("choose one of --facts, --corrections, --annotation, and --merge, --split or --undo")
    if with_facts:
        print_facts(settings, video, as_json=as_json)
    elif merge or split or undo:
        statements = [("undo", frame) for frame in undo] + [("merge", frame) for frame in merge]
        _correct(settings, video, statements + [("split", frame) for frame in split], author, note, as_json)
    elif annotation:
        _annotate(settings, video, Path(annotation).expanduser().absolute(), as_json)
    else:
        _list(settings, video, as_json)


class ListedShot(TypedDict):
    """A shot in the document of ``needle shots --json``."""

    shot_id: str
    index: int
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    start_timecode: str
    transition: str
    detector: str


def _list(settings: Settings, video: str, as_json: bool) -> None:
    row = find_video(settings.lake, video)
    clock = VideoRow.build(row)
    shots = [
        ListedShot(
            shot_id=shot["shot_id"],
            index=shot["index"],
            start_frame=shot["start_frame"],
            end_frame=shot["end_frame"],
            start_s=shot["start_s"],
            end_s=shot["end_s"],
            start_timecode=clock.timecode_at(shot["start_frame"], shot["start_s"]),
            transition=shot["transition"],
            detector=shot["detector"],
        )
        for shot in read_shots(settings, row["video_id"])
    ]
    if as_json:
        print_json(shots)
        return
    if row["reason"]:
        announce(f"set aside: {make_printable(row['reason'])}")
    for shot in shots:
        _, _, corrections = shot["detector"].partition("+")
        click.echo(
            f"{shot['index']:>5}  {shot['start_timecode']}  {shot['start_frame']:>7} - {shot['end_frame']:<7}  "
            f"{shot['end_s'] - shot['start_s']:7.2f} s  {shot['transition']:<8} {shot['shot_id']}"
            + (f"  corrected: {corrections.replace('+', ', ')}" if corrections else "")
        )


def _correct(settings: Settings, video: str, statements: list[Any], author: str, note: str, as_json: bool) -> None:
    from ops.probes.changed_labels import find_changed_labels
    from ops.shots.correcting import correct_cuts

    row = find_video(settings.lake, video)
    state = correct_cuts(settings, row, statements, author=author, note=note, now=datetime.now(UTC))
    labels = find_changed_labels(settings, state)
    if as_json:
        print_json(
            {
                "video_id": row["video_id"],
                "path": row["path"],
                "corrections": [
                    each.document() | {"state": correction_state} for each, correction_state in state.list_states()
                ],
                "to_cut": state.to_cut,
                "to_merge": state.to_merge,
                "labels": [each.document() for each in labels],
            }
        )
        return
    for frame in state.to_cut:
        click.echo(f"{make_printable(row['path'])}: a shot will begin at frame {frame}")
    for frame in state.to_merge:
        click.echo(f"{make_printable(row['path'])}: no shot will begin at frame {frame}")
    for each in labels:
        value = "yes" if each.value else "no"
        announce(f"label {each.label}: {value} on {each.shot_id}: {each.document()['why']}")
    if state.to_cut or state.to_merge:
        announce(f"next: needle ingest {make_printable(row['path'])}")
    else:
        announce("saved; the shots agree with it already, so nothing has to be cut")


def _list_corrections(settings: Settings, video: str | None, as_json: bool) -> None:
    from ops.shots.correcting import list_correction_documents

    video_id = find_video(settings.lake, video)["video_id"] if video else None
    documents = list_correction_documents(settings, video_id)
    if as_json:
        print_json(documents)
        return
    for each in documents:
        note = f": {each['note']}" if each["note"] else ""
        click.echo(
            make_printable(
                f"{each['path']}  frame {each['frame']:>7}  {each['action']:<9}  {each['state']:<10}  "
                f"{each['created_at'][:19]}  {each['author']}{note}"
            )
        )
    if not documents:
        announce("no corrections yet: needle shots VIDEO --merge FRAME or --split FRAME")


def _annotate(settings: Settings, video: str, path: Path, as_json: bool) -> None:
    from ops.shots.annotation import write_annotation
    from ops.shots.correcting import read_cut_state

    state = read_cut_state(settings, find_video(settings.lake, video))
    write_annotation(state, path)
    if as_json:
        print_json({"path": str(path), "cuts": len(state.planned) - 1, "corrections": len(state.current)})
        return
    click.echo(
        f"{make_printable(str(path))}: {plural(len(state.planned) - 1, 'cut')}, {len(state.current)} of them by people"
    )
    announce("the others are the detector's: look through the whole film before it judges a detector")
