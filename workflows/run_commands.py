"""What can be asked of a run and told to it: queries, and each command as an update, which answers, and as a signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from codeai.dsl.journal import Journal
from codeai.dsl.machine import Machine
from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.commands import Answered, DecideInput, EventArrived, HoldInput
from codeai.workflows.contracts.decoding import NOTHING, InvalidInput, decode
from codeai.workflows.contracts.executions import ExecutionStatus
from codeai.workflows.decisions import decide, open_approvals
from codeai.workflows.effects.under_way import Effects
from codeai.workflows.lane_turn import LaneTurn

Given = TypeVar("Given", bound=Contract)


class RunCommands:
    """The handlers of a run, on what it knows. They only note: the run's own loop acts."""

    machine: Machine
    effects: Effects

    def __init__(self) -> None:
        self.run_status = ExecutionStatus.QUEUED
        self.cancelled = False
        self.paused = False
        self.program_hash = ""
        self.run_number = 1
        self.journal = Journal()
        self.begun = False
        self.lane = LaneTurn()
        self.takes_up: bool | None = None
        """Whether it goes on where a workflow run before it stopped; None until `run` has looked."""

    # What can be asked

    @workflow.query
    def status(self) -> str:
        return self.run_status.value

    @workflow.query
    def progress(self) -> dict[str, Any]:
        """Where the run is, in a few words."""
        return {
            "status": self.run_status.value,
            "status_text": self.effects.status_text if self.begun else self.lane.text,
            "steps": self.machine.steps if self.begun else 0,
            "run": self.run_number,
        }

    @workflow.query
    def state(self) -> dict[str, Any]:
        """The statement, variables, fibres, open approvals and undo stack, as people read them."""
        if not self.begun:
            return {"status": self.run_status.value, "lane": self.lane.key, "position": self.lane.position}
        return {"status": self.run_status.value, "approvals": self.approvals(), **self.machine.view()}

    @workflow.query
    def approvals(self) -> list[dict[str, Any]]:
        """The approvals that wait for a decision."""
        return open_approvals(self.effects) if self.begun else []

    @workflow.query(name="journal")
    def journal_so_far(self) -> dict[str, Any]:
        """What the machine was answered in this workflow run (see `dsl/journal.py`)."""
        return {"run": self.run_number, "program": self.program_hash, "rounds": self.journal.rounds}

    # What can be told: each as an update, which answers, and as a signal

    @workflow.update(name="approve")
    async def approve_update(self, raw: RawValue = NOTHING) -> Answered:
        return await self._told(raw, DecideInput, self._approve)

    @workflow.update(name="reject")
    async def reject_update(self, raw: RawValue = NOTHING) -> Answered:
        return await self._told(raw, DecideInput, self._reject)

    @workflow.update(name="pause")
    async def pause_update(self, raw: RawValue = NOTHING) -> Answered:
        return await self._told(raw, HoldInput, self._pause)

    @workflow.update(name="resume")
    async def resume_update(self, raw: RawValue = NOTHING) -> Answered:
        return await self._told(raw, HoldInput, self._resume)

    @workflow.signal(name="approve")
    async def approve_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("approve", raw, DecideInput, self._approve)

    @workflow.signal(name="reject")
    async def reject_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("reject", raw, DecideInput, self._reject)

    @workflow.signal(name="pause")
    async def pause_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("pause", raw, HoldInput, self._pause)

    @workflow.signal(name="resume")
    async def resume_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("resume", raw, HoldInput, self._resume)

    @workflow.signal(name="event")
    async def event_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("event", raw, EventArrived, self._arrive)

    @workflow.signal(name="granted")
    async def granted_signal(self, _raw: RawValue = NOTHING) -> None:
        """The lane's word that it is this run's turn."""
        self.lane.granted = True

    async def _told(self, raw: RawValue, model: type[Given], act: Callable[[Given], Answered]) -> Answered:
        try:
            given = decode(raw.payload.data, model)
        except InvalidInput as error:
            raise ApplicationError(
                str(error), {"errors": list(error.errors)}, type="invalid_input", non_retryable=True
            ) from None
        if not self._listens():
            await workflow.wait_condition(self._listens)
        return act(given)

    def _listens(self) -> bool:
        """Not before what was carried is taken up: it may be what the command is about."""
        return self.begun or self.takes_up is False

    async def _signalled(
        self, name: str, raw: RawValue, model: type[Given], act: Callable[[Given], Answered]
    ) -> None:
        """A signal has no answer: what is wrong with it stands in the run's log."""
        try:
            await self._told(raw, model, act)
        except ApplicationError as error:
            if self.begun:
                text = f"the signal {name} was not taken: {error.message}"
                self.effects.notes.log(str(workflow.uuid4()), "warn", text)

    def _approve(self, given: DecideInput) -> Answered:
        self._must_run("no_approval")
        return decide(self.effects, given, approved=True)

    def _reject(self, given: DecideInput) -> Answered:
        self._must_run("no_approval")
        return decide(self.effects, given, approved=False)

    def _pause(self, _given: HoldInput) -> Answered:
        if self.cancelled or self.run_status is ExecutionStatus.UNDOING:
            raise ApplicationError("the run is ending", type="not_running", non_retryable=True)
        self.paused = True
        return Answered(status=ExecutionStatus.PAUSED.value)

    def _resume(self, _given: HoldInput) -> Answered:
        self.paused = False
        status = ExecutionStatus.RUNNING if self.run_status is ExecutionStatus.PAUSED else self.run_status
        return Answered(status=status.value)

    def _arrive(self, given: EventArrived) -> Answered:
        self._must_run("not_running")
        # Also while the activity that looks for the event is under way: it may have looked before this one came.
        if given.step in self.effects.under_way:
            self.effects.arrived.setdefault(given.step, given.event)
        return Answered(status=self.run_status.value, step=given.step)

    def _must_run(self, code: str) -> None:
        if not self.begun:
            raise ApplicationError("the run has not begun yet", type=code, non_retryable=True)
