"""Metrics (★): what a process counts for Prometheus, a row each, and how it is told in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
CONSTANT = ("version", "environment", "instance")
"""Labels that every metric has, with the same values for the whole process."""
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LONG = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0, 604800.0)
SIZES = tuple(float(1 << power) for power in range(6, 26, 2))


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: `told_by` says which processes have it."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    told_by: str
    buckets: tuple[float, ...] = ()


METRICS: dict[str, Row] = {
    "codeai_http_requests_total": Row(
        "counter", ("method", "path", "status_code"), "Requests that were answered", "API"
    ),
    "codeai_http_request_duration_seconds": Row(
        "histogram",
        ("method", "path"),
        "Time from a request's headers to the end of its answer",
        "API",
        QUICK,
    ),
    "codeai_http_request_size_bytes": Row(
        "histogram", ("method", "path"), "Size of a request's body, as far as it was read", "API", SIZES
    ),
    "codeai_http_response_size_bytes": Row(
        "histogram", ("method", "path"), "Size of an answer's body", "API", SIZES
    ),
    "codeai_http_active_requests": Row(
        "gauge", ("method", "path"), "Requests that are being answered, streams among them", "API"
    ),
    "codeai_db_queries_total": Row(
        "counter", ("operation", "table", "status"), "Statements sent to Postgres", "API, workers"
    ),
    "codeai_db_query_duration_seconds": Row(
        "histogram", ("operation", "table"), "Time that Postgres took for a statement", "API, workers", QUICK
    ),
    "codeai_db_query_errors_total": Row(
        "counter", ("operation", "table", "error_type"), "Statements that failed", "API, workers"
    ),
    "codeai_db_connections_active": Row(
        "gauge", (), "Connections of the pool that are in use", "API, workers"
    ),
    "codeai_workflow_executions_total": Row(
        "counter", ("workflow_name", "status"), "Workflows that ended, each once", "workers"
    ),
    "codeai_workflow_execution_duration_seconds": Row(
        "histogram", ("workflow_name",), "Time from a workflow's start to its end", "workers", LONG
    ),
    "codeai_workflow_active_count": Row(
        "gauge", ("workflow_name",), "Workflows that run, by Temporal's own count", "API"
    ),
    "codeai_workflow_step_duration_seconds": Row(
        "histogram",
        ("workflow_name", "step_name"),
        "Time that an activity took, as its workflow saw it",
        "workers",
        LONG,
    ),
}
"""Every metric of ours. Temporal's SDK tells its own beside them, `temporal_*`."""

disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Labelled(Collector):
    """What a registry collects, with the constant labels."""

    registry: CollectorRegistry
    constant: Mapping[str, str]

    def collect(self) -> Iterable[Metric]:
        for family in self.registry.collect():
            family.samples = [
                sample._replace(labels={**sample.labels, **self.constant}) for sample in family.samples
            ]
            yield family


class Metrics:
    """The figures of one process. Labels are bounded: templates of routes, names of tables, types of workflows."""

    def __init__(self, constant: Mapping[str, str]) -> None:
        self.constant = dict(constant)
        self.registry = CollectorRegistry()
        self._beside: list[Callable[[], bytes]] = []
        made = {name: self._made(name, row) for name, row in METRICS.items()}
        # Labels are bounded: what counts for them is kept, finding it costs as much as counting.
        self._requests: Callable[..., Counter] = cache(made["codeai_http_requests_total"].labels)
        self._request_seconds: Callable[..., Histogram] = cache(
            made["codeai_http_request_duration_seconds"].labels
        )
        self._request_bytes: Callable[..., Histogram] = cache(made["codeai_http_request_size_bytes"].labels)
        self._response_bytes: Callable[..., Histogram] = cache(made["codeai_http_response_size_bytes"].labels)
        self._active_requests: Callable[..., Gauge] = cache(made["codeai_http_active_requests"].labels)
        self._queries: Callable[..., Counter] = cache(made["codeai_db_queries_total"].labels)
        self._query_seconds: Callable[..., Histogram] = cache(made["codeai_db_query_duration_seconds"].labels)
        self._query_errors: Counter = made["codeai_db_query_errors_total"]
        self._connections: Gauge = made["codeai_db_connections_active"]
        self._runs: Counter = made["codeai_workflow_executions_total"]
        self._run_seconds: Histogram = made["codeai_workflow_execution_duration_seconds"]
        self._active_runs: Gauge = made["codeai_workflow_active_count"]
        self._step_seconds: Histogram = made["codeai_workflow_step_duration_seconds"]

    def _made(self, name: str, row: Row) -> Any:
        if row.kind == "histogram":
            return Histogram(name, row.help, row.labels, registry=self.registry, buckets=row.buckets)
        return (Counter if row.kind == "counter" else Gauge)(
            name, row.help, row.labels, registry=self.registry
        )

    def text(self) -> bytes:
        """Everything in Prometheus' format; what is told beside our own may take a moment, so ask in a thread."""
        return generate_latest(Labelled(self.registry, self.constant)) + b"".join(
            tell() for tell in self._beside
        )

    def tell_beside(self, tell: Callable[[], bytes]) -> None:
        """Adds figures that another library keeps, already as text."""
        self._beside.append(tell)

    def request_ended(
        self, method: str, path: str, status: int, seconds: float, received: int, sent: int
    ) -> None:
        """A request to the route with this template was answered."""
        self._requests(method, path, str(status)).inc()
        self._request_seconds(method, path).observe(seconds)
        self._request_bytes(method, path).observe(received)
        self._response_bytes(method, path).observe(sent)

    @contextmanager
    def request_active(self, method: str, path: str) -> Iterator[None]:
        """While a request is being answered."""
        active = self._active_requests(method, path)
        active.inc()
        try:
            yield
        finally:
            active.dec()

    def query_ended(self, operation: str, table: str, seconds: float, error: str | None) -> None:
        """Postgres answered a statement, or refused it with an error of that type."""
        self._queries(operation, table, "success" if error is None else "error").inc()
        self._query_seconds(operation, table).observe(seconds)
        if error is not None:
            self._query_errors.labels(operation, table, error).inc()

    def count_connections(self, in_use: Callable[[], int]) -> None:
        """Says how many connections are in use, whenever somebody asks."""
        self._connections.set_function(in_use)

    def run_ended(self, workflow: str, status: str, seconds: float) -> None:
        """A workflow ended: `completed`, `failed`, `cancelled` or `timed_out`."""
        self._runs.labels(workflow, status).inc()
        self._run_seconds.labels(workflow).observe(seconds)

    def step_ended(self, workflow: str, step: str, seconds: float) -> None:
        """An activity of a workflow ended, whatever it came to."""
        self._step_seconds.labels(workflow, step).observe(seconds)

    def runs_active(self, counts: Mapping[str, int]) -> None:
        """How many workflows of each type run; none where it is not known: no figure rather than an old one."""
        self._active_runs.clear()
        for workflow, count in counts.items():
            self._active_runs.labels(workflow).set(count)
