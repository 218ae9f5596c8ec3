"""What the runner needs of the database, by the repositories: a step began, printed, ended."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from codeai.activities.canonical import canonical
from codeai.activities.notes import write_notes_of
from codeai.activities.shell.record import Chunk
from codeai.dsl.brief import brief
from codeai.dsl.values import HIDDEN
from codeai.persistence.engine import Database
from codeai.persistence.logs import Logs, NewChunk, NoSuchExecution
from codeai.persistence.steps import NewStep, Steps
from codeai.workflows.contracts.shell import CommandInput, CommandResult


@dataclass(frozen=True, slots=True)
class StepRecords:
    """The runner's `StepRecord` on Postgres: durable when it returns, the same however often it is called."""

    database: Database

    async def started(self, step: CommandInput, host: str, at: datetime) -> bool:
        opened = self.database.single if step.notes.is_empty else self.database.transaction
        async with opened() as rows:
            await write_notes_of(rows, step.execution_id, step.notes)
            return await Steps(rows).started(
                NewStep(
                    id=step.step_id,
                    execution_id=step.execution_id,
                    seq=step.seq,
                    kind=step.kind,
                    line=step.line,
                    attempt=step.attempt,
                    command=step.text,
                    started_at=at,
                    host=host,
                    undo=canonical(step.undo) if step.undo else None,
                    arguments=canonical(_seen(step)) if step.kind == "undo" else None,
                )
            )

    async def ending(self, step: CommandInput) -> CommandResult | None:
        async with self.database.session() as rows:
            found = await Steps(rows).ending(step.step_id, step.attempt)
        return None if found is None else CommandResult.model_validate_json(found)

    async def output(self, execution_id: str, chunks: Sequence[Chunk]) -> None:
        async with self.database.transaction() as rows:
            if chunks and await Steps(rows).is_past(chunks[0].step_id, chunks[0].attempt):
                return
            new = [
                NewChunk(one.step_id, one.attempt, one.position, one.stream, one.time, one.text)
                for one in chunks
            ]
            with suppress(NoSuchExecution):  # a run has its row before its host: this one was deleted since
                await Logs(rows).append(execution_id, new)

    async def ended(self, step: CommandInput, result: CommandResult, at: datetime) -> None:
        async with self.database.single() as rows:
            await Steps(rows).ended(
                step.step_id,
                step.attempt,
                result.outcome.value,
                result.exit_code,
                result.stdout,
                result.stderr,
                completed_at=at,
                result=canonical(result),
            )


def _seen(block: CommandInput) -> dict[str, Any]:
    """What an undo block undoes, and its variables as people may see them: they are its exec's, of long ago. What that
    has said stands with its step."""
    plain = {name: brief(text) for name, text in block.env.items() if not name.startswith("CODEAI_STEP_")}
    return {"undoes": block.undoes, "variables": {**plain, **dict.fromkeys(block.secrets, HIDDEN)}}
