"""What is kept of a run: checkpoints in the database, and what it carries on when it continues as new."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from codeai.dsl.faults import Fault
from codeai.dsl.values import ErrorValue
from codeai.workflows import calls
from codeai.workflows.anew import go_on_as_new
from codeai.workflows.beginning import Refused
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.executions import Carried, ExecuteInput, ExecutionStatus, Queued, Undoing
from codeai.workflows.contracts.lanes import Concurrency
from codeai.workflows.contracts.packing import pack
from codeai.workflows.contracts.records import Checkpoint, CheckpointInput, LoadResult, Nothing
from codeai.workflows.effects.notebook import Notebook
from codeai.workflows.effects.outbox import must_fit
from codeai.workflows.heard import Heard
from codeai.workflows.run_commands import RunCommands
from codeai.workflows.standing import is_long_for, is_over_budget

Answer = TypeVar("Answer")


class KeptRun(RunCommands):
    """A run that outlives its workflow runs: all that it knows stands in `Carried`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = ExecuteInput()
        self.undone = False
        """An undo block has run."""
        self.undo_seq = 0
        """The number of the step that the next undo block is; 0: that behind the machine's last."""
        self.is_bound = False
        """It is too large to continue as new."""
        self.ended_as: str | None = None
        """How the row of an ended run said that it had ended, while it waits to go on."""
        self.saving: asyncio.Future[Nothing] | None = None

    def _take_answers(self) -> None:
        for answer in self.effects.take_answers():
            self.machine.answer(answer.step, answer.result)
            may_ask_again = self.machine.may_ask_again(answer.step)
            if not may_ask_again:
                self.effects.tried.pop(answer.step, None)
            in_row = answer.in_row and not may_ask_again
            self.journal.answered(answer.step, None if in_row else answer.result)

    # Continue-as-new

    def _is_over_budget(self, *, hard: bool) -> bool:
        return not self.is_bound and is_over_budget(self.effects.run.budget, self.journal.size, hard=hard)

    def _is_long(self) -> bool:
        return not self.is_bound and is_long_for(self.effects)

    async def _continue_as_new(self, undoing: Undoing | None = None) -> None:
        """Goes on in a new workflow run: commands under way are handed over (the runner re-attaches), waits are
        data, all else is awaited. Comes back only where a cancel comes first, or where it cannot."""
        effects = self.effects
        is_quiet = False
        while not is_quiet:
            try:
                await workflow.wait_condition(self._may_stop)
            except asyncio.CancelledError:
                self._cancel()
                return
            # With a command, that nothing is said to the run stands in the history before anything that is said later.
            self.decide()
            self._take_answers()
            effects.recall_notes()
            await self._saved()
            await self._shielded(calls.SAVE_CHECKPOINT(await self._kept(undoing)))
            is_quiet = self._may_stop() and not effects.answered and effects.notes.is_empty
        # Nothing is awaited from here on: what came meanwhile is carried.
        again = ExecuteInput(execution=self.record.id, carried=self._carried(undoing))
        try:
            must_fit(again, "what the run knows, with the files of its workspace,")
        except Fault as fault:  # Temporal would not take it: the run ends in this workflow run
            self.is_bound = True
            if undoing is None:
                error = ErrorValue(fault.kind, fault.message)
                self.machine.give_up(error)
                self.journal.gave_up(error)
        else:
            go_on_as_new(again)

    def _queue_as_new(self, loaded: LoadResult) -> NoReturn:
        """Goes on waiting for its lane in a new workflow run, as the same run with the same program."""
        queued = self._queued(
            loaded.concurrency, park_timeout=loaded.park_timeout, workspace=loaded.workspace, early=self.early
        )
        go_on_as_new(self.asked.model_copy(update={"queued": queued, "queued_since": self.lane.since}))

    def _queued(self, concurrency: Concurrency, **loaded: Any) -> Queued:
        """What a run that waits for its lane carries on, with what was said to it."""
        return Queued(
            record=self.record,
            program=self.program_hash,
            lane=self.lane.key or "",
            concurrency=concurrency.value,
            position=self.lane.position,
            paused=self.paused,
            heard=self.heard.words,
            refusals=self.heard.refusals,
            bodies=self.heard.bodies,
            run=self.run_number + 1,
            **loaded,
        )

    def _take_up_queued(self, queued: Queued) -> None:
        """Goes on waiting where the workflow run before this one stopped. Before anything is awaited: what is said to
        the run comes on top of it."""
        self.record, self.run_number = queued.record, queued.run
        self.paused, self.early = queued.paused, queued.early
        self.heard = Heard(queued.heard, queued.refusals, queued.bodies)
        self.lane.key, self.lane.position = queued.lane, queued.position

    async def _kept(self, undoing: Undoing | None = None) -> CheckpointInput:
        """What is kept of the run as it stands, with what it has to tell."""
        notes = await self._shielded(self.effects.notes.take())
        return CheckpointInput(
            execution_id=self.record.id, notes=notes, checkpoint=self._checkpoint(self._carried(undoing))
        )

    def _save_soon(self) -> None:
        """Keeps the state of a run that parks, while it listens to what is said."""
        kept = CheckpointInput(execution_id=self.record.id, checkpoint=self._checkpoint(self._carried()))
        before, self.saving = self.saving, None

        async def save() -> Nothing:
            if before is not None:
                await before
            return await calls.SAVE_CHECKPOINT(kept)

        self.saving = asyncio.ensure_future(save())

    async def _saved(self) -> None:
        """What is being kept may not come after what is kept later."""
        if self.saving is not None:
            await self._shielded(self.saving)

    def _may_stop(self) -> bool:
        return self.effects.only_commands and workflow.all_handlers_finished()

    def _carried(self, undoing: Undoing | None = None) -> Carried:
        effects = self.effects
        run = effects.run
        return Carried(
            record=self.record.model_copy(update={"inputs": {}}),
            program=self.program_hash,
            state=pack(self.machine.state()),
            places=effects.places.known,
            lost=tuple(effects.places.lost),
            at=effects.at,
            silent=effects.silent,
            budget=run.budget,
            cancelled=self.cancelled,
            paused=self.paused,
            undoing=undoing,
            attempts=effects.attempts,
            tried=effects.tried,
            has_run=tuple(sorted(effects.has_run)),
            parking=self.park.parking,
            ends_by=self.park.ends_by,
            heard=self.heard.words,
            refusals=self.heard.refusals,
            bodies=self.heard.bodies,
            undone=self.undone,
            undo_seq=self.undo_seq,
            since=effects.since,
            decisions=effects.decisions,
            secrets=tuple(effects.secrets),
            status_text=effects.status_text,
            use_secrets=run.use_secrets,
            depth=run.depth,
            workspace=run.workspace,
            run=self.run_number + 1,
            lane=self.lane.key,
        )

    def _checkpoint(self, carried: Carried) -> Checkpoint:
        return Checkpoint(
            run=self.run_number,
            carried=pack(carried.model_dump(mode="json", exclude_defaults=True)),
            journal=pack(self.journal.rounds),
        )

    # A command to an ended run

    async def _wait_again(self, status: str) -> None:
        """An ended run waits for lane and host as one that begins does, and its row is `queued`: who would cancel or
        stop it finds it, and retention leaves it alone. Raises Refused(not_found) where retention came first."""
        asked = self.asked
        self.ended_as, self.run_status = asked.ended_as or status, ExecutionStatus.QUEUED
        try:
            await self._shielded(self._row_is(ExecutionStatus.QUEUED), interruptible=True)
        except ApplicationError as error:  # as a local activity has raised it
            self.begun, self.ended_as = False, None
            raise Refused(RunError(kind=error.type or "internal", message=error.message)) from None
        turn = self.lane.take(self.lane.key, self.record, Concurrency.QUEUE, asked.queued_since)
        if not await self._shielded(turn, interruptible=True):
            while not (self.effects.notes.is_empty and workflow.all_handlers_finished()):
                await self.effects.notes.write()
                await workflow.wait_condition(workflow.all_handlers_finished)
            again = {
                "queued": self._queued(Concurrency.QUEUE),
                "queued_since": self.lane.since,
                "ended_as": self.ended_as,
            }
            go_on_as_new(asked.model_copy(update=again))
        self.run_status = ExecutionStatus.RUNNING

    async def _row_is(self, status: ExecutionStatus) -> None:
        """Takes the row of an ended run up again. At once: what only a command took along could be lost with its host,
        and a row that has ended hears of nothing that follows."""
        self.effects.notes.status(status.value, None, reopens=True)
        await self.effects.notes.write()

    # Its end

    async def _leave_as_it_was(self) -> None:
        """A command to an ended run came to nothing: the row says again how that had ended."""
        if self.ended_as is not None:
            notes = self.effects.notes if self.begun else Notebook(self.record.id)
            if not self.begun:
                notes.restore(self.early)
            notes.status(self.ended_as, None)
            await self._shielded(notes.write())
        await self._leave()

    async def _leave(self) -> None:
        """Gives the lane back, and lets every command have its answer."""
        self.over = True
        await self._shielded(self.lane.give_back())
        while not workflow.all_handlers_finished():
            with suppress(asyncio.CancelledError):  # of which the run has no use any more
                await workflow.wait_condition(workflow.all_handlers_finished)

    # Cancelling

    def _cancel(self) -> None:
        """Temporal's cancel: the machine unwinds and its commands die; asked again it changes nothing."""
        if not self.cancelled:
            self._heard_cancel()
            self.paused = False
            self._cancel_machine()

    def _cancel_machine(self) -> None:
        self.machine.cancel()
        self.journal.cancelled()

    async def _shielded(self, work: Awaitable[Answer], *, interruptible: bool = False) -> Answer:
        """Awaits `work` through cancellation: undo and records are never interrupted. An `interruptible` one
        is left alone at a cancel, which is raised."""
        task = asyncio.ensure_future(work)
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                self._heard_cancel()
                if interruptible:
                    raise
        return task.result()
