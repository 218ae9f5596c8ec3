"""How a change is made: an update-with-start of `ChangeRecord`, answered when it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import Parts
from codeai.api.operations import Operation, described, key_reused, operation_id
from codeai.api.outages import TASKS_FAIL, reading
from codeai.api.problems import Refused
from codeai.api.views import ChangedView, OperationView, View
from codeai.persistence.base import is_uuid
from codeai.persistence.reads import Reads
from codeai.workflows.contracts.attributes import ENTITY, at_start
from codeai.workflows.contracts.changes import ChangeInput, ChangeResult, Problem
from codeai.workflows.contracts.kinds import CHANGE_RECORD, TASK_TIMEOUT

PATIENCE = 2.0
"""Seconds until a change is answered by 202."""

MAY_TAKE_LONGER: dict[int | str, dict[str, Any]] = {
    202: {"model": OperationView, "description": "It holds; its Location says when it is done"}
}
"""The other answer of every route that changes something, for the OpenAPI."""

Showing = Callable[[Reads, str], Awaitable[View | None]]


class Named(Protocol):
    """What can be named in a path instead of by its id."""

    @property
    def id(self) -> str: ...


Finding = Callable[[Reads, str], Awaitable[Named]]


async def change(
    request: Request,
    parts: Parts,
    caller: Caller,
    key: str | None,
    asked: ChangeInput,
    view: Showing | None = None,
) -> Response:
    """Makes the change and answers 201, 200 or 204 with the row as `view` shows it, or 202 where it goes on.

    Raises Refused with the problem for which the change was refused, or no_temporal.
    """
    operation, result = await applied(request, parts, caller, key, asked)
    if result is None:
        return accepted(operation)
    if result.resource is None:
        return Response(status_code=204)
    headers = {"Location": result.resource} if result.status == 201 else {}
    return JSONResponse(await _shown(parts, result, view), status_code=result.status, headers=headers)


async def id_of(
    request: Request, parts: Parts, caller: Caller, key: str | None, id_or_name: str, find: Finding
) -> str:
    """The id of what a path names. An id needs no database, so that changes are taken while it is away. A name means
    with the same key what it meant before: nothing may have it any more, or another thing.

    Raises what `find` does where there is no such thing.
    """
    if is_uuid(id_or_name):
        return id_or_name.lower()
    if key is not None:
        operation = operation_id(caller, request.method, request.url.path, key)
        known = await described(parts.temporal, CHANGE_RECORD.workflow_id(operation))
        if known is not None and (entity := known.typed_search_attributes.get(ENTITY)) is not None:
            return entity.rpartition("/")[2]
    async with reading(parts.database) as rows:
        found = await find(rows, id_or_name)
        return found.id


async def applied(
    request: Request, parts: Parts, caller: Caller, key: str | None, asked: ChangeInput
) -> tuple[str, ChangeResult | None]:
    """Makes the change: its operation's id and its outcome, which is None where it goes on.

    Raises Refused with the problem for which the change was refused, or no_temporal.
    """
    asked = asked.model_copy(
        update={"triggered_by": caller.subject, "request_id": request.scope["state"]["request_id"]}
    )
    operation = await Operation.by(request, caller, key, asked)
    result = await _applied(parts.temporal, operation, asked)
    if result is not None:
        if key is not None:
            await _refuse_other_body(parts.temporal, operation)
        if result.problem is not None:
            raise refusal(result.problem)
    return operation.id, result


def accepted(operation_id: str) -> Response:
    """The answer to a change that goes on behind it."""
    headers = {"Location": f"/operations/{operation_id}", "Retry-After": "1"}
    return JSONResponse({"id": operation_id, "status": "running"}, status_code=202, headers=headers)


def refusal(problem: Problem) -> Refused:
    """A change's problem as ours."""
    return Refused(
        problem.code,
        problem.detail,
        errors=problem.errors,
        diagnostics=problem.diagnostics,
        status=problem.status,
    )


async def _applied(temporal: Client, operation: Operation, asked: ChangeInput) -> ChangeResult | None:
    """The outcome; None where it holds but is not there yet."""
    workflow_id = CHANGE_RECORD.workflow_id(operation.id)
    start: WithStartWorkflowOperation[object, object] = WithStartWorkflowOperation(
        CHANGE_RECORD.type,
        asked,
        id=workflow_id,
        task_queue=CHANGE_RECORD.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        task_timeout=TASK_TIMEOUT,
        memo=operation.memo,
        search_attributes=at_start(
            CHANGE_RECORD.type, f"{asked.kind}/{asked.id or 'new'}", asked.triggered_by
        ),
        static_summary=f"{asked.action} {asked.kind}",
    )
    update = asyncio.ensure_future(_updated(temporal, start, operation))
    update.add_done_callback(_seen)
    # Not asyncio.timeout: the SDK turns a cancellation into an error of its own.
    await asyncio.wait({update}, timeout=PATIENCE)
    if not update.done():
        update.cancel()
        await asyncio.wait({update})
    try:
        return update.result()
    except WorkflowAlreadyStartedError:
        raise key_reused() from None
    except WorkflowUpdateFailedError as failed:
        cause = failed.cause
        raise Refused(
            "invalid", cause.message if isinstance(cause, ApplicationError) else str(cause)
        ) from None
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        pass
    except RPCError as error:
        if error.status is not TASKS_FAIL:
            raise
    if await described(temporal, workflow_id) is None:
        raise Refused("no_temporal", "Temporal did not take the change; try again in a moment")
    await _refuse_other_body(temporal, operation)
    return None


async def _updated(
    temporal: Client, start: WithStartWorkflowOperation[object, object], operation: Operation
) -> ChangeResult:
    try:
        result: ChangeResult = await temporal.execute_update_with_start_workflow(
            "apply", start_workflow_operation=start, id=f"apply:{operation.body}", result_type=ChangeResult
        )
    except (WorkflowUpdateRPCTimeoutOrCancelledError, WorkflowAlreadyStartedError, RPCError):
        # The start has an error of its own, of which asyncio complains where nobody asks for it.
        with suppress(Exception, asyncio.CancelledError):
            await start.workflow_handle()
        raise
    return result


def _seen(update: asyncio.Future[ChangeResult]) -> None:
    """Asyncio complains of an error that nobody asks for, as that of a request whose client has left."""
    if not update.cancelled():
        update.exception()


async def _refuse_other_body(temporal: Client, operation: Operation) -> None:
    """A run that goes on takes any update; its memo says which body it was started with."""
    known = await described(temporal, CHANGE_RECORD.workflow_id(operation.id))
    if known is not None and not await operation.is_the_same(known):
        raise key_reused()


async def _shown(parts: Parts, result: ChangeResult, view: Showing | None) -> object:
    assert result.resource is not None
    id = result.resource.rpartition("/")[2]
    try:
        async with reading(parts.database) as rows:
            shown = await view(rows, id) if view else None
    except Refused:
        shown = None  # The change holds whether or not its row can be read at this moment.
    return (shown or ChangedView(id=id)).as_json()
