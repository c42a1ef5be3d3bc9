"""``needle evaluate``: the quality of detector and encoder, on footage or photographs with known answers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ops.cli.comparison_table import format_comparison
from ops.cli.fault_report import check_report, write_report
from ops.cli.main import EXIT_SET_ASIDE, make_printable
from ops.cli.options import add_setting_options, choose_encoder, json_option, load_command_settings, print_json
from ops.cli.progress import Bars
from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings, load_settings
from ops.embeddings.encoder import load_encoder, resolve_encoder, resolve_spec
from ops.evaluation.galleries import GALLERIES, Gallery, describe_gallery

_NAME = 32
MOST_FAULTS = 60
"""Faults that are printed; a report and ``--json`` have all of them."""
_KINDS = (("hard cuts", "shot", "cuts"), ("gradual transitions", "gradual", "gradual"))
_METRICS = (("f1", "F1"), ("precision", "precision"), ("recall", "recall"))
HOME = "current"


@click.command(name="evaluate")
@click.option("--captions", type=click.Path(path_type=Path), help="Parquet of images and their captions.")
@click.option("--footage", type=click.Path(path_type=Path), help="Folder of annotated clips.")
@click.option(
    "--against",
    default="",
    metavar="ENCODER",
    help=f"Measure this encoder on the same data too, and the differences: an encoder as in --encoder, or {HOME!r} "
    "for the one that the settings name.",
)
@click.option(
    "--gallery",
    type=click.Choice(GALLERIES),
    default=None,
    help="Shots that compete: those of the same video, of the same show, of all shows, or (without --footage) all "
    "shots of the catalogue, as in a search [default: show].",
)
@click.option("--cuts-only", is_flag=True, help="With --footage: only shot boundaries; no encoder is loaded.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="FILE.html",
    help="With --footage: write a page with a strip of frames for each false and each missed boundary.",
)
@add_setting_options("encoder", "detector", "frames_per_shot")
@json_option
def command(
    captions: Path | None,
    footage: Path | None,
    against: str,
    gallery: Gallery | None,
    cuts_only: bool,
    report: Path | None,
    as_json: bool,
    **options: Any,
) -> int | None:
    """Measure retrieval (and shot detection, on footage) for the home's encoder or --encoder; on the captioned shots
    of the catalogue if no data are named. The gallery, the shots that compete, is named with the figures; a gallery of
    one is refused.

    On footage, each false and each missed shot boundary is listed. Intervals of these figures are over clips. A clip
    that cannot be used is named, the others are measured (exit status 3).

    \b
    Example: needle evaluate --footage ~/annotated --cuts-only --report faults.html
    Example: needle evaluate --footage ~/annotated --encoder finetuned:mine --against current
    """
    if captions is not None and footage is not None:
        raise UsageError("give one of --captions FILE.parquet and --footage DIR, or neither for the catalogue")
    for name, is_given in (("--cuts-only", cuts_only), ("--report", report is not None)):
        if is_given and footage is None:
            raise UsageError(f"{name} is about footage: add --footage DIR")
    if cuts_only and against:
        raise UsageError("--cuts-only measures no encoder: leave out --cuts-only or --against")
    _check_gallery(gallery, captions, footage, cuts_only=cuts_only)
    if captions is not None and not captions.is_file():
        raise UsageError(f"--captions {captions}: the file does not exist; give a parquet with image and captions")
    if footage is not None:
        return _evaluate_footage(
            footage, against, options, gallery or "show", cuts_only=cuts_only, report=report, as_json=as_json
        )
    settings, encoder_id, other = _choose_encoders(against, options)
    with Bars() as bars:
        document = _build_document(settings, captions, encoder_id, other, gallery or "show", bars)
    return _print(document, as_json, bars)


def _check_gallery(gallery: Gallery | None, captions: Path | None, footage: Path | None, *, cuts_only: bool) -> None:
    """Raise ``UsageError`` for a gallery that these data do not have."""
    if gallery and captions is not None:
        raise UsageError("--gallery is about shots: all images of --captions compete with each other")
    if gallery and cuts_only:
        raise UsageError("--cuts-only measures no encoder: leave out --cuts-only or --gallery")
    if gallery == "catalogue" and footage is not None:
        raise UsageError(
            "--gallery catalogue ranks the shots of this home: leave out --footage, or choose --gallery all"
        )


def _evaluate_footage(
    folder: Path,
    against: str,
    options: Mapping[str, Any],
    gallery: Gallery,
    *,
    cuts_only: bool,
    report: Path | None,
    as_json: bool,
) -> int | None:
    """Evaluate the clips of a folder: their boundaries and, unless only these are requested, retrieval."""
    from ops.training.evaluate import evaluate_clips
    from ops.training.evaluate_catalogue import find_training_shows

    check_report(report)
    if cuts_only:
        settings, ids = load_command_settings(options, follows_live=False), []
    else:
        settings, encoder_id, other = _choose_encoders(against, options)
        ids = [spec for spec in (encoder_id, other) if spec]
    with Bars() as bars:
        evaluation = evaluate_clips(
            folder,
            [load_encoder(spec, settings.home) for spec in ids],
            detector=settings.detector,
            frames_per_shot=settings.frames_per_shot,
            learned_by=find_training_shows(settings, ids),
            gallery=gallery,
            progress=bars,
        )
        if report is not None:
            write_report(report, evaluation.cuts, bars)
        for note in _list_gaps(folder, evaluation.document, cuts_only=cuts_only):
            bars.note("clips", note)
    return _print(evaluation.document, as_json, bars)


def _list_gaps(folder: Path, document: Mapping[str, Any], *, cuts_only: bool) -> Iterator[str]:
    """Notes on films without an annotation, and on a folder without captions."""
    from ops.evaluation.clip_cuts import name_clip
    from ops.training.sources import CAPTIONS
    from ops.videos.file_kinds import FOOTAGE

    files = [path for path in folder.rglob("*") if path.suffix.lower().lstrip(".") in FOOTAGE and path.is_file()]
    names_with_figures = {*document["films"], *(each["clip"] for each in document["set_aside"])}
    if names := sorted(
        {name_clip(path, folder) for path in files if not path.name.startswith(".")} - names_with_figures
    ):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"no annotation beside {', '.join(names[:3])}{more}: not measured"
    if not cuts_only and not any(
        "queries" in figures or "captions" in figures for figures in document["films"].values()
    ):
        captioned = sorted(name_clip(path, folder) for path in files if path.with_name(path.name + CAPTIONS).is_file())
        if captioned:
            yield f"no retrieval is measured: the captions of {', '.join(captioned[:3])} ask nothing measurable"
        else:
            yield "no clip has <file>.captions.jsonl next to it: no retrieval is measured"


def _choose_encoders(against: str, options: Mapping[str, Any]) -> tuple[Settings, str, str]:
    """Return the settings, the id of the encoder to measure, and that of the other one, "" for none."""
    other = _find_other(against, options)
    settings, encoder_id = choose_encoder(options)
    if other == encoder_id:
        raise UsageError(f"--against names {encoder_id}, the very encoder that is measured: choose another --encoder")
    return settings, encoder_id, other


def _find_other(spec: str, options: Mapping[str, Any]) -> str:
    """Return the id of the other encoder, "" for none."""
    if not spec:
        return ""
    plain = {name: options[name] for name in ("home", "storage") if options[name] is not None}
    settings = load_settings(**plain)
    return (resolve_encoder(settings) if spec == HOME else resolve_spec(spec, settings.home)).encoder_id


def _build_document(
    settings: Settings, captions: Path | None, encoder_id: str, other: str, gallery: Gallery, bars: Bars
) -> Mapping[str, object]:
    if captions is None:
        return _evaluate_catalogue(settings, encoder_id, other, gallery, bars)
    from ops.training.evaluate_images import evaluate_captions

    encoder = load_encoder(encoder_id, settings.home)
    return evaluate_captions(captions, encoder, load_encoder(other, settings.home) if other else None)


def _evaluate_catalogue(
    settings: Settings, encoder_id: str, other: str, gallery: Gallery, bars: Bars
) -> Mapping[str, object]:
    from ops.evaluation.comparison import compare_answers
    from ops.training.evaluate_catalogue import (
        ComparedEncoders,
        answer_both,
        build_tasks,
        choose_competitors,
        find_training_shows,
    )
    from ops.training.pair_table import build_pairs
    from ops.videos import catalogue

    build_pairs(settings, settings.lake.list_partitions(catalogue.TABLE), datetime.now(UTC), bars)
    tasks = build_tasks(settings, bars)
    if not tasks:
        raise NotFoundError(
            "no shot of the catalogue has a caption: put <film>.captions.jsonl next to ingested films, or name data "
            "with --captions FILE.parquet or --footage DIR"
        )
    tasks = choose_competitors(settings, tasks, gallery, bars)
    answers = answer_both(settings, ComparedEncoders(encoder_id=encoder_id, against_id=other), tasks, bars)
    document = compare_answers(answers, find_training_shows(settings, [encoder_id, *([other] if other else [])]))
    return {**document, "gallery": describe_gallery(gallery, tasks)}


def _print(document: Mapping[str, Any], as_json: bool, bars: Bars) -> int | None:
    """Print the document and return the exit status."""
    if as_json:
        print_json(document)
    else:
        lines = format_cuts(document) if "detector" in document else ()
        figures = format_comparison(_take_retrieval(document)) if document["encoder_id"] else ()
        for line in (*lines, *figures):
            click.echo(line)
    return EXIT_SET_ASIDE if bars.skipped else None


def _take_retrieval(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the figures of retrieval, with the gallery, which the document of footage has beside them."""
    return {"gallery": document.get("gallery"), **document.get("retrieval", document)}


def format_cuts(document: Mapping[str, Any]) -> Iterator[str]:
    """Format the document of :class:`ops.training.evaluate.FootageEvaluation`.

    It has each kind of boundary by clip and pooled, intervals over clips, notes on clips, and the faults.
    """
    scored_films = {name: figures for name, figures in document["films"].items() if "shot_f1" in figures}
    if not scored_films:
        return
    for title, prefix, counts in _KINDS:
        yield f"{title}, ±2 frames, detector {document['detector']}"
        yield f"  {'':<{_NAME}} {'F1':>6} {'precision':>10} {'recall':>7} {'right':>6} {'false':>6} {'missed':>7}"
        for name, figures in scored_films.items():
            yield _format_row(_shorten(name), figures, prefix, counts)
        yield _format_row("all clips" if len(scored_films) > 1 else "1 clip", document, prefix, counts)
        yield f"  {_format_intervals(document, prefix)}"
        yield ""
    yield from textwrap.wrap(f"Intervals: {document['cut_intervals']}.", 100)
    for name, figures in scored_films.items():
        for note in figures.get("notes", ()):
            yield from textwrap.wrap(f"note: {make_printable(name)}: {note}", 100, subsequent_indent="  ")
    yield ""
    yield from _format_faults(document["faults"])


def _format_row(name: str, figures: Mapping[str, Any], prefix: str, counts: str) -> str:
    right, false, misses = (figures[f"{counts}_{name}"] for name in ("right", "false", "missed"))
    wholes = {"f1": right + false + misses, "precision": right + false, "recall": right + misses}
    # A share of nothing is undefined: the JSON document has 1 there, which a user would read as success.
    f1, precision, recall = (f"{figures[f'{prefix}_{name}']:.3f}" if total else "–" for name, total in wholes.items())
    shares = f"{f1:>6} {precision:>10} {recall:>7}"
    return f"  {name:<{_NAME}} {shares} {right:6d} {false:6d} {misses:7d}"


def _format_intervals(document: Mapping[str, Any], prefix: str) -> str:
    intervals = {title: document[f"{prefix}_{metric}_interval"] for metric, title in _METRICS}
    if not all(intervals.values()):
        return "no intervals: too few clips have such boundaries"
    return "95 %: " + ", ".join(f"{title} [{low:.3f}, {high:.3f}]" for title, (low, high) in intervals.items())


def _format_faults(faults: list[dict[str, Any]]) -> Iterator[str]:
    if not faults:
        yield "No boundary is false, and none is missed."
        yield ""
        return
    yield f"false and missed boundaries: {len(faults)}"
    for fault in faults[:MOST_FAULTS]:
        frames = f"{fault['frame']}" + (f"-{fault['last_frame']}" if fault["last_frame"] != fault["frame"] else "")
        time = "after the end" if fault["time_s"] is None else f"{fault['time_s']:.3f} s"
        kind = {"cut": "hard"}.get(fault["transition"], fault["transition"])
        yield f"  {fault['kind']:<7} {kind:<8} {_shorten(fault['clip']):<{_NAME}} frame {frames:<13} {time}"
    if len(faults) > MOST_FAULTS:
        yield f"  and {len(faults) - MOST_FAULTS} more, which --json and --report FILE.html list"
    yield ""


def _shorten(name: str) -> str:
    name = make_printable(name)
    return name if len(name) <= _NAME else f"{name[: _NAME // 2 - 1]}…{name[-_NAME // 2 :]}"
