"""``needle ingest``: footage in, searchable shots out, as Dagster runs with full lineage."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import click

from ops.cli import runs
from ops.cli.catalogue_status import Status, VideoStatus, build_status, count_indexed
from ops.cli.forget import forget_here_too
from ops.cli.forget_people import delete_people
from ops.cli.looks import describe_look, find_due_partitions, find_switched_off, remember_switches
from ops.cli.main import EXIT_SET_ASIDE, announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.cli.probe_runs import is_scored
from ops.cli.progress import Bars
from ops.core.errors import UsageError
from ops.core.known_rows import LEAST_KEPT
from ops.core.listings import remember_listings
from ops.core.plural import plural
from ops.core.s3_objects import remember_objects
from ops.core.settings import Settings
from ops.dialogue.report import list_unread_subtitles, list_unusable_subtitles
from ops.dialogue.speech import OFF as SPEECH_OFF
from ops.dialogue.speech import explain_speech_problem
from ops.embeddings.encoder import resolve_encoder
from ops.index.build import index_is_current
from ops.index.dialogue import has_current_lines
from ops.index.screen_text import has_current_texts
from ops.people.build import has_stored_people
from ops.people.choice import require_decision
from ops.pipeline import list_steps
from ops.probes.definitions import load_definitions
from ops.search.saved_matches import has_current_matches
from ops.shots.not_applied import FAILURE
from ops.videos import catalogue
from ops.videos.damaged_tables import retry_past_damage
from ops.videos.file_kinds import OTHER_SUBTITLES
from ops.videos.forgotten import read_forgotten_ids
from ops.videos.library import HashCache, Scan, scan
from ops.videos.register import Registration, register

MOST_LISTED = 100
"""Paths of each kind of left-out file in the JSON document."""
MOST_NAMED = 5
"""Names of each kind in the summary for users."""


class LeftOut(TypedDict):
    """Files of one kind that are left out: how many, and the first paths."""

    count: int
    paths: list[str]


class IngestSummary(TypedDict):
    """The document of ``needle ingest --json``."""

    videos: int
    shots: int
    searchable: int
    lines: int
    footage_s: float
    seconds: float
    footage_processed_s: float
    times_realtime: float | None
    up_to_date: bool
    set_aside: list[dict[str, str]]
    notes: list[dict[str, str]]
    subtitles_not_used: list[dict[str, str]]
    duplicates: list[dict[str, str]]
    left_out: dict[str, LeftOut]
    recordings: list[tuple[str, ...]]
    forgotten: list[str]
    replaced: list[str]
    encoder_id: str
    index_version: str | None
    dialogue_version: str | None
    report: str | None


@click.command(name="ingest")
@click.argument("paths", nargs=-1, metavar="PATH...")
@add_setting_options(
    "library",
    "encoder",
    "detector",
    "speech",
    "speech_language",
    "screen_text",
    "sound",
    "people",
    "workers",
    "frames_per_shot",
    "partitions",
    "engine",
    "ray_address",
)
@click.option("--retry", is_flag=True, help="Try videos again that were set aside.")
@click.option("--report", is_flag=True, help="Also run the catalogue_report notebook.")
@json_option
def command(paths: tuple[str, ...], retry: bool, report: bool, as_json: bool, **options: Any) -> int:
    """Make footage searchable: files, folders or s3:// prefixes (default: the library).

    Cuts it into shots, embeds them, reads its dialogue, writes the features and publishes the indexes. Finished
    steps are not repeated. A video that cannot be used is set aside with the reason, and the others continue.

    \b
    Example: needle ingest ~/footage
    """
    settings = load_command_settings(options)
    paths = paths or ((settings.library,) if settings.library else ())
    if not paths:
        raise UsageError("nothing to ingest: name files or folders, or set NEEDLE_LIBRARY")
    start = time.monotonic()
    with Bars() as bars, remember_objects(), remember_listings():
        library_scan = scan(
            list(paths), library=settings.library, hashes=HashCache(settings.home / "cache" / "hashes.db")
        )
        if settings.store.has_conditions:
            from ops.cli.upgrade_runs import follow

            follow(settings, bars)
        live = resolve_encoder(settings).encoder_id
        if not (retry or report) and (earlier_answer := _recall(settings, live, library_scan, start)):
            _note_speech_problem(settings, bars)
            _print(earlier_answer, as_json, library_scan, {}, set())
            return EXIT_SET_ASIDE if earlier_answer["set_aside"] else 0
        if settings.people == "off" and has_stored_people(settings):
            require_decision(settings)
            catalogue.require_layout(settings)
            bars.note("people", "NEEDLE_PEOPLE is off: all faces, people and names are deleted")
            delete_people(settings, None, bars)  # also of films that this ingest does not read
        if forgotten_ids := forget_here_too(settings):
            bars.console.print(f"forgotten in another home, removed here too: {', '.join(forgotten_ids)}")
        registration = retry_past_damage(
            settings, live, bars, lambda: register(settings, library_scan, datetime.now(UTC))
        )
        ran, page = _bring_up_to_date(settings, registration, retry, report, bars)
        skipped = set(bars.skipped)

        def summarise() -> IngestSummary:
            index_count = count_indexed(settings, live)
            status = build_status(settings, live, index_count, least=LEAST_KEPT if ran is None else 1)
            summary = _summarise(
                settings, library_scan, registration, status, ran, time.monotonic() - start, skipped, page
            )
            if (
                not registration.gone
                and not registration.copies
                and (ran is not None or len(status["videos"]) >= LEAST_KEPT)
            ):
                _remember(settings, live, library_scan, registration, status, index_count.is_current)
            return summary

        summary = retry_past_damage(settings, live, bars, summarise)
    old_paths = {video_id: catalogue.find_video(settings.lake, video_id)["path"] for video_id in registration.gone}
    _print(summary, as_json, library_scan, old_paths, bars.printed_notes)
    return EXIT_SET_ASIDE if summary["set_aside"] else 0


def _print(
    summary: IngestSummary, as_json: bool, library_scan: Scan, old_paths: dict[str, str], printed_notes: set[str]
) -> None:
    if as_json:
        print_json(summary)
    _tell(summary, old_paths | {source.video_id: source.path for source in library_scan.files}, printed_notes)


def _note_speech_problem(settings: Settings, bars: Bars) -> None:
    """Note why the model of the settings cannot be used; a run in which a film needs it says that itself."""
    if settings.speech not in ("", SPEECH_OFF) and (problem := explain_speech_problem(settings.speech)):
        bars.note("dialogue", problem)


def _recall(settings: Settings, encoder_id: str, library_scan: Scan, start: float) -> IngestSummary | None:
    """Return the summary of an earlier look with nothing to do, if nothing has changed since."""
    if not settings.lake_memory.path.exists() or runs.find_interrupted_ingests(settings):
        return None
    state = describe_look(settings, encoder_id, library_scan)
    text = settings.lake_memory.read_look(state) if state else ""
    if not text:
        return None
    summary: IngestSummary = json.loads(text)
    summary["recordings"] = library_scan.recordings
    summary["seconds"] = round(time.monotonic() - start, 3)
    return summary


def _remember(
    settings: Settings,
    encoder_id: str,
    library_scan: Scan,
    registration: Registration,
    status: Status,
    index_is_current: bool,
) -> None:
    """Keep the summary that the next look at the same files will give, if nothing is due."""
    # The state comes first: what changes during the check below gives the next look another one.
    state = describe_look(settings, encoder_id, library_scan)
    video_ids = [*registration.seen, *registration.replaced]
    if not state or not index_is_current or find_due_partitions(settings, encoder_id, video_ids, least=1):
        return
    has_lines = has_current_lines(settings) and has_current_texts(settings)
    if not (has_lines and _has_current_results(settings, encoder_id)):
        return
    summary = _summarise(settings, library_scan, registration, status, None, 0.0, set(), None)
    settings.lake_memory.put_look(state, json.dumps(summary))


def _has_current_results(settings: Settings, encoder_id: str) -> bool:
    """Return True if saved searches and scores of probes are those of the published indexes."""
    is_searched = has_current_matches(settings, encoder_id)
    return is_searched and all(is_scored(settings, label) for label in load_definitions(settings))


def _bring_up_to_date(
    settings: Settings, registration: Registration, retry: bool, report: bool, bars: Bars
) -> tuple[set[str] | None, Path | None]:
    """Run the assets for the due partitions, and return these; ``None`` if nothing was due.

    With ``report`` it writes the page of the report too. Dagster is loaded only if something is due: a check of a
    finished catalogue takes no longer than a listing.
    """
    encoder = resolve_encoder(settings)
    probes = load_definitions(settings)
    interrupted_ingests = runs.find_interrupted_ingests(settings)

    def look() -> tuple[set[str], bool]:
        """Return the partitions to bring up to date, and True if indexes and scores are current."""
        if retry:
            _retry(settings, registration.seen, encoder.encoder_id)
            settings.lake_memory.forget_checks()
        due = find_due_partitions(settings, encoder.encoder_id, [*registration.seen, *registration.replaced])
        due |= find_switched_off(settings, encoder.encoder_id)
        has_lines = has_current_lines(settings) and has_current_texts(settings)
        is_indexed = index_is_current(settings, encoder.encoder_id) and has_lines
        return due, is_indexed and _has_current_results(settings, encoder.encoder_id)

    due, is_current = retry_past_damage(settings, encoder.encoder_id, bars, look)
    due |= {partition for ingest in interrupted_ingests for partition in ingest.partitions}
    due -= read_forgotten_ids(settings.store)
    if not (due or interrupted_ingests or report) and is_current:
        remember_switches(settings)
        _note_speech_problem(settings, bars)
        return None, None
    bars.report(f"encoder {encoder.encoder_id}: {encoder.reason}")
    run_id = runs.run_pipeline(
        settings,
        sorted(due),
        interrupted_ingests,
        bars,
        last=(
            *(f"probe_scores/{label}" for label in probes),
            "saved_searches",
            *(("catalogue_report",) if report else ()),
        ),
    )
    remember_switches(settings)
    return due, settings.home / "reports" / run_id / "catalogue_report.html" if report else None


def _retry(settings: Settings, video_ids: list[str], encoder_id: str) -> None:
    for step in list_steps():
        if step.retry:
            step.retry(settings, encoder_id, video_ids, datetime.now(UTC))


def _summarise(
    settings: Settings,
    library_scan: Scan,
    registration: Registration,
    status: Status,
    ran: set[str] | None,
    seconds: float,
    set_aside: set[tuple[str, str]],
    page: Path | None,
) -> IngestSummary:
    """Return the summary as JSON. ``set_aside`` is everything that the run set aside, also of videos not named."""
    skipped_paths = {path for path, _ in set_aside}
    video_ids = {
        *registration.seen,
        *(video["video_id"] for video in status["videos"] if video["path"] in skipped_paths),
    }
    videos = [video for video in status["videos"] if video["video_id"] in video_ids]
    skipped = _list_set_aside(videos, library_scan)
    skipped += list_unusable_subtitles(settings, video_ids)
    footage = round(sum(video["footage_s"] for video in videos), 3)
    processed_videos = [video for video in videos if ran and settings.resolve_partition(video["video_id"]) in ran]
    footage_s = sum(video["footage_s"] for video in processed_videos if video["state"] == "ready")
    copies = dict(sorted(library_scan.duplicates + registration.copies))
    unread, unclear = list_unread_subtitles(settings, video_ids, library_scan.subtitles, copies)
    left_out = library_scan.group_left_out() | ({OTHER_SUBTITLES: unclear} if unclear else {})
    return {
        "videos": len(videos),
        "shots": sum(video["shots"] for video in videos),
        "searchable": sum(video["indexed"] for video in videos),
        "lines": sum(video["lines"] for video in videos),
        "footage_s": footage,
        "seconds": round(seconds, 3),
        "footage_processed_s": round(footage_s, 3),
        "times_realtime": None if ran is None else round(footage_s / seconds, 2),
        "up_to_date": ran is None,
        "set_aside": skipped,
        "notes": [{"path": video["path"], "note": note} for video in processed_videos for note in video["notes"]],
        "subtitles_not_used": unread,
        "duplicates": [{"path": path, "same_as": other} for path, other in copies.items()],
        "left_out": {kind: {"count": len(at), "paths": at[:MOST_LISTED]} for kind, at in left_out.items()},
        "recordings": library_scan.recordings,
        "forgotten": registration.forgotten,
        "replaced": registration.gone,
        "encoder_id": status["encoder_id"],
        "index_version": status["index_version"],
        "dialogue_version": status["dialogue_version"],
        "report": str(page) if page else None,
    }


def _list_set_aside(videos: list[VideoStatus], library_scan: Scan) -> list[dict[str, str]]:
    """Return files, videos, shots and notes on failures with their reasons, each file once."""
    skipped = [{"path": path, "reason": reason} for path, reason in library_scan.set_aside]
    named_paths = {entry["path"] for entry in skipped}
    skipped += [
        {"path": video["path"], "reason": video["reason"] or ""}
        for video in videos
        if (video["state"] == "set_aside" or (video["state"] == "pending" and video["reason"]))
        and not video["shots_set_aside"]
        and video["path"] not in named_paths
    ]
    skipped += [
        {"path": video["path"], "shot_id": shot["shot_id"], "reason": shot["reason"]}
        for video in videos
        for shot in video["shots_set_aside"]
    ]
    skipped += [
        {"path": video["path"], "reason": note}
        for video in videos
        for note in video["notes"]
        if note.startswith(FAILURE)
    ]
    return skipped


def _tell(summary: IngestSummary, paths: dict[str, str], printed_notes: set[str]) -> None:
    """Print the summary; notes that were already printed are not repeated."""
    lines = []
    if summary["up_to_date"]:
        shots = plural(summary["searchable"], "shot is", "shots are")
        lines.append(f"nothing to do: {plural(summary['videos'], 'video')}, {shots} searchable already")
    elif not summary["footage_processed_s"]:
        shots = plural(summary["searchable"], "shot is", "shots are")
        lines.append(f"no new footage; {shots} searchable, brought up to date in {summary['seconds']:.1f} s")
    else:
        lines.append(
            f"{plural(summary['shots'], 'shot')}, {summary['footage_processed_s']:.0f} s of footage "
            f"in {summary['seconds']:.1f} s "
            f"({summary['times_realtime']:.1f} times realtime)"
        )
    for entry in summary["duplicates"]:
        lines.append(f"same content: {make_printable(entry['path'])} is {make_printable(entry['same_as'])}")
    lines += [_describe_left_out(kind, entry["count"], entry["paths"]) for kind, entry in summary["left_out"].items()]
    for paths_of_one in summary["recordings"]:
        names = ", ".join(make_printable(path.rsplit("/", 1)[-1]) for path in paths_of_one)
        lines.append(f"parts of one recording, each a video of its own: {names}")
    for video_id in summary["replaced"]:
        place = make_printable(paths[video_id])
        lines.append(
            f"replaced: {place} holds other footage; {video_id}, which it held, is removed until it is ingested"
        )
    for video_id in summary["forgotten"]:
        lines.append(f"forgotten before, left out: {make_printable(paths[video_id])} ({video_id})")
    notes = [f"{entry['path']}: {entry['note']}" for entry in summary["notes"]]
    lines += [f"note: {make_printable(note)}" for note in notes if note not in printed_notes]
    if summary["set_aside"]:
        lines.append(f"{len(summary['set_aside'])} set aside:")
        lines += [f"  {_name_entry(entry)}: {make_printable(entry['reason'])}" for entry in summary["set_aside"]]
    if summary["subtitles_not_used"]:
        lines.append(
            f"{plural(len(summary['subtitles_not_used']), 'subtitle file is', 'subtitle files are')} not used:"
        )
        lines += [
            f"  {make_printable(entry['path'])}: {make_printable(entry['reason'])}"
            for entry in summary["subtitles_not_used"]
        ]
    if summary["report"]:
        lines.append(f"report: {make_printable(summary['report'])}")
    announce("\n".join(lines))
    if not summary["up_to_date"] and summary["shots"]:
        announce('next: needle search "a description of a shot"')


def _describe_left_out(kind: str, count: int, paths: list[str]) -> str:
    names = ", ".join(make_printable(path.rsplit("/", 1)[-1]) for path in paths[:MOST_NAMED])
    more = f" and {count - MOST_NAMED} more" if count > MOST_NAMED else ""
    return f"left out, {kind}: {names}{more}"


def _name_entry(entry: dict[str, str]) -> str:
    """Return the file of an entry of ``set_aside``, with the shot if it is one of its shots."""
    shot = f", shot {entry['shot_id']}" if "shot_id" in entry else ""
    return f"{make_printable(entry['path'])}{shot}"
