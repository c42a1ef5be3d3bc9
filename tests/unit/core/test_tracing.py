"""Traces reach a collector over OTLP if OpenTelemetry's variables name one; without them nothing is imported."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ops.core.settings import find_trace_exporter
from tests.builders.homes import CHECKOUT

TRACED = """
import sys
from ops.core.tracing import describe_answer, start_tracing, trace_request, trace_span
print(start_tracing(), start_tracing(), "opentelemetry.sdk" in sys.modules)
with trace_request("POST", {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}) as span:
    with trace_span("stage shots", **{"needle.stage": "shots"}):
        pass
    describe_answer(span, "POST", "/api/search", 200)
"""


def run_traced(**variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", TRACED]
    return subprocess.run(command, cwd=CHECKOUT, env=clean | variables, capture_output=True, text=True, check=True)


def test_spans_of_a_request_and_a_stage_reach_the_collector_in_the_callers_trace() -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    done = run_traced(OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test")
    server.shutdown()
    thread.join()
    server.server_close()
    assert done.stdout.split() == ["True", "True", "True"], done.stderr
    assert {path for path, _ in received} == {"/v1/traces"}
    resources = [one for _, body in received for one in ExportTraceServiceRequest.FromString(body).resource_spans]
    resource = resources[0]
    attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert attributes["service.name"] == "needle" and attributes["deployment.environment"] == "test"
    spans = {span.name: span for each in resources for scope in each.scope_spans for span in scope.spans}
    assert set(spans) == {"POST /api/search", "stage shots"}
    assert {span.trace_id.hex() for span in spans.values()} == {"0af7651916cd43dd8448eb211c80319c"}
    assert spans["stage shots"].parent_span_id == spans["POST /api/search"].span_id


def test_without_the_variables_nothing_is_traced_and_nothing_imported() -> None:
    assert run_traced().stdout.split() == ["False", "False", "False"]


def test_an_exporter_that_is_not_installed_is_reported() -> None:
    done = run_traced(OTEL_TRACES_EXPORTER="carrier_pigeon")
    assert done.stdout.startswith("False") and "no package has the exporter carrier_pigeon" in done.stderr


@pytest.mark.parametrize(
    ("variables", "exporter"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "otlp_proto_http"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "otlp_proto_grpc"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, "otlp_proto_http"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, ""),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, ""),
        ({"OTEL_SERVICE_NAME": "needle-test"}, ""),
    ],
)
def test_the_exporter_follows_opentelemetrys_variables(
    variables: dict[str, str], exporter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert find_trace_exporter() == exporter
