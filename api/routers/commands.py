"""Commands: what people send to runs under way, and to runs that have ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from codeai.api.auth.caller import Caller
from codeai.api.cancels import cancel
from codeai.api.command_bodies import (
    CompensateBody,
    DecideBody,
    HoldBody,
    ParkedBody,
    PatchBody,
    RetryBody,
    SetBody,
    SkipBody,
)
from codeai.api.commands import Addressed, must_hold, question
from codeai.api.dependencies import (
    IdempotencyKey,
    Parts,
    Using,
    require_all_permissions,
    require_permission,
)
from codeai.api.operations import Operation, described
from codeai.api.problems import Refused
from codeai.api.reopening import reopen, reopened_by
from codeai.api.routing import Route
from codeai.api.runs import no_execution, row_in_time, workflow_of
from codeai.api.starts import STARTED, WAIT_LIMIT, awaited, must_be_valid
from codeai.api.views import CommandView, ResultView, StartedView
from codeai.signing import signed
from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.commands import (
    Answered,
    Command,
    DecideInput,
    HoldInput,
    ParkedInput,
    PatchCommand,
    SetInput,
    SkipInput,
)
from codeai.workflows.contracts.executions import ExecuteInput

router = APIRouter(prefix="/executions", tags=["executions"], route_class=Route)

Approver = Annotated[Caller, require_permission("executions:approve")]
Controller = Annotated[Caller, require_permission("executions:control")]
Patcher = Annotated[Caller, require_all_permissions("executions:control", "configs:write")]

COMPARING = 2.0
"""Seconds in which a run that has ended says why it does not go on with an edited program."""

NOT_REOPENED = frozenset({"nothing_to_do", "undone", "has_run", "conflict", "no_trace"})
"""Why a run that has ended does not go on."""

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

    def who(self, caller: Caller, comment: str | None) -> dict[str, Any]:
        """What every command says of itself."""
        request_id = self.request.scope["state"]["request_id"]
        return {"by": caller.subject[:255], "comment": comment, "via": "api", "request_id": request_id}

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


@router.post("/{id}/retry", response_model=CommandView | ResultView, responses=TAKEN)
async def retry_execution(sent: Sent, caller: Controller, id: UUID, body: RetryBody | None = None) -> Any:
    """The failed statement again: of a parked run, or of one that has failed (which goes on from its last checkpoint
    as a new run of the same workflow; with `wait` the answer is how that ended)."""
    given = body or RetryBody()
    run = await Addressed.of(sent.parts, id)
    command = ParkedInput(fibre=given.fibre, **sent.who(caller, given.comment))
    if await _goes_on(sent, caller, run, command):
        return await _tell("retry", sent, caller, run, command)
    known = await _answered(sent, caller, run, command)
    return known or await _reopened("retry", sent, caller, id, given.comment, wait=given.wait)


@router.post("/{id}/skip", responses=TAKEN)
async def skip_statement(
    sent: Sent, caller: Controller, id: UUID, body: SkipBody | None = None
) -> CommandView:
    """A parked run goes on behind its failed statement, whose expression has the value (null where none is given)."""
    given = body or SkipBody()
    command = SkipInput(fibre=given.fibre, value=given.value, **sent.who(caller, given.comment))
    return await _tell("skip", sent, caller, await Addressed.of(sent.parts, id), command)


@router.post("/{id}/set", responses=TAKEN)
async def set_variable(sent: Sent, caller: Controller, id: UUID, body: SetBody) -> CommandView:
    """Gives a variable of a parked run another value; it stays parked until it is retried or skipped."""
    who = sent.who(caller, body.comment)
    command = SetInput(fibre=body.fibre, name=body.name, value=body.value, **who)
    return await _tell("set", sent, caller, await Addressed.of(sent.parts, id), command)


@router.post("/{id}/patch", response_model=CommandView | ResultView, responses=TAKEN)
async def patch_execution(sent: Sent, caller: Patcher, id: UUID, body: PatchBody) -> Any:
    """A parked or paused run, or one that has failed, goes on at its failed statement with an edited program, in which
    all that has run is unchanged. One that its caller may give no secrets to has none from then on."""
    await must_be_valid(sent.parts, body.program)
    run = await Addressed.of(sent.parts, id)
    uses = caller.may("secrets:use")
    command = PatchCommand(program=body.program, use_secrets=uses, **sent.who(caller, body.comment))
    if await _goes_on(sent, caller, run, command):
        return await _tell("patch", sent, caller, run, command)
    more = {"program": body.program, "use_secrets": uses}
    return await _answered(sent, caller, run, command) or await _reopened(
        "patch", sent, caller, id, body.comment, wait=body.wait, at_least=COMPARING, **more
    )


@router.post("/{id}/rollback", responses=TAKEN)
async def roll_back(sent: Sent, caller: Controller, id: UUID, body: ParkedBody | None = None) -> CommandView:
    """Ends a parked run: what was done is undone, and it has failed."""
    return await _end("rollback", sent, caller, id, body or ParkedBody())


@router.post("/{id}/abort", responses=TAKEN)
async def abort_execution(
    sent: Sent, caller: Controller, id: UUID, body: ParkedBody | None = None
) -> CommandView:
    """Stops a run without undo: it has failed, and what it did can be compensated later. One that is being undone
    stops after the current block."""
    return await _end("abort", sent, caller, id, body or ParkedBody())


@router.post("/{id}/compensate", status_code=202, response_model=None, responses=STARTED)
async def compensate_execution(
    sent: Sent, caller: Controller, id: UUID, body: CompensateBody | None = None
) -> Response:
    """Undoes what an ended run did and nobody has undone; with `wait` the answer is how that ended."""
    given = body or CompensateBody()
    return await _reopened("compensate", sent, caller, id, given.comment, wait=given.wait)


@router.post("/{id}/cancel", status_code=202)
async def cancel_execution(
    request: Request,
    response: Response,
    parts: Using,
    caller: Controller,
    id: UUID,
    body: HoldBody | None = None,
) -> StartedView:
    """Stops a run now: its commands are ended, then what was done is undone. An ended run stays as it is."""
    response.headers["Location"] = f"/executions/{id}"
    found = await row_in_time(parts, id)
    if found is not None and found.ended:
        return StartedView(id=str(id), status=found.status)
    workflow_id = workflow_of(found, id)
    comment = body.comment if body is not None else None
    if await cancel(parts.temporal, workflow_id, caller, request, comment=comment):
        return StartedView(id=str(id), status="cancelling")
    if found is None and await described(parts.temporal, workflow_id) is None:
        raise no_execution(id)
    # It has ended in Temporal; its row follows.
    return StartedView(id=str(id), status="ended")


async def _decide(name: str, sent: Sending, caller: Caller, id: UUID, body: DecideBody) -> CommandView:
    run = await Addressed.of(sent.parts, id)
    operation = sent.operation(caller, body)
    answer = await run.answered_before(operation) if sent.key is not None else None
    if answer is None:
        asked, worker = await question(sent.parts, run, body.step)
        must_hold(caller, asked)
        decision = DecideInput(step=asked.step, **sent.who(caller, body.comment))
        if (key := sent.parts.signing_key) is not None:
            decision = signed(key, str(id), decision, approved=name == "approve")
        answer = await run.send(name, decision, operation, by_signal=not worker)
        if answer is None:
            return sent.accepted(id, asked.step)
    return CommandView(id=str(id), status=answer.status, step=answer.step)


async def _hold(name: str, sent: Sending, caller: Caller, id: UUID, body: HoldBody) -> CommandView:
    command = HoldInput(**sent.who(caller, body.comment))
    return await _tell(name, sent, caller, await Addressed.of(sent.parts, id), command)


async def _end(name: str, sent: Sending, caller: Caller, id: UUID, body: ParkedBody) -> CommandView:
    command = ParkedInput(fibre=body.fibre, **sent.who(caller, body.comment))
    return await _tell(name, sent, caller, await Addressed.of(sent.parts, id), command)


async def _goes_on(sent: Sending, caller: Caller, run: Addressed, command: Command) -> bool:
    """Whether a command is for the run under way: not where that has ended, or was reopened by this very request."""
    if run.ended is not None or not await run.is_running():
        return False
    operation = sent.operation(caller, command)
    return sent.key is None or await reopened_by(run.temporal, run.handle.id, operation.id) is None


async def _tell(name: str, sent: Sending, caller: Caller, run: Addressed, command: Command) -> CommandView:
    """Sends a command that is for the run as a whole, or for what is parked of it."""
    if (known := await _answered(sent, caller, run, command)) is not None:
        return known
    # Asked first: an update that nobody takes in time might still be found behind a later command.
    worker = await run.ask("status") is not None
    answer = await run.send(name, command, sent.operation(caller, command), by_signal=not worker)
    return sent.accepted(run.id) if answer is None else _view(run, answer)


async def _answered(sent: Sending, caller: Caller, run: Addressed, command: Command) -> CommandView | None:
    """What the same request was answered before, also where the run has ended since."""
    if sent.key is None:
        return None
    answer = await run.answered_before(sent.operation(caller, command))
    return None if answer is None else _view(run, answer)


def _view(run: Addressed, answer: Answered) -> CommandView:
    return CommandView(id=str(run.id), status=answer.status, step=answer.step, fibre=answer.fibre)


async def _reopened(
    do: Literal["compensate", "retry", "patch"],
    sent: Sending,
    caller: Caller,
    id: UUID,
    comment: str | None,
    *,
    wait: bool,
    at_least: float = 0.0,
    **more: Any,
) -> JSONResponse:
    """Starts a command to an ended run, and answers with its outcome where that is waited for; a refusal is waited for
    `at_least` so many seconds."""
    who = sent.who(caller, comment)
    asked = ExecuteInput(
        execution=str(id),
        do=do,
        triggered_by=caller.subject,
        **{name: one for name, one in who.items() if name != "by"},
        **more,
    )
    workflow_id = await reopen(sent.parts, id, sent.operation(caller, asked), asked)
    headers = {"Location": f"/executions/{id}"}
    result = None
    if wait or at_least:
        limit = WAIT_LIMIT if wait else at_least
        result = await awaited(sent.parts, workflow_id, str(id), limit)
    if result is not None and result.error is not None and result.error["kind"] in NOT_REOPENED:
        raise Refused(result.error["kind"], result.error["message"])
    if result is None or not wait:
        return JSONResponse(StartedView(id=str(id)).as_json(), status_code=202, headers=headers)
    return JSONResponse(result.as_json(), headers=headers)
