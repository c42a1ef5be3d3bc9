"""``needle token``: who may use the service of this home, by name and role."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from ops.cli.main import announce, make_printable
from ops.cli.options import add_setting_options, json_option, load_command_settings, print_json
from ops.serve.roles import RIGHTS, Role
from ops.serve.token_list import NamedToken, TokenList, parse_expiry


@click.group(name="token")
def command() -> None:
    """Manage the named tokens with which people and programs use `needle serve`.

    Labels, corrections and exports carry the token's name. A running service notices a change within seconds. The
    first token closes the service to everybody without one.

    \b
    Example: needle token add ann --role label --expires 90d
    """


@command.command(name="add")
@click.argument("name", metavar="NAME")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    required=True,
    help="; ".join(f"{role}: {right}" for role, right in RIGHTS.items()) + ".",
)
@click.option("--expires", metavar="DATE|SPAN", help="The end: 2027-01-31 (that day included), 90d, 12h or 4w.")
@add_setting_options()
@json_option
def add(name: str, role: str, expires: str | None, as_json: bool, **options: Any) -> None:
    """Add the token NAME and print its secret, once: only its hash is stored.

    \b
    Example: needle token add ann --role label --expires 90d
    """
    now = datetime.now(UTC)
    tokens = TokenList(load_command_settings(options))
    token, secret = tokens.add(name, Role(role), parse_expiry(expires, now) if expires else None, now)
    if as_json:
        print_json({**_build_document(token, now), "token": secret})
        return
    click.echo(secret)
    end = f", until {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else ""
    announce(
        f"the token of {token.name} ({token.role}: {RIGHTS[token.role]}{end}); it is not shown again. Sign in with it "
        "on the page, or send `Authorization: Bearer TOKEN`"
    )


@command.command(name="list")
@add_setting_options()
@json_option
def list_tokens(as_json: bool, **options: Any) -> None:
    """List the tokens with role and state; secrets are stored nowhere.

    \b
    Example: needle token list --json
    """
    now = datetime.now(UTC)
    tokens = TokenList(load_command_settings(options)).read()
    if as_json:
        print_json({"tokens": [_build_document(token, now) for token in tokens]})
        return
    width = max((len(token.name) for token in tokens), default=0)
    for token in tokens:
        state = token.describe_state(now)
        if state == "revoked" and token.revoked_at:
            state = f"revoked on {token.revoked_at:%Y-%m-%d}"
        elif token.expires_at:
            state = f"{state}, {'until' if state == 'valid' else 'since'} {token.expires_at:%Y-%m-%d %H:%M} UTC"
        line = f"{token.name:{width}}  {token.role:{len(Role.ADMINISTER)}}  {state}"
        click.echo(make_printable(line))
    if not tokens:
        announce("no tokens yet: needle token add NAME --role look|label|administer")


@command.command(name="revoke")
@click.argument("name", metavar="NAME")
@add_setting_options()
@json_option
def revoke(name: str, as_json: bool, **options: Any) -> None:
    """Revoke the token NAME, with all its sessions in browsers.

    It stays in the list, because its name is in labels. The service stays closed after the last one is revoked.

    \b
    Example: needle token revoke ann
    """
    now = datetime.now(UTC)
    token = TokenList(load_command_settings(options)).revoke(name, now)
    if as_json:
        print_json(_build_document(token, now))
    else:
        click.echo(f"{make_printable(token.name)} is revoked; a running service refuses the token within seconds")


def _build_document(token: NamedToken, now: datetime) -> dict[str, str | None]:
    return {
        "name": token.name,
        "role": token.role.value,
        "state": token.describe_state(now),
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        "revoked_at": token.revoked_at.isoformat() if token.revoked_at else None,
    }
