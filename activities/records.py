"""The bookkeeping of runs: rows that can be written again and again with the same outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from codeai.activities.canonical import at, canonical
from codeai.activities.checkpoints import save
from codeai.activities.entries import start_entry
from codeai.activities.notes import write_notes_of
from codeai.activities.run_events import run_events, store_events, tell_events
from codeai.dsl.environment import for_shell
from codeai.persistence.audit import Audit
from codeai.persistence.engine import Database
from codeai.persistence.executions import Ending, Executions, NewExecution
from codeai.persistence.steps import Steps
from codeai.workflows.contracts.executions import ExecutionRecord, ExecutionStatus
from codeai.workflows.contracts.records import (
    CloseInput,
    NotesInput,
    Nothing,
    UndoableStep,
    UndoEntriesInput,
    UndoEntriesResult,
)
from codeai.workflows.contracts.steps import UndoEntry


@dataclass(frozen=True, slots=True)
class Records:
    """The activities of a run that touch nothing but the database."""

    database: Database

    @activity.defn(name="write_notes")
    async def write_notes(self, given: NotesInput) -> Nothing:
        async with self.database.transaction() as rows:
            await write_notes_of(rows, given.execution_id, given.notes)
            await store_events(rows, given.events)
        await tell_events(self.database, given.events)
        return Nothing()

    @activity.defn(name="close_execution")
    async def close_execution(self, given: CloseInput) -> Nothing:
        events = run_events(
            given.execution,
            activity.info().workflow_run_id or "",
            given.status,
            given.completed_at,
            given.error,
        )
        async with self.database.transaction() as rows:
            if given.checkpoint is not None:
                await save(rows, given.execution.id, given.checkpoint)
            else:  # it has not begun, and may have no row
                await open_row(rows, given.execution)
            if not given.notes.is_empty:
                await write_notes_of(rows, given.execution.id, given.notes)
            if await close(rows, given):
                await store_events(rows, events)
        await tell_events(self.database, events)
        return Nothing()

    @activity.defn(name="undo_entries")
    async def undo_entries(self, given: UndoEntriesInput) -> UndoEntriesResult:
        async with self.database.session() as rows:
            steps = await Steps(rows).undo_entries(given.execution_id, given.steps)
        return UndoEntriesResult(
            steps=tuple(
                UndoableStep(
                    seq=step.seq,
                    outcome=step.status,
                    stdout=for_shell(step.stdout or ""),
                    exit_code=step.exit_code,
                    entry=UndoEntry.model_validate_json(step.undo),
                )
                for step in steps
                if step.undo is not None
            )
        )

    def activities(self) -> list[Callable[..., Any]]:
        return [self.write_notes, self.close_execution, self.undo_entries]


async def open_row(rows: AsyncSession, record: ExecutionRecord, **more: Any) -> bool:
    """Writes the row of a run as it begins, and that it was started. Answers whether there was something to write.
    `more` are fields of the row: `host`, `lane`, `status`."""
    written = await Executions(rows).open(replace(_first_row(record), **more))
    if written:
        await Audit(rows).append(start_entry(record))
    return written


def _first_row(record: ExecutionRecord) -> NewExecution:
    return NewExecution(
        id=record.id,
        workflow_id=record.workflow_id,
        started_at=at(record.started_at),
        deployment_id=record.deployment_id,
        config_id=record.config_id,
        version=record.version,
        content_hash=record.content_hash,
        inputs=canonical(record.inputs),
        failure_policy=record.failure_policy.value,
        triggered_by=record.triggered_by,
    )


async def close(rows: AsyncSession, given: CloseInput) -> bool:
    """Writes a run's end. Answers whether it was written."""
    ending = Ending(
        status=given.status.value,
        completed_at=at(given.completed_at),
        result=canonical(given.result),
        error=canonical(given.error) if given.error else None,
        undo_failed=canonical(list(given.undo_failed)),
        outcome_is_new=given.status is not ExecutionStatus.COMPENSATED,
    )
    return await Executions(rows).close(given.execution.id, ending)
