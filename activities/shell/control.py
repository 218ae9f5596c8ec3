"""What a host answers by its control queue, however busy it is: that it is there, the end of a run's commands, and
what its spool holds of a run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.service import RPCError

from codeai.activities.heartbeats import heartbeats
from codeai.activities.runs import is_running, run_of
from codeai.activities.shell import commands, formats
from codeai.activities.shell.attendant import ANSWER
from codeai.activities.shell.bookkeeping import Bookkeeping
from codeai.activities.shell.desk import Desk
from codeai.activities.shell.spool import Absent, Attempt, Ended, Lost, Refused, Running
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.hosts import (
    CommandFound,
    Heard,
    HearInput,
    KillInput,
    KillResult,
    ProbeInput,
    ProbeResult,
    SpoolFound,
    SpoolWanted,
)
from codeai.workflows.contracts.retention import (
    RemoveWorkspaces,
    WorkspacesHeld,
    WorkspacesRemoved,
    WorkspacesWanted,
)
from codeai.workflows.contracts.shell import CommandInput

_PAGE = 200  # workspaces that are told of at once
_LOOK = 0.05  # seconds between two looks whether a command has ended

_log = structlog.get_logger(__name__)


class HostControl:
    """Needs no attendant: what it does holds whoever attends, and where nobody does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def activities(self) -> Sequence[Callable[..., Any]]:
        """For the queue `codeai-host@<id>`."""
        return [
            self.probe_host,
            self.hear_cancel,
            self.kill_commands,
            self.read_spool,
            self.hold_workspaces,
            self.remove_workspaces,
        ]

    @activity.defn(name="probe_host")
    async def probe_host(self, _given: ProbeInput) -> ProbeResult:
        return ProbeResult(spool=self._desk.spool.id, running=self._desk.slots.busy())

    @activity.defn(name="hear_cancel")
    async def hear_cancel(self, given: HearInput) -> Heard:
        """Sends a heartbeat for what runs of a step, whichever worker of the host attends it. As everywhere, the
        command is told to end only if the answer says that its cancel is requested."""
        waited_for = self._desk.spool.newest_tokens()
        found = await asyncio.to_thread(self._attempts, given.execution_id, (given.step_id,))
        told = [await self._hear(attempt, waited_for.get(attempt.key)) for attempt, _ in found]
        return Heard(is_cancelled=any(told))

    async def _hear(self, attempt: Attempt, at: int | None) -> bool:
        token = None if at is None else self._desk.spool.token(attempt.key, at)
        if token is None:
            return False
        try:
            handle = self._desk.client.get_async_activity_handle(task_token=token.token)
            await handle.heartbeat(rpc_timeout=ANSWER)
        except AsyncActivityCancelledError as answer:
            wanted = answer.details is not None and answer.details.cancel_requested
            return wanted and attempt.say(formats.CANCEL)
        except RPCError as error:  # it has been answered just now, or its own heartbeats have it heard
            _log.info("a cancel was not heard at once", attempt=attempt.key, error=str(error))
        return False

    @activity.defn(name="kill_commands")
    async def kill_commands(self, given: KillInput) -> KillResult:
        """Answers when all of them are dead and their rows say how they ended."""
        async with heartbeats():
            concerned = await asyncio.to_thread(self._unfinished, given)
            if given.step_ids is None:
                concerned = await self._left_behind(given.execution_id, concerned, spare_all=given.if_ended)
            await asyncio.gather(*(self._end(*one) for one in concerned))
        found = self._found(concerned, brief=given.step_ids is None)
        return KillResult(commands=found, spool=self._desk.spool.id)

    @activity.defn(name="read_spool")
    async def read_spool(self, given: SpoolWanted) -> SpoolFound:
        found = await asyncio.to_thread(self._attempts, given.execution_id, None)
        return SpoolFound(commands=self._found(found, brief=True))

    @activity.defn(name="hold_workspaces")
    async def hold_workspaces(self, given: WorkspacesWanted) -> WorkspacesHeld:
        if not given.after:
            await asyncio.to_thread(self._desk.workspaces.tidy)
        found = await asyncio.to_thread(self._desk.workspaces.held, given.after)
        return WorkspacesHeld(executions=tuple(found[:_PAGE]), more=len(found) > _PAGE)

    @activity.defn(name="remove_workspaces")
    async def remove_workspaces(self, given: RemoveWorkspaces) -> WorkspacesRemoved:
        async with heartbeats():
            removed = [await asyncio.to_thread(self._remove_workspaces, id) for id in given.executions]
        return WorkspacesRemoved(count=sum(removed))

    def _remove_workspaces(self, execution: str) -> bool:
        """Whether they could go: the run may have been taken up again since somebody found it old."""
        if self._unfinished(KillInput(execution_id=execution)):
            return False
        self._desk.workspaces.remove(execution)
        return True

    def _unfinished(self, given: KillInput) -> list[tuple[Attempt, CommandInput]]:
        """What runs or may begin, or whose end nobody may have written yet; of steps that are named the newest
        attempt in any case."""
        found = [
            (attempt, step)
            for attempt, step in self._attempts(given.execution_id, given.step_ids)
            if given.attempt is None or step.attempt <= given.attempt
        ]
        waited_for = self._desk.spool.newest_tokens()
        named = {} if given.step_ids is None else {step.step_id: attempt.key for attempt, step in found}
        return [
            (attempt, step)
            for attempt, step in found
            if attempt.key in waited_for
            or not attempt.is_told
            or attempt.key in named.values()
            or isinstance(attempt.look(), Absent | Running)
        ]

    async def _left_behind(
        self, execution: str, concerned: list[tuple[Attempt, CommandInput]], *, spare_all: bool
    ) -> list[tuple[Attempt, CommandInput]]:
        """Those that no run goes on with: one that had ended may have been taken up again since it was found ended, and
        its undo runs; `spare_all`: of such a run all others, too. What comes now is not among them. Raises RPCError."""
        going_on = {}
        for workflow_id in {step.workflow_id for _, step in concerned}:
            newest = await run_of(self._desk.client, execution, workflow_id)
            if newest is not None and is_running(newest):
                going_on[workflow_id] = newest.raw_description.workflow_execution_info.first_run_id
        return [
            (attempt, step)
            for attempt, step in concerned
            if (run := going_on.get(step.workflow_id)) is None or (step.run != run and not spare_all)
        ]

    def _attempts(self, execution: str, step_ids: Sequence[str] | None) -> list[tuple[Attempt, CommandInput]]:
        found = []
        for attempt in self._desk.spool.attempts(execution):
            try:
                step = attempt.input()
            except FileNotFoundError:  # just removed: its run has ended
                continue
            except ValueError:  # torn by a power cut, which nothing has outlived
                continue
            if step_ids is None or step.step_id in step_ids:
                found.append((attempt, step))
        return sorted(found, key=lambda one: (one[1].seq, one[1].attempt))

    async def _end(self, attempt: Attempt, step: CommandInput) -> None:
        bookkeeping = Bookkeeping(self._desk, attempt, step)
        while isinstance(look := attempt.look(), Absent | Running):
            if isinstance(look, Absent):
                why = RunError(kind="cancelled", message="it was ended before it had started", line=step.line)
                await bookkeeping.refuse(why)
            else:
                attempt.say(formats.CANCEL)
                await asyncio.sleep(_LOOK)
        lock = attempt.lock()
        if lock is not None:
            try:
                await bookkeeping.end()
                attempt.forget_output()
            finally:
                os.close(lock)
        elif not isinstance(look, Lost):  # its attendant ships what it said, which may take its time
            await bookkeeping.tell_end(look)

    def _found(
        self, found: Sequence[tuple[Attempt, CommandInput]], *, brief: bool
    ) -> tuple[CommandFound, ...]:
        """The attempts as they stand in the spool; without their texts where `brief`."""
        return tuple(self._shown(attempt, step, brief=brief) for attempt, step in found)

    def _shown(self, attempt: Attempt, step: CommandInput, *, brief: bool) -> CommandFound:
        look = Bookkeeping(self._desk, attempt, step).look()
        result = None
        if isinstance(look, Ended | Refused | Lost):
            result = commands.result(step, look).model_copy(update={"spool": self._desk.spool.id})
            if brief:
                result = result.model_copy(update={"stdout": "", "stderr": ""})
        return CommandFound(
            step_id=step.step_id, attempt=step.attempt, state=type(look).__name__.lower(), result=result
        )
