"""Report failed runs to a webhook, the setting ``NEEDLE_FAILURE_WEBHOOK``.

The body is JSON: ``text`` is the message, as Slack and Mattermost show it; ``run_id`` and ``assets`` are for programs.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ops.core.errors import NeedleError
from ops.core.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT_S = 10


def describe_webhook(settings: Settings) -> str:
    """Return where failed runs are reported; the path of the webhook is a secret, and is left out."""
    address = settings.failure_webhook.get_secret_value()
    if not address:
        return "failed runs are logged: set NEEDLE_FAILURE_WEBHOOK to report them elsewhere too"
    return f"failed runs are logged, and reported to {_host(address)}"


def report_failed_run(settings: Settings, run_id: str, assets: Sequence[str], reasons: Sequence[str]) -> str:
    """Log a failed run, and post it to the webhook if one is set; return the message.

    Raises ``NeedleError`` if the webhook does not accept it.
    """
    cause = "; ".join(reason.strip().splitlines()[0] for reason in reasons if reason.strip()) or "no step reported why"
    message = f"run {run_id} of {', '.join(assets) or 'no asset'} failed: {cause}"
    log.error("%s", message)
    if address := settings.failure_webhook.get_secret_value():
        _post(address, {"text": message, "run_id": run_id, "assets": list(assets)})
    return message


def _post(address: str, content: dict[str, object]) -> None:
    headers = {"Content-Type": "application/json"}
    request = Request(address, json.dumps(content).encode(), headers, method="POST")
    try:
        with urlopen(request, timeout=TIMEOUT_S):
            pass
    except HTTPError as error:
        with error:
            raise NeedleError(f"the webhook at {_host(address)} refused the report: HTTP {error.code}") from None
    except (URLError, OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise NeedleError(
            f"no answer from the webhook at {_host(address)}: {reason}; check NEEDLE_FAILURE_WEBHOOK"
        ) from None


def _host(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2]
