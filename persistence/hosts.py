"""Hosts: what shares a workspace root, and when a worker of it was last seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, as_shape, columns, key


class HostRow(Base):
    __tablename__ = "hosts"

    id: Mapped[str] = mapped_column(key(), primary_key=True)
    name: Mapped[str]
    spool_id: Mapped[str]
    first_seen: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Host:
    """A host as it is read: `name` is the machine's, `spool_id` the spool's that it had when last seen."""

    id: str
    name: str
    spool_id: str
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Hosts:
    """What is written and asked about hosts."""

    rows: Rows

    async def seen(self, id: str, name: str, spool_id: str, at: datetime) -> None:
        """A worker of the host is there. An older sighting changes nothing."""
        row = insert(HostRow).values(id=id, name=name, spool_id=spool_id, last_seen=at)
        await self.rows.execute(
            row.on_conflict_do_update(
                index_elements=["id"],
                set_={name: row.excluded[name] for name in ("name", "spool_id", "last_seen")},
                where=HostRow.last_seen < row.excluded.last_seen,
            )
        )

    async def all(self) -> list[Host]:
        """Every host, the one seen last first."""
        asked = select(*columns(Host, HostRow)).order_by(HostRow.last_seen.desc(), HostRow.id)
        return [as_shape(Host, row) for row in await self.rows.execute(asked)]
