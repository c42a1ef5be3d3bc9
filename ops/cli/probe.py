"""``needle probe``: fit classifiers from labels, score the catalogue, report their quality, choose versions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ops.cli.main import EXIT_SET_ASIDE, announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.errors import NotFoundError
from ops.core.plural import plural
from ops.core.settings import Settings

if TYPE_CHECKING:
    from ops.probes.documents import ProbeDocument, ProbeWithReport


@click.group(name="probe")
def command() -> None:
    """Few-shot classifiers of shots: from twenty labels to a filter over the whole catalogue.

    \b
    Example: needle probe fit closeup && needle search "rabbit" --where "closeup>=0.5"
    """


@command.command(name="fit")
@click.argument("label", metavar="LABEL")
@click.option("--query", "queries", multiple=True, metavar="TEXT", help="For a new probe: the words to start from.")
@click.option("--description", default="", metavar="TEXT", help="For a new probe: its meaning.")
@click.option("--threshold", default="", metavar="POLICY", help="For a new probe: f1, precision>=0.9 or a number.")
@click.option("--report", is_flag=True, help="Also run the few_shot notebook on it, and print the path of its page.")
@add_setting_options("encoder")
@json_option
def fit(
    label: str,
    queries: tuple[str, ...],
    description: str,
    threshold: str,
    report: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Fit the probe on the labels, score the catalogue with it, and serve the scores, as a Dagster run.

    A label that has no probe yet gets one in probes.yaml of the home. Finished steps are not repeated. A fit
    that is worse than its predecessor does not replace it (exit status 3).

    \b
    Example: needle probe fit closeup --query "a close-up of a face"
    """
    from ops.cli.probe_runs import bring_up_to_date, make_report
    from ops.probes.definitions import define
    from ops.probes.state import read_state

    settings = _load_followed(options)
    define(settings, label, description, queries, threshold)
    ran = bring_up_to_date(settings, label)
    if report:
        make_report(settings, label)
    state = read_state(settings, label)
    document = _build_document(settings, label) | {"up_to_date": not ran}
    print_json(document) if as_json else _tell(settings, label)
    if state.refused:
        message = f"{state.latest} does not replace {state.promoted}: {state.refused.reason}"
        announce(f"needle: {message}; `needle probe promote {label} {state.latest}` promotes it all the same")
        return EXIT_SET_ASIDE
    return 0


@command.command(name="score")
@click.argument("label", metavar="LABEL")
@add_setting_options("encoder")
@json_option
def score(label: str, as_json: bool, **options: Any) -> None:
    """Score the shots that have no score of the probe's promoted version yet.

    \b
    Example: needle probe score closeup
    """
    from ops.cli.probe_runs import score_catalogue
    from ops.probes.scores import scores_table
    from ops.probes.state import read_promoted_version

    settings = _load_followed(options)
    version = read_promoted_version(settings, label)
    if version is None:
        raise NotFoundError(f"probe {label!r} was not fitted yet: run `needle probe fit {label}`")
    ran = score_catalogue(settings, label)
    count = len(settings.lake.read(scores_table(label), columns=["shot_id"]))
    summary = {"label": label, "version": version.version, "scored": count, "up_to_date": not ran}
    message = f"{label} {version.version}: {plural(count, 'shot')} scored"
    print_json(summary) if as_json else click.echo(message)


@command.command(name="list")
@add_setting_options()
@json_option
def list_(as_json: bool, **options: Any) -> None:
    """List every probe with its version, labels and average precision.

    \b
    Example: needle probe list --json
    """
    from ops.probes.definitions import load_definitions
    from ops.probes.versions import list_fitted_probes

    settings = load_command_settings(options)
    names = sorted({*load_definitions(settings), *list_fitted_probes(settings)})
    documents = [_build_document(settings, name) for name in names]
    if as_json:
        print_json({"probes": documents})
        return
    for each in documents:
        ap = each["metrics"].get("average_precision")
        figures = f"AP {ap['value']:.2f} ({ap['low']:.2f}-{ap['high']:.2f})" if ap else "no figures"
        state = f"{each['kind']} {each['promoted']}, {_describe_learnt(each)}, {figures}"
        click.echo(f"{each['label']}: {state if each['promoted'] else 'not fitted yet'}")
    if not documents:
        announce("no probes yet: needle probe fit LABEL --query TEXT")


@command.command(name="show")
@click.argument("label", metavar="LABEL")
@add_setting_options()
@json_option
def show(label: str, as_json: bool, **options: Any) -> None:
    """Show a probe: its definition, figures with 95 % intervals, threshold, versions and how they came to be used.

    \b
    Example: needle probe show closeup
    """
    settings = load_command_settings(options)
    _require_known(settings, label)
    print_json(_build_document(settings, label)) if as_json else _tell(settings, label)


@command.command(name="promote")
@click.argument("label", metavar="LABEL")
@click.argument("version", required=False, metavar="[VERSION]")
@add_setting_options("encoder")
@json_option
def promote(label: str, version: str | None, as_json: bool, **options: Any) -> None:
    """Let VERSION (default: the last fit) score the catalogue, even if it is worse than its predecessor.

    A version of another encoder than the live one cannot: it would leave new footage without scores.

    \b
    Example: needle probe promote closeup 0a1b2c3d4e5f
    """
    from ops.cli.probe_runs import score_catalogue
    from ops.embeddings.encoder import resolve_encoder
    from ops.probes.promotion import promote as take
    from ops.probes.state import read_state

    settings = _load_followed(options)
    name = version or read_state(settings, label).latest
    if not name:
        raise NotFoundError(f"probe {label!r} was not fitted yet: run `needle probe fit {label}`")
    take(settings, resolve_encoder(settings).encoder_id, label, name, datetime.now(UTC))
    score_catalogue(settings, label)
    print_json(_build_document(settings, label)) if as_json else _tell(settings, label)


@command.command(name="suggest")
@click.argument("label", metavar="LABEL")
@click.option("--count", default=5, show_default=True, type=click.IntRange(1, 500), help="Shots in each feed.")
@click.option("--seed", default=0, show_default=True, type=int, help="Of the random feed.")
@add_setting_options()
@json_option
def suggest(label: str, count: int, seed: int, as_json: bool, **options: Any) -> None:
    """Name the shots to label next: top positive, top negative, borderline and random ones, none labelled yet.

    \b
    Example: needle probe suggest closeup --count 5
    """
    from ops.embeddings.encoder import resolve_encoder
    from ops.index.index import open_index
    from ops.probes.suggestions import list_suggestions

    settings = load_command_settings(options)
    _require_known(settings, label)
    with open_index(settings, resolve_encoder(settings).encoder_id) as index:
        feeds = list_suggestions(settings, label, count=count, seed=seed, read_vectors=index.vectors)
    if as_json:
        print_json({"label": label, "feeds": feeds})
        return
    for feed, shots in feeds.items():
        click.echo(f"{feed}:")
        for each in shots:
            click.echo(make_printable(f"  {each['score']:.3f}  {each['shot_id']}  {each['poster']}"))


def _load_followed(options: dict[str, Any]) -> Settings:
    from ops.upgrade.shared_encoder import require_followed

    settings = load_command_settings(options)
    require_followed(settings)
    return settings


def _require_known(settings: Settings, label: str) -> None:
    from ops.probes.definitions import find_definition
    from ops.probes.versions import list_fitted_probes

    if label not in list_fitted_probes(settings):
        find_definition(settings, label)


def _build_document(settings: Settings, label: str) -> ProbeWithReport:
    from ops.notebooks.reports import few_shot_page
    from ops.probes.documents import probe_document

    page = few_shot_page(settings, label)
    return {**probe_document(settings, label), "report": str(page) if page.exists() else None}


def _tell(settings: Settings, label: str) -> None:
    from ops.probes.annotations import AnnotationCounts

    each = _build_document(settings, label)
    click.echo(f"{label}: {make_printable(', '.join(each['queries']))}")
    labels = each["labels"]
    since = labels["since"]
    counts = AnnotationCounts(yes=labels["yes"], no=labels["no"], conflicts=labels["conflicts"], gone=labels["gone"])
    click.echo(f"  labels: {counts.in_words}")
    for note in each["notes"]:
        click.echo(f"  note: {make_printable(note)}")
    if not each["promoted"]:
        click.echo("  not fitted yet")
        return
    click.echo(f"  {each['kind']} {each['promoted']} on {each['encoder_id']}, {_describe_learnt(each)}")
    if each["kind"] == "logistic" and since:
        click.echo(f"  {plural(since, 'label')} came, changed or went since, which it has not learnt")
    for name, figure in each["metrics"].items():
        click.echo(f"  {name.replace('_', ' ')}: {figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})")
    if each["metrics"]:
        click.echo(f"  measured on held-out labels, by {each['held_out_by']}; 95 % intervals")
    click.echo(f"  means yes from {each['threshold']:.3f} ({each['policy'] or 'f1'})")
    if each["report"]:
        click.echo(make_printable(f"  report: {each['report']}"))
    for verdict in each["verdicts"][-3:]:
        outcome = "stays" if verdict["over"] == verdict["version"] else "took over"
        word = outcome if verdict["promoted"] else "was refused"
        click.echo(f"  {verdict['at']} {verdict['version']} {word}: {make_printable(verdict['reason'])}")


def _describe_learnt(each: ProbeDocument) -> str:
    return f"fitted on {each['yes']} yes, {each['no']} no" if each["kind"] == "logistic" else "the words alone"
