"""How many workflows run: asked of Temporal again and again, for the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import structlog
from temporalio.client import Client

from codeai.api.outages import by_temporal_error
from codeai.metrics import Metrics
from codeai.workflows.contracts.kinds import KINDS

EVERY = 15.0
"""Seconds."""
LIMIT = timedelta(seconds=5)

log = structlog.get_logger()


@asynccontextmanager
async def counted(temporal: Client, metrics: Metrics, every: float = EVERY) -> AsyncIterator[None]:
    """Keeps `codeai_workflow_active_count` true during the block; while Temporal is away there is no figure."""
    counting = asyncio.create_task(_count(temporal, metrics, every))
    try:
        yield
    finally:
        counting.cancel()
        with suppress(asyncio.CancelledError):
            await counting


async def _count(temporal: Client, metrics: Metrics, every: float) -> None:
    while True:
        try:
            metrics.runs_active({kind: await _running(temporal, kind) for kind in KINDS})
        except Exception as error:
            if by_temporal_error(error) is None:
                log.exception("workflows cannot be counted")
            metrics.runs_active({})
        await asyncio.sleep(every)


async def _running(temporal: Client, kind: str) -> int:
    asked = f"WorkflowType = '{kind}' AND ExecutionStatus = 'Running'"
    return (await temporal.count_workflows(asked, rpc_timeout=LIMIT)).count
