"""What Temporal knows of a run: whether it goes on, what it was started with, how it ended."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError, TimeoutError
from temporalio.service import RPCError, RPCStatusCode

from codeai.workflows.contracts.decoding import InvalidInput, decode
from codeai.workflows.contracts.errors import TERMINATED, RunError
from codeai.workflows.contracts.executions import (
    ExecuteInput,
    ExecuteResult,
    ExecutionStatus,
    derived_id,
)
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT

RPC_LIMIT = timedelta(seconds=4)
CLOSED = frozenset(
    {
        WorkflowExecutionStatus.COMPLETED,
        WorkflowExecutionStatus.FAILED,
        WorkflowExecutionStatus.CANCELED,
        WorkflowExecutionStatus.TERMINATED,
        WorkflowExecutionStatus.TIMED_OUT,
    }
)
"""One that has continued as new goes on."""
MOST_UNDER_AN_ID = 50
"""Runs under one workflow id that are looked through, the newest first."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What a workflow run was started with; `asked` is None where that is no valid input."""

    execution: str
    workflow_id: str
    started_at: float
    asked: ExecuteInput | None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """How a run ended, by the word of Temporal; `run` is the workflow run that did."""

    status: ExecutionStatus
    at: float
    run: str
    result: Any = None
    error: RunError | None = None
    undo_failed: tuple[dict[str, Any], ...] = ()


async def run_as_it_is(
    client: Client, workflow_id: str, run_id: str | None = None
) -> WorkflowExecutionDescription | None:
    """The newest workflow run under that id; None where Temporal knows none. Raises RPCError."""
    try:
        return await client.get_workflow_handle(workflow_id, run_id=run_id).describe(rpc_timeout=RPC_LIMIT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def is_running(found: WorkflowExecution) -> bool:
    return found.status not in CLOSED


async def run_of(client: Client, execution: str, workflow_id: str) -> WorkflowExecutionDescription | None:
    """The newest workflow run of an execution; None where Temporal knows none. Raises RPCError."""
    newest = await run_as_it_is(client, workflow_id)
    if newest is None or workflow_id == EXECUTE_DEPLOYMENT.workflow_id(execution):
        return newest
    # Under an id of somebody's own other executions may have been started since.
    if (await begun_as(client, workflow_id, newest.run_id)).execution == execution:
        return newest
    async for run in _runs_of(client, execution, workflow_id):
        return await run_as_it_is(client, workflow_id, run.run_id)
    return None


async def _runs_of(client: Client, execution: str, workflow_id: str) -> AsyncIterator[WorkflowExecution]:
    """The workflow runs of an execution under that id, the newest first, as far as Temporal lists them."""
    if '"' in workflow_id:
        return
    async for run in client.list_workflows(f'WorkflowId = "{workflow_id}"', limit=MOST_UNDER_AN_ID):
        if (await begun_as(client, workflow_id, run.run_id)).execution == execution:
            yield run


async def begun_as(client: Client, workflow_id: str, run_id: str) -> Begun:
    """What that workflow run was started with. Raises RPCError."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    async for event in handle.fetch_history_events(page_size=1):
        started = event.workflow_execution_started_event_attributes
        payloads = started.input.payloads
        try:
            asked = decode(payloads[0].data if payloads else None, ExecuteInput)
        except InvalidInput:
            asked = None
        made = derived_id(workflow_id, started.first_execution_run_id)
        return Begun(
            execution=(asked and asked.execution) or made,
            workflow_id=workflow_id,
            started_at=event.event_time.ToMicroseconds() / 1e6,
            asked=asked,
        )
    raise LookupError(f"workflow {workflow_id!r} has no history")


async def _before_command(
    client: Client, found: WorkflowExecutionDescription
) -> WorkflowExecutionDescription | None:
    """The workflow run that a command to the ended run came after; None where `found` is no command. Raises
    RPCError."""
    begun = await begun_as(client, found.id, found.run_id)
    if begun.asked is None or begun.asked.do is None:
        return None
    async for run in _runs_of(client, begun.execution, found.id):
        if run.start_time < found.start_time and not is_running(run):
            return await run_as_it_is(client, run.id, run.run_id)
    return None


async def how_it_ended(client: Client, found: WorkflowExecutionDescription | None) -> RunEnded:
    """How that run ended; None is one that Temporal no longer knows. A command to an ended run that came to nothing
    changes nothing of how that had ended. Raises RPCError."""
    if found is None:
        error = RunError(kind="lost", message="Temporal no longer knows this run; how it ended is not known")
        return RunEnded(ExecutionStatus.FAILED, time.time(), "", error=error)
    run = found.run_id
    closed_at = found.close_time.timestamp() if found.close_time else time.time()
    handle = client.get_workflow_handle(found.id, run_id=run, result_type=dict)
    try:
        value: Any = await handle.result(follow_runs=False, rpc_timeout=RPC_LIMIT)
        cause: BaseException | None = None
    except WorkflowFailureError as failure:
        cause = failure.cause
        details = list(getattr(cause, "details", ()) or ())
        value = details[0] if details else None
    told = _told(value)
    if told is not None:
        return RunEnded(told.status, closed_at, run, told.result, told.error, told.undo_failed)
    if isinstance(cause, ApplicationError):
        before = await _before_command(client, found)
        if before is not None:
            return replace(await how_it_ended(client, before), run=run)
    status, error = what_happened(cause)
    return RunEnded(status, closed_at, run, error=error)


def what_happened(cause: BaseException | None) -> tuple[ExecutionStatus, RunError]:
    """The status of a run that could not say how it ended, and why it ended."""
    if isinstance(cause, TerminatedError):
        why = f": {cause.message}" if cause.message else ""
        return ExecutionStatus.FAILED, RunError(
            kind=TERMINATED, message=f"it was terminated in Temporal, which undoes nothing{why}"
        )
    if isinstance(cause, TimeoutError):
        return ExecutionStatus.FAILED, RunError(kind="timeout", message="its time in Temporal was over")
    if isinstance(cause, CancelledError):
        return ExecutionStatus.CANCELLED, RunError(kind="cancelled", message="cancelled before it began")
    if isinstance(cause, ApplicationError):
        return ExecutionStatus.FAILED, RunError(kind=cause.type or "internal", message=cause.message)
    return ExecutionStatus.FAILED, RunError(kind="internal", message=str(cause or "it has no result"))


def _told(value: Any) -> ExecuteResult | None:
    try:
        return ExecuteResult.model_validate(value) if isinstance(value, dict) else None
    except ValidationError:
        return None
