"""``needle people``: who is in the picture; names, merges, splits, and faces like a face."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from ops.cli.main import EXIT_FAILED, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.rows import LakePerson
from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.videos.catalogue import require_known_version, require_layout

STEPS = ("media_features",)
OFF_HINT = "they come back with the next ingest unless NEEDLE_PEOPLE is off"


@click.command(name="people")
@click.argument("arguments", metavar="[PERSON|FACE]...", nargs=-1)
@click.option("--name", metavar="ID", help="Give the person ID the name that follows; an empty one takes it away.")
@click.option("--merge", metavar="ID", help="The people that follow are the person ID.")
@click.option("--split", metavar="ID", help="The faces or shots that follow show another person than ID.")
@click.option("--not", "reject", metavar="ID", help="The faces or shots that follow do not show ID.")
@click.option("--like", metavar="FACE|IMAGE", help="List the faces most like a face, or like the one in an image file.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="Faces of --like.")
@click.option("--off", is_flag=True, help="Delete all faces, vectors, names and changes, with --yes.")
@click.option("--yes", is_flag=True, help="Delete them; without this, only count.")
@click.option("--author", default="me", show_default=True, metavar="NAME", help="Who changes it.")
@add_setting_options("encoder", "people", "face_models")
@json_option
def command(
    arguments: tuple[str, ...],
    name: str | None,
    merge: str | None,
    split: str | None,
    reject: str | None,
    like: str | None,
    limit: int,
    off: bool,
    yes: bool,
    author: str,
    as_json: bool,
    **options: Any,
) -> int:
    """List the people of the catalogue, or the faces of one PERSON; name, merge and split them.

    People are groups of faces that look alike, found if NEEDLE_PEOPLE=on. This is biometric data: boxes, vectors and
    names are in the lake and the feature store only, and `needle people --off` deletes all of it. PERSON and ID are an
    id or a name.

    \b
    Example: needle people
             needle people --name p3f2a9c1e77b0 "Thom"
             needle people --merge Thom p77aa01b2c3d4
             needle people --split Thom 0f3a...:1200:face0-51c2d8
    """
    changes = [each for each in (name, merge, split, reject, like) if each is not None]
    if len(changes) + off > 1:
        raise UsageError("choose one of --name, --merge, --split, --not, --like and --off")
    if arguments and (off or like is not None):
        way = "--off removes everybody, `needle forget --person NAME` one person" if off else "--like takes one face"
        raise UsageError(f"{' '.join(arguments)!r} is too much: {way}")
    settings = load_command_settings(options)
    if off or (changes and like is None):
        require_layout(settings)
    else:
        require_known_version(settings)
    if off:
        return _delete_all(settings, yes)
    if like is not None:
        return _list_like(settings, like, limit, as_json)
    if changes:
        people = _change(settings, arguments, name, merge, split, reject, author)
        _bring_up_to_date(settings)
        _print_people(people, as_json)
        return 0
    if not arguments:
        _list_all(settings, as_json)
        return 0
    if len(arguments) > 1:
        raise UsageError("name one PERSON, or choose --merge, --split or --not")
    _show(settings, arguments[0], as_json)
    return 0


def _change(
    settings: Settings,
    arguments: Sequence[str],
    name: str | None,
    merge: str | None,
    split: str | None,
    reject: str | None,
    author: str,
) -> list[LakePerson]:
    from ops.people import editing

    now = datetime.now(UTC)
    if not arguments:
        raise UsageError("name a person or faces after the option: `needle people --help` has examples")
    if name is not None:
        return [editing.name_person(settings, name, " ".join(arguments), author, now)]
    if merge is not None:
        others = dict.fromkeys(editing.find_person(settings, other)["person_id"] for other in arguments)
        return [editing.merge_people(settings, merge, other, author, now) for other in others][-1:]
    if split is not None:
        return [editing.split_faces(settings, split, arguments, author, now)]
    assert reject is not None
    person_id = editing.find_person(settings, reject)["person_id"]
    count = editing.reject_faces(settings, person_id, arguments, author, now)
    click.echo(f"{plural(count, 'face')} taken away", err=True)
    return [each for each in _read(settings) if each["person_id"] == person_id]


def _read(settings: Settings) -> list[LakePerson]:
    from ops.people.catalogue import read_people

    return read_people(settings)


def _list_all(settings: Settings, as_json: bool) -> None:
    people = _read(settings)
    _print_people(people, as_json)
    if not people and not as_json:
        why = "run `needle ingest`" if settings.people == "on" else "set NEEDLE_PEOPLE=on and run `needle ingest`"
        click.echo(f"no people yet: {why}", err=True)


def _describe(each: LakePerson) -> dict[str, Any]:
    return {key: each[key] for key in ("person_id", "name", "faces", "shots", "videos", "face_id")}


def _print_people(people: Sequence[LakePerson], as_json: bool) -> None:
    if as_json:
        print_json({"people": [_describe(each) for each in people]})
        return
    for each in people:
        counts = f"{plural(each['shots'], 'shot')}, {plural(each['faces'], 'face')}, {plural(each['videos'], 'video')}"
        click.echo(make_printable(f"{each['person_id']}  {each['name'] or '(no name)'}: {counts}"))


def _show(settings: Settings, person: str, as_json: bool) -> None:
    from ops.people.editing import find_person, read_person_faces

    row = find_person(settings, person)
    faces = read_person_faces(settings, row["person_id"])
    if as_json:
        columns = ("face_id", "video_id", "show", "shot_id", "frame", "box", "quality", "model")
        print_json({**_describe(row), "all_faces": [{key: face[key] for key in columns} for face in faces]})  # type: ignore[literal-required]
        return
    _print_people([row], as_json)
    for face in faces:
        click.echo(make_printable(f"  {face['face_id']}  {face['show']}  quality {face['quality']:.2f}"))


def _list_like(settings: Settings, like: str, limit: int, as_json: bool) -> int:
    from ops.people.similar import find_faces_like_face, find_faces_like_picture
    from ops.search.saved_pictures import make_picture_reader

    if ":face" in like and parse_shot_id(like.rpartition(":")[0]):
        faces = find_faces_like_face(settings, like, limit)
    else:
        faces = find_faces_like_picture(settings, make_picture_reader(settings.store)(like), limit)
    names = {each["person_id"]: each["name"] or each["person_id"] for each in _read(settings)}
    if as_json:
        print_json({"faces": [{"face_id": f.face_id, "person_id": f.person_id, "distance": f.distance} for f in faces]})
        return 0
    for each in faces:
        who = names.get(each.person_id, each.person_id) if each.person_id else "(nobody)"
        click.echo(make_printable(f"{each.distance:.3f}  {each.face_id}  {who}"))
    return 0


def _bring_up_to_date(settings: Settings) -> None:
    """Write the features of changed shots: they follow a change of people at once."""
    from ops.cli.progress import Bars
    from ops.cli.runs import run_pipeline
    from ops.embeddings.encoder import resolve_encoder
    from ops.pipeline import find_step
    from ops.videos import catalogue

    ids = [row["video_id"] for row in catalogue.read_videos(settings.lake) if row["state"] == "ready"]
    partitions = sorted(find_step("media_features").is_due(settings, resolve_encoder(settings).encoder_id, ids))
    if partitions:
        with Bars() as bars:
            run_pipeline(
                settings, partitions, (), bars, partitioned_steps=STEPS, indexes=(), started_by="needle people"
            )


def _delete_all(settings: Settings, yes: bool) -> int:
    from ops.cli.forget_people import delete_people

    people = _read(settings)
    name_count = sum(bool(each["name"]) for each in people)
    faces = sum(each["faces"] for each in people)
    click.echo(f"{plural(len(people), 'person', 'people')} ({name_count} with a name), {plural(faces, 'face')}")
    if not yes:
        click.echo("nothing was removed: add --yes to remove for good", err=True)
        return EXIT_FAILED
    delete_people(settings, None)
    click.echo("deleted" if settings.people == "off" else f"deleted; {OFF_HINT}")
    return 0
