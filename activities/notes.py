"""Notes: what a run had to tell, written inside whatever transaction takes them along."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.exceptions import ApplicationError

from codeai.activities.canonical import at, canonical
from codeai.activities.entries import command_entry
from codeai.persistence.audit import Audit
from codeai.persistence.executions import Executions
from codeai.persistence.logs import Logs, NewChunk
from codeai.persistence.steps import NewStep, Steps
from codeai.workflows.contracts.steps import LogLine, Notes, StepBegun

LOG_STREAM = "log"


async def write_notes_of(rows: AsyncSession, execution_id: str, notes: Notes) -> None:
    """Writes what a run had to tell, in its order: lines, steps, status.

    Raises ApplicationError(not_found) for an ended run that is to be taken up again and was deleted meanwhile.
    """
    if notes.reopens and not await Executions(rows).hold(execution_id):
        raise ApplicationError("there is no such run any more", type="not_found", non_retryable=True)
    await append_lines(rows, execution_id, notes.lines)
    steps = Steps(rows)
    for begun in notes.begun:
        await steps.started(new_step(execution_id, begun))
    for ended in notes.ended:
        await steps.ended(
            ended.step_id,
            ended.attempt,
            ended.status,
            completed_at=at(ended.completed_at),
            result=canonical(ended.answer),
        )
    for told in notes.told:
        await Audit(rows).append(command_entry(execution_id, told))
        if told.program is not None:
            await Executions(rows).set_program(execution_id, told.program)
    if notes.status is not None:
        if notes.reopens:
            await Executions(rows).reopen(execution_id, notes.status)
        else:
            await Executions(rows).set_status(execution_id, notes.status, notes.status_text)


def new_step(execution_id: str, begun: StepBegun) -> NewStep:
    """The row of an effect that is no command, as it begins."""
    return NewStep(
        id=begun.step_id,
        execution_id=execution_id,
        seq=begun.seq,
        kind=begun.kind,
        line=begun.line,
        attempt=begun.attempt,
        command=begun.command,
        host=begun.host,
        arguments=canonical(begun.arguments),
        started_at=at(begun.started_at),
        undo=canonical(begun.undo) if begun.undo else None,
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
            kept=line.kept,
        )
        for line in lines
    ]
    await Logs(rows).append(execution_id, chunks)
