"""Commands: what people send to runs under way, and to runs that have ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from codeai.api.auth.caller import Caller
from codeai.api.cancels import cancel
from codeai.api.commands import Addressed, must_hold, question
from codeai.api.compensations import compensate
from codeai.api.dependencies import IdempotencyKey, Parts, Route, Using, require_permission
from codeai.api.operations import Operation, described
from codeai.api.problems import Refused
from codeai.api.runs import no_execution, row_in_time, workflow_of
from codeai.api.starts import STARTED, awaited
from codeai.api.views import CommandView, CompensateBody, DecideBody, HoldBody, StartedView
from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.commands import DecideInput, HoldInput
from codeai.workflows.contracts.executions import ExecuteInput

router = APIRouter(prefix="/executions", tags=["executions"], route_class=Route)

Approver = Annotated[Caller, require_permission("executions:approve")]
Controller = Annotated[Caller, require_permission("executions:control")]

TAKEN: dict[int | str, dict[str, Any]] = {
    202: {"model": CommandView, "description": "No worker answers; the command waits for one"}
}
"""The other answer of what is sent to a run under way, for the OpenAPI."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A request that sends a command, and the answer that is being made of it."""

    request: Request
    response: Response
    parts: Parts
    key: str | None

    def operation(self, caller: Caller, asked: Contract) -> Operation:
        """Its id is the update's: the same for the same key, so that a repeated click is one decision."""
        return Operation.of(caller, self.request.method, self.request.url.path, self.key, asked)

    def accepted(self, id: UUID, step: int | None = None) -> CommandView:
        """202: it waits for a worker."""
        self.response.status_code = 202
        return CommandView(id=str(id), status="accepted", step=step)


def _sending(request: Request, response: Response, parts: Using, key: IdempotencyKey = None) -> Sending:
    return Sending(request, response, parts, key)


Sent = Annotated[Sending, Depends(_sending)]


@router.post("/{id}/approve", responses=TAKEN)
async def approve_step(sent: Sent, caller: Approver, id: UUID, body: DecideBody | None = None) -> CommandView:
    """Lets a run go on that waits for a person. Where the approval is for a role, the caller must hold it."""
    return await _decide("approve", sent, caller, id, body or DecideBody())


@router.post("/{id}/reject", responses=TAKEN)
async def reject_step(sent: Sent, caller: Approver, id: UUID, body: DecideBody | None = None) -> CommandView:
    """Says no to a run that waits for a person: an error of kind `rejected` in its program."""
    return await _decide("reject", sent, caller, id, body or DecideBody())


@router.post("/{id}/pause", responses=TAKEN)
async def pause_execution(
    sent: Sent, caller: Controller, id: UUID, body: HoldBody | None = None
) -> CommandView:
    """Holds a run: what is under way ends, and nothing else begins until it is resumed."""
    return await _hold("pause", sent, caller, id, body or HoldBody())


@router.post("/{id}/resume", responses=TAKEN)
async def resume_execution(
    sent: Sent, caller: Controller, id: UUID, body: HoldBody | None = None
) -> CommandView:
    """Lets a paused run go on."""
    return await _hold("resume", sent, caller, id, body or HoldBody())


@router.post("/{id}/compensate", status_code=202, response_model=None, responses=STARTED)
async def compensate_execution(
    sent: Sent, caller: Controller, id: UUID, body: CompensateBody | None = None
) -> Response:
    """Undoes what an ended run did and nobody has undone; with `wait` the answer is how that ended."""
    asked = ExecuteInput(execution=str(id), do="compensate", triggered_by=caller.subject)
    temporal = sent.parts.temporal
    workflow_id = await compensate(sent.parts, id, sent.operation(caller, asked), asked)
    headers = {"Location": f"/executions/{id}"}
    result = await awaited(temporal, workflow_id, str(id)) if body is not None and body.wait else None
    if result is None:
        return JSONResponse(StartedView(id=str(id)).model_dump(), status_code=202, headers=headers)
    if result.error is not None and result.error["kind"] == "nothing_to_do":
        raise Refused("nothing_to_do", result.error["message"])
    return JSONResponse(result.model_dump(mode="json"), headers=headers)


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


async def _decide(name: str, sent: Sending, caller: Caller, id: UUID, body: DecideBody) -> CommandView:
    run = await Addressed.of(sent.parts, id)
    update = sent.operation(caller, body).id
    answer = await run.answered_before(update) if sent.key is not None else None
    if answer is None:
        asked, worker = await question(sent.parts, run, body.step)
        must_hold(caller, asked)
        decision = DecideInput(step=asked.step, by=caller.subject[:255], comment=body.comment)
        answer = await run.send(name, decision, update, by_signal=not worker)
        if answer is None:
            return sent.accepted(id, asked.step)
    elif body.step not in (None, answer.step):
        detail = f"this Idempotency-Key was used for step {answer.step}; take a new one"
        raise Refused("idempotency_key_reused", detail)
    return CommandView(id=str(id), status=answer.status, step=answer.step)


async def _hold(name: str, sent: Sending, caller: Caller, id: UUID, body: HoldBody) -> CommandView:
    run = await Addressed.of(sent.parts, id)
    update = sent.operation(caller, body).id
    answer = await run.answered_before(update) if sent.key is not None else None
    if answer is None:
        # Asked first: an update that nobody takes in time might still be found behind a later command.
        worker = await run.ask("status") is not None
        hold = HoldInput(by=caller.subject[:255], comment=body.comment)
        answer = await run.send(name, hold, update, by_signal=not worker)
    return sent.accepted(id) if answer is None else CommandView(id=str(id), status=answer.status)
