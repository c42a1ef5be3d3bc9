"""Traces for OpenTelemetry, if its standard variables (``OTEL_*``) ask for them and the extra ``tracing`` is installed.

Stands alone because nothing else knows OpenTelemetry: without the variables no module of it is imported, and every
function here returns at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import entry_points, version
from typing import Any

from ops.core.logs import name_in_logs
from ops.core.settings import find_trace_exporter

log = logging.getLogger(__name__)

_is_on = False


def start_tracing() -> bool:
    """Export the spans of this process from now on if the environment says so; return whether it does.

    A missing package and an unknown exporter are logged, and the program goes on without traces.
    """
    global _is_on
    exporter_name = find_trace_exporter()
    if not exporter_name or _is_on:
        return _is_on
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.warning("no traces: OpenTelemetry is not installed (%s); pip install 'needle[tracing]'", error)
        return False
    exporters = entry_points(group="opentelemetry_traces_exporter", name=exporter_name)
    if not exporters:
        log.warning("no traces: no package has the exporter %s; pip install 'needle[tracing]'", exporter_name)
        return False
    resource = Resource.create({"service.version": version("needle")})
    if str(resource.attributes["service.name"]).startswith("unknown_service"):  # OTEL_SERVICE_NAME is not set
        resource = resource.merge(Resource({"service.name": "needle"}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(next(iter(exporters)).load()()))
    trace.set_tracer_provider(provider)
    _is_on = True
    return True


@contextmanager
def trace_span(name: str, **attributes: str | int | float | bool) -> Iterator[None]:
    """Record the block as a span, whose id of the trace is in the logs; an error of the block is recorded, too."""
    if not _is_on:
        yield
        return
    from opentelemetry import trace

    tracer = trace.get_tracer("needle")
    with tracer.start_as_current_span(name, attributes=attributes) as span, name_in_logs(trace_id=read_trace_id(span)):
        yield


def trace_request(method: str, headers: Mapping[str, str]) -> AbstractContextManager[Any]:
    """Record the block as the span of a request, below the caller's span if its headers name one (W3C ``traceparent``).

    The block's value goes to :func:`describe_answer`.
    """
    if not _is_on:
        return nullcontext()
    from opentelemetry import trace
    from opentelemetry.propagate import extract

    return trace.get_tracer("needle").start_as_current_span(
        method, context=extract(headers), kind=trace.SpanKind.SERVER, attributes={"http.request.method": method}
    )


def describe_answer(span: Any, method: str, route: str, status: int) -> None:
    """Add route and status to the span of a request; addresses may hold words of a search, and are left out."""
    if span is not None:
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": status})


def read_trace_id(span: Any) -> str:
    """Return the id of a span's trace as 32 hex digits; empty without a span."""
    return f"{span.get_span_context().trace_id:032x}" if span is not None else ""
