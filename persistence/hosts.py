"""Hosts: what shares a workspace root, when a worker of it was last seen, and what it said then."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, Index, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, Words, columns, key

AHEAD = timedelta(minutes=1)
"""By how much the clock of a host may be ahead of the database's before what it says counts as older than it is."""


class HostRow(Base):
    __tablename__ = "hosts"
    __table_args__ = (Index("ix_hosts_last_seen_id", "last_seen", "id"),)

    id: Mapped[str] = mapped_column(key(), primary_key=True)
    name: Mapped[str]
    spool_id: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(ARRAY(Words()), server_default="{}")
    slots: Mapped[int] = mapped_column(server_default="0")
    slots_taken: Mapped[int] = mapped_column(server_default="0")
    first_seen: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a worker says of its host: `name` is the machine's; `labels` are those that any worker of the host serves,
    "" for the steps without one; of `slots` commands that it runs at a time `slots_taken` are under way."""

    id: str
    name: str
    spool_id: str
    labels: tuple[str, ...]
    slots: int
    slots_taken: int


@dataclass(frozen=True, slots=True)
class Host:
    """A host as it is read: as it was when last seen."""

    id: str
    name: str
    spool_id: str
    labels: list[str]
    slots: int
    slots_taken: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Hosts:
    """What is written and asked about hosts."""

    rows: Rows

    async def seen(self, sighting: Sighting, at: datetime) -> None:
        """A worker of the host is there. An older sighting changes nothing, unless its clock was ahead before."""
        row = insert(HostRow).values(**asdict(sighting), last_seen=at)
        await self.rows.execute(
            row.on_conflict_do_update(
                index_elements=["id"],
                set_={name: row.excluded[name] for name in (*asdict(sighting), "last_seen") if name != "id"},
                where=(HostRow.last_seen < row.excluded.last_seen) | (HostRow.last_seen > func.now() + AHEAD),
            )
        )

    async def seen_since(self, since: datetime, most: int) -> list[Host]:
        """The hosts that were there after `since`, at most so many: the one seen last first."""
        asked = select(*columns(Host, HostRow)).where(HostRow.last_seen > since)
        asked = asked.order_by(HostRow.last_seen.desc(), HostRow.id.desc()).limit(most)
        return [Host(*row) for row in await self.rows.execute(asked)]

    async def ids(self) -> list[str]:
        """Every host there ever was."""
        return list((await self.rows.execute(select(HostRow.id))).scalars())
