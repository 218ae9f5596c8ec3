"""Temporal's core of this process: its own log lines go where ours go, its own figures stand beside ours."""

from __future__ import annotations

import functools
import logging
import socket
from urllib.request import urlopen

import structlog
from temporalio import activity, workflow
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from codeai.metrics import Metrics

TELL_LIMIT = 5.0
"""Seconds that the core has to tell its figures; it does so on this machine."""
LEVELS = TelemetryFilter(core_level="WARN", other_level="ERROR")

log = structlog.get_logger()


def runtime_for(metrics: Metrics) -> Runtime:
    """What Temporal's clients of this process run on; their figures are told beside those of `metrics`."""
    runtime, port = _core(tuple(metrics.constant.items()))
    metrics.tell_beside(lambda: _told(port))
    return runtime


@functools.cache
def _core(constant: tuple[tuple[str, str], ...]) -> tuple[Runtime, int]:
    """One core for a process, and the port on this machine at which it tells its figures."""
    # What the SDK knows of a run or an activity belongs into a line's fields, not into its words.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False
    port = _free_port()
    return Runtime(
        telemetry=TelemetryConfig(
            logging=LoggingConfig(
                filter=LEVELS,
                forwarding=LogForwardingConfig(
                    logger=logging.getLogger("temporalio"),
                    prepend_target_on_message=False,
                    append_log_fields_to_message=False,
                ),
            ),
            metrics=PrometheusConfig(bind_address=f"127.0.0.1:{port}", durations_as_seconds=True),
            global_tags=dict(constant),
        )
    ), port


def _told(port: int) -> bytes:
    """The core's figures, or none where it does not answer: ours are told in any case."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=TELL_LIMIT) as answer:
            text: bytes = answer.read()
    except OSError as error:
        log.warning("Temporal's core does not tell its figures", error=str(error))
        return b""
    return text


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
    return port
