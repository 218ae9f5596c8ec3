"""Runs that ended without writing so, as one that is terminated does: who looks has `Reconcile` mend the row."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from codeai.api.dependencies import Parts
from codeai.api.operations import is_running
from codeai.api.outages import reading
from codeai.persistence.executions import Execution, Executions
from codeai.workflows.contracts.attributes import at_start
from codeai.workflows.contracts.kinds import RECONCILE, TASK_TIMEOUT
from codeai.workflows.contracts.reconciling import ReconcileInput

FRESH = timedelta(seconds=2)
"""A row that was written just now is believed."""
ASKING = timedelta(milliseconds=500)
MENDING = 2.0
"""Seconds that a row has to be mended in; then it is shown as it is."""

log = structlog.get_logger(__name__)


async def mended(parts: Parts, row: Execution, *, ended: bool = False) -> Execution:
    """The row, as it should be; `ended`: its workflow is known to have. While Temporal or its workers are away it is
    shown as it is."""
    if row.ended or (not ended and datetime.now(UTC) - row.updated_at < FRESH):
        return row
    try:
        if not ended and not await has_ended(parts.temporal, row.workflow_id):
            return row
        async with asyncio.timeout(MENDING):
            await (await begin_mending(parts.temporal, row.id)).result()
    except (RPCError, TimeoutError, WorkflowFailureError) as problem:
        log.info("a row could not be mended", execution_id=row.id, reason=str(problem))
    async with reading(parts.database) as rows:
        return await Executions(rows).get(row.id) or row


async def has_ended(temporal: Client, workflow_id: str) -> bool:
    """Whether nothing runs under that workflow id. Raises RPCError."""
    try:
        found = await temporal.get_workflow_handle(workflow_id).describe(rpc_timeout=ASKING)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return True
        raise
    return not is_running(found)


async def begin_mending(temporal: Client, id: str) -> WorkflowHandle[Any, Any]:
    """`Reconcile` of one run: begun, or under way already. Raises RPCError."""
    return await temporal.start_workflow(
        RECONCILE.type,
        ReconcileInput(execution=id),
        id=RECONCILE.workflow_id(id),
        task_queue=RECONCILE.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        task_timeout=TASK_TIMEOUT,
        search_attributes=at_start(RECONCILE.type, f"execution/{id}", None),
        static_summary="a run has ended and its row does not say so",
        rpc_timeout=ASKING,
    )
