"""Commands to an ended run: a new run of the same workflow id, which undoes what has not been undone, or goes on."""

from __future__ import annotations

from uuid import UUID

from temporalio.client import (
    Client,
    WorkflowContinuedAsNewError,
    WorkflowExecution,
    WorkflowFailureError,
)
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from codeai.api.dependencies import Parts
from codeai.api.operations import RPC_LIMIT, Operation, described, is_running, key_reused
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.runs import no_execution, row_in_time, workflow_of
from codeai.persistence.checkpoints import Checkpoints
from codeai.persistence.steps import Steps
from codeai.workflows.contracts.attributes import at_start
from codeai.workflows.contracts.errors import NOTHING_KEPT
from codeai.workflows.contracts.executions import ExecuteInput, ExecutionStatus, entity_of
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT

MOST_UNDER_AN_ID = 50
"""Runs under one workflow id that are looked through, the newest first."""
_MEMO = "operation"


async def reopen(parts: Parts, id: UUID, operation: Operation, asked: ExecuteInput) -> str:
    """Starts what is to be done, once for each operation, and answers the id of its workflow.

    Raises Refused: not_found, not_ended, nothing_to_do, undone, idempotency_key_reused, no_temporal.
    """
    found = await row_in_time(parts, id)
    workflow_id = workflow_of(found, id)
    known = await described(parts.temporal, workflow_id)
    if known is None and found is None:
        raise no_execution(id)
    if await _is_done(parts.temporal, workflow_id, operation):
        return workflow_id
    ended = found is not None and found.ended
    if known is not None and is_running(known) and not (ended and await _closes(parts, workflow_id)):
        raise _not_ended(id)
    if found is not None and found.ended:
        if asked.do == "compensate":
            await _must_have_something(parts, id, found.status)
        else:
            await _must_be_retriable(parts, id, found.status)
        await _must_be_kept(parts, id)
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
            static_summary=f"{asked.do} a run",
            rpc_timeout=RPC_LIMIT,
        )
    except WorkflowAlreadyStartedError:
        if not await _is_done(parts.temporal, workflow_id, operation):
            raise _not_ended(id) from None
    return workflow_id


async def _closes(parts: Parts, workflow_id: str) -> bool:
    """Whether a run whose row has its end is over in Temporal, too, a moment later."""
    run = parts.temporal.get_workflow_handle(workflow_id)
    try:
        await run.result(follow_runs=False, rpc_timeout=RPC_LIMIT)
    except WorkflowFailureError:
        return True
    except (RPCError, WorkflowContinuedAsNewError):
        return False
    return True


async def reopened_by(temporal: Client, workflow_id: str, operation: str) -> WorkflowExecution | None:
    """The run, of all under that workflow id, that was started by the operation; None where none was."""
    newest = await described(temporal, workflow_id)
    if newest is None or (await newest.memo()).get(_MEMO) == operation:
        return newest
    if '"' not in workflow_id:
        older = temporal.list_workflows(f'WorkflowId = "{workflow_id}"', limit=MOST_UNDER_AN_ID)
        async for run in older:
            if (await run.memo()).get(_MEMO) == operation:
                return run
    return None


async def _is_done(temporal: Client, workflow_id: str, operation: Operation) -> bool:
    """Whether this very request has reopened the run before.

    Raises Refused(idempotency_key_reused) where its key has, for another body.
    """
    known = await reopened_by(temporal, workflow_id, operation.id)
    if known is None:
        return False
    if not await operation.is_the_same(known):
        raise key_reused()
    return True


async def _must_be_kept(parts: Parts, id: UUID) -> None:
    """Raises Refused(nothing_to_do) for a run whose state was not kept: nothing is begun that would come to nothing,
    and hide from Temporal's queries what there was."""
    try:
        async with reading(parts.database) as rows:
            kept = await Checkpoints(rows).newest(str(id))
    except Refused:
        return
    if kept is None:
        raise Refused("nothing_to_do", NOTHING_KEPT)


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


async def _must_be_retriable(parts: Parts, id: UUID, status: str) -> None:
    """Raises Refused(nothing_to_do, undone) as far as rows say so; the run itself finds out what else there is."""
    if status != ExecutionStatus.FAILED:
        raise Refused("nothing_to_do", f"execution {id} is {status}: nothing of it has failed")
    try:
        async with reading(parts.database) as rows:
            undone = await Steps(rows).any_undone(str(id))
    except Refused:
        return
    if undone:
        raise Refused("undone", f"undo blocks of execution {id} have been run; start it anew")


def _not_ended(id: UUID) -> Refused:
    return Refused("not_ended", f"execution {id} has not ended; stop it first: codeai cancel {id}")
