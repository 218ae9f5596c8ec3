"""Workspaces: where a run's files are, until its retention is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, columns, key


class WorkspaceRow(Base):
    __tablename__ = "workspaces"

    execution_id: Mapped[str] = mapped_column(key(), primary_key=True)
    host: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    removed_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Workspace:
    """A run's files on one host."""

    execution_id: str
    host: str
    created_at: datetime
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Workspaces:
    """What is written and asked about workspaces."""

    rows: AsyncSession

    async def made(self, execution_id: str, host: str) -> None:
        """The run has files on the host. Again: changes nothing."""
        row = insert(WorkspaceRow).values(execution_id=execution_id, host=host)
        await self.rows.execute(row.on_conflict_do_nothing())

    async def removed(self, execution_id: str, host: str, at: datetime) -> None:
        """The files are gone; the first removal stays."""
        await self.rows.execute(
            update(WorkspaceRow)
            .where(
                WorkspaceRow.execution_id == execution_id,
                WorkspaceRow.host == host,
                WorkspaceRow.removed_at.is_(None),
            )
            .values(removed_at=at)
        )

    async def of(self, execution_id: str) -> list[Workspace]:
        """Where the run has or had files."""
        asked = select(*columns(Workspace, WorkspaceRow)).where(WorkspaceRow.execution_id == execution_id)
        return [Workspace(*row) for row in await self.rows.execute(asked.order_by(WorkspaceRow.host))]
