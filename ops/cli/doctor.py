"""``needle doctor``: every setting with its source, and a check if its value can be used; or the facts of one file."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ops.cli.catalogue_status import build_status
from ops.cli.database_faults import describe_damage, find_damaged_databases
from ops.cli.main import EXIT_FAILED, announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.cluster.session import describe_cluster
from ops.core.alerts import describe_webhook
from ops.core.errors import (
    LakeError,
    NeedleError,
    NotFoundError,
    StorageError,
    UsageError,
    describe_system_error,
    make_home_error,
)
from ops.core.plural import plural
from ops.core.postgres import claim_database, connect
from ops.core.settings import Settings, describe_settings
from ops.dialogue.report import list_unusable_subtitles
from ops.dialogue.speech import OFF, explain_speech_problem
from ops.embeddings.encoder import explain_setting_against_live, resolve_encoder
from ops.embeddings.shared_choice import list_other_homes, read_choice
from ops.index.build import plan_index
from ops.index.index import open_index, read_current_version
from ops.people.choice import explain_setting as explain_people_setting
from ops.screen_text.build import explain_setting
from ops.sound.build import explain_setting as explain_sound_setting
from ops.upgrade.shared_encoder import find_shared_state
from ops.videos.catalogue import require_same_division
from ops.videos.objects import is_remote, list_objects


@click.command(name="doctor")
@click.argument("file", default="", metavar="[FILE]")
@add_setting_options("library", "encoder", "detector", "workers", "partitions", "engine", "ray_address")
@click.option("--faults", is_flag=True, help="Compare home, object store, indexes and features with each other.")
@click.option("--repair", is_flag=True, help="Also mend what --faults finds.")
@json_option
def command(file: str, as_json: bool, faults: bool, repair: bool, **options: Any) -> int:
    """Show every setting and its source, and check that it works.

    With FILE (a path, or the name or id of a video): the record of facts about it, with the evidence for
    each, contradictions, and notes. The file is opened, not ingested.

    \b
    Example: needle doctor
             needle doctor film.mp4
             needle doctor --repair
    """
    if file:
        from ops.cli.facts import print_facts

        print_facts(load_command_settings(options, follows_live=False), file, as_json=as_json)
        return 0
    settings = load_command_settings(options, follows_live=False)  # this command reports contradictions itself
    if faults or repair:
        return _report_faults(settings, wants_repair=repair, as_json=as_json)
    values = {name: value for name, value in options.items() if name in Settings.model_fields}
    rows = describe_settings(**values)
    checks = [_run_check(name, check, settings) for name, check in CHECKS.items()]
    if as_json:
        settings_document = {name: {"value": value, "source": source} for name, value, source in rows}
        print_json(
            {"settings": settings_document, "checks": {name: {"ok": ok, "note": note} for name, ok, note in checks}}
        )
    else:
        for name, value, source in rows:
            click.echo(f"{name:<24} {value or '-':<40} {source}")
        click.echo()
        for name, ok, note in checks:
            click.echo(f"{'ok  ' if ok else 'FAIL'} {name:<10} {note}")
    return 0 if all(ok for _, ok, _ in checks) else EXIT_FAILED


def _report_faults(settings: Settings, *, wants_repair: bool, as_json: bool) -> int:
    """Print the faults of the home, mend them if that is wanted, and return the exit status for those that remain."""
    from ops.cli.home_faults import find_faults, repair
    from ops.cli.progress import Bars

    require_same_division(settings)
    read_choice(settings.store)  # a damaged one is for people to decide about
    faults = find_faults(settings)
    if wants_repair and faults.describe():
        for line in faults.describe():
            announce(f"found: {make_printable(line)}")
        with Bars() as bars:
            repair(settings, faults, bars)
        faults = find_faults(settings)
    lines = faults.describe()
    if as_json:
        print_json({"faults": lines})
    else:
        click.echo("\n".join(map(make_printable, lines)) or "no faults")
    return EXIT_FAILED if lines else 0


def _run_check(name: str, check: Callable[[Settings], str], settings: Settings) -> tuple[str, bool, str]:
    try:
        return name, True, check(settings)
    except NeedleError as error:
        return name, False, str(error)
    except OSError as error:
        return name, False, describe_system_error(error)


def _check_python(settings: Settings) -> str:
    return f"{sys.version.split()[0]} in {sys.prefix}"


def _check_home(settings: Settings) -> str:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=settings.home, prefix="doctor-") as file:
            file.write(b"needle")
            file.flush()
    except OSError as error:
        raise make_home_error(settings.home, error) from error
    free = shutil.disk_usage(settings.home).free
    return f"{settings.home}, {free / 1e9:.1f} GB free"


def _check_storage(settings: Settings) -> str:
    key, text = "doctor/probe", b"needle"
    settings.store.write_bytes(key, text)
    if settings.store.read_bytes(key) != text:
        raise StorageError(f"{settings.storage_uri} gave back other bytes than were written")
    settings.store.delete(key)
    return f"{settings.storage_uri} can be written and read"


def _check_encoder(settings: Settings) -> str:
    encoder = resolve_encoder(settings)
    contradiction = explain_setting_against_live(settings)
    shared = find_shared_state(settings)
    following = f"{shared.live.spec} is live in {settings.storage_uri}: `needle ingest` follows it" if shared else ""
    remarks = "; ".join(each for each in (encoder.reason, contradiction, following, _name_other_uses(settings)) if each)
    return f"{encoder.encoder_id} ({remarks})"


def _name_other_uses(settings: Settings) -> str:
    """Name the other homes on the store that use another encoder than the shared one; empty if all use that one."""
    choice = read_choice(settings.store)
    if choice is None or choice.state.live is None:
        return ""
    live_id, homes = choice.state.live.encoder_id, list_other_homes(settings, choice, datetime.now(UTC).date())
    return "; ".join(
        f"{make_printable(use.name)} uses {', '.join(use.encoder_ids)} until `needle ingest` there (seen {use.seen})"
        for use in homes.values()
        if live_id not in use.encoder_ids
    )


def _index(settings: Settings) -> str:
    encoder_id = resolve_encoder(settings).encoder_id
    plan = plan_index(settings, encoder_id)
    if plan.rows:
        open_index(settings, encoder_id).close()  # if this fails, every search fails too
    is_current = read_current_version(settings, encoder_id) == plan.version
    return "matches the lake" if is_current else "is older than the lake: run `needle ingest`"


def _check_library(settings: Settings) -> str:
    if not settings.library:
        return "none: nothing is watched"
    if is_remote(settings.library):
        return f"{settings.library}, {plural(len(list_objects(settings.library)), 'object')}"
    if not Path(settings.library).is_dir():
        raise NotFoundError(f"{settings.library} is not a folder: correct NEEDLE_LIBRARY, or mount the disk")
    return settings.library


def _check_footage(settings: Settings) -> str:
    """Return the videos, shots and subtitles that are set aside, each with its reason, and the remedy."""
    status = build_status(settings, resolve_encoder(settings).encoder_id)
    videos = [video for video in status["videos"] if video["state"] != "removed"]
    refusals = [
        f"{make_printable(video['path'])}: {make_printable(video['reason'] or '')}"
        for video in videos
        if video["state"] == "set_aside" and not video["shots_set_aside"]
    ]
    refusals += [
        f"{make_printable(video['path'])}, shot {shot['shot_id']}: {make_printable(shot['reason'])}"
        for video in videos
        for shot in video["shots_set_aside"]
    ]
    dialogue = list_unusable_subtitles(settings, {video["video_id"] for video in videos})
    refusals += [f"{make_printable(entry['path'])}: {make_printable(entry['reason'])}" for entry in dialogue]
    if not refusals:
        return f"{plural(len(videos), 'video')}, nothing is set aside"
    return "\n  ".join(
        [f"{len(refusals)} set aside; mend the cause, then run `needle ingest --retry PATH`:", *refusals]
    )


def _check_lake(settings: Settings) -> str:
    """Read every file of the lake.

    Raises ``LakeError`` with all damaged ones, and ``SettingsError`` if it is divided otherwise than the settings say.
    """
    require_same_division(settings)
    if damage := settings.lake.find_damage():
        raise LakeError(
            "\n  ".join([f"{plural(len(damage), 'damaged file')}:", *(make_printable(str(error)) for error in damage)])
        )
    return "every file can be read"


def _check_databases(settings: Settings) -> str:
    """Read Feast's and Dagster's files. Raises ``StorageError`` with all damaged ones."""
    if damaged := find_damaged_databases(settings):
        lines = (make_printable(describe_damage(settings, path, reason)) for path, reason in damaged.items())
        raise StorageError("\n  ".join([f"{plural(len(damaged), 'damaged file')}:", *lines]))
    return "on Postgres" if settings.postgres_address else "every file can be read"


def _check_engine(settings: Settings) -> str:
    return describe_cluster(settings.ray_address) if settings.engine == "ray" else "this process"


def _check_postgres(settings: Settings) -> str:
    address = settings.postgres_address
    if address is None:
        return "none: SQLite files in the home"
    claim_database(address, settings.storage_uri)
    with connect(address) as database:
        (version,) = database.execute("SHOW server_version").fetchone() or ("?",)
    return f"{address} of user {address.user}, PostgreSQL {version}"


def _check_speech(settings: Settings) -> str:
    if settings.speech in ("", OFF):
        return OFF
    if problem := explain_speech_problem(settings.speech):
        raise UsageError(problem)
    return settings.speech


def _check_screen_text(settings: Settings) -> str:
    if problem := explain_setting(settings.screen_text):
        raise UsageError(problem)
    return settings.screen_text


def _check_sound(settings: Settings) -> str:
    problem = explain_sound_setting(settings.sound)
    return f"{settings.sound}, without speech: {problem}" if problem else settings.sound


def _check_people(settings: Settings) -> str:
    if problem := explain_people_setting(settings):
        raise UsageError(problem)
    return settings.people


CHECKS = {
    "python": _check_python,
    "home": _check_home,
    "storage": _check_storage,
    "library": _check_library,
    "encoder": _check_encoder,
    "index": _index,
    "lake": _check_lake,
    "databases": _check_databases,
    "footage": _check_footage,
    "engine": _check_engine,
    "postgres": _check_postgres,
    "speech": _check_speech,
    "screen text": _check_screen_text,
    "sound": _check_sound,
    "people": _check_people,
    "failures": describe_webhook,
}
