"""`ExecuteDeployment`: one run of one program. `run` is the table of contents; the machine says what is next."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from codeai.dsl.bind import Bound
    from codeai.dsl.machine import Machine
    from codeai.dsl.parking import NotParked
    from codeai.dsl.requests import Asking, Failed, Finished, Sliced
    from codeai.dsl.values import to_result
    from codeai.workflows import calls
    from codeai.workflows.attributes import describe, describe_status
    from codeai.workflows.beginning import (
        Refused,
        as_queued,
        completed_record,
        first_record,
        given_inputs,
        must_be_retriable,
        must_be_sendable,
        older,
    )
    from codeai.workflows.compensation import undo_failed, undo_next
    from codeai.workflows.contracts.base import Contract
    from codeai.workflows.contracts.commands import HoldInput
    from codeai.workflows.contracts.decoding import NOTHING, InvalidInput, decode
    from codeai.workflows.contracts.errors import NOTHING_KEPT, NOTHING_LEFT, TOO_MUCH_KEPT, RunError
    from codeai.workflows.contracts.executions import (
        Carried,
        ExecuteInput,
        ExecuteResult,
        ExecutionStatus,
        FailurePolicy,
        Parking,
        Undoing,
        entity_of,
    )
    from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
    from codeai.workflows.contracts.packing import unpack
    from codeai.workflows.contracts.records import (
        CheckpointWanted,
        ClaimInput,
        CloseInput,
        LoadInput,
        LoadResult,
    )
    from codeai.workflows.effects.simple import LONGEST_STATUS
    from codeai.workflows.effects.table import PERFORMERS
    from codeai.workflows.effects.under_way import Effects, Run
    from codeai.workflows.heard import Heard
    from codeai.workflows.kept_run import KeptRun
    from codeai.workflows.lane_turn import Rejected
    from codeai.workflows.patching import MOVED, NotPatched, compared
    from codeai.workflows.programs import bound_program
    from codeai.workflows.standing import where_it_stands
    from codeai.workflows.states import error_of_result, note_id, run_error

SLICE_PAUSE = 0.001
"""Seconds. A timer ends the workflow task: one activation may take 2 s (Temporal's deadlock detector)."""

Answer = TypeVar("Answer")
Given = TypeVar("Given", bound=Contract)


@workflow.defn(name=EXECUTE_DEPLOYMENT.type)
class ExecuteDeployment(KeptRun):
    """What it knows between two workflow tasks; what must outlive a continue-as-new stands in `Carried`."""

    @workflow.run
    async def run(self, raw: RawValue = NOTHING) -> ExecuteResult:
        try:
            self.asked = decode(raw.payload.data, ExecuteInput)
        except InvalidInput as error:
            raise ApplicationError(
                str(error), {"errors": list(error.errors)}, type="invalid_input", non_retryable=True
            ) from None
        carried = self.asked.carried
        self.takes_up = carried is not None or self.asked.do is not None
        undoing: Undoing | None = None
        try:
            if self.asked.do is not None:
                undoing = await self._reopen()
            elif carried is None:
                await self._begin()
            else:
                undoing = carried.undoing
                await self._take_up(carried)
        except Refused as refused:
            if self.asked.do is not None:
                await self._leave_as_it_was()
                raise ApplicationError(str(refused), type=refused.error.kind, non_retryable=True) from None
            rejected = isinstance(refused, Rejected)
            status = ExecutionStatus.REJECTED if rejected else ExecutionStatus.FAILED
            return await self._end(status, error=refused.error)
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            self._heard_cancel()
            if self.asked.do is not None:
                await self._leave_as_it_was()
                raise
            return await self._end(
                ExecutionStatus.CANCELLED,
                error=RunError(kind="cancelled", message="cancelled before it began"),
            )
        if undoing is not None:
            return await self._undo(undoing)
        ended = await self._advance()
        if isinstance(ended, Finished):
            result = to_result(ended.value)
            too_large = error_of_result(result)
            if too_large is not None:
                return await self._fail(too_large)
            return await self._end(ExecutionStatus.COMPLETE, result=result)
        return await self._fail(run_error(ended.error))

    # The stages of a run

    async def _begin(self) -> None:
        """Finds the program, checks the inputs, claims a host. Raises Refused."""
        asked, queued = self.asked, self.asked.queued
        self.record = first_record(asked)
        describe(EXECUTE_DEPLOYMENT.type, entity_of(asked, self.record.id), asked.triggered_by)
        if queued is None:
            wanted = LoadInput(
                program=asked.program, config=asked.config, deployment=asked.deployment, version=asked.version
            )
            program, loaded = await self._load(wanted)
            self.record = completed_record(self.record, asked, loaded)
        else:
            self._take_up_queued(queued)
            program, found = await self._load(LoadInput(program_hash=queued.program))
            loaded = as_queued(found, queued)
        inputs = given_inputs(program.code, self.record, asked.values)
        if asked.values is not None:
            shown = {name: to_result(value) for name, value in inputs.items()}
            self.record = self.record.model_copy(update={"inputs": shown})
        must_be_sendable(self.record)
        turn = self.lane.take(loaded.lane, self.record, loaded.concurrency, asked.queued_since)
        if not await self._shielded(turn, interruptible=True):
            self._queue_as_new(loaded)
        claim = calls.claim_host(ClaimInput(execution=self.record))
        claimed = await self._shielded(claim, interruptible=True)
        self.machine = Machine.start(program, inputs)
        timeout = asked.park_timeout or loaded.park_timeout
        self.park.parking = Parking() if timeout is None else Parking(timeout=timeout)
        if asked.values is not None:
            self.journal.started(inputs)
        if self.record.failure_policy is FailurePolicy.PARK:
            self.machine.park_at_errors()
            self.journal.parks()
        workspace = asked.workspace or loaded.workspace
        self._ready(Run(self.record, claimed.budget, workspace, asked.use_secrets, asked.depth), None)
        self.effects.places.take("", claimed)

    async def _take_up(self, carried: Carried) -> None:
        """Goes on where the workflow run before this one stopped. Raises Refused."""
        self.record = carried.record
        self.cancelled, self.paused = carried.cancelled, carried.paused
        self.run_number = carried.run
        self.lane.key = carried.lane
        self.park.parking, self.park.ends_by = carried.parking, carried.ends_by
        self.heard = Heard(carried.heard, carried.refusals, carried.bodies)
        self.undone, self.undo_seq = carried.undone, carried.undo_seq
        program, _ = await self._load(LoadInput(program_hash=carried.program))
        self.machine = Machine.resume(program, unpack(carried.state))
        run = Run(self.record, carried.budget, carried.workspace, carried.use_secrets, carried.depth)
        self._ready(run, carried)

    def _ready(self, run: Run, carried: Carried | None) -> None:
        self.effects = Effects(run, PERFORMERS, carried)
        self.effects.notes.restore(self.early)
        self.run_status = ExecutionStatus.RUNNING
        self.begun = True

    async def _load(self, wanted: LoadInput) -> tuple[Bound, LoadResult]:
        loaded = await self._shielded(calls.LOAD_PROGRAM(wanted), interruptible=self.asked.carried is None)
        if loaded.error is not None:
            raise Refused(loaded.error)
        self.program_hash = loaded.program_hash
        return bound_program(loaded.program_hash, loaded.code), loaded

    async def _reopen(self) -> Undoing | None:
        """A command to an ended run: takes up its last checkpoint, and says what is to be undone; None where the run
        goes on. Raises Refused(not_found, nothing_to_do, undone)."""
        asked, queued = self.asked, self.asked.queued
        self.record, self.ended_as = first_record(asked), asked.ended_as
        describe(EXECUTE_DEPLOYMENT.type, entity_of(asked, self.record.id), asked.triggered_by)
        if queued is not None:
            self.lane.key, self.lane.position = queued.lane, queued.position
        found = await calls.FIND_CHECKPOINT(CheckpointWanted(execution_id=self.record.id))
        if found.status is None:
            raise Refused(RunError(kind="not_found", message="there is no such run"))
        if found.carried is None:
            why = TOO_MUCH_KEPT if found.is_too_large else NOTHING_KEPT
            raise Refused(RunError(kind="nothing_to_do", message=why))
        carried = Carried.model_validate(unpack(found.carried))
        if asked.do != "compensate":
            must_be_retriable(found.status, carried)
        tried = {
            **carried.tried,
            **found.attempts,
        }  # who does one again makes an attempt that has not begun yet
        said = {} if queued is None else queued.said
        await self._take_up(carried.model_copy(update={"ends_by": None, "tried": tried, **said}))
        self.run_status = ExecutionStatus.QUEUED
        if found.last_begun > self.machine.steps:
            self.begun = False
            raise Refused(older(self.machine.steps, found.last_begun))
        steps = self.machine.undo_stack
        if asked.do == "compensate" and not steps:
            self.begun = False
            raise Refused(RunError(kind="nothing_to_do", message=NOTHING_LEFT))
        if asked.do != "compensate":
            self._revive()
        details = await self._revived_with(asked.program) if asked.do == "patch" else {}
        if asked.do == "retry":
            for one in self.machine.parked:
                self.machine.retry(one.fibre)
                self.journal.retried(one.fibre)
        await self._wait_again(found.status)
        await self.effects.places.reach()
        self._note(str(asked.do), self._asked_by(), **details)
        if asked.do != "compensate":
            await self._shielded(self._row_is(ExecutionStatus.RUNNING))
            return None
        await self._shielded(self._row_is(ExecutionStatus.UNDOING))
        first = self._next_undo(frozenset(found.interrupted))
        return Undoing(steps=steps, next_seq=first, status=ExecutionStatus.COMPENSATED)

    def _next_undo(self, interrupted: frozenset[int] = frozenset()) -> int:
        """The number of the next undo block's step: behind those that have run, also in a run before. One that was
        under way when that was ended by force has the same again, so that it is never started twice, unless it was
        killed with it."""
        number = self.undo_seq or self.machine.steps + 1
        while number in interrupted:
            number += 1
        return number

    def _asked_by(self) -> HoldInput:
        """Who gives a command to an ended run."""
        asked = self.asked
        return HoldInput(
            by=asked.triggered_by, comment=asked.comment, via=asked.via, request_id=asked.request_id
        )

    def _revive(self) -> None:
        """An ended run is parked at its failed statement. Raises Refused(nothing_to_do)."""
        machine, journal = self.machine, self.journal
        try:
            if not machine.parked:
                machine.revive()
                journal.revived()
        except NotParked as error:
            self.begun = False
            raise Refused(RunError(kind="nothing_to_do", message=str(error))) from None

    async def _revived_with(self, program: str | None) -> dict[str, Any]:
        """It goes on with an edited program; what there is to note of it. Raises Refused(invalid_input, has_run, limit,
        conflict, no_trace)."""
        try:
            patch = await compared(self.machine, self.program_hash, program or "")
        except NotPatched as problem:
            self.begun = False
            raise Refused(problem.error) from None
        if not patch.fits(self.machine, self.program_hash):
            self.begun = False
            raise Refused(RunError(kind="conflict", message=MOVED))
        return self._go_on_with(patch, use_secrets=self.asked.use_secrets)

    async def _advance(self) -> Finished | Failed:
        """Runs the machine to its end: starts what it asks for, gives it what came back."""
        machine, effects = self.machine, self.effects
        for request in machine.pending.values():
            effects.start(request)
        for step in machine.withdrawn:
            effects.withdraw(step)
        if self.cancelled:
            self._cancel_machine()
        while True:
            if self.paused and not self.cancelled:
                await self._hold()
            answer = machine.advance()
            self.journal.advanced()
            if isinstance(answer, Finished | Failed):
                return answer
            if isinstance(answer, Asking):
                for step in answer.withdrawn:
                    effects.withdraw(step)
                if answer.requests and self._is_over_budget(hard=True):
                    await self._continue_as_new()
                for request in answer.requests:
                    if request.step in machine.pending:
                        effects.start(request)
            try:
                if isinstance(answer, Sliced):
                    await asyncio.sleep(SLICE_PAUSE)
                elif not machine.runnable:
                    await self._wait()
            except asyncio.CancelledError:
                self._cancel()
            self._take_answers()
            if not effects.under_way and self._is_over_budget(hard=False):
                await self._continue_as_new()

    async def _wait(self) -> None:
        """Until something came back, or was said; who looks meanwhile sees where the run stands."""
        effects, machine = self.effects, self.machine

        def goes_on() -> bool:
            return effects.answered or self.paused or machine.runnable

        self.park.tell(machine, effects.notes)
        while not goes_on():
            if self._is_long():
                await self._continue_as_new()
                continue
            left = self.park.seconds_left(machine)
            timeout = None if left is None else timedelta(seconds=left)
            try:
                await workflow.wait_condition(
                    lambda: goes_on() or self._has_news() or self._is_long(), timeout=timeout
                )
            except TimeoutError:
                if goes_on():  # somebody came in that very moment
                    return
                effects.notes.log(
                    note_id("nobody came"), "error", "nobody came in time: rolled back", is_kept=True
                )
                self.park.give_up(machine, self.journal, "rollback", machine.parked[0].error)
                return
            if self._has_news():
                self._tell(self._standing())

    async def _hold(self) -> None:
        """Paused between two statements: commands go on, and what they answer waits."""
        effects = self.effects
        self._tell(ExecutionStatus.PAUSED)
        try:
            while self.paused:
                await workflow.wait_condition(
                    lambda: not self.paused or effects.notes.is_urgent or self._is_long()
                )
                effects.notes.write_soon()
                if self.paused and self._is_long():
                    await self._continue_as_new()
        except asyncio.CancelledError:
            self._cancel()
        self._tell(ExecutionStatus.RUNNING)
        self._take_answers()

    def _has_news(self) -> bool:
        return self.effects.notes.is_urgent or self._standing() is not self.run_status

    def _standing(self) -> ExecutionStatus:
        return where_it_stands(self.effects, self.machine)

    def _tell(self, status: ExecutionStatus) -> None:
        """Has it written where the run stands, beside what else must not wait."""
        if status is not self.run_status:
            self.run_status = status
            describe_status(status.value)
            text = self.effects.status_text
            if status is ExecutionStatus.PARKED:
                text = "; ".join(self.park.lines(self.machine))[:LONGEST_STATUS]
            workflow.set_current_details(text or "")
            self.effects.notes.status(status.value, text)
            if status is ExecutionStatus.PARKED:
                self._save_soon()
        self.effects.notes.write_soon()

    async def _fail(self, error: RunError) -> ExecuteResult:
        """An uncaught error, or a cancel: what was done is undone, unless the failure policy keeps it."""
        status = ExecutionStatus.CANCELLED if self.cancelled else ExecutionStatus.FAILED
        steps = self.machine.undo_stack
        keeps = self.record.failure_policy is FailurePolicy.FAIL and self.park.ends_by is None
        keeps = keeps or self.park.ends_by == "abort"
        if not steps or (keeps and not self.cancelled):
            return await self._end(status, error=error)
        undoing = Undoing(steps=steps, next_seq=self._next_undo(), status=status, error=error)
        self.effects.notes.status(ExecutionStatus.UNDOING.value, None)
        return await self._undo(undoing)

    async def _undo(self, undoing: Undoing) -> ExecuteResult:
        """Runs the undo stack, whoever cancels meanwhile."""
        self.run_status = ExecutionStatus.UNDOING
        describe_status(ExecutionStatus.UNDOING.value)
        self.undone, self.undo_seq = self.undone or bool(undoing.steps), undoing.next_seq
        # Whoever ends the run by force now shall find what is to be undone, and later what has been.
        await self._shielded(calls.SAVE_CHECKPOINT(await self._kept(undoing)))
        while undoing.steps and self.park.ends_by != "abort":
            self.machine.undone(undoing.steps[-1])
            undoing = await self._shielded(undo_next(self.effects, undoing))
            self.undo_seq = undoing.next_seq
            if self._is_over_budget(hard=False):
                await self._continue_as_new(undoing)
            elif undoing.steps:
                await self._shielded(calls.SAVE_CHECKPOINT(await self._kept(undoing)))
        status, error = undoing.status, undoing.error
        if undoing.steps:
            status = ExecutionStatus.FAILED
            error = error or RunError(kind="cancelled", message="aborted while it was being undone")
        return await self._end(status, error=error, undo_failed=undo_failed(undoing))

    async def _end(
        self,
        status: ExecutionStatus,
        result: Any = None,
        error: RunError | None = None,
        undo_failed: tuple[dict[str, Any], ...] = (),
    ) -> ExecuteResult:
        """Writes the run's end and ends the workflow alike: a failed run is a failed workflow."""
        self.over = True
        await self._saved()
        self.run_status = status
        describe_status(status.value)
        closing = CloseInput(
            execution=self.record,
            status=status,
            result=result,
            error=error,
            undo_failed=undo_failed,
            notes=await self._shielded(self.effects.notes.take()) if self.begun else self.early,
            checkpoint=self._checkpoint(self._carried()) if self.begun else None,
            completed_at=workflow.time(),
        )
        self.decide()  # to end: neither the row nor the lane may know before that is in the history
        await self._shielded(calls.CLOSE_EXECUTION(closing))
        await self._leave()
        outcome = ExecuteResult(
            execution_id=self.record.id, status=status, result=result, error=error, undo_failed=undo_failed
        )
        if error is None:
            return outcome
        if status is ExecutionStatus.CANCELLED:
            raise CancelledError(error.message, outcome.model_dump(mode="json"))
        raise ApplicationError(
            error.message, outcome.model_dump(mode="json"), type=error.kind, non_retryable=True
        )
