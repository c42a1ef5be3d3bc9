"""``needle label``: label shots, list labels, and move labels in and out as CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from ops.cli.main import EXIT_SET_ASIDE, announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.errors import NotFoundError, UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.videos.catalogue import require_known_version, require_same_division

if TYPE_CHECKING:
    from ops.probes.annotations import ResolvedLabel


VALUES: dict[str, bool | None] = {"yes": True, "no": False, "withdrawn": None}


@click.command(name="label")
@click.argument("label", required=False, metavar="[LABEL]")
@click.argument("shots", nargs=-1, metavar="[SHOT]...")
@click.option(
    "--value", type=click.Choice(list(VALUES)), help="Whether the label applies; withdrawn: take your answer back."
)
@click.option("--annotator", default="me", show_default=True, metavar="NAME", help="Who labels.")
@click.option("--origin", default="command line", show_default=True, metavar="TEXT", help="The context of the answer.")
@click.option("--import", "import_", metavar="FILE.csv", help="Append the labels of a CSV file.")
@click.option("--export", "export_", metavar="FILE.csv", help="Write all labels, or those of LABEL, to a CSV file.")
@add_setting_options()
@json_option
def command(
    label: str | None,
    shots: tuple[str, ...],
    value: str | None,
    annotator: str,
    origin: str,
    import_: str | None,
    export_: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Label SHOTs as LABEL or as not LABEL; without shots, list the labels and the shots on which people differ.

    Nothing is overwritten: the latest answer for a shot counts, and all answers are kept. --origin settled ends a
    conflict between people. CSV files have the columns label,shot_id,value,annotator (and, if known,
    created_at,origin).

    \b
    Example: needle label closeup 0123456789abcdef:489 0123456789abcdef:605 --value yes
    """
    settings = load_command_settings(options)
    require_known_version(settings)
    require_same_division(settings)
    if sum(map(bool, (shots, import_, export_))) > 1 or (import_ and label):
        raise UsageError("choose one: LABEL SHOT... --value yes|no, --import FILE.csv, or [LABEL] --export FILE.csv")
    if bool(shots) != (value is not None):
        raise UsageError("name the shots and the value: needle label LABEL SHOT... --value yes|no")
    if import_:
        return _import(settings, Path(import_).expanduser(), annotator, origin, as_json)
    if export_:
        return _export(settings, Path(export_).expanduser(), label, as_json)
    if shots and label:
        return _judge(settings, label, shots, VALUES[str(value)], annotator, origin, as_json)
    return _list(settings, label, as_json)


def _judge(
    settings: Settings,
    label: str,
    shots: Sequence[str],
    value: bool | None,
    annotator: str,
    origin: str,
    as_json: bool,
) -> int:
    from ops.probes.annotations import Annotation, AnnotationCounts
    from ops.probes.labels import append_annotations, read_annotations, resolve_labels

    now = datetime.now(UTC)
    common = {"label": label, "value": value, "annotator": annotator, "created_at": now, "origin": origin}
    result = append_annotations(settings, [Annotation(shot_id=shot, **common) for shot in shots], now)  # type: ignore[arg-type]
    if len(result.refused) == len(shots):
        raise NotFoundError("\n".join(f"{shot}: {why}" for shot, why in result.refused))
    resolved_labels = resolve_labels(settings, [label])
    tally = AnnotationCounts.count(resolved_labels)
    shot_labels = [each for each in resolved_labels if each.latest.shot_id in shots]
    summary = {
        "label": label,
        "written": result.written,
        "unchanged": result.unchanged,
        "set_aside": [{"shot_id": shot, "reason": why} for shot, why in result.refused],
        **asdict(tally),
        "judgements": len(read_annotations(settings, [label])),
        "shots": [_build_document(each) for each in shot_labels],
    }
    if as_json:
        print_json(summary)
    else:
        click.echo(f"{label}: {tally.in_words} ({plural(result.written, 'new answer')})")
        for each in shot_labels:
            if each.missing_reason or each.in_conflict:
                click.echo(_format_line(each))
        announce(f"next: needle probe fit {label}")
    return _tell_refused(result.refused)


def _import(settings: Settings, path: Path, annotator: str, origin: str, as_json: bool) -> int:
    from ops.probes.label_files import import_labels

    import_origin = "import" if origin == "command line" else origin
    result = import_labels(settings, path, datetime.now(UTC), annotator=annotator, origin=import_origin)
    if as_json:
        skipped = [{"line": line, "reason": why} for line, why in result.refused]
        print_json({"written": result.written, "unchanged": result.unchanged, "set_aside": skipped})
    else:
        answers = plural(result.written, "answer")
        click.echo(f"{make_printable(str(path))}: {answers} written, {result.unchanged} known already")
    return _tell_refused(result.refused)


def _tell_refused(reasons: Sequence[tuple[str, str]]) -> int:
    for thing, why in reasons:
        announce(f"set aside {make_printable(thing)}: {make_printable(why)}")
    return EXIT_SET_ASIDE if reasons else 0


def _export(settings: Settings, path: Path, label: str | None, as_json: bool) -> int:
    from ops.probes.label_files import export_labels

    count = export_labels(settings, path.absolute(), [label] if label else None)
    print_json({"path": str(path.absolute()), "judgements": count}) if as_json else click.echo(
        f"{make_printable(str(path))}: {plural(count, 'answer')}"
    )
    return 0


def _list(settings: Settings, label: str | None, as_json: bool) -> int:
    from ops.probes.annotations import AnnotationCounts
    from ops.probes.labels import resolve_labels

    resolved_labels = resolve_labels(settings, [label] if label else None)
    if as_json:
        print_json({"labels": [_build_document(each) for each in resolved_labels]})
        return 0
    for name in sorted({each.latest.label for each in resolved_labels}):
        tally = AnnotationCounts.count(each for each in resolved_labels if each.latest.label == name)
        click.echo(f"{name}: {tally.in_words}")
    for each in resolved_labels:
        if label or each.in_conflict:
            click.echo(_format_line(each))
    if not resolved_labels:
        announce("no labels yet: needle label LABEL SHOT... --value yes|no")
    return 0


def _format_line(each: ResolvedLabel) -> str:
    line = f"  {each.latest.label} {each.latest.shot_id} {_format_answer(each.value)} ({each.latest.annotator})"
    if each.in_conflict:
        votes = ", ".join(f"{vote.annotator} {_format_answer(bool(vote.value))}" for vote in each.by_annotator.values())
        line += f" CONFLICT: {votes}"
    return make_printable(line + (f" gone: {each.missing_reason}" if each.missing_reason else ""))


class LabelDocument(TypedDict):
    """A shot's label in the documents of ``needle label --json``."""

    label: str
    shot_id: str
    value: str
    annotator: str
    created_at: str
    origin: str
    conflict: bool
    by_annotator: dict[str, str]
    gone: str


def _build_document(each: ResolvedLabel) -> LabelDocument:
    return LabelDocument(
        label=each.latest.label,
        shot_id=each.latest.shot_id,
        value=_format_answer(each.value),
        annotator=each.latest.annotator,
        created_at=each.latest.created_at.isoformat(),
        origin=each.latest.origin,
        conflict=each.in_conflict,
        by_annotator={name: _format_answer(bool(vote.value)) for name, vote in each.by_annotator.items()},
        gone=each.missing_reason,
    )


def _format_answer(value: bool) -> str:
    return "yes" if value else "no"
