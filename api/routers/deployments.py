"""Deployments: what is run, its runs started and stopped."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from sqlalchemy import ColumnElement
from temporalio.client import Client

from codeai.api.auth.caller import Caller
from codeai.api.cancels import cancel
from codeai.api.changes import MAY_TAKE_LONGER, change, id_of
from codeai.api.dependencies import IdempotencyKey, Name, Paged, Rows, Using, require_permission
from codeai.api.etags import IfMatch, etag, matched
from codeai.api.operations import RPC_LIMIT
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.queries import filter_of
from codeai.api.routing import Route
from codeai.api.starts import STARTED, program_of, start
from codeai.api.views import (
    ChangedView,
    DeploymentView,
    ExecuteBody,
    Listing,
    PlanBody,
    PlanView,
    StoppedView,
)
from codeai.persistence.deployments import Deployment, Deployments
from codeai.persistence.executions import Executions
from codeai.persistence.reads import Reads
from codeai.workflows.contracts.attributes import ENTITY, fitting
from codeai.workflows.contracts.changes import Action, ChangeInput, DeploymentBody
from codeai.workflows.contracts.executions import ExecuteInput, ExecutionStatus
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT

router = APIRouter(prefix="/deployments", tags=["deployments"], route_class=Route)

Where = Annotated[ColumnElement[bool] | None, filter_of("deployments")]

Reader = Annotated[Caller, require_permission("deployments:read")]
Writer = Annotated[Caller, require_permission("deployments:write")]
Runner = Annotated[Caller, require_permission("deployments:execute")]


@router.post("", status_code=201, response_model=DeploymentView | ChangedView, responses=MAY_TAKE_LONGER)
async def create_deployment(
    request: Request, parts: Using, caller: Writer, body: DeploymentBody, key: IdempotencyKey = None
) -> Response:
    """Saves what is to be run, with its inputs and what happens when it fails."""
    asked = ChangeInput(kind="deployment", action=Action.CREATE, body=body.model_dump(mode="json"))
    return await change(request, parts, caller, key, asked, _shown)


@router.get("")
async def list_deployments(_: Reader, rows: Rows, page: Paged, where: Where) -> Listing[DeploymentView]:
    """The deployments, newest first."""
    return Listing[DeploymentView].of(await Deployments(rows).page(page, where), DeploymentView.of)


@router.get("/{id}")
async def show_deployment(_: Reader, rows: Rows, response: Response, id: Name) -> DeploymentView:
    """One deployment, with the status of its newest execution."""
    found = await _found(rows, id)
    response.headers["ETag"] = etag(found.revision)
    return DeploymentView.of(found)


@router.put("/{id}", response_model=DeploymentView | ChangedView, responses=MAY_TAKE_LONGER)
async def update_deployment(
    request: Request,
    parts: Using,
    caller: Writer,
    id: Name,
    body: DeploymentBody,
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response:
    """Saves it anew. With If-Match only where that revision is in force."""
    asked = ChangeInput(
        kind="deployment",
        action=Action.UPDATE,
        id=await id_of(request, parts, caller, key, id, _found),
        body=body.model_dump(mode="json"),
        if_match=matched(if_match),
    )
    return await change(request, parts, caller, key, asked, _shown)


@router.delete("/{id}", status_code=204, responses=MAY_TAKE_LONGER)
async def delete_deployment(
    request: Request,
    parts: Using,
    caller: Writer,
    id: Name,
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response:
    """Removes a deployment. Its executions stay."""
    asked = ChangeInput(
        kind="deployment",
        action=Action.DELETE,
        id=await id_of(request, parts, caller, key, id, _found),
        if_match=matched(if_match),
    )
    return await change(request, parts, caller, key, asked)


@router.post("/{id}/execute", status_code=202, response_model=None, responses=STARTED)
async def execute_deployment(
    request: Request,
    parts: Using,
    caller: Runner,
    id: Name,
    body: ExecuteBody | None = None,
    key: IdempotencyKey = None,
) -> Response:
    """Starts a run; with `wait` the answer is its result if that is there in time."""
    given = body or ExecuteBody()
    asked = ExecuteInput(
        deployment=id,
        inputs=given.inputs,
        failure_policy=given.failure_policy,
        park_timeout=given.park_timeout,
    )
    return await start(request, parts, caller, key, asked, given.wait)


@router.post("/{id}/plan")
async def plan_deployment(parts: Using, _: Reader, id: Name, body: PlanBody | None = None) -> PlanView:
    """What a run would do, without one: every command in order, and what is known of its variables."""
    asked = ExecuteInput(deployment=id, inputs=(body or PlanBody()).inputs)
    content, inputs = await program_of(parts, asked)
    found = await parts.compilers.planned(content, inputs)
    if "diagnostics" in found:
        raise Refused("invalid_program", "the program has errors", diagnostics=found["diagnostics"])
    if "input_errors" in found:
        detail = "; ".join(one["message"] for one in found["input_errors"])
        raise Refused("invalid_input", detail, errors=found["input_errors"])
    return PlanView.read(found["plan"])


@router.post("/{id}/stop", status_code=202)
async def stop_deployment(request: Request, parts: Using, caller: Runner, id: Name) -> StoppedView:
    """Cancels its running and queued executions: their commands stop, then what was done is undone."""
    async with reading(parts.database) as rows:
        deployment = await _found(rows, id)
        known = await Executions(rows).not_ended_of(deployment.id)
    # Who waits first: else the lane would go on to him.
    begun = sorted(known, key=lambda run: run.status != ExecutionStatus.QUEUED)
    runs = {run.workflow_id: run.id for run in begun}
    for workflow_id in await _started(parts.temporal, deployment):
        runs.setdefault(workflow_id, workflow_id.removeprefix(EXECUTE_DEPLOYMENT.workflow_id("")))
    stopped = [one for at, one in runs.items() if await cancel(parts.temporal, at, caller, request, "stop")]
    return StoppedView(id=deployment.id, cancelled=stopped)


async def _started(temporal: Client, deployment: Deployment) -> list[str]:
    """The workflows that Temporal knows of its runs: one that has just started has no row yet."""
    named = [fitting(f"deployment/{one}") for one in (deployment.id, deployment.name)]
    listed = ", ".join(f"'{one}'" for one in named if not set(one) & set("\"'\\"))
    running = f"WorkflowType = '{EXECUTE_DEPLOYMENT.type}' AND ExecutionStatus = 'Running'"
    listing = temporal.list_workflows(f"{running} AND {ENTITY.name} IN ({listed})", rpc_timeout=RPC_LIMIT)
    return [run.id async for run in listing]


async def _found(rows: Reads, id: str) -> Deployment:
    found = await Deployments(rows).get(id)
    if found is None:
        raise Refused("not_found", f"there is no deployment {id!r}")
    return found


async def _shown(rows: Reads, id: str) -> DeploymentView | None:
    found = await Deployments(rows).get(id)
    return DeploymentView.of(found) if found else None
