"""Runs that were ended in Temporal itself, by `terminate` or a time-out of its own: seen within seconds, and mended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import structlog
from temporalio.client import Client

from codeai.api.mending import begin_mending, has_ended
from codeai.api.outages import NO_ROWS, by_temporal_error
from codeai.persistence.executions import Executions
from codeai.persistence.reads import Reads
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT

EVERY = 2.0
"""Seconds between two looks. So long a terminated run's command may go on, and lists may show it as running."""
BACK = timedelta(minutes=3)
"""How far back a look goes; what ended before, the scheduled passes of `Reconcile` have come to."""
MOST = 500
"""Runs of one look; the rest of them is left to the next pass."""
LIMIT = timedelta(seconds=5)

log = structlog.get_logger(__name__)


@asynccontextmanager
async def ended_runs_mended(temporal: Client, database: Reads) -> AsyncIterator[None]:
    """During the block the rows of such runs are mended and their commands ended, whether or not anybody asks for
    them; while Temporal or Postgres is away nothing is done."""
    watching = asyncio.create_task(_watch(temporal, database))
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(temporal: Client, database: Reads) -> None:
    while True:
        try:
            await _look(temporal, database)
        except NO_ROWS:
            pass
        except Exception as error:
            if by_temporal_error(error) is None:
                log.exception("ended runs cannot be looked for")
        await asyncio.sleep(EVERY)


async def _look(temporal: Client, database: Reads) -> None:
    since = (datetime.now(UTC) - BACK).isoformat()
    asked = (
        f"WorkflowType = '{EXECUTE_DEPLOYMENT.type}' AND ExecutionStatus IN ('Terminated', 'TimedOut')"
        f" AND CloseTime >= '{since}'"
    )
    found = {run.id async for run in temporal.list_workflows(asked, limit=MOST, rpc_timeout=LIMIT)}
    if not found:
        return
    for row in await Executions(database).not_ended_under(found):
        if await has_ended(temporal, row.workflow_id):
            await begin_mending(temporal, row.id)
