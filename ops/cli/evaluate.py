"""``needle evaluate``: how good detector and encoder are, on footage or photographs with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ops.cli.options import json_option, print_json, setting_options, settings_from
from ops.core.errors import UsageError
from ops.embeddings.encoder import load_encoder, resolve_encoder, resolve_spec
from ops.training.evaluate import evaluate_captions, evaluate_footage


@click.command(name="evaluate")
@click.option("--captions", type=click.Path(path_type=Path), help="Parquet of images and their captions.")
@click.option("--footage", type=click.Path(path_type=Path), help="Folder of annotated films.")
@setting_options("encoder", "detector", "frames_per_shot")
@json_option
def command(captions: Path | None, footage: Path | None, as_json: bool, **options: Any) -> None:
    """Measure retrieval (and shot detection, on footage) for the home's encoder or --encoder.

    \b
    Example: needle evaluate --captions test.parquet --json
    """
    if (captions is None) == (footage is None):
        raise UsageError("give one of --captions FILE.parquet and --footage DIR")
    named = options["encoder"] if options["encoder"] not in (None, "auto") else None
    settings = settings_from(options, follows_live=named is None)
    resolved = resolve_spec(named, settings.home) if named else resolve_encoder(settings)
    encoder = load_encoder(resolved.encoder_id, settings.home)
    if captions is not None:
        result = evaluate_captions(captions, encoder)
    else:
        assert footage is not None
        result = evaluate_footage(
            footage, encoder, detector=settings.detector, frames_per_shot=settings.frames_per_shot
        )
    print_json(result) if as_json else _print_table(result)


def _print_table(result: dict[str, Any], indent: str = "") -> None:
    for name, value in result.items():
        if isinstance(value, dict):
            click.echo(f"{indent}{name}")
            _print_table(value, indent + "  ")
        else:
            click.echo(f"{indent}{name:<24} {value:.3f}" if isinstance(value, float) else f"{indent}{name:<24} {value}")
