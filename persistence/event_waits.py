"""Waits: which step of which run waits for an event of which type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import Index, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, columns, key
from codeai.persistence.executions import ENDED, ExecutionRow


class EventWaitRow(Base):
    __tablename__ = "event_waits"

    execution_id: Mapped[str] = mapped_column(key(), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    workflow_id: Mapped[str]
    type: Mapped[str]
    where: Mapped[str]
    since: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_event_waits_type", "type"),)


@dataclass(frozen=True, slots=True)
class EventWait:
    """A step waits for an event of `type`, stored since `since`, whose data has all of `where` (canonical JSON)."""

    execution_id: str
    step: int
    workflow_id: str
    type: str
    where: str
    since: datetime


@dataclass(frozen=True, slots=True)
class EventWaits:
    """What is written and asked about waits."""

    rows: AsyncSession

    async def begin(self, wait: EventWait) -> None:
        """From its commit on, whoever stores an event of that type finds the wait. Again: changes nothing."""
        values = {field.name: getattr(wait, field.name) for field in fields(wait)}
        await self.rows.execute(insert(EventWaitRow).values(values).on_conflict_do_nothing())

    async def end(self, execution_id: str, step: int) -> None:
        """The step waits no longer."""
        await self.rows.execute(
            delete(EventWaitRow).where(EventWaitRow.execution_id == execution_id, EventWaitRow.step == step)
        )

    async def end_all(self, execution_id: str) -> None:
        """The run waits for nothing any more."""
        await self.rows.execute(delete(EventWaitRow).where(EventWaitRow.execution_id == execution_id))

    async def end_those_of_ended_runs(self) -> None:
        """No run waits that has ended."""
        over = select(ExecutionRow.id).where(ExecutionRow.status.in_(ENDED))
        await self.rows.execute(delete(EventWaitRow).where(EventWaitRow.execution_id.in_(over)))

    async def awaited(self, types: Iterable[str]) -> set[str]:
        """Those of the types that somebody waits for."""
        asked = select(EventWaitRow.type).where(EventWaitRow.type.in_(list(types))).distinct()
        return set((await self.rows.execute(asked)).scalars())

    async def types(self) -> list[str]:
        """What somebody waits for."""
        asked = select(EventWaitRow.type).distinct().order_by(EventWaitRow.type)
        return list((await self.rows.execute(asked)).scalars())

    async def for_type(self, type: str) -> list[EventWait]:
        """The waits for events of that type, oldest first."""
        asked = (
            select(*columns(EventWait, EventWaitRow))
            .where(EventWaitRow.type == type)
            .order_by(EventWaitRow.created_at, EventWaitRow.execution_id, EventWaitRow.step)
        )
        return [EventWait(*row) for row in await self.rows.execute(asked)]
