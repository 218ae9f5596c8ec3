"""Tracing: OpenTelemetry's spans, from a request to the activities that it leads to, where an endpoint is set."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span
    from temporalio.contrib.opentelemetry import TracingInterceptor

    from codeai.settings import TracingSettings

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


class Tracing:
    """The spans of one process. Without an endpoint there are none, and a trace's id is only passed on."""

    def __init__(self, settings: TracingSettings, process: str, constant: Mapping[str, str]) -> None:
        self._provider = _provider(settings, process, constant) if settings.endpoint else None
        self._tracer = self._provider.get_tracer("codeai") if self._provider else None

    def interceptors(self) -> list[TracingInterceptor]:
        """What makes spans of Temporal's calls."""
        if self._tracer is None:
            return []
        from temporalio.contrib.opentelemetry import TracingInterceptor

        return [TracingInterceptor(self._tracer)]

    def request(self, method: str, traceparent: str) -> AbstractContextManager[Span | None]:
        """The span of one request, below the caller's if he says one."""
        if self._tracer is None:
            return nullcontext()
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        above = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
        return self._tracer.start_as_current_span(method, above, SpanKind.SERVER)

    def close(self) -> None:
        """Sends what has not been sent."""
        if self._provider is not None:
            self._provider.shutdown()


def trace_id(span: Span | None, traceparent: str) -> str:
    """The trace that a request belongs to: its span's, else the caller's, else a new one."""
    if span is not None:
        return f"{span.get_span_context().trace_id:032x}"
    said = _TRACEPARENT.fullmatch(traceparent)
    return said[1] if said else secrets.token_hex(16)


def describe(span: Span | None, method: str, route: str, status: int) -> None:
    """What became of a request, on its span."""
    if span is None:
        return
    from opentelemetry.trace import StatusCode

    span.update_name(f"{method} {route}")
    about: dict[str, Any] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
    }
    span.set_attributes(about)
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def _provider(settings: TracingSettings, process: str, constant: Mapping[str, str]) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    named = {
        "service.name": f"codeai-{process}",
        "service.version": constant["version"],
        "service.instance.id": constant["instance"],
        "deployment.environment.name": constant["environment"],
    }
    made = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_rate)),
        resource=Resource.create(named),
        shutdown_on_exit=False,
    )
    place = f"{(settings.endpoint or '').rstrip('/')}/v1/traces"
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=place)))
    return made
