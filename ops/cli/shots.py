"""``needle shots``: the shots of one video."""

from __future__ import annotations

from typing import Any

import click

from ops.cli.facts import print_facts
from ops.cli.main import printable
from ops.cli.options import json_option, print_json, setting_options, settings_from
from ops.search.hits import start_timecode
from ops.shots.build import shots_of
from ops.videos.catalogue import find_video


@click.command(name="shots")
@click.argument("video", metavar="VIDEO")
@setting_options()
@click.option("--facts", "with_facts", is_flag=True, help="Print the record of facts about VIDEO instead.")
@json_option
def command(video: str, with_facts: bool, as_json: bool, **options: Any) -> None:
    """List the shots of VIDEO: a path, a file name or a video id.

    Frames are source frame numbers, half-open: a shot ends where the next one starts.

    \b
    Example: needle shots film.mp4
    """
    settings = settings_from(options)
    if with_facts:
        print_facts(settings, video, as_json=as_json)
        return
    row = find_video(settings.lake, video)
    shots = [
        {name: shot[name] for name in ("shot_id", "index", "start_frame", "end_frame", "start_s", "end_s")}
        | {
            "start_timecode": start_timecode(shot["start_frame"], shot["start_s"], row),
            "transition": shot["transition"],
        }
        for shot in shots_of(settings, row["video_id"])
    ]
    if as_json:
        print_json(shots)
        return
    if row["reason"]:
        click.echo(f"set aside: {printable(row['reason'])}", err=True)
    for shot in shots:
        click.echo(
            f"{shot['index']:>5}  {shot['start_timecode']}  {shot['start_frame']:>7} - {shot['end_frame']:<7}  "
            f"{shot['end_s'] - shot['start_s']:7.2f} s  {shot['transition']:<8} {shot['shot_id']}"
        )
