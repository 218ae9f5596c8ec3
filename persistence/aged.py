"""Rows past their time: deleted in batches, each small enough for a transaction that nobody notices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from codeai.persistence.base import is_uuid
from codeai.persistence.checkpoints import CheckpointRow
from codeai.persistence.event_waits import EventWaitRow
from codeai.persistence.events import EventRow
from codeai.persistence.executions import ENDED, ExecutionRow
from codeai.persistence.logs import LogRow
from codeai.persistence.steps import StepRow
from codeai.persistence.workspaces import WorkspaceRow

ROWS = 5_000
"""Most rows of one kind in a batch."""
RUNS = 100
"""Most runs in a batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch has deleted; `more`: others are left."""

    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class Aged:
    """What is deleted, and asked, by age."""

    rows: AsyncSession

    async def delete_logs(self, before: datetime) -> Batch:
        """The log lines of runs that ended before. A run without lines has no bytes of them."""
        ids = await self._runs(_ended(before), ExecutionRow.log_bytes > 0)
        gone = await self._delete_lines(ids)
        if gone == ROWS:
            return Batch(gone, more=True)
        await self.rows.execute(update(ExecutionRow).where(ExecutionRow.id.in_(ids)).values(log_bytes=0))
        return Batch(gone, more=len(ids) == RUNS)

    async def delete_executions(self, before: datetime) -> Batch:
        """Runs that ended before, with all that is theirs. The newest of a deployment stays: it says how that is."""
        newer = aliased(ExecutionRow)
        followed = exists().where(
            newer.deployment_id == ExecutionRow.deployment_id,
            tuple_(newer.started_at, newer.id) > tuple_(ExecutionRow.started_at, ExecutionRow.id),
        )
        ids = await self._runs(_ended(before), or_(ExecutionRow.deployment_id.is_(None), followed))
        if await self._delete_lines(ids) == ROWS:
            return Batch(0, more=True)
        for table in (StepRow, CheckpointRow, EventWaitRow, WorkspaceRow):
            await self.rows.execute(delete(table).where(table.execution_id.in_(ids)))
        await self.rows.execute(delete(ExecutionRow).where(ExecutionRow.id.in_(ids)))
        return Batch(len(ids), more=len(ids) == RUNS)

    async def delete_events(self, before: datetime) -> Batch:
        """Events that were stored before."""
        ids = select(EventRow.id).where(EventRow.stored_at < before).limit(ROWS)
        gone = await self.rows.execute(delete(EventRow).where(EventRow.id.in_(ids)).returning(EventRow.id))
        count = len(gone.all())
        return Batch(count, more=count == ROWS)

    async def still_needed(self, executions: Iterable[str], before: datetime) -> set[str]:
        """Those of the runs that have not ended, or not before. A run without a row was deleted."""
        asked = select(ExecutionRow.id).where(
            ExecutionRow.id.in_([id for id in executions if is_uuid(id)]), ~_ended(before)
        )
        return set((await self.rows.execute(asked)).scalars())

    async def _runs(self, *conditions: ColumnElement[bool]) -> list[str]:
        """Held until the transaction ends; one that a command reopens just now is none of them."""
        asked = select(ExecutionRow.id).where(*conditions).limit(RUNS).with_for_update(skip_locked=True)
        return list((await self.rows.execute(asked)).scalars())

    async def _delete_lines(self, runs: list[str]) -> int:
        lines = select(LogRow.execution_id, LogRow.offset).where(LogRow.execution_id.in_(runs)).limit(ROWS)
        gone = delete(LogRow).where(tuple_(LogRow.execution_id, LogRow.offset).in_(lines))
        return len((await self.rows.execute(gone.returning(LogRow.offset))).all())


def _ended(before: datetime) -> ColumnElement[bool]:
    return ExecutionRow.status.in_(ENDED) & (ExecutionRow.completed_at < before).is_(True)


DELETIONS: dict[str, Callable[[Aged, datetime], Awaitable[Batch]]] = {
    "logs": Aged.delete_logs,
    "executions": Aged.delete_executions,
    "events": Aged.delete_events,
}
"""How each of `AGED` is deleted (★)."""
