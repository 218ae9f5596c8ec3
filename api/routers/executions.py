"""Executions: runs, their steps, logs and result."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy import ColumnElement
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from codeai.api.allowances import CallersStream
from codeai.api.auth.caller import Caller
from codeai.api.dependencies import (
    IdempotencyKey,
    Paged,
    Parts,
    Rows,
    Using,
    require_all_permissions,
    require_permission,
)
from codeai.api.lifetimes import Lifetime
from codeai.api.mending import mended
from codeai.api.operations import described, is_running
from codeai.api.problems import Refused
from codeai.api.queries import filter_of
from codeai.api.routing import Route
from codeai.api.runs import known, must_exist, row, workflow_of
from codeai.api.starts import STARTED, start
from codeai.api.streams import Follower
from codeai.api.views import ExecutionView, Listing, LogView, ResultView, RunBody, StartedView, StepView
from codeai.persistence.executions import Execution, ExecutionFilter, Executions
from codeai.persistence.logs import Logs
from codeai.persistence.steps import Steps
from codeai.workflows.contracts.executions import ExecuteInput, ExecutionStatus

router = APIRouter(prefix="/executions", tags=["executions"], route_class=Route)

Where = Annotated[ColumnElement[bool] | None, filter_of("executions")]
WhereStep = Annotated[ColumnElement[bool] | None, filter_of("execution_steps")]
WhereLine = Annotated[ColumnElement[bool] | None, filter_of("execution_logs")]

Reader = Annotated[Caller, require_permission("executions:read")]
Writer = Annotated[Caller, require_all_permissions("executions:write", "configs:write")]


@router.post("", status_code=202, response_model=None, responses=STARTED)
async def run_program(
    request: Request, parts: Using, caller: Writer, body: RunBody, key: IdempotencyKey = None
) -> Response:
    """Runs a program or a config without a deployment."""
    if (body.program is None) == (body.config is None):
        message = "give either program or config"
        raise Refused("invalid", message, errors=[{"field": "body", "message": message}])
    if body.program is not None and body.version is not None:
        message = "a version is of a config"
        raise Refused("invalid", message, errors=[{"field": "body.version", "message": message}])
    asked = ExecuteInput(
        config=body.config,
        program=body.program,
        version=body.version,
        inputs=body.inputs,
        failure_policy=body.failure_policy,
        park_timeout=body.park_timeout,
        workspace=body.workspace,
    )
    return await start(request, parts, caller, key, asked, body.wait)


@router.get("")
async def list_executions(
    caller: Reader,
    rows: Rows,
    page: Paged,
    where: Where,
    deployment_id: UUID | None = None,
    config_id: UUID | None = None,
    status: ExecutionStatus | None = None,
) -> Listing[ExecutionView]:
    """The runs, newest first."""
    wanted = ExecutionFilter(
        deployment_id=str(deployment_id) if deployment_id else None,
        config_id=str(config_id) if config_id else None,
        status=status.value if status else None,
    )
    found = await Executions(rows).page(page, wanted, where)
    inspected = caller.may("executions:inspect")
    return Listing[ExecutionView].of(found, lambda row: ExecutionView.of(row, inspected=inspected))


@router.get("/{id}")
async def show_execution(parts: Using, caller: Reader, id: UUID) -> ExecutionView | StartedView:
    """One run. While its row is not there yet Temporal says what is known of it."""
    found = await known(parts, id)
    if isinstance(found, StartedView):
        return found
    return ExecutionView.of(found, inspected=caller.may("executions:inspect"))


@router.get("/{id}/result")
async def show_result(parts: Using, _: Reader, id: UUID) -> ResultView:
    """How a run ended. Without `completed_at` it has not."""
    found = await known(parts, id)
    if isinstance(found, StartedView):
        return ResultView(execution_id=found.id, status=found.status)
    return ResultView.of(found)


@router.get("/{id}/steps")
async def list_steps(
    parts: Using, _: Reader, rows: Rows, id: UUID, page: Paged, where: WhereStep
) -> Listing[StepView]:
    """The steps of a run, in the order of their starts."""
    found = await Steps(rows).of(str(id), page, where)
    if not found.items:
        await must_exist(parts, id)
    return Listing[StepView].of(found, StepView.of)


@router.get(
    "/{id}/logs",
    response_model=Listing[LogView],
    responses={200: {"content": {"text/event-stream": {}}, "description": "One page, or the stream"}},
)
async def show_log(
    parts: Using,
    caller: Reader,
    rows: Rows,
    id: UUID,
    where: WhereLine,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[
        str | None, Query(pattern=r"^\d{1,18}$", description="offset of the last line seen")
    ] = None,
    follow: Annotated[bool, Query(description="server-sent events until the run has ended")] = False,
    steps: Annotated[bool, Query(description="also an event for every step that begins or ends")] = False,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^\d{1,18}$")] = None,
) -> Response:
    """The log of a run, oldest first. A stream goes on behind `Last-Event-ID` or `cursor`, and has
    no filter."""
    after = int(last_event_id or cursor or 0)
    if follow and where is not None:
        raise Refused("invalid", "a stream has no filter: leave out `filter` or `follow`")
    if follow:
        found = await known(parts, id)
        workflow_id = workflow_of(found if isinstance(found, Execution) else None, id)
        follower = Follower(
            parts.database,
            parts.wakes,
            Lifetime(caller, "executions:read", parts.roles, parts.stopping),
            str(id),
            after,
            lambda: _is_running(parts.temporal, workflow_id),
            lambda: _end(parts, id, workflow_id),
            with_steps=steps,
        )
        return CallersStream(follower.events(), parts.allowances, caller.subject)
    lines = await Logs(rows).after(str(id), after, limit, where)
    if not lines:
        await must_exist(parts, id)
    more = str(lines[-1].offset) if len(lines) == limit else None
    page = Listing[LogView](items=[LogView.of(line) for line in lines], next_cursor=more)
    return Response(await page.as_text(), media_type="application/json")


async def _is_running(temporal: Client, workflow_id: str) -> bool:
    found = await described(temporal, workflow_id)
    return found is not None and is_running(found)


async def _end(parts: Parts, id: UUID, workflow_id: str) -> None:
    """Over when the run is; its row was written before, or is now. What Temporal does not know is looked for in the
    row."""
    with suppress(WorkflowFailureError, RPCError):
        await parts.temporal.get_workflow_handle(workflow_id).result()
    with suppress(Refused):  # while Postgres is away the stream is cut, and begun again
        found = await row(parts, id)
        if found is not None:
            await mended(parts, found, ended=True)
