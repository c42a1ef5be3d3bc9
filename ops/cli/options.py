"""Options that several commands share, and how settings come out of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from ops.core.settings import Settings, export_settings, load_settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def setting_options(*names: str) -> Decorator:
    """One option for each named setting, beside ``--home`` and ``--storage`` which every command has."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(("home", "storage", *names)):
            field = Settings.model_fields[name]
            function = click.option(
                f"--{name.replace('_', '-')}",
                name,
                default=None,
                metavar="VALUE",
                help=f"{field.description} [setting NEEDLE_{name.upper()}]",
            )(function)
        return function

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")


def settings_from(options: dict[str, Any]) -> Settings:
    """Settings with the command's options on top, also for the processes that the command starts."""
    given = {name: value for name, value in options.items() if name in Settings.model_fields and value is not None}
    settings = load_settings(**given)
    export_settings(given)
    return settings


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False))
