"""How a command reaches a run: as an update while a worker answers, else as the signal of the same name.

A signal waits in the run's history until a worker is there, so what a person has decided is not lost with one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import Parts
from codeai.api.operations import RPC_LIMIT, Operation, described, is_running, key_reused
from codeai.api.outages import TASKS_FAIL, reading
from codeai.api.problems import PROBLEMS, Refused
from codeai.api.questions import QUERY_LIMIT, NoSuchRun, ask
from codeai.api.runs import no_execution, row_in_time, workflow_of
from codeai.persistence.approvals import Approvals
from codeai.workflows.contracts.commands import Answered, Command, several

ANSWER_LIMIT = timedelta(seconds=5)
"""How long a run has to answer an update."""


@dataclass(frozen=True, slots=True)
class Question:
    """An open approval, as far as who decides needs it."""

    step: int
    text: str
    role: str | None


@dataclass(frozen=True, slots=True)
class Addressed:
    """The run that a command is for; `ended` is its status where its row says that it has."""

    id: UUID
    temporal: Client
    handle: WorkflowHandle[Any, Any]
    ended: str | None

    @classmethod
    async def of(cls, parts: Parts, id: UUID) -> Addressed:
        found = await row_in_time(parts, id)
        handle = parts.temporal.get_workflow_handle(workflow_of(found, id))
        return cls(id, parts.temporal, handle, found.status if found is not None and found.ended else None)

    async def answered_before(self, operation: Operation) -> Answered | None:
        """What the run answered to this very request when it was sent before; None where it never came.

        Raises Refused where it was refused, or asked for something else (idempotency_key_reused).
        """
        known = self.handle.get_update_handle(operation.id, result_type=Answered)
        try:
            answer: Answered = await known.result(rpc_timeout=QUERY_LIMIT)
        except WorkflowUpdateFailedError as failed:
            raise _refusal(failed, operation) from None
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            return None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        _must_be_of(operation, answer.body)
        return answer

    async def send(
        self, name: str, given: Command, operation: Operation, *, by_signal: bool
    ) -> Answered | None:
        """Sends the command; None where it waits as a signal. Raises Refused with the run's reason."""
        if self.ended is not None:
            raise self.over(self.ended)
        command = given.model_copy(update={"id": operation.id, "body": operation.body})
        try:
            if not by_signal:
                # The client gives a time only to an update's being taken; for its answer it would wait for ever.
                async with asyncio.timeout(ANSWER_LIMIT.total_seconds()):
                    answer: Answered = await self.handle.execute_update(
                        name, command, id=operation.id, result_type=Answered
                    )
                _must_be_of(operation, answer.body)
                return answer
        except WorkflowUpdateFailedError as failed:
            raise _refusal(failed, operation) from None
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            pass  # The worker went away meanwhile. Should it still find the update, it knows the signal by its id.
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                await self.must_run()  # then Temporal has lost the update
            elif error.status is not TASKS_FAIL:
                raise
        try:
            await self.handle.signal(name, command, rpc_timeout=RPC_LIMIT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                await self.must_run()
            raise
        return None

    async def ask(self, query: str) -> Any:
        """The answer of the run's worker; None where none answers. Raises Refused(not_found, ended)."""
        if self.ended is not None:
            raise self.over(self.ended)
        try:
            return await ask(self.handle, query)
        except NoSuchRun:
            raise no_execution(self.id) from None

    async def is_running(self) -> bool:
        """Whether Temporal says so. Raises Refused(not_found)."""
        description = await described(self.temporal, self.handle.id)
        if description is None:
            raise no_execution(self.id)
        return is_running(description)

    async def must_run(self) -> None:
        """Raises Refused(ended, not_found) for a run of which Temporal says so: its row may not know it yet."""
        if not await self.is_running():
            raise self.over("over")

    def over(self, status: str) -> Refused:
        ended = "nothing can be said to it any more but retry, patch and compensate, which begin it again"
        return Refused("ended", f"execution {self.id} is {status}; {ended}")


async def question(parts: Parts, run: Addressed, step: int | None) -> tuple[Question, bool]:
    """The approval that is meant, and whether a worker said so. From its row where no worker answers: its step
    stands for it, so what is decided cannot become another one's.

    Raises Refused: no_approval, which_approval, no_worker, ended, not_found.
    """
    asked = await run.ask("approvals")
    if asked is not None:
        found = [Question(one["step"], one["text"], one["role"]) for one in asked]
        if not found:
            await run.must_run()
        return chosen(found, step), True
    try:
        async with reading(parts.database) as rows:
            kept = await Approvals(rows).open_of(str(run.id))
    except Refused:
        kept = []
    if not kept:
        await run.must_run()
        raise Refused("no_worker", "no worker answers for this run, so nobody knows yet what it waits for")
    return chosen([Question(one.step, one.text, one.role) for one in kept], step), False


def chosen(found: Sequence[Question], step: int | None) -> Question:
    """The question that `step` names, or the only one. Raises Refused(no_approval, which_approval)."""
    if step is not None:
        found = [one for one in found if one.step == step]
    if not found:
        which = "" if step is None else f" at step {step}"
        raise Refused("no_approval", f"nothing waits for a decision{which}")
    if len(found) > 1:
        raise Refused("which_approval", several({one.step: one.text for one in found}))
    return found[0]


def must_hold(caller: Caller, asked: Question) -> None:
    """Raises Refused(forbidden) for a caller who is not the one that an approval is for."""
    if asked.role is not None and not caller.holds(asked.role):
        held = ", ".join(sorted(caller.roles)) or "no role"
        detail = f"step {asked.step} is for the role {asked.role!r} to decide; this token has {held}"
        raise Refused("forbidden", detail)


def _must_be_of(operation: Operation, body: str | None) -> None:
    """Raises Refused(idempotency_key_reused) where what was answered is known to be another body's."""
    if body not in (None, operation.body):
        raise key_reused()


def _refusal(failed: WorkflowUpdateFailedError, operation: Operation) -> Refused:
    cause = failed.cause
    if not isinstance(cause, ApplicationError):
        return Refused("not_running", str(cause))
    said = next((one for one in cause.details if isinstance(one, dict)), {})
    _must_be_of(operation, said.get("body"))
    if cause.type in PROBLEMS:
        return Refused(cause.type, cause.message)
    # Temporal's own: the run ended between the command and its answer.
    return Refused("not_running", cause.message)
