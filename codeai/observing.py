"""What a process is observed by: its metrics and its spans, made of the settings, and what Temporal needs of both."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from codeai.correlation import Correlating
from codeai.counting import Counting
from codeai.metrics import Metrics
from codeai.temporal_core import runtime_for
from codeai.tracing import Tracing

if TYPE_CHECKING:
    from temporalio.client import Interceptor
    from temporalio.runtime import Runtime

    from codeai.settings import Settings


@dataclass(frozen=True, slots=True)
class Observing:
    """Of one process."""

    metrics: Metrics
    tracing: Tracing
    runtime: Runtime

    @classmethod
    def by(cls, settings: Settings, process: str) -> Observing:
        """As the settings say."""
        given = settings.metrics
        constant = {
            "version": version("codeai"),
            "environment": given.environment,
            "instance": given.instance or platform.node() or "localhost",
        }
        metrics = Metrics(constant)
        return cls(metrics, Tracing(settings.tracing, process, constant), runtime_for(metrics))

    def interceptors(self) -> Sequence[Interceptor]:
        """What a client of Temporal carries, and with it the workers that it is given to."""
        return [Correlating(), Counting(self.metrics), *self.tracing.interceptors()]

    def close(self) -> None:
        """Sends what has not been sent."""
        self.tracing.close()
