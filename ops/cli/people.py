"""``needle people``: who is in the picture; names, merges, splits, faces of a person, and faces like a face."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.main import EXIT_FAILED, announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.rows import LakePerson
from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.videos.catalogue import require_known_version, require_layout

if TYPE_CHECKING:
    from ops.people.similar import PictureFaces

STEPS = ("media_features",)
OFF_HINT = "they come back with the next ingest unless NEEDLE_PEOPLE is off"
USAGES = {
    "--name": "--name ID NAME",
    "--merge": "--merge ID OTHER...",
    "--unmerge": "--unmerge ID OTHER...",
    "--split": "--split ID FACE...",
    "--not": "--not ID FACE...",
    "--is": "--is PERSON FACE...",
}
MOST_UNDONE = 24
"""Faces that the hint of ``--not`` names."""

Edit = Callable[[Settings, str, Sequence[str], str], list[LakePerson]]
"""Settings, the person of the option, the arguments and the author; returns the people to print."""


@click.command(name="people")
@click.argument("arguments", metavar="[PERSON|SHOT|FACE]...", nargs=-1)
@click.option("--name", metavar="ID", help="Give the person ID the name that follows; an empty one takes it away.")
@click.option("--merge", metavar="ID", help="The people that follow are the person ID.")
@click.option("--unmerge", metavar="ID", help="The ids that follow were merged into ID by mistake; undoes --merge.")
@click.option("--split", metavar="ID", help="The faces or shots that follow show another person than ID.")
@click.option("--not", "reject", metavar="ID", help="The faces or shots that follow do not show ID.")
@click.option(
    "--is", "assign", metavar="ID", help="The faces or shots that follow show ID, who may be new; undoes --not."
)
@click.option("--like", metavar="FACE|IMAGE", help="List the faces most like a face, or like the one in an image file.")
@click.option("--face", metavar="N", type=click.IntRange(1), help="Face N of the image, from the left, for --like.")
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
    unmerge: str | None,
    split: str | None,
    reject: str | None,
    assign: str | None,
    like: str | None,
    face: int | None,
    limit: int,
    off: bool,
    yes: bool,
    author: str,
    as_json: bool,
    **options: Any,
) -> int:
    """List the people of the catalogue, or the faces of a PERSON or a SHOT; name, merge and split people.

    People are groups of faces that look alike, found if NEEDLE_PEOPLE=on. This is biometric data: boxes, vectors and
    names are in the lake and the feature store only, and `needle people --off` deletes all of it. PERSON and ID are an
    id or a name. FACE is an id that `needle people PERSON`, `needle people SHOT` or --like lists.

    \b
    Example: needle people
             needle people --name p3f2a9c1e77b0 "Thom"
             needle people --merge Thom p77aa01b2c3d4
             needle people --split Thom 0f3a...:1200:face0-51c2d8
             needle people --is Thom 0f3a...:1250:face1-51c2d8
             needle people --is "A new name" 0f3a...:1250:face2-51c2d8
    """
    given = {
        "--name": name,
        "--merge": merge,
        "--unmerge": unmerge,
        "--split": split,
        "--not": reject,
        "--is": assign,
    }
    edits = {option: person for option, person in given.items() if person is not None}
    _check(arguments, list(edits), like, face, off)
    settings = load_command_settings(options)
    if off or edits:
        require_layout(settings)
    else:
        require_known_version(settings)
    if off:
        return _delete_all(settings, yes)
    if like is not None:
        return _list_like(settings, like, face, limit, as_json)
    for option, person in edits.items():
        people = _EDITS[option](settings, person, arguments, author)
        _bring_up_to_date(settings)
        _print_people(people, as_json)
        return 0
    return _list(settings, arguments, as_json)


def _check(arguments: Sequence[str], edits: Sequence[str], like: str | None, face: int | None, off: bool) -> None:
    """Raise ``UsageError`` for options that exclude each other, and for missing or superfluous arguments."""
    if len(edits) + (like is not None) + off > 1:
        raise UsageError(f"choose one of {', '.join(USAGES)}, --like and --off")
    if arguments and (off or like is not None):
        way = "--off removes everybody, `needle forget --person NAME` one person" if off else "--like takes one face"
        raise UsageError(f"{' '.join(arguments)!r} is too much: {way}")
    if edits and not arguments:
        raise UsageError(f"nothing follows the person of {edits[0]}: write `needle people {USAGES[edits[0]]}`")
    if len(arguments) > 1 and not edits:
        raise UsageError(f"name one PERSON or SHOT, or choose one of {', '.join(USAGES)}")
    if face is not None and like is None:
        raise UsageError("--face chooses a face of an image: write `needle people --like IMAGE --face N`")


def _name(settings: Settings, person: str, arguments: Sequence[str], author: str) -> list[LakePerson]:
    from ops.people.editing import name_person

    return [name_person(settings, person, " ".join(arguments), author, datetime.now(UTC))]


def _merge(settings: Settings, person: str, arguments: Sequence[str], author: str) -> list[LakePerson]:
    from ops.people import editing

    others = dict.fromkeys(editing.find_person(settings, other)["person_id"] for other in arguments)
    people = [editing.merge_people(settings, person, other, author, datetime.now(UTC)) for other in others][-1:]
    for each in people:
        announce(f"to undo, `needle people --unmerge {each['person_id']} {' '.join(others)}`")
        faces = editing.read_person_faces(settings, each["person_id"])
        if together := len(faces) - len({(face["video_id"], face["frame"]) for face in faces}):
            frames = plural(together, "frame has", "frames have")
            announce(f"{frames} two faces of this person: if that is a mistake, --split takes faces away")
    return people


def _unmerge(settings: Settings, person: str, arguments: Sequence[str], author: str) -> list[LakePerson]:
    from ops.people.editing import unmerge_people

    others = dict.fromkeys(arguments)
    return [unmerge_people(settings, person, other, author, datetime.now(UTC)) for other in others]


def _split(settings: Settings, person: str, arguments: Sequence[str], author: str) -> list[LakePerson]:
    from ops.people.editing import split_faces

    return [split_faces(settings, person, arguments, author, datetime.now(UTC))]


def _reject(settings: Settings, person: str, arguments: Sequence[str], author: str) -> list[LakePerson]:
    from ops.people import editing

    row = editing.find_person(settings, person)
    face_ids = editing.reject_faces(settings, row["person_id"], arguments, author, datetime.now(UTC))
    faces = " ".join(face_ids) if len(face_ids) <= MOST_UNDONE else "FACE..."
    undo = f"to undo, `needle people --is {row['person_id']} {faces}`"
    announce(f"{plural(len(face_ids), 'face')} taken away; {undo}")
    left = [each for each in _read(settings) if each["person_id"] == row["person_id"]]
    if not left:
        _report_faceless(row["person_id"], row["name"] or "")
    return left


def _assign(settings: Settings, person: str, arguments: Sequence[str], author: str) -> list[LakePerson]:
    from ops.people.assignment import assign_faces

    assigned = assign_faces(settings, person, arguments, author, datetime.now(UTC))
    who = assigned.person["name"] or assigned.person["person_id"]
    names = _read_names(settings) | {person_id: name or person_id for person_id, name in assigned.faceless.items()}
    parts = [
        f"{count:,} of {_name_owner(owner, names)}" if owner else f"{count:,} without a person"
        for owner, count in assigned.former.items()
    ]
    given = plural(sum(assigned.former.values()), "face is", "faces are")
    new = " (a new person)" if assigned.is_new else ""
    announce(make_printable(f"{given} {who}{new} now: {', '.join(parts)}"))
    for person_id, name in assigned.faceless.items():
        _report_faceless(person_id, name)
    return [assigned.person]


def _report_faceless(person_id: str, name: str) -> None:
    """Report that a person has no face left, and is not listed until one is given back."""
    kept = f"; the name is kept, and comes back with `needle people --is {name!r} FACE...`" if name else ""
    announce(make_printable(f"{name or person_id} has no face left{kept}"))


_EDITS: dict[str, Edit] = {
    "--name": _name,
    "--merge": _merge,
    "--unmerge": _unmerge,
    "--split": _split,
    "--not": _reject,
    "--is": _assign,
}


def _read(settings: Settings) -> list[LakePerson]:
    from ops.people.catalogue import read_people

    return read_people(settings)


def _list(settings: Settings, arguments: Sequence[str], as_json: bool) -> int:
    """Print all people, or the faces of the person or shot that is named."""
    from ops.people.assignment import is_face_or_shot

    if arguments and is_face_or_shot(arguments[0]):
        _show_shot(settings, arguments[0], as_json)
    elif arguments:
        _show(settings, arguments[0], as_json)
    else:
        _list_all(settings, as_json)
    return 0


def _list_all(settings: Settings, as_json: bool) -> None:
    people = _read(settings)
    _print_people(people, as_json)
    if not people and not as_json:
        why = "run `needle ingest`" if settings.people == "on" else "set NEEDLE_PEOPLE=on and run `needle ingest`"
        announce(f"no people yet: {why}")


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


def _show_shot(settings: Settings, face_or_shot: str, as_json: bool) -> None:
    from ops.people.assignment import read_shot_faces

    faces = read_shot_faces(settings, face_or_shot)
    if as_json:
        columns = ("face_id", "person_id", "shot_id", "frame", "box", "quality")
        print_json({"faces": [{key: face[key] for key in columns} for face in faces]})  # type: ignore[literal-required]
        return
    names = _read_names(settings)
    for face in faces:
        who = _name_owner(face["person_id"], names)
        click.echo(make_printable(f"{face['face_id']}  quality {face['quality']:.2f}  {who}"))


def _read_names(settings: Settings) -> dict[str, str]:
    return {each["person_id"]: each["name"] or each["person_id"] for each in _read(settings)}


def _name_owner(person_id: str | None, names: Mapping[str, str]) -> str:
    return names.get(person_id, person_id) if person_id else "(no person)"


def _list_like(settings: Settings, like: str, number: int | None, limit: int, as_json: bool) -> int:
    from ops.people.similar import find_faces_like_face, find_faces_like_picture
    from ops.search.saved_pictures import make_picture_reader

    document: dict[str, object] = {}
    if ":face" in like and parse_shot_id(like.rpartition(":")[0]):
        if number is not None:
            raise UsageError(f"--face chooses a face of an image, and {like} is one face")
        faces = find_faces_like_face(settings, like, limit)
    elif not Path(like).expanduser().is_file():
        raise UsageError(f"{like!r} is neither an image nor the id of a face: `needle people PERSON` lists these")
    else:
        found = find_faces_like_picture(settings, make_picture_reader(settings.store)(like), limit, number)
        faces = found.faces
        document["picture"] = {"faces": found.count, "used": found.used, "usable": list(found.usable)}
        _report_used(found)
    names = _read_names(settings)
    if as_json:
        rows = [{"face_id": f.face_id, "person_id": f.person_id, "distance": f.distance} for f in faces]
        print_json({"faces": rows, **document})
        return 0
    for each in faces:
        click.echo(make_printable(f"{each.distance:.3f}  {each.face_id}  {_name_owner(each.person_id, names)}"))
    return 0


def _report_used(found: PictureFaces) -> None:
    """Report which of several faces of a picture was compared."""
    if found.count == 1:
        return
    others = [str(each) for each in found.usable if each != found.used]
    way = f"--face {' or '.join(others)} compares another" if others else "no other is clear enough"
    announce(f"the image has {found.count} faces; face {found.used} from the left is compared: {way}")


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
    from ops.people.build import count_stored_faces

    people = _read(settings)
    name_count = sum(bool(each["name"]) for each in people)
    faces = max(count_stored_faces(settings), sum(each["faces"] for each in people))  # if a file is damaged
    click.echo(f"{plural(len(people), 'person', 'people')} ({name_count} with a name), {plural(faces, 'face')}")
    if not yes:
        announce("nothing was removed: add --yes to remove for good")
        return EXIT_FAILED
    delete_people(settings, None)
    click.echo("deleted" if settings.people == "off" else f"deleted; {OFF_HINT}")
    return 0
