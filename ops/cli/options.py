"""Options that several commands share, and how settings come out of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ops.core.errors import UsageError
from ops.core.settings import Settings, export_settings, load_settings

if TYPE_CHECKING:
    from ops.search.search import Query

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


_SHARE = click.FloatRange(0, 1)
_QUERY_OPTIONS = (
    click.option("--show", "shows", multiple=True, metavar="SHOW", help="Only this show (repeatable)."),
    click.option("--like", multiple=True, metavar="SHOT|IMAGE", help="More like this shot or image (repeatable)."),
    click.option("--unlike", multiple=True, metavar="SHOT|IMAGE", help="Less like this shot or image (repeatable)."),
    click.option("--where", multiple=True, metavar="PROBE>=0.5", help="Only shots that a probe scores so."),
    click.option(
        "--dialogue",
        default="auto",
        show_default=True,
        type=click.Choice(["auto", "off", "only"]),
        help="Look for the text in the spoken lines too, never, or only there.",
    ),
    click.option("--then", "then", default="", metavar="TEXT", help="This must follow soon in the same video."),
    click.option("--then-like", multiple=True, metavar="SHOT|IMAGE", help="What follows looks like this."),
    click.option("--within", default=None, type=click.IntRange(1, 100), help="Shots until what follows [default: 3]."),
    click.option(
        "--all",
        "all_of",
        multiple=True,
        metavar="CONDITION",
        help="Only frames that fulfil every such condition: a description, said:WORDS or probe:NAME>=0.5.",
    ),
    click.option("--any", "any_of", multiple=True, metavar="CONDITION", help="Only frames that fulfil one of these."),
    click.option("--fold", is_flag=True, help="Put near-duplicates under the best of them."),
    click.option("--titles", "include_titles", is_flag=True, help="Title cards and credits too."),
    click.option("--blank", "include_blank", is_flag=True, help="Black and empty shots too."),
    click.option("--min-relevance", default=None, type=_SHARE, help="Leave out what is less relevant (0-1)."),
    click.option("--exact", is_flag=True, help="Compare with every shot instead of using the index's graph."),
)


def query_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Everything that a search can be narrowed by, as options."""
    for option in reversed(_QUERY_OPTIONS):
        function = option(function)
    return function


def query_from(text: str, limit: int, options: dict[str, Any]) -> Query:
    """The query of a text and the values of :func:`query_options`. Raises ``UsageError`` where it makes no sense."""
    from ops.search.query import Condition, Query, Then

    then = None
    if options["then"] or options["then_like"]:
        then = Then(text=options["then"], like=options["then_like"], within=options["within"] or 3)
    elif options["within"] is not None:
        raise UsageError("--within says how soon something must follow: add --then")
    plain = ("shows", "like", "unlike", "where", "dialogue", "fold", "exact")
    choices = ("include_titles", "include_blank", "min_relevance")
    return Query(
        text=text,
        limit=limit,
        then=then,
        all_of=tuple(map(Condition.parse, options["all_of"])),
        any_of=tuple(map(Condition.parse, options["any_of"])),
        **{name: options[name] for name in (*plain, *choices)},
    )


def settings_from(options: dict[str, Any], *, follows_live: bool = True) -> Settings:
    """Settings with the command's options on top, also for the processes that the command starts.

    Unless the command is about encoders other than the live one (not ``follows_live``), an option ``--encoder`` or a
    setting that contradicts it is refused, and a setting that an upgrade has replaced is told. Raises ``UsageError``.
    """
    given = {name: value for name, value in options.items() if name in Settings.model_fields and value is not None}
    settings = load_settings(**given)
    if follows_live:
        _require_live(settings, given.get("encoder", "auto"))
    export_settings(given)
    return settings


def _require_live(settings: Settings, asked: str) -> None:
    from ops.embeddings.encoder import setting_against_live
    from ops.embeddings.pins import EncoderPins

    live = EncoderPins(settings.home).succession().live
    if live and asked not in ("auto", live.spec):
        raise UsageError(
            f"--encoder {asked}: {live.spec} is live in {settings.home} since {live.since}; "
            f"`needle upgrade --encoder {asked}` makes another one live"
        )
    if note := setting_against_live(settings):
        click.echo(f"needle: {note}", err=True)


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False))
