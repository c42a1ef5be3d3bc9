"""``needle benchmark``: public test sets, measured as in their papers, next to the published figures."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ops.cli.fault_report import check_report, write_report
from ops.cli.main import EXIT_SET_ASIDE, make_printable
from ops.cli.options import add_setting_options, choose_encoder, json_option, load_command_settings, print_json
from ops.cli.progress import Bars
from ops.core.errors import UsageError
from ops.core.plural import plural

if TYPE_CHECKING:
    from ops.evaluation.cut_sets.run import BenchmarkDocument
    from ops.evaluation.retrieval import PartFigures
    from ops.training.retrieval_benchmark import RetrievalBenchmark

Document = TypeVar("Document")

CUT_SETS = ("bbc", "rai", "clipshots", "autoshot")
CAPTION_SETS = ("msrvtt", "msvd", "didemo", "vatex", "condensed-movies")
MOST_VIDEOS = 20
MOST_NOTES = 20
_NAME = 34


@click.command(name="benchmark")
@click.argument("name", metavar="NAME", type=click.Choice((*CUT_SETS, *CAPTION_SETS)))
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with the annotation files of the set, as published, and its videos, anywhere below it.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    metavar="FILE.html",
    help="Of shot boundaries: write a page with a strip of frames for each false and each missed boundary.",
)
@click.option(
    "--frames",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Of retrieval: frames of a video that the encoder sees (default: 12, as in most papers).",
)
@add_setting_options("detector", "encoder")
@json_option
def command(
    name: str, data: Path, report: Path | None, frames: int | None, as_json: bool, **options: Any
) -> int | None:
    """Measure shot boundaries or retrieval on the public test set NAME, beside published figures.

    \b
    Shot boundaries, at tolerances of 0 and 2 frames:
    bbc        fixed/*.txt or annotations/shots/*.txt, videos by number (bbc_01.mp4)
    rai        <number>_gt.txt, videos by number (1.mp4)
    clipshots  annotations/test.json, videos by name
    autoshot   gt_scenes_dict_baseline_v2.pickle, annotations/<video>.txt or kuaishou_v2.txt, videos by name

    \b
    Retrieval, text to video and back, videos by name:
    msrvtt     MSRVTT_JSFUSION_test.csv or msrvtt_test_1k.json (1k-A)
    msvd       raw-captions.pkl or AllVideoDescriptions.txt; test_list.txt or youtube_mapping.txt
    didemo     test_data.json; test_list.txt, if it is there
    vatex      vatex_validation_v1.0.json, vatex_public_test_english_v1.1.json or ref_captions.json; tst_names.npy or
               test_list.txt
    condensed-movies  metadata/split.csv, clips.csv and descriptions.csv

    Videos that are missing, cannot be read or do not fit their annotation are named, the others are measured (exit
    status 3). Nothing is downloaded.

    \b
    Example: needle benchmark bbc --data ~/BBC
    Example: needle benchmark msrvtt --data ~/MSRVTT --encoder finetuned:mine
    """
    options_given = {
        "--report": report,
        "--frames": frames,
        "--detector": options["detector"],
        "--encoder": options["encoder"],
    }
    foreign = ("--frames", "--encoder") if name in CUT_SETS else ("--report", "--detector")
    if wrong := [option for option in foreign if options_given[option] is not None]:
        task = "shot boundaries" if name in CUT_SETS else "retrieval"
        raise UsageError(f"{name} measures {task}: leave out {wrong[0]}")
    with Bars() as bars:
        if name in CUT_SETS:
            _print(_measure_cuts(name, data, report, options, bars), format_benchmark, as_json)
        else:
            _print(_measure_retrieval(name, data, frames, options, bars), format_retrieval, as_json)
    return EXIT_SET_ASIDE if bars.skipped else None


def _measure_cuts(
    name: str, data: Path, report: Path | None, options: Mapping[str, Any], bars: Bars
) -> BenchmarkDocument:
    from ops.evaluation.cut_sets.run import run_cut_set

    settings = load_command_settings(options, follows_live=False)
    check_report(report)
    benchmark = run_cut_set(name, data, settings.detector, bars)
    if report is not None:
        write_report(report, benchmark.cuts, bars)
    return benchmark.document


def _measure_retrieval(
    name: str, data: Path, frames: int | None, options: Mapping[str, Any], bars: Bars
) -> RetrievalBenchmark:
    from ops.embeddings.encoder import load_encoder
    from ops.training.retrieval_benchmark import FRAMES, run_caption_set

    settings, encoder_id = choose_encoder(options)
    encoder = load_encoder(encoder_id, settings.home)
    return run_caption_set(name, data, encoder, bars, frames=frames or FRAMES)


def _print(document: Document, format_lines: Callable[[Document], Iterator[str]], as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        for line in format_lines(document):
            click.echo(line)


def format_benchmark(document: Mapping[str, Any]) -> Iterator[str]:
    """Format the document of :class:`ops.evaluation.cut_sets.run.Benchmark` as lines of at most 100 columns."""
    kinds = document["transitions"]
    yield document["title"]
    yield from _wrap(f"annotation: {document['form']}")
    transitions = plural(kinds["hard"] + kinds["gradual"], "transition")
    counts = f"{plural(document['videos'], 'video')}, {plural(document['frames'], 'frame')}, {transitions}"
    yield f"{counts} ({kinds['hard']:,} hard, {kinds['gradual']:,} gradual); detector {document['detector']}"
    yield ""
    for name, figures in document["results"].items():
        yield from _format_result(name.replace("_", " "), figures)
    recalls = [
        f"{kind} {figures['found']:,} of {figures['annotated']:,}"
        for kind, figures in document["recall_by_kind"].items()
    ]
    yield f"  found at tolerance 2: {', '.join(recalls)}"
    yield ""
    yield from _format_published(document["published"])
    yield from _wrap(document["published_remark"])
    if document["by_kind"]:
        yield ""
        yield from _wrap(document["by_kind"]["protocol"])
        for kind, title in (("cut", "hard cuts"), ("gradual", "gradual")):
            yield from _format_result(title, document["by_kind"][kind])
            yield from _format_published(document["by_kind"][kind]["published"])
    yield ""
    yield from _format_videos(document["by_video"])
    yield from _wrap(document["protocol"])
    yield from _wrap(f"Intervals: {document['intervals']}.")
    yield from _format_notes(document["notes"])


def format_retrieval(document: RetrievalBenchmark) -> Iterator[str]:
    """Format the document of a set of captioned videos as lines of at most 100 columns."""
    yield document["title"]
    yield from _wrap(f"annotation: {document['form']}")
    captions = plural(document["captions"], "caption")
    yield from _wrap(
        f"{plural(document['videos'], 'video')} of {document['annotated']:,}, {captions}; {document['encoder_id']}"
    )
    yield ""
    yield f"  {'':<14} {'R@1 %':>20} {'R@5 %':>20} {'R@10 %':>20}  median rank"
    for title, figures in (
        ("text to video", document["text_to_video"]),
        ("video to text", document["video_to_text"]),
    ):
        cells = "".join(f" {_format_recall(figures, f'r@{k}'):>20}" for k in (1, 5, 10))
        yield f"  {title:<14}{cells}  {figures['median_rank']:g}"
    yield ""
    if document["published"]:
        yield "  published, text to video, R@1, R@5, R@10 in percent, median rank:"
    else:
        yield "  no published figure could be checked"
    for source in document["published"]:
        recalls = " ".join(f"{source['recall'][f'r@{k}']:5.1f}" for k in (1, 5, 10))
        rank = "  –" if source["median_rank"] is None else f"{source['median_rank']:3g}"
        line = f"    {recalls} {rank}  {source['method']}, {source['remark']}"
        yield from textwrap.wrap(f"{line}: {source['source']}", 100, subsequent_indent=" " * 27)
    yield ""
    yield from _wrap(document["protocol"])
    yield from _wrap(f"Intervals: {document['intervals']}.")
    yield from _format_notes(document["notes"])


def _format_recall(figures: PartFigures, name: str) -> str:
    interval = figures[f"{name}_interval"]
    assert isinstance(interval, list)
    return f"{figures[name]:.1f} [{interval[0]:.1f}, {interval[1]:.1f}]"


def _format_notes(notes: Sequence[str]) -> Iterator[str]:
    for note in notes[:MOST_NOTES]:
        yield from textwrap.wrap(f"note: {make_printable(note)}", 100, subsequent_indent="  ")
    if len(notes) > MOST_NOTES:
        yield f"and {plural(len(notes) - MOST_NOTES, 'more note')}, in full with --json"


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(make_printable(text), 100)


def _format_result(title: str, figures: Mapping[str, Any]) -> Iterator[str]:
    """Format F1, precision and recall in percent with their intervals, and counts."""
    if not figures["right"] + figures["false"] + figures["missed"]:  # a share of nothing is undefined
        yield f"  {title:<12} none annotated, none detected"
        return
    shares = [(100 * figures[name], figures[f"{name}_interval"]) for name in ("f1", "precision", "recall")]
    cells = [
        f"{name} {share:.1f}" + (f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else "")
        for name, (share, interval) in zip(("F1", "precision", "recall"), shares, strict=True)
    ]
    counts = f"right {figures['right']:,}, false {figures['false']:,}, missed {figures['missed']:,}"
    mean = f"mean F1 of {plural(figures['videos_counted'], 'video')} {100 * figures['mean_f1']:.1f}"
    yield f"  {title:<12} {', '.join(cells)}"
    yield f"  {'':<12} {counts}; {mean}"


def _format_published(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "  published, F1 in percent:"
    for figure in figures:
        remark = f" ({figure['remark']})" if figure["remark"] else ""
        line = f"    {figure['f1_percent']:5.1f}  {figure['method']}: {figure['source']}{remark}"
        yield from textwrap.wrap(line, 100, subsequent_indent=" " * 11)


def _format_videos(by_video: Mapping[str, Any]) -> Iterator[str]:
    """Return the videos with the lowest F1 at tolerance 2 first."""
    items = sorted(by_video.items(), key=lambda item: (item[1]["tolerance_2"]["f1"], item[0]))
    yield f"  {'by video, tolerance 2':<{_NAME}} {'F1 %':>6} {'right':>6} {'false':>6} {'missed':>7}"
    for name, figures in items[:MOST_VIDEOS]:
        at = figures["tolerance_2"]
        total = at["right"] + at["false"] + at["missed"]
        f1 = f"{100 * at['f1']:.1f}" if total else "–"
        yield f"  {_shorten(name):<{_NAME}} {f1:>6} {at['right']:6d} {at['false']:6d} {at['missed']:7d}"
    if len(items) > MOST_VIDEOS:
        yield f"  and {len(items) - MOST_VIDEOS} more with a higher F1, which --json has"
    yield ""


def _shorten(name: str) -> str:
    name = make_printable(name)
    return name if len(name) <= _NAME else f"{name[: _NAME // 2 - 1]}…{name[-_NAME // 2 :]}"
