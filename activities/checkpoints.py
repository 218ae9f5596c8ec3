"""Checkpoints: what is kept of a run when it continues as new or ends, and found again by a command to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from codeai.activities.notes import write_notes_of
from codeai.persistence.checkpoints import Checkpoints
from codeai.persistence.engine import Database
from codeai.persistence.executions import Executions
from codeai.persistence.steps import Steps
from codeai.workflows.contracts.records import (
    MOST_CARRIED,
    Checkpoint,
    CheckpointFound,
    CheckpointInput,
    CheckpointWanted,
    Nothing,
)


@dataclass(frozen=True, slots=True)
class CheckpointRecords:
    """Keeps and finds them."""

    database: Database

    @activity.defn(name="save_checkpoint")
    async def save_checkpoint(self, given: CheckpointInput) -> Nothing:
        async with self.database.transaction() as rows:
            await write_notes_of(rows, given.execution_id, given.notes)
            await save(rows, given.execution_id, given.checkpoint)
        return Nothing()

    @activity.defn(name="find_checkpoint")
    async def find_checkpoint(self, given: CheckpointWanted) -> CheckpointFound:
        async with self.database.session() as rows:
            run = await Executions(rows).get(given.execution_id)
            kept = await Checkpoints(rows).newest(given.execution_id)
            interrupted = await Steps(rows).interrupted_undos(given.execution_id)
            attempts = await Steps(rows).interrupted_attempts(given.execution_id)
            last = await Steps(rows).last_begun(given.execution_id)
        is_too_large = kept is not None and len(kept.text.encode()) > MOST_CARRIED
        return CheckpointFound(
            carried=kept.text if kept and not is_too_large else None,
            is_too_large=is_too_large,
            status=run.status if run else None,
            interrupted=tuple(interrupted),
            attempts=attempts,
            last_begun=last,
        )

    def activities(self) -> list[Callable[..., Any]]:
        return [self.save_checkpoint, self.find_checkpoint]


async def save(rows: AsyncSession, execution_id: str, checkpoint: Checkpoint) -> None:
    """Keeps a checkpoint of a run."""
    await Checkpoints(rows).save(execution_id, checkpoint.run, checkpoint.carried, checkpoint.journal)
