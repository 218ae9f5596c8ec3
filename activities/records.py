"""The bookkeeping of runs: rows that can be written again and again with the same outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from codeai.activities.canonical import at, canonical
from codeai.persistence.engine import Database
from codeai.persistence.executions import Executions, NewExecution
from codeai.persistence.logs import Logs, NewChunk
from codeai.persistence.steps import Steps
from codeai.workflows.contracts.executions import ExecutionRecord
from codeai.workflows.contracts.records import (
    CloseInput,
    Nothing,
    StatusInput,
    UndoableStep,
    UndoEntriesInput,
    UndoEntriesResult,
    WriteLogInput,
)
from codeai.workflows.contracts.shell import LogLine, UndoEntry

LOG_STREAM = "log"


@dataclass(frozen=True, slots=True)
class Records:
    """The activities of a run that touch nothing but the database."""

    database: Database

    @activity.defn(name="write_log")
    async def write_log(self, given: WriteLogInput) -> Nothing:
        async with self.database.transaction() as rows:
            await append_lines(rows, given.execution_id, given.lines)
        return Nothing()

    @activity.defn(name="record_status")
    async def record_status(self, given: StatusInput) -> Nothing:
        async with self.database.single() as rows:
            await Executions(rows).set_status(given.execution_id, given.status.value, given.status_text)
        return Nothing()

    @activity.defn(name="close_execution")
    async def close_execution(self, given: CloseInput) -> Nothing:
        if not given.lines:  # most runs: they have a row, and one statement ends it
            async with self.database.single() as rows:
                if await close(rows, given):
                    return Nothing()
        async with self.database.transaction() as rows:
            await Executions(rows).open(first_row(given.execution))
            await append_lines(rows, given.execution.id, given.lines)
            await close(rows, given)
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
                    stdout=step.stdout or "",
                    exit_code=step.exit_code,
                    entry=UndoEntry.model_validate_json(step.undo),
                )
                for step in steps
                if step.undo is not None
            )
        )

    def activities(self) -> list[Callable[..., Any]]:
        return [self.write_log, self.record_status, self.close_execution, self.undo_entries]


def first_row(record: ExecutionRecord, host: str | None = None) -> NewExecution:
    """The row of a run as it begins."""
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
        host=host,
    )


async def close(rows: AsyncSession, given: CloseInput) -> bool:
    """Writes a run's end. Answers whether it was written."""
    return await Executions(rows).close(
        given.execution.id,
        given.status.value,
        canonical(given.result),
        canonical(given.error) if given.error else None,
        canonical(list(given.undo_failed)),
        at(given.completed_at),
    )


async def append_lines(rows: AsyncSession, execution_id: str, lines: Sequence[LogLine]) -> None:
    """Lines of `log()`: the step alone makes each unique, as there is one line a step."""
    if not lines:
        return
    chunks = [
        NewChunk(
            step_id=line.step_id,
            attempt=1,
            position=0,
            stream=LOG_STREAM,
            time=at(line.time),
            text=line.text + "\n" if line.level == "info" else f"{line.level}: {line.text}\n",
        )
        for line in lines
    ]
    await Logs(rows).append(execution_id, chunks)
