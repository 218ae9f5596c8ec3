"""What became of a change that was answered by 202."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response
from temporalio.client import WorkflowFailureError

from codeai.api.auth.caller import Caller
from codeai.api.changes import refusal
from codeai.api.dependencies import Using, require_caller
from codeai.api.operations import RPC_LIMIT, described, ending_of, is_running
from codeai.api.problems import Refused
from codeai.api.routing import Route
from codeai.api.views import OperationView
from codeai.workflows.contracts.changes import ChangeResult
from codeai.workflows.contracts.kinds import CHANGE_RECORD

router = APIRouter(prefix="/operations", tags=["operations"], route_class=Route)


@router.get("/{id}")
async def show_operation(
    request: Request, response: Response, parts: Using, caller: Annotated[Caller, require_caller()], id: UUID
) -> OperationView:
    """Asks Temporal, so it works without Postgres; answers only the one who asked for the change."""
    workflow_id = CHANGE_RECORD.workflow_id(str(id))
    known = await described(parts.temporal, workflow_id)
    if known is None or (await known.memo()).get("subject") != caller.subject:
        raise Refused("not_found", f"there is no operation {id}")
    if is_running(known):
        response.headers["Retry-After"] = "1"
        return OperationView(id=str(id), status="running")
    handle = parts.temporal.get_workflow_handle(workflow_id, result_type=ChangeResult)
    try:
        result: ChangeResult = await handle.result(rpc_timeout=RPC_LIMIT)
    except WorkflowFailureError as failure:
        ending = ending_of(failure)
        problem = Refused("invalid" if ending.kind == "invalid_input" else "internal", ending.message)
    else:
        if result.problem is None:
            return OperationView(id=str(id), status="completed", resource=result.resource)
        problem = refusal(result.problem)
    document = problem.document(request.scope["state"]["request_id"])
    return OperationView(id=str(id), status="failed", problem=document)
