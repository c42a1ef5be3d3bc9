"""``needle report``: run a report as the asset that it is, and name its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from ops.cli.main import announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.errors import UsageError

if TYPE_CHECKING:
    from ops.core.settings import Settings
    from ops.notebooks.report_files import ReportKind, ReportPage

_OPTIONS = ("probe", "label", "footage", "data")


class ReportDocument(TypedDict):
    """A kind of report, or one report, as JSON. Without a report the last four are ``None``."""

    name: str
    title: str
    about: str | None
    made_at: str | None
    page: str | None
    url: str | None


@click.command(name="report")
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--probe", default="", metavar="LABEL", help="The probe that few_shot_report and embedding_map show.")
@click.option(
    "--label", "labels", multiple=True, metavar="LABEL", help="The label to predict or replay (repeatable for replays)."
)
@click.option("--footage", default="", metavar="DIR", help="For cuts_report: clips with annotated shot boundaries.")
@click.option("--data", default="", metavar="DIR", help="For video_annotator_benchmark: the unpacked folder.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@add_setting_options("encoder")
@json_option
def command(
    name: str | None,
    probe: str,
    labels: tuple[str, ...],
    footage: str,
    data: str,
    open_page: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run the report NAME, the same notebook as its asset on the Dagster page. Without NAME, list the reports.

    The page is a file of the home; `needle serve` shows all of them at /reports.

    \b
    Example: needle report few_shot_report --probe closeup --open
    """
    from ops.notebooks.report_files import find_latest

    settings = load_command_settings(options)
    subject_options: dict[str, str | tuple[str, ...]] = {
        "probe": probe,
        "label": labels,
        "footage": footage,
        "data": data,
    }
    if name is None:
        if any(subject_options.values()) or open_page:
            raise UsageError("name the report: `needle report` without options lists them")
        _list_kinds(settings, as_json=as_json)
        return
    kind = _find_kind(name)
    subjects = _choose_subjects(kind, subject_options)
    _run(settings, kind, subjects)
    report = find_latest(settings, kind.name, subjects[0] if kind.notebook == "few_shot" else None)
    assert report is not None  # the run has just written it
    document = _describe(settings, kind, report)
    if as_json:
        print_json(document)
    else:
        click.echo(make_printable(str(document["page"])))
        click.echo(make_printable(f"{document['url']} (while `needle serve` runs)"))
    if open_page:
        click.launch(Path(str(document["page"])).as_uri())


def _find_kind(name: str) -> ReportKind:
    from ops.notebooks.report_files import KINDS, find_kind

    kind = find_kind(name)
    if kind is None:
        raise UsageError(f"no report {name!r}: choose one of {', '.join(each.name for each in KINDS)}")
    return kind


def _choose_subjects(kind: ReportKind, options: Mapping[str, str | tuple[str, ...]]) -> tuple[str, ...]:
    """Return the values of the option that the report takes. Raises ``UsageError`` for other options."""
    subject_names = {"few_shot": ("probe", "label"), "embedding_map": ("probe", "label")}.get(
        kind.notebook, (kind.subject,)
    )
    for option in _OPTIONS:
        if options[option] and option not in subject_names:
            hint = f"takes --{subject_names[0]}" if subject_names[0] else "takes no option of this kind"
            raise UsageError(f"{kind.name} has no use for --{option}: it {hint}")
    values: list[str] = []
    for option in filter(None, subject_names):
        value = options[option]
        values += [value] if isinstance(value, str) and value else value if isinstance(value, tuple) else []
    if len(set(values)) > 1 and kind.name != "active_learning":
        raise UsageError(f"{kind.name} is about one {kind.subject}: name one, not {', '.join(values)}")
    if kind.needs_subject and not values:
        raise UsageError(
            f"{kind.name} needs --{subject_names[0]}: `needle report {kind.name} --{subject_names[0]} ...`"
        )
    return tuple(dict.fromkeys(values))


def _run(settings: Settings, kind: ReportKind, subjects: Sequence[str]) -> None:
    """Materialise the asset of the report. Raises ``NeedleError`` for a subject that does not exist."""
    from ops.cli.progress import Bars
    from ops.cli.runs import run_assets

    name = kind.name
    if kind.notebook == "few_shot":
        name = f"{kind.name}/{subjects[0]}"
    _require_subjects(settings, kind, subjects)
    if kind.name == "retrieval_report":
        _require_captions(settings)
    config: dict[str, Any] = {}
    if subjects and kind.name == "active_learning":
        config = {name: {"labels": list(subjects)}}
    elif subjects and kind.notebook != "few_shot":
        value = subjects[0]
        config = {name: {kind.subject: str(Path(value).absolute()) if kind.subject in ("footage", "data") else value}}
    with Bars() as bars:
        run_assets(settings, (name,), bars, "needle report", config)


def _require_subjects(settings: Settings, kind: ReportKind, subjects: Sequence[str]) -> None:
    """Raise ``UsageError`` if a label, a probe or a folder does not exist, with those that do."""
    from ops.probes.definitions import load_definitions
    from ops.probes.labels import list_labels

    for value in subjects:
        if kind.subject in ("footage", "data"):
            if not Path(value).is_dir():
                raise UsageError(f"{value} is not a folder")
            continue
        is_probe = kind.notebook in ("few_shot", "embedding_map")
        names = sorted(load_definitions(settings)) if is_probe else list_labels(settings)
        if value not in names:
            remedy = f"`needle probe fit {value}` makes it" if is_probe else f"`needle label {value} SHOT...` makes it"
            noun = "probe" if is_probe else "label"
            raise UsageError(f"no {noun} {value!r} (there: {', '.join(names) or 'none'}): {remedy}")


def _require_captions(settings: Settings) -> None:
    """Read the captions beside the films. Raises ``UsageError`` if there are none: nothing could be measured."""
    from datetime import UTC, datetime

    from ops.core.types import SilentProgress
    from ops.training.pair_table import NO_CAPTIONS, build_pairs, check_captions
    from ops.videos.catalogue import TABLE

    build_pairs(settings, settings.lake.list_partitions(TABLE), datetime.now(UTC), SilentProgress())
    if not check_captions(settings).passed:
        raise UsageError(f"{NO_CAPTIONS[0].lower()}{NO_CAPTIONS[1:]}")


def _list_kinds(settings: Settings, *, as_json: bool) -> None:
    from ops.notebooks.report_files import KINDS, find_latest

    documents = [_describe(settings, kind, find_latest(settings, kind.name)) for kind in KINDS]
    if as_json:
        print_json(documents)
        return
    for kind, document in zip(KINDS, documents, strict=True):
        last = f"{document['made_at'][:16].replace('T', ' ')}" if document["made_at"] else "not made yet"
        option = f"--{'probe' if kind.notebook == 'few_shot' else kind.subject}" if kind.subject else ""
        click.echo(f"{kind.name:<26}  {option:<10} {last:<17} {kind.title}")
    announce("next: needle report catalogue_report --open")


def _describe(settings: Settings, kind: ReportKind, report: ReportPage | None) -> ReportDocument:
    from ops.notebooks.report_files import build_page_url, get_folder

    page = get_folder(settings) / report.path if report else None
    return {
        "name": kind.name,
        "title": kind.title,
        "about": report.subject if report else None,
        "made_at": report.made_at.isoformat(timespec="seconds") if report else None,
        "page": str(page) if page else None,
        "url": build_page_url(settings, page) if page else None,
    }
