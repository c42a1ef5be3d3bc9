"""``needle``: the list of commands, loaded one by one so that a quick command stays quick."""

from __future__ import annotations

import faulthandler
import gc
import importlib
import logging
import sys
from typing import Any

import click

from ops.core.errors import NeedleError, UsageError, describe_system_error
from ops.core.logs import are_logs_json

log = logging.getLogger(__name__)

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_SET_ASIDE = 3

COMMANDS = {
    "ingest": "ops.cli.ingest",
    "status": "ops.cli.status",
    "shots": "ops.cli.shots",
    "search": "ops.cli.search",
    "searches": "ops.cli.searches",
    "similar": "ops.cli.similar",
    "export": "ops.cli.export",
    "collections": "ops.cli.collections",
    "dialogue": "ops.cli.dialogue",
    "people": "ops.cli.people",
    "label": "ops.cli.label",
    "probe": "ops.cli.probe",
    "models": "ops.cli.models",
    "train": "ops.cli.train",
    "evaluate": "ops.cli.evaluate",
    "benchmark": "ops.cli.benchmark",
    "upgrade": "ops.cli.upgrade",
    "forget": "ops.cli.forget",
    "compact": "ops.cli.compact",
    "report": "ops.cli.report",
    "serve": "ops.cli.serve",
    "token": "ops.cli.token",
    "backup": "ops.cli.backup",
    "restore": "ops.cli.restore",
    "dagster": "ops.cli.dagster",
    "demo": "ops.cli.demo",
    "doctor": "ops.cli.doctor",
}


class LazyGroup(click.Group):
    """Imports a command's module only when that command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}: choose one of {', '.join(COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="needle", prog_name="needle")
def cli() -> None:
    """Find any moment in your footage by describing it.

    \b
    needle ingest ~/footage
    needle search "a red car at night"
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; exit status 0 done, 1 failed, 2 wrong usage, 3 some inputs set aside."""
    if sys.__stderr__ is not None and not faulthandler.is_enabled():
        # A crash in foreign native code, or memory mapped beyond a quota (SIGBUS), is reported with its place.
        faulthandler.enable(sys.__stderr__)
    try:
        status = cli.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        complain("stopped; run the same command again to go on")
        sys.exit(EXIT_FAILED)
    except UsageError as error:
        complain(str(error))
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
    except NeedleError as error:
        complain(str(error))
        sys.exit(EXIT_FAILED)
    except OSError as error:  # a full disk, a home that cannot be written
        complain(describe_system_error(error))
        sys.exit(EXIT_FAILED)
    # The interpreter's last collections would visit every object of torch, Dagster and Feast: 1.5 s after an ingest
    # instead of 0.4. The operating system frees the memory.
    gc.freeze()
    sys.exit(status if isinstance(status, int) else 0)


def complain(message: str) -> None:
    """Print an error; control characters in external names do not reach the terminal."""
    if are_logs_json():
        log.error("%s", message)
    else:
        click.echo("\n".join(map(make_printable, f"needle: {message}".splitlines())), err=True)


def announce(text: str) -> None:
    """Print a message for users on standard error; if logs are JSON, each of its lines is a record of the log."""
    if not are_logs_json():
        click.echo(text, err=True)
        return
    for line in text.splitlines():
        log.info("%s", line.strip())


def make_printable(text: str) -> str:
    """Return text without control characters, so that a file name cannot control the terminal."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
