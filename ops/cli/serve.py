"""``needle serve``: the search service and its page."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import Any

import click

from ops.cli.main import announce
from ops.cli.options import add_setting_options, load_command_settings
from ops.core.logs import are_logs_json


@click.command(name="serve")
@add_setting_options("encoder")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: a free one.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
def command(host: str, port: int, open_page: bool, **options: Any) -> None:
    """Serve the search page at / and the API (documented at /docs).

    Only this machine can reach it, unless --host names another address; then tokens are needed (`needle token add`,
    or NEEDLE_TOKENS).

    \b
    Example: needle serve --port 8080 --open
    """
    from ops.cli.runs import find_runs
    from ops.serve.app import create_app
    from ops.serve.memory import limit_memory_arenas
    from ops.serve.server import listen, require_safe_address, run

    limit_memory_arenas()
    settings = load_command_settings(options)
    require_safe_address(settings, host)
    if not are_logs_json():
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    listener = listen(host, port)
    address = f"[{host}]" if ":" in host else host
    url = f"http://{address}:{listener.getsockname()[1]}"

    def started() -> None:
        announce(f"Needle: {url} (home {settings.home}); stop with Ctrl-C")
        if open_page:
            click.launch(url)

    # Settings given as options are in the environment of the processes that start from here.
    fit = (sys.executable, "-m", "ops.cli", "probe", "fit")
    run(create_app(settings, runs=partial(find_runs, settings), host=host, fit=fit), listener, started)
    announce("stopped")
