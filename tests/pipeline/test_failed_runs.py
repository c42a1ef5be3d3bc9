"""A failed run is reported, once, with its cause; the webhook's address stays a secret."""

import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import pytest

from assets.automation import failure_sensor
from ops.core.alerts import describe_webhook, report_failed_run
from ops.core.errors import NeedleError, SettingsError
from ops.core.settings import load_settings


class Webhook:
    """A server that keeps what is posted to it, and answers with ``status``."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/services/secret-path"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    thread = Thread(target=hook.server.serve_forever)
    thread.start()
    yield hook
    hook.server.shutdown()
    thread.join()
    hook.server.server_close()


def test_the_sensor_posts_the_cause_of_a_failed_run(tmp_path: Path, webhook: Webhook) -> None:
    @dg.asset
    def shots() -> None:
        raise ValueError("the store is full\nsecond line")

    settings = load_settings(home=str(tmp_path), failure_webhook=webhook.address)
    logging.getLogger("ops.core.alerts").disabled = True  # it logs an error, as it should
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            run = dg.materialize([shots], instance=instance, raise_on_error=False)
            (event,) = [event for event in run.all_events if event.is_failure and not event.is_step_failure]
            context = dg.build_run_status_sensor_context(
                sensor_name="failures", dagster_event=event, dagster_instance=instance, dagster_run=run.dagster_run
            ).for_run_failure()
            failure_sensor(settings)(context)
    finally:
        logging.getLogger("ops.core.alerts").disabled = False
    (posted,) = webhook.posted
    assert posted["run_id"] == run.run_id and "the store is full" in posted["text"]
    assert "second line" not in posted["text"]


@pytest.mark.parametrize("case", ["refused", "unreachable"])
def test_a_webhook_that_does_not_answer_is_an_error_without_its_secret(
    tmp_path: Path, webhook: Webhook, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="ops.core.alerts")
    webhook.status = 500
    address = webhook.address if case == "refused" else "http://127.0.0.1:9/services/secret-path"
    settings = load_settings(home=str(tmp_path), failure_webhook=address)
    with pytest.raises(NeedleError, match=r"webhook at 127\.0\.0\.1") as failure:
        report_failed_run(settings, "r1", ["shots"], ["no space"])
    assert "secret-path" not in str(failure.value) + describe_webhook(settings)


def test_without_a_webhook_the_failure_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="ops.core.alerts")
    settings = load_settings(home=str(tmp_path))
    message = report_failed_run(settings, "r1", [], [])
    assert message == "run r1 of no asset failed: no step reported why"
    assert "NEEDLE_FAILURE_WEBHOOK" in describe_webhook(settings)


def test_an_address_that_is_not_one_is_refused() -> None:
    with pytest.raises(SettingsError, match="NEEDLE_FAILURE_WEBHOOK"):
        load_settings(failure_webhook="slack")
