"""Compensating an ended run: a new run of the same workflow id, which undoes what has not been undone."""

from __future__ import annotations

from uuid import UUID

from temporalio.client import WorkflowExecutionDescription
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from codeai.api.dependencies import Parts
from codeai.api.operations import RPC_LIMIT, Operation, described, is_running
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.runs import no_execution, row_in_time, workflow_of
from codeai.persistence.steps import Steps
from codeai.workflows.contracts.attributes import at_start
from codeai.workflows.contracts.executions import ExecuteInput, ExecutionStatus, entity_of
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT

_MEMO = "operation"


async def compensate(parts: Parts, id: UUID, operation: Operation, asked: ExecuteInput) -> str:
    """Starts the compensation, once for each operation, and answers the id of its workflow.

    Raises Refused: not_found, not_ended, nothing_to_do, no_temporal.
    """
    found = await row_in_time(parts, id)
    workflow_id = workflow_of(found, id)
    known = await described(parts.temporal, workflow_id)
    if known is None and found is None:
        raise no_execution(id)
    if await _is_of(known, operation):
        return workflow_id
    if known is not None and is_running(known):
        raise _not_ended(id)
    if found is not None and found.ended:
        await _must_have_something(parts, id, found.status)
    try:
        await parts.temporal.start_workflow(
            EXECUTE_DEPLOYMENT.type,
            asked,
            id=workflow_id,
            task_queue=EXECUTE_DEPLOYMENT.queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            task_timeout=TASK_TIMEOUT,
            memo=operation.memo | {_MEMO: operation.id},
            search_attributes=at_start(
                EXECUTE_DEPLOYMENT.type, entity_of(asked, str(id)), asked.triggered_by
            ),
            static_summary="compensate a run",
            rpc_timeout=RPC_LIMIT,
        )
    except WorkflowAlreadyStartedError:
        if not await _is_of(await described(parts.temporal, workflow_id), operation):
            raise _not_ended(id) from None
    return workflow_id


async def _is_of(known: WorkflowExecutionDescription | None, operation: Operation) -> bool:
    """Whether the newest run of the workflow was started by this very request."""
    return known is not None and (await known.memo()).get(_MEMO) == operation.id


async def _must_have_something(parts: Parts, id: UUID, status: str) -> None:
    """Raises Refused(nothing_to_do) as far as rows say so; the run itself finds out what else there is."""
    if status == ExecutionStatus.COMPENSATED:
        raise Refused("nothing_to_do", f"execution {id} has been compensated already")
    try:
        async with reading(parts.database) as rows:
            undoable = await Steps(rows).any_undoable(str(id))
    except Refused:
        return
    if not undoable:
        raise Refused("nothing_to_do", f"no step of execution {id} has an undo")


def _not_ended(id: UUID) -> Refused:
    return Refused("not_ended", f"execution {id} has not ended; stop it first: codeai cancel {id}")
