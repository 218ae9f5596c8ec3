"""Commands: what people send to runs under way, and to runs that have ended."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from codeai.api.auth.caller import Caller
from codeai.api.cancels import cancel
from codeai.api.dependencies import Route, Using, require_permission
from codeai.api.operations import described
from codeai.api.runs import no_execution, row_in_time, workflow_of
from codeai.api.views import StartedView

router = APIRouter(prefix="/executions", tags=["executions"], route_class=Route)

Controller = Annotated[Caller, require_permission("executions:control")]


@router.post("/{id}/cancel", status_code=202)
async def cancel_execution(parts: Using, _: Controller, id: UUID) -> StartedView:
    """Stops a run now: its commands are ended, then what was done is undone. An ended run stays as it is."""
    found = await row_in_time(parts, id)
    if found is not None and found.ended:
        return StartedView(id=str(id), status=found.status)
    workflow_id = workflow_of(found, id)
    if await cancel(parts.temporal, workflow_id):
        return StartedView(id=str(id), status="cancelling")
    if found is None and await described(parts.temporal, workflow_id) is None:
        raise no_execution(id)
    # It has ended in Temporal; its row follows.
    return StartedView(id=str(id), status="ended")
