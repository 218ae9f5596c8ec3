"""Checkpoints: a run's state as it was when it continued as new, parked or ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, columns, is_uuid, key


class CheckpointRow(Base):
    __tablename__ = "execution_checkpoints"

    execution_id: Mapped[str] = mapped_column(key(), primary_key=True)
    run: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    journal: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run at the end of its `run`-th workflow run: what it carried on (`text`) and its `journal` since the
    checkpoint before, both JSON, deflated, base64."""

    execution_id: str
    run: int
    text: str
    journal: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """What is kept of runs between their workflow runs."""

    rows: Rows

    async def save(self, execution_id: str, run: int, text: str, journal: str = "") -> None:
        """Keeps a checkpoint; the same run's newer one takes its place."""
        row = insert(CheckpointRow).values(execution_id=execution_id, run=run, text=text, journal=journal)
        await self.rows.execute(
            row.on_conflict_do_update(
                index_elements=["execution_id", "run"],
                set_={
                    "text": row.excluded.text,
                    "journal": row.excluded.journal,
                    "created_at": func.clock_timestamp(),
                },
            )
        )

    async def journals(self, execution_id: str) -> dict[int, str]:
        """The journals of a run by the number of the workflow run, oldest first."""
        asked = (
            select(CheckpointRow.run, CheckpointRow.journal)
            .where(CheckpointRow.execution_id == execution_id, CheckpointRow.journal != "")
            .order_by(CheckpointRow.run)
        )
        return dict((await self.rows.execute(asked)).all())

    async def before(self, execution_id: str, run: int) -> str | None:
        """What the workflow run before `run` carried on; None for the first."""
        asked = (
            select(CheckpointRow.text)
            .where(CheckpointRow.execution_id == execution_id, CheckpointRow.run < run)
            .order_by(CheckpointRow.run.desc())
            .limit(1)
        )
        return (await self.rows.execute(asked)).scalar_one_or_none()

    async def newest(self, execution_id: str) -> Checkpoint | None:
        if not is_uuid(execution_id):
            return None
        asked = (
            select(*columns(Checkpoint, CheckpointRow))
            .where(CheckpointRow.execution_id == execution_id)
            .order_by(CheckpointRow.run.desc())
            .limit(1)
        )
        found = (await self.rows.execute(asked)).one_or_none()
        return None if found is None else Checkpoint(*found)
