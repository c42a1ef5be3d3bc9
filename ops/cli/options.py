"""Options that several commands share, and the settings that result from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from ops.cli.main import announce
from ops.core.errors import UsageError
from ops.core.logs import write_json_logs
from ops.core.settings import Settings, export_settings, load_settings, load_settings_of_any_home
from ops.core.tracing import start_tracing

if TYPE_CHECKING:
    from ops.search.schema import Query

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def add_setting_options(*names: str) -> Decorator:
    """Return one option for each named setting, besides ``--home`` and ``--storage``, which every command has."""

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


_QUERY_OPTIONS = (
    ("SearchFields", "shows", "--show", "SHOW"),
    ("SearchFields", "videos", "--video", "VIDEO"),
    ("SearchFields", "like", "--like", "SHOT|IMAGE"),
    ("SearchFields", "by", "--by", None),
    ("SearchFields", "unlike", "--unlike", "SHOT|IMAGE|WORDS"),
    ("SearchFields", "literal", "--literal", "PART"),
    ("SearchFields", "where", "--where", "PROBE>=0.5"),
    ("SearchFields", "dialogue", "--dialogue", None),
    ("Then", "text", "--then", "TEXT"),
    ("Then", "like", "--then-like", "SHOT|IMAGE"),
    ("Then", "within", "--within", None),
    ("SearchFields", "all", "--all", "CONDITION"),
    ("SearchFields", "any", "--any", "CONDITION"),
    ("SearchFields", "fold", "--fold", None),
    ("SearchFields", "include_titles", "--titles", None),
    ("SearchFields", "include_blank", "--blank", None),
    ("SearchFields", "min_relevance", "--min-relevance", None),
    ("SearchFields", "exact", "--exact", None),
)
"""Model, field, option and placeholder, in the order of ``--help``."""
_MORE_HELP = {"--all": ": a description, said:WORDS, text:WORDS (* for any), sound:KIND or probe:NAME>=0.5"}
_THEN = {"text": "then", "like": "then_like", "within": "within"}
"""Parameters of the command for the fields of :class:`ops.search.schema.Then`."""
_CONDITIONS = {"seen": "text", "said": "dialogue", "text": "written", "sound": "sound", "probe": "probe"}
"""The prefix before the colon of a condition, and the field that it sets."""


def add_query_options(*flags: str) -> Decorator:
    """Return the options of a search, from the fields of its models; all of them unless ``flags`` names some."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        from ops.search.schema import SearchFields, Then

        models = {model.__name__: model.model_json_schema()["properties"] for model in (SearchFields, Then)}
        for model, name, flag, metavar in reversed(_QUERY_OPTIONS):
            if not flags or flag in flags:
                key = _THEN[name] if model == "Then" else name
                function = _build_option(flag, key, models[model][name], metavar, is_optional=model == "Then")(function)
        return function

    return decorate


def limit_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``--limit``, with the limits of a search."""
    from ops.search.schema import SearchFields

    return _build_option("--limit", "limit", SearchFields.model_json_schema()["properties"]["limit"])(function)


def _build_option(
    flag: str, key: str, field: Mapping[str, Any], metavar: str | None = None, *, is_optional: bool = False
) -> Decorator:
    """Return the option for a field with this JSON schema; ``is_optional``: ``None`` if the option is missing."""
    kind = field.get("anyOf", [field])[0]  # besides null
    is_list, is_flag = kind["type"] == "array", kind["type"] == "boolean"
    help_text = field["description"].rstrip(".") + _MORE_HELP.get(flag, "") + (" (repeatable)" if is_list else "")
    default = None if is_list or is_optional else field.get("default")
    if is_optional and field.get("default"):
        help_text += f" [default: {field['default']}]"
    return click.option(
        flag,
        key,
        help=f"{help_text}.",
        metavar=metavar,
        type=None if is_flag else _choose_click_type(kind),
        default=default,
        multiple=is_list,
        is_flag=is_flag,
        show_default=default is not None and not is_flag,
    )


def _choose_click_type(kind: Mapping[str, Any]) -> click.ParamType[Any]:
    if "enum" in kind:
        return click.Choice(kind["enum"])
    if kind["type"] == "integer":
        return click.IntRange(kind["minimum"], kind["maximum"])
    return click.FloatRange(kind["minimum"], kind["maximum"]) if kind["type"] == "number" else click.STRING


def query_from(text: str, options: Mapping[str, Any]) -> Query:
    """Build the query from a text and the values of :func:`add_query_options`. Raises ``UsageError``."""
    from ops.search.schema import Query

    then = None
    if options["then"] or options["then_like"]:
        then = {name: options[key] for name, key in _THEN.items() if options[key] is not None}
    elif options["within"] is not None:
        raise UsageError("--within limits how soon the next shot must follow: add --then")
    conditions = {name: tuple(map(parse_condition, options[name])) for name in ("all", "any")}
    plain = {name: value for name, value in options.items() if name in Query.model_fields}
    return Query.model_validate(plain | conditions | {"text": text, "then": then})


def parse_condition(text: str) -> dict[str, str]:
    """Return the document of a condition: ``a red car``, ``said:merry christmas`` or ``probe:closeup>=0.5``."""
    kind, colon, rest = text.partition(":")
    name = _CONDITIONS.get(kind.strip()) if colon else None
    return {name: rest.strip()} if name else {"text": text}


def load_command_settings(
    options: Mapping[str, Any], *, follows_live: bool = True, is_restore: bool = False
) -> Settings:
    """Load settings with the command's options on top, also for the processes that the command starts.

    With ``follows_live``, an option ``--encoder`` that contradicts the live encoder is refused, and a note reports a
    setting that an upgrade has replaced. Commands for other encoders switch this off. Only with ``is_restore`` the home
    may have an unfinished restore.
    Raises ``UsageError``.
    """
    values = {name: value for name, value in options.items() if name in Settings.model_fields and value is not None}
    settings = load_settings_of_any_home(**values) if is_restore else load_settings(**values)
    write_json_logs(settings)
    start_tracing()
    if follows_live:
        _require_live(settings, values.get("encoder", "auto"))
    export_settings(values)
    return settings


def choose_encoder(options: Mapping[str, Any]) -> tuple[Settings, str]:
    """The settings, and the id of the encoder in ``--encoder``, or of the home's. Raises ``EncoderError``."""
    from ops.embeddings.encoder import resolve_encoder, resolve_spec

    spec = options["encoder"] if options["encoder"] not in (None, "auto") else None
    settings = load_command_settings(options, follows_live=spec is None)
    return settings, (resolve_spec(spec, settings.home) if spec else resolve_encoder(settings)).encoder_id


def _require_live(settings: Settings, encoder: str) -> None:
    from ops.embeddings.encoder import explain_setting_against_live
    from ops.embeddings.registry import EncoderRegistry

    live = EncoderRegistry(settings.home).read_state().live
    if live and encoder not in ("auto", live.spec):
        raise UsageError(
            f"--encoder {encoder}: {live.spec} is live in {settings.home} since {live.since}; "
            f"`needle upgrade --encoder {encoder}` makes another one live"
        )
    if note := explain_setting_against_live(settings):
        announce(f"needle: {note}")


def print_json(document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    # A lone surrogate, of a file name that is not UTF-8, cannot be written; its code is the same in JSON.
    click.echo(text.encode("utf-8", "backslashreplace").decode("utf-8"))
