"""``needle upgrade``: another encoder for the whole catalogue, without an interruption, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ops.cli.main import EXIT_FAILED, announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.core.errors import UsageError
from ops.core.plural import plural

if TYPE_CHECKING:
    from ops.cli.upgrade_runs import UpgradeOutcome
    from ops.core.settings import Settings
    from ops.embeddings.registry import UpgradeCandidate
    from ops.upgrade.compare import Comparison


@click.command(name="upgrade")
@click.option(
    "--encoder",
    "spec",
    default="",
    metavar="SPEC",
    help="The new one, as in NEEDLE_ENCODER: finetuned:NAME, open_clip:..., starter, ...; or an id.",
)
@click.option("--rollback", "goes_back", is_flag=True, help="Back to the encoder before, with its index and probes.")
@click.option(
    "--discard", "withdraws", is_flag=True, help="Delete the vectors, index and probes of a rejected candidate."
)
@click.option(
    "--status", "asks", is_flag=True, help="Show the live encoder, and the one that a rollback would bring back."
)
@click.option(
    "--forget-home",
    "home_name",
    default="",
    metavar="NAME",
    help="Of a home on the same bucket that is gone: do not keep vectors for it any more.",
)
@click.option("--force", default=None, metavar="REASON", help="Switch even if the check fails; the reason is stored.")
@add_setting_options()
@json_option
def command(
    spec: str,
    goes_back: bool,
    withdraws: bool,
    asks: bool,
    home_name: str,
    force: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Make another encoder live: embed everything again, compare, and switch if it is not worse.

    Search works all the time, with the old encoder until the switch and the new one after it. Probes are fitted
    on the new vectors before. The old encoder is kept for --rollback, earlier ones are deleted. After an
    interruption, the same command continues. Exit status 1 if the comparison rejects the new encoder.

    \b
    Example: needle upgrade --encoder finetuned:mine
    """
    if bool(spec) + goes_back + withdraws + asks + bool(home_name) != 1:
        raise UsageError("choose one of --encoder SPEC, --rollback, --discard, --status and --forget-home NAME")
    if force is not None and not (spec and force.strip()):
        raise UsageError(
            "--force gives the reason for an --encoder that fails the check: --force 'night scenes matter'"
        )
    if spec == "auto":
        raise UsageError(
            "--encoder auto: name the encoder, such as open_clip:<model>/<tag or file> or finetuned:<name>"
        )
    settings = load_command_settings(
        options, follows_live=False
    )  # a contradicting setting refers the user to this command
    if asks:
        _show(settings, as_json)
        return 0
    from ops.cli.progress import Bars
    from ops.cli.upgrade_runs import forget_home, rollback, upgrade, withdraw

    if home_name:
        forget_home(settings, home_name)
        _show(settings, as_json)
        return 0
    with Bars() as bars:
        if withdraws:
            return _tell_discarded(settings, withdraw(settings, bars), as_json)
        outcome = rollback(settings, bars) if goes_back else upgrade(settings, spec, (force or "").strip(), bars)
    return _tell(settings, outcome, as_json)


def _show(settings: Settings, as_json: bool) -> None:
    from ops.upgrade.switch import describe_upgrade

    document = describe_upgrade(settings)
    if as_json:
        print_json(document)
        return
    live, previous, candidate = document["live"], document["previous"], document["candidate"]
    since = f" since {live['since']}" if live["since"] else ""
    click.echo(f"live: {live['spec']} ({live['encoder_id']}){since}: {make_printable(live['reason'])}")
    click.echo(
        f"--rollback goes to: {previous['spec']} ({previous['encoder_id']})" if previous else "no rollback is kept"
    )
    if candidate:
        click.echo(f"on its way, not live: {candidate['spec']} ({candidate['encoder_id']})")
    if shared := document["shared"]:
        click.echo(f"live in {settings.storage_uri}: {shared['spec']}; `needle ingest` here follows it")
    for home in document["other_homes"]:
        uses = ", ".join(home["encoder_ids"])
        click.echo(make_printable(f"another home: {home['name']} uses {uses} (seen {home['seen']})"))
    if kept := document["kept_for_others"]:
        click.echo(f"kept while other homes may use it: {', '.join(kept)}")
    for reason in document["refused_because"]:
        click.echo(f"refused: {make_printable(reason)}")
    if document["refused_because"]:
        click.echo("--discard deletes its vectors, index and probes")
    if not document["settled"]:
        click.echo("the last switch is not complete: the same upgrade again completes it")


def _tell(settings: Settings, outcome: UpgradeOutcome, as_json: bool) -> int:
    from dataclasses import asdict

    from ops.upgrade.switch import describe_upgrade

    comparison, document = outcome.comparison, describe_upgrade(settings)
    is_refused = comparison is not None and not outcome.switched
    if as_json:
        print_json({"switched": outcome.switched, **document, "comparison": asdict(comparison) if comparison else None})
    else:
        if comparison:
            _print_comparison(comparison)
            for reason in comparison.reasons if comparison.forced and outcome.switched else ():
                click.echo(f"taken all the same: {make_printable(reason)}")
        live = document["live"]
        places = f" in all homes on {settings.storage_uri}" if document["other_homes"] else ""
        unchanged = "stays live" if is_refused else "is live already: nothing to do"
        state = f"is live{places}" if outcome.switched else unchanged
        click.echo(f"{live['spec']} {state} ({live['encoder_id']})")
    for reason in comparison.reasons if comparison and is_refused else ():
        announce(f"needle: not switched: {make_printable(reason)}")
    if is_refused:
        announce("needle: nothing that is live was changed; --force 'why' takes it all the same")
        announce("needle: `needle upgrade --discard` deletes its vectors, index and probes")
    return EXIT_FAILED if is_refused else 0


def _tell_discarded(settings: Settings, candidate: UpgradeCandidate, as_json: bool) -> int:
    from dataclasses import asdict

    from ops.upgrade.switch import describe_upgrade

    document = describe_upgrade(settings)
    if as_json:
        print_json({"switched": False, **document, "discarded": asdict(candidate)})
    else:
        encoders = [each["encoder_id"] for each in (document["live"], document["previous"], document["undone"]) if each]
        fate = (
            "stays, for a rollback or another upgrade"
            if candidate.encoder_id in encoders
            else "is deleted, its weights are not"
        )
        if candidate.encoder_id in document["kept_for_others"]:
            fate = "stays in the store while other homes may use it"
        if candidate.was_indexed:
            fate = "stays: footage was indexed with it before, and may still be searched"
        click.echo(f"{candidate.spec} is not a candidate any more: its data {fate}")
        click.echo(f"{document['live']['spec']} stays live ({document['live']['encoder_id']})")
    return 0


def _format_change(title: str, each: Mapping[str, Any]) -> str:
    figures = "".join(f"{each[key]:>9.3f}" for key in ("live", "candidate"))
    return f"{title:<24}{figures}{each['difference']:>+z9.3f}  {each['low']:+z.3f} to {each['high']:+z.3f}"


def _print_comparison(comparison: Comparison) -> None:
    from ops.evaluation.verdict import TITLES

    click.echo(f"{'':<24}{'live':>9}{'new':>9}{'change':>9}  95 % interval")
    for part in (comparison.evaluation, comparison.evaluation["learned"]):
        if not part or not part["parts"]:
            continue
        fit_note = ", which it was fitted on: a gain proves nothing" if part is not comparison.evaluation else ""
        click.echo(
            make_printable(
                f"nDCG@10 on {plural(part['shots'], 'captioned shot')} of {', '.join(part['shows'])}{fit_note}"
            )
        )
        for name, each in part["parts"].items():
            click.echo(_format_change(TITLES[name], each))
    if comparison.forgetting:
        click.echo("nDCG@10 on captioned data that its fit did not learn from")
    for kind, change in comparison.forgetting.items():
        accepted = f"; a loss of {change['margin']:.2g} is accepted"
        click.echo(_format_change(f"{change['pairs']:,} {kind}", change) + accepted)
    for missing in () if comparison.reasons else comparison.evaluation["too_little"]:
        click.echo(make_printable(f"{missing}; its searches find nearly the same"))
    for probe in comparison.probes:
        pair = "".join(
            f"{'-' if probe[key] is None else format(probe[key], '.3f'):>9}" for key in ("live", "candidate")
        )
        click.echo(f"{'AP of ' + probe['probe']:<24}{pair}  {make_printable(probe['why']) or 'not worse'}")
    overlap = comparison.overlap
    click.echo(
        f"{overlap['mean']:.0%} of the first {plural(overlap['top'], 'shot')} are the same over "
        f"{plural(overlap['queries'], 'query', 'queries')} "
        f"({overlap['low']:.0%} to {overlap['high']:.0%}); least for {overlap['least'][0]['query']!r}"
    )
