"""``needle train``: fine-tune an encoder on captioned shots and images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from ops.cli.main import EXIT_SET_ASIDE, announce
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.cli.progress import Bars
from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.training.recipes import MOST_SEED, RECIPES, build_recipe

CHANGES = (
    "base",
    "epochs",
    "batch",
    "micro_batch",
    "learning_rate",
    "blend",
    "pooling",
    "precision",
    "recompute",
    "hold_out",
    "seed",
)


@click.command(name="train")
@click.option("--recipe", type=click.Choice(list(RECIPES)), required=True, help="The method of the fit.")
@click.option(
    "--data",
    multiple=True,
    help="Captioned data: parquet, WebDataset .tar, an annotated film, or a folder of them; also s3:// addresses and "
    "prefixes of WebDataset shards [default: all captioned shots and images that the catalogue knows].",
)
@click.option("--name", default="", help="Name of the encoder [default: made of recipe, data and code].")
@click.option(
    "--base",
    default=None,
    help="Encoder to start from: starter, open_clip:<model>/<tag or file>, or finetuned:<name>.",
)
@click.option("--epochs", type=click.IntRange(1), default=None, help="Instead of the recipe's.")
@click.option(
    "--batch", type=click.IntRange(2), default=None, help="Pairs contrasted with each other, instead of the recipe's."
)
@click.option("--micro-batch", type=click.IntRange(0), default=None, help="Pairs computed at once, for small memories.")
@click.option("--learning-rate", type=float, default=None, help="Instead of the recipe's.")
@click.option("--blend", type=float, default=None, help="Share (0-1) of the fitted weights; the rest stays the base's.")
@click.option("--pooling", type=click.Choice(["mean", "temporal"]), default=None, help="How frames become a shot.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default=None, help="Of the towers.")
@click.option(
    "--recompute/--no-recompute",
    default=None,
    help="Compute activations of towers again in the backward pass: less memory, more time.",
)
@click.option("--hold-out", type=float, default=None, help="Share (0-1) of the shows to validate on.")
@click.option(
    "--forgetting",
    multiple=True,
    help="Captioned data of another kind, as in --data, to measure what the fit forgets [default: captions of the "
    "catalogue that the fit does not use].",
)
@click.option("--seed", type=click.IntRange(0, MOST_SEED), default=None, help="Of all that is random.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=None,
    help="CPU threads; a fit is repeatable only with the same number.",
)
@click.option(
    "--workers", type=click.IntRange(1), default=None, help="With --engine ray [default: a GPU or node each]."
)
@click.option("--gpu/--no-gpu", default=None, help="With --engine ray: a GPU for each worker [default: if there are].")
@add_setting_options("engine", "ray_address")
@json_option
def command(
    recipe: str,
    data: tuple[str, ...],
    forgetting: tuple[str, ...],
    name: str,
    threads: int | None,
    workers: int | None,
    gpu: bool | None,
    as_json: bool,
    **options: Any,
) -> int | None:
    """Fine-tune an encoder, as the Dagster asset encoder/NAME; `needle upgrade --encoder finetuned:NAME` makes it live.

    \b
    Example: needle train --recipe adapt --data ~/footage
    """
    from ops.cli.train_runs import train_as_asset

    fit_settings = build_recipe(recipe, **{name: options.pop(name) for name in CHANGES})
    settings = load_command_settings(options)
    if settings.engine == "local" and (workers or gpu is not None):
        raise UsageError("--workers and --gpu are for --engine ray: without it one process fits")
    now = datetime.now(UTC)
    with Bars() as bars:
        version = train_as_asset(
            settings,
            fit_settings,
            data,
            now,
            bars,
            name=name,
            threads=threads,
            workers=workers,
            gpu=gpu,
            forgetting=forgetting,
        )
    if as_json:
        print_json(
            {"name": version.name, "encoder_id": version.encoder_id, "folder": str(version.folder), **version.lineage}
        )
    else:
        what = "made" if version.is_new else "was there already, of the same recipe, data and code"
        steps, loss = plural(version.lineage["steps"], "step"), f"loss {version.lineage['last_loss']:.3f}"
        click.echo(f"{version.encoder_id}: {what} ({steps}, {loss})")
        for line in _format_changes(version.lineage):
            click.echo(line)
        announce(f"next: needle upgrade --encoder finetuned:{version.name}")
    return EXIT_SET_ASIDE if bars.skipped else None


def _format_changes(lineage: Mapping[str, Any]) -> Iterator[str]:
    """Format the change of nDCG@10 from the base, on what was held out and on data of another kind."""
    changes = {"held-out shows": lineage.get("validation", {}), **lineage.get("forgetting", {})}
    for kind, figures in changes.items():
        if overall := figures.get("overall"):
            interval = f"{overall['difference']:+z.3f} [{overall['low']:+z.3f}, {overall['high']:+z.3f}]"
            noise = " ≈ within noise" if overall["low"] <= 0 <= overall["high"] else ""
            change = f"nDCG@10 {overall['base']:.3f} → {overall['encoder']:.3f}, {interval}{noise}"
            yield f"{kind} ({figures['pairs']:,} captioned): {change}"
