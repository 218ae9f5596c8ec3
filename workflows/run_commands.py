"""What can be asked of a run and told to it: queries, and each command as an update, which answers, and as a signal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from codeai.dsl.brief import brief
from codeai.dsl.journal import Journal
from codeai.dsl.machine import Machine
from codeai.dsl.parking import Parked
from codeai.dsl.values import ErrorValue
from codeai.workflows import parked
from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.commands import (
    Answered,
    CancelInput,
    Command,
    DecideInput,
    EventArrived,
    HoldInput,
    ParkedInput,
    PatchCommand,
    SetInput,
    SkipInput,
)
from codeai.workflows.contracts.decoding import NOTHING, InvalidInput, decode
from codeai.workflows.contracts.executions import ExecutionRecord, ExecutionStatus
from codeai.workflows.contracts.steps import NO_NOTES, Notes
from codeai.workflows.decisions import decide, open_approvals
from codeai.workflows.effects.under_way import Effects
from codeai.workflows.heard import Heard
from codeai.workflows.lane_turn import LaneTurn
from codeai.workflows.parked import Park, meant, refused
from codeai.workflows.patching import MOVED, NotPatched, Patch, compared
from codeai.workflows.settling import Settling, turn_of_an_update
from codeai.workflows.states import step_id
from codeai.workflows.telling import SIGNAL, noted

MOST_EARLY = 50
"""Words that are kept of what is said to a run before it begins: it carries them when it continues as new."""
MOST_REFUSAL = 2000
"""Characters of why a signal was not taken: there may be a hundred wrong fields in it."""
MOST_NAME = 60
"""Characters of the name of a signal that there is not."""
Given = TypeVar("Given", bound=Contract)
Act: TypeAlias = "Callable[[Given], Answered | Awaitable[Answered]]"


class RunCommands(Settling):
    """The handlers of a run, on what it knows. They only note: the run's own loop acts."""

    record: ExecutionRecord
    machine: Machine
    effects: Effects

    def __init__(self) -> None:
        super().__init__()
        self.run_status = ExecutionStatus.QUEUED
        self.cancelled = False
        self.paused = False
        self.program_hash = ""
        self.run_number = 1
        self.journal = Journal()
        self.park = Park()
        self.heard = Heard()
        self.signals = 0
        self.begun = False
        self.over = False
        """Its end is being written: nothing can be said to it any more."""
        self.early = NO_NOTES
        """What was said to a run that has not begun."""
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
        view = self.machine.view()
        return {
            "status": self.run_status.value,
            "program": self.program_hash,
            "parked_until": self.park.parking.until if self.run_status is ExecutionStatus.PARKED else None,
            "approvals": self.approvals(),
            **view,
            "pending": [self._awaited(one) for one in view["pending"]],
        }

    def _awaited(self, asked: dict[str, Any]) -> dict[str, Any]:
        """An effect that is waited for: of a command whether a host has it, of a `run` which execution it is."""
        step = asked["step"]
        if asked["effect"] == "exec":
            return {**asked, "placed": step not in self.effects.placing}
        if asked["effect"] == "run":
            return {**asked, "execution": step_id(self.record.id, str(step))}
        return asked

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

    @workflow.update(name="retry")
    async def retry_update(self, raw: RawValue = NOTHING) -> Answered:
        return await self._told(raw, ParkedInput, self._retry)

    @workflow.update(name="skip")
    async def skip_update(self, raw: RawValue = NOTHING) -> Answered:
        return await self._told(raw, SkipInput, self._skip)

    @workflow.update(name="set")
    async def set_update(self, raw: RawValue = NOTHING) -> Answered:
        return await self._told(raw, SetInput, self._set)

    @workflow.update(name="patch")
    async def patch_update(self, raw: RawValue = NOTHING) -> Answered:
        return await self._told(raw, PatchCommand, self._patch)

    @workflow.update(name="rollback")
    async def rollback_update(self, raw: RawValue = NOTHING) -> Answered:
        return await self._told(raw, ParkedInput, self._rollback)

    @workflow.update(name="abort")
    async def abort_update(self, raw: RawValue = NOTHING) -> Answered:
        return await self._told(raw, ParkedInput, self._abort)

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

    @workflow.signal(name="retry")
    async def retry_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("retry", raw, ParkedInput, self._retry)

    @workflow.signal(name="skip")
    async def skip_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("skip", raw, SkipInput, self._skip)

    @workflow.signal(name="set")
    async def set_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("set", raw, SetInput, self._set)

    @workflow.signal(name="patch")
    async def patch_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("patch", raw, PatchCommand, self._patch)

    @workflow.signal(name="rollback")
    async def rollback_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("rollback", raw, ParkedInput, self._rollback)

    @workflow.signal(name="abort")
    async def abort_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("abort", raw, ParkedInput, self._abort)

    @workflow.signal(name="event")
    async def event_signal(self, raw: RawValue = NOTHING) -> None:
        await self._signalled("event", raw, EventArrived, self._arrive)

    @workflow.signal(name="granted")
    async def granted_signal(self, _raw: RawValue = NOTHING) -> None:
        """The lane's word that it is this run's turn."""
        self.lane.granted = True

    @workflow.signal(dynamic=True)
    async def unknown_signal(self, name: str, _given: Sequence[RawValue]) -> None:
        """Temporal takes every name: a slip must not pass for a word that was taken."""
        self._count_signal()
        if not self._listens():
            await workflow.wait_condition(self._listens)
        self._note(brief(ascii(name), MOST_NAME), Command(), refused="a run takes no signal of this name")

    async def _told(self, raw: RawValue, model: type[Given], act: Act[Given]) -> Answered:
        try:
            given = decode(raw.payload.data, model)
        except InvalidInput as error:
            raise ApplicationError(
                str(error), {"errors": list(error.errors)}, type="invalid_input", non_retryable=True
            ) from None
        await turn_of_an_update()
        if not self._listens():
            await workflow.wait_condition(self._listens)
        word = given.id if isinstance(given, Command) else None
        if word is None:
            return await self._acted(given, act)
        body = given.body if isinstance(given, Command) else None
        if not self.heard.is_new(word, body):  # as an update that nobody answered in time, then as a signal
            return Answered(status=self.run_status.value, body=body)
        try:
            answer = await self._acted(given, act)
        except ApplicationError as error:
            self.heard.refuse(word, error)
            # The body goes along: who sends the id again, with whatever, is answered out of the history.
            details = error.details if body is None else ({"body": body},)
            raise refused(error.type or "not_running", error.message, *details) from None
        return answer.model_copy(update={"body": body})

    async def _acted(self, given: Given, act: Act[Given]) -> Answered:
        if self.over:
            raise refused("ended", "the run has ended")
        acted = act(given)
        answer = acted if isinstance(acted, Answered) else await acted
        self.decide()
        if workflow.current_update_info() is not None and self.begun:
            # What follows of it is written in the workflow task that goes on now, and the answer leaves with that task:
            # who has it can read all the rest.
            self.effects.notes.write_soon()
            await self.settles()
        return answer

    def _listens(self) -> bool:
        """Not before what was carried is taken up: it may be what the command is about."""
        return self.begun or self.over or self.takes_up is False

    async def _signalled(self, name: str, raw: RawValue, model: type[Given], act: Act[Given]) -> None:
        """A signal has no answer: what is wrong with it stands in the run's log."""
        self._count_signal()
        try:
            await self._told(raw, model, act)
        except ApplicationError as error:
            self._note(name, Command(), refused=brief(error.message, MOST_REFUSAL))

    def _count_signal(self) -> None:
        self.signals += 1
        SIGNAL.set(self.signals)

    async def _approve(self, given: DecideInput) -> Answered:
        self._must_run("no_approval")
        decided = await decide(self.effects, given, approved=True)
        self._note("approve", decided, step=decided.step)
        return Answered(status="approved", step=decided.step)

    async def _reject(self, given: DecideInput) -> Answered:
        self._must_run("no_approval")
        decided = await decide(self.effects, given, approved=False)
        self._note("reject", decided, step=decided.step)
        return Answered(status="rejected", step=decided.step)

    def _pause(self, given: HoldInput) -> Answered:
        if self.cancelled or self.run_status is ExecutionStatus.UNDOING:
            raise refused("not_running", "the run is ending")
        self.paused = True
        self._note("pause", given)
        return Answered(status=ExecutionStatus.PAUSED.value)

    def _resume(self, given: HoldInput) -> Answered:
        self.paused = False
        self._note("resume", given)
        status = ExecutionStatus.RUNNING if self.run_status is ExecutionStatus.PAUSED else self.run_status
        return Answered(status=status.value)

    def _retry(self, given: ParkedInput) -> Answered:
        one = self._meant(given)
        parked.retry(self.machine, self.journal, one)
        return self._went_on("retry", given, one)

    def _skip(self, given: SkipInput) -> Answered:
        one = self._meant(given)
        parked.skip(self.machine, self.journal, one, given)
        return self._went_on("skip", given, one, value=given.value)

    def _set(self, given: SetInput) -> Answered:
        one = self._meant(given)
        parked.set_variable(self.machine, self.journal, one, given)
        self._note("set", given, fibre=one.fibre, line=one.error.line, name=given.name, value=given.value)
        return Answered(status=self.run_status.value, fibre=one.fibre)

    async def _patch(self, given: PatchCommand) -> Answered:
        """Another program; what is parked goes on, in a paused run when it is resumed."""
        self._must_stand()
        try:
            patch = await compared(self.machine, self.program_hash, given.program)
        except NotPatched as problem:
            code = "too_large" if problem.error.kind == "limit" else problem.error.kind
            raise refused(code, problem.error.message) from None
        self._must_stand()
        if not patch.fits(self.machine, self.program_hash):
            raise refused("conflict", MOVED)
        for one in self.machine.parked:
            self.park.goes_on(one.fibre)
        self._note("patch", given, **self._go_on_with(patch, use_secrets=given.use_secrets))
        return Answered(status=self._going_on().value)

    def _must_stand(self) -> None:
        self._must_run("not_parked")
        self._must_go_on()
        parks = self.machine.is_parked and not self.effects.under_way
        if not parks and self.run_status is not ExecutionStatus.PAUSED:
            raise refused("not_parked", "the run goes on: pause it first, or patch it when it has parked")

    def _go_on_with(self, patch: Patch, *, use_secrets: bool) -> dict[str, Any]:
        """What there is to note of it."""
        line = next((one.error.line for one in self.machine.parked), None)
        patch.apply(self.machine, self.journal)
        self.program_hash = patch.hash
        self.record = self.record.model_copy(update={"content_hash": patch.hash})
        self.effects.run = replace(self.effects.run, use_secrets=self.effects.run.use_secrets and use_secrets)
        return {"line": line, "program": patch.hash, "before": patch.before}

    def _rollback(self, given: ParkedInput) -> Answered:
        one = self._meant(given)
        self.park.give_up(self.machine, self.journal, "rollback", one.error)
        self._note("rollback", given, fibre=one.fibre, line=one.error.line)
        return Answered(status=ExecutionStatus.UNDOING.value, fibre=one.fibre)

    def _abort(self, given: ParkedInput) -> Answered:
        """Also of a run that is not parked; one that is being undone ends after the current block."""
        self._must_run("not_running")
        if self.run_status is ExecutionStatus.UNDOING:
            self.park.ends_by = "abort"
        else:
            self._must_go_on()
            whole = given.fibre is None and not self.machine.parked
            error = ErrorValue("cancelled", _aborted(given)) if whole else self._first(given).error
            self.park.give_up(self.machine, self.journal, "abort", error)
        self._note("abort", given)
        return Answered(status=ExecutionStatus.FAILED.value, fibre=given.fibre)

    def _first(self, given: ParkedInput) -> Parked:
        return self.machine.parked[0] if given.fibre is None else meant(self.machine, given)

    def _meant(self, given: ParkedInput) -> Parked:
        self._must_run("not_parked")
        self._must_go_on()
        return meant(self.machine, given)

    def _must_go_on(self) -> None:
        if self.cancelled or self.park.ends_by is not None or self.run_status is ExecutionStatus.UNDOING:
            raise refused("not_running", "the run is ending")

    def _went_on(self, word: str, given: ParkedInput, one: Parked, **more: Any) -> Answered:
        self.park.goes_on(one.fibre)
        self._note(word, given, fibre=one.fibre, line=one.error.line, **more)
        return Answered(status=self._going_on().value, fibre=one.fibre)

    def _going_on(self) -> ExecutionStatus:
        """What a run is that was parked: a paused one goes on when it is resumed."""
        return ExecutionStatus.PAUSED if self.paused else ExecutionStatus.RUNNING

    def _heard_cancel(self) -> None:
        """Temporal's cancel was asked for: who did it is noted once."""
        if not self.cancelled:
            self.cancelled = True
            asked = CancelInput.of_reason(workflow.cancellation_reason())
            self._note(asked.word, asked)

    def _note(self, word: str, given: Command, **details: Any) -> None:
        """What somebody said stands in the run's log and in the audit log."""
        told, line = noted(word, given, details)
        if self.begun:
            self.effects.notes.told(told, len(str(told.details)))
            self.effects.notes.log(line.step_id, line.level, line.text, is_kept=True)
        else:
            told_early, lines = (*self.early.told, told), (*self.early.lines, line)
            self.early = Notes(told=told_early[-MOST_EARLY:], lines=lines[-MOST_EARLY:])

    def _arrive(self, given: EventArrived) -> Answered:
        self._must_run("not_running")
        # Also while the activity that looks for the event is under way: it may have looked before this one came.
        if given.step in self.effects.under_way:
            self.effects.arrived.setdefault(given.step, given.event)
        return Answered(status=self.run_status.value, step=given.step)

    def _must_run(self, code: str) -> None:
        if not self.begun:
            raise refused(code, "the run has not begun yet: it can be paused or cancelled")
        if self.run_status is ExecutionStatus.QUEUED:
            raise refused(code, "the run waits for its turn: it can be paused or cancelled")


def _aborted(given: Command) -> str:
    """Why an aborted run has failed."""
    who = f" by {given.by}" if given.by else ""
    return f"aborted{who}" + (f": {given.comment}" if given.comment else "")
