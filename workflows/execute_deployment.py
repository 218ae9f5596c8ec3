"""`ExecuteDeployment`: one run of one program. `run` is the table of contents; the machine says what is next."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, CancelledError

with workflow.unsafe.imports_passed_through():
    from codeai.dsl.bind import Bound
    from codeai.dsl.inputs import check_inputs
    from codeai.dsl.machine import Machine
    from codeai.dsl.requests import Asking, Failed, Finished, Sliced
    from codeai.dsl.values import to_result
    from codeai.workflows import calls
    from codeai.workflows.attributes import describe, describe_status
    from codeai.workflows.compensation import undo_next
    from codeai.workflows.contracts.decoding import NOTHING, InvalidInput, decode
    from codeai.workflows.contracts.errors import RunError
    from codeai.workflows.contracts.executions import (
        Carried,
        ExecuteInput,
        ExecuteResult,
        ExecutionRecord,
        ExecutionStatus,
        FailurePolicy,
        Undoing,
        entity_of,
    )
    from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT
    from codeai.workflows.contracts.records import ClaimInput, CloseInput, LoadInput, LoadResult, StatusInput
    from codeai.workflows.effects import Effects, Run
    from codeai.workflows.programs import bound_program
    from codeai.workflows.states import pack_state, run_error, unpack_state

SLICE_PAUSE = 0.001
"""Seconds. A timer ends the workflow task: one activation may take 2 s (Temporal's deadlock detector)."""

Answer = TypeVar("Answer")


class Refused(Exception):
    """The run cannot begin: its program or its inputs are wrong."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


@workflow.defn(name=EXECUTE_DEPLOYMENT.type)
class ExecuteDeployment:
    """What it knows between two workflow tasks; what must outlive a continue-as-new stands in `Carried`."""

    record: ExecutionRecord
    machine: Machine
    effects: Effects

    def __init__(self) -> None:
        self.run_status = ExecutionStatus.QUEUED
        self.cancelled = False
        self.program_hash = ""
        self.run_number = 1
        self.asked = ExecuteInput()
        self.begun = False

    @workflow.run
    async def run(self, raw: RawValue = NOTHING) -> ExecuteResult:
        try:
            self.asked = decode(raw.payload.data, ExecuteInput)
        except InvalidInput as error:
            raise ApplicationError(
                str(error), {"errors": list(error.errors)}, type="invalid_input", non_retryable=True
            ) from None
        carried = self.asked.carried
        try:
            if carried is None:
                await self._begin()
            else:
                await self._take_up(carried)
        except Refused as refused:
            return await self._end(ExecutionStatus.FAILED, error=refused.error)
        except asyncio.CancelledError:
            return await self._end(
                ExecutionStatus.CANCELLED,
                error=RunError(kind="cancelled", message="cancelled before it began"),
            )
        if carried is not None and carried.undoing is not None:
            return await self._undo(carried.undoing)
        ended = await self._advance()
        if isinstance(ended, Finished):
            return await self._end(ExecutionStatus.COMPLETE, result=to_result(ended.value))
        return await self._fail(run_error(ended.error))

    @workflow.query
    def status(self) -> str:
        return self.run_status.value

    @workflow.query
    def progress(self) -> dict[str, Any]:
        """Where the run is, in a few words."""
        return {
            "status": self.run_status.value,
            "status_text": self.effects.status_text if self.begun else None,
            "steps": self.machine.steps if self.begun else 0,
            "run": self.run_number,
        }

    @workflow.query
    def state(self) -> dict[str, Any]:
        """The statement, variables, fibres and undo stack, as people read them."""
        return self.machine.view() if self.begun else {}

    # The stages of a run

    async def _begin(self) -> None:
        """Finds the program, checks the inputs, claims a host. Raises Refused."""
        asked = self.asked
        self.record = first_record(asked)
        describe(EXECUTE_DEPLOYMENT.type, entity_of(asked, self.record.id), asked.triggered_by)
        if asked.failure_policy is FailurePolicy.PARK:
            raise Refused(park_is_not_available())
        program, loaded = await self._load(
            LoadInput(
                program=asked.program, config=asked.config, deployment=asked.deployment, version=asked.version
            )
        )
        inputs = {**loaded.inputs, **asked.inputs}
        self.record = self.record.model_copy(
            update={
                "deployment_id": loaded.deployment_id,
                "config_id": loaded.config_id,
                "version": loaded.version,
                "content_hash": loaded.program_hash,
                "inputs": inputs,
                "failure_policy": asked.failure_policy or loaded.failure_policy,
            }
        )
        if self.record.failure_policy is FailurePolicy.PARK:
            raise Refused(park_is_not_available())
        if problems := check_inputs(program.code, inputs):
            raise Refused(
                RunError(
                    kind="invalid_input",
                    message="; ".join(problem.message for problem in problems),
                    line=problems[0].line,
                    details=tuple({"field": one.name, "message": one.message} for one in problems),
                )
            )
        host = await self._shielded(calls.CLAIM_HOST(ClaimInput(execution=self.record)), interruptible=True)
        self.run_status = ExecutionStatus.RUNNING
        self.machine = Machine.start(program, inputs)
        workspace = asked.workspace or loaded.workspace
        self.effects = Effects(Run(self.record, host.host, host.spool, host.budget, workspace), None)
        self.begun = True

    async def _take_up(self, carried: Carried) -> None:
        """Goes on where the workflow run before this one stopped. Raises Refused."""
        self.record = carried.record
        self.cancelled = carried.cancelled
        self.run_number = carried.run
        program, _ = await self._load(LoadInput(program_hash=carried.program))
        self.machine = Machine.resume(program, unpack_state(carried.state))
        run = Run(self.record, carried.host, carried.spool, carried.budget, self.asked.workspace)
        self.effects = Effects(run, carried)
        self.run_status = ExecutionStatus.RUNNING
        self.begun = True

    async def _load(self, wanted: LoadInput) -> tuple[Bound, LoadResult]:
        loaded = await self._shielded(calls.LOAD_PROGRAM(wanted), interruptible=self.asked.carried is None)
        if loaded.error is not None:
            raise Refused(loaded.error)
        self.program_hash = loaded.program_hash
        return bound_program(loaded.program_hash, loaded.code), loaded

    async def _advance(self) -> Finished | Failed:
        """Runs the machine to its end: starts what it asks for, gives it what came back."""
        machine, effects = self.machine, self.effects
        for request in machine.pending.values():
            effects.start(request)
        for step in machine.withdrawn:
            effects.withdraw(step)
        if self.cancelled:
            machine.cancel()
        while True:
            answer = machine.advance()
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
                    await workflow.wait_condition(lambda: effects.answered)
            except asyncio.CancelledError:
                self._cancel()
            for step, result in effects.take_answers():
                machine.answer(step, result)
            if not effects.under_way and self._is_over_budget(hard=False):
                await self._continue_as_new()

    async def _fail(self, error: RunError) -> ExecuteResult:
        """An uncaught error, or a cancel: what was done is undone, unless the failure policy keeps it."""
        status = ExecutionStatus.CANCELLED if self.cancelled else ExecutionStatus.FAILED
        steps = self.machine.undo_stack
        if not steps or (self.record.failure_policy is FailurePolicy.FAIL and not self.cancelled):
            return await self._end(status, error=error)
        return await self._undo(
            Undoing(steps=steps, next_seq=self.machine.steps + 1, status=status, error=error)
        )

    async def _undo(self, undoing: Undoing) -> ExecuteResult:
        """Runs the undo stack, whoever cancels meanwhile."""
        self.run_status = ExecutionStatus.UNDOING
        status = StatusInput(execution_id=self.record.id, status=self.run_status)
        await self._shielded(calls.RECORD_STATUS(status))
        while undoing.steps:
            undoing = await self._shielded(undo_next(self.effects, undoing))
            if self._is_over_budget(hard=False):
                await self._continue_as_new(undoing)
        return await self._end(undoing.status, error=undoing.error, undo_failed=undoing.failed)

    async def _end(
        self,
        status: ExecutionStatus,
        result: Any = None,
        error: RunError | None = None,
        undo_failed: tuple[dict[str, Any], ...] = (),
    ) -> ExecuteResult:
        """Writes the run's end and ends the workflow alike: a failed run is a failed workflow."""
        self.run_status = status
        describe_status(status.value)
        closing = CloseInput(
            execution=self.record,
            status=status,
            result=result,
            error=error,
            undo_failed=undo_failed,
            lines=self.effects.take_lines() if self.begun else (),
            completed_at=workflow.time(),
        )
        await self._shielded(calls.CLOSE_EXECUTION(closing))
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

    # Continue-as-new

    def _is_over_budget(self, *, hard: bool) -> bool:
        info, budget = workflow.info(), self.effects.run.budget
        events, size = info.get_current_history_length(), info.get_current_history_size()
        if hard:
            return events >= budget.hard_events or size >= budget.hard_bytes
        return (
            events >= budget.soft_events or size >= budget.soft_bytes or info.is_continue_as_new_suggested()
        )

    async def _continue_as_new(self, undoing: Undoing | None = None) -> None:
        """Goes on in a new workflow run: commands under way are handed over (the runner re-attaches), all else
        is awaited. Comes back only where a cancel comes first."""
        effects = self.effects
        try:
            await workflow.wait_condition(lambda: effects.only_commands and workflow.all_handlers_finished())
        except asyncio.CancelledError:
            self._cancel()
            return
        await self._shielded(effects.flush_lines())
        for step, result in effects.take_answers():
            self.machine.answer(step, result)
        carried = Carried(
            record=self.record.model_copy(update={"inputs": {}}),
            program=self.program_hash,
            state=pack_state(self.machine.state()),
            host=effects.run.host,
            spool=effects.run.spool,
            budget=effects.run.budget,
            cancelled=self.cancelled,
            undoing=undoing,
            attempts=effects.attempts,
            deadlines=effects.deadlines,
            status_text=effects.status_text,
            run=self.run_number + 1,
        )
        again = ExecuteInput(execution=self.record.id, workspace=effects.run.workspace, carried=carried)
        workflow.continue_as_new(again, task_timeout=TASK_TIMEOUT)

    # Cancelling

    def _cancel(self) -> None:
        """Temporal's cancel: the machine unwinds and its commands die; asked again it changes nothing."""
        if not self.cancelled:
            self.cancelled = True
            self.machine.cancel()

    async def _shielded(self, work: Awaitable[Answer], *, interruptible: bool = False) -> Answer:
        """Awaits `work` through cancellation: undo and records are never interrupted. An `interruptible` one
        is left alone at a cancel, which is raised."""
        task = asyncio.ensure_future(work)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                self.cancelled = True
                if interruptible:
                    raise
        return task.result()


def first_record(asked: ExecuteInput) -> ExecutionRecord:
    """The run's row as far as the input says it; the id is made of the workflow where none was given."""
    info = workflow.info()
    made = uuid.uuid5(uuid.NAMESPACE_OID, f"{info.workflow_id}\n{info.first_execution_run_id}")
    return ExecutionRecord(
        id=asked.execution or str(made),
        workflow_id=info.workflow_id,
        inputs=asked.inputs,
        failure_policy=asked.failure_policy or FailurePolicy.UNDO,
        triggered_by=asked.triggered_by,
        started_at=info.workflow_start_time.timestamp(),
    )


def park_is_not_available() -> RunError:
    return RunError(
        kind="invalid_input",
        message="failure policy park is not available in this build; use undo or fail",
        details=({"field": "failure_policy", "message": "park is not available in this build"},),
    )
