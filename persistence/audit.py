"""The audit log: who changed what. Rows are only added, and each holds the hash of the one before."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Index, func, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, columns, key, storable
from codeai.persistence.chain import FIRST, hash_of
from codeai.persistence.pages import Listed, Order, Page, Slice, read_page

CHAIN_LOCK = 0x636F6465
"""The advisory lock that makes the chain one chain: who appends holds it until the commit."""


class AuditRow(Base):
    __tablename__ = "audit_log"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(key(), unique=True)
    at: Mapped[datetime]
    actor: Mapped[str | None]
    via: Mapped[str]
    action: Mapped[str]
    entity: Mapped[str]
    request_id: Mapped[str | None]
    workflow_id: Mapped[str | None]
    details: Mapped[str]
    previous: Mapped[str]
    hash: Mapped[str]

    __table_args__ = (
        Index("ix_audit_log_entity_seq", "entity", "seq"),
        Index("ix_audit_log_actor_seq", "actor", "seq"),
    )


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One thing that somebody did. `via` is api, cli, temporal or run (a step of a program), `entity` `<kind>/<id>`,
    `details` canonical JSON; `id` makes it one entry, however often it is written."""

    id: str
    at: datetime
    actor: str | None
    via: str
    action: str
    entity: str
    request_id: str | None = None
    details: str = "{}"
    workflow_id: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is read. `hash` covers all that stands before it in the row, `previous` included."""

    seq: int
    id: str
    at: datetime
    actor: str | None
    via: str
    action: str
    entity: str
    request_id: str | None
    workflow_id: str | None
    details: str
    previous: str
    hash: str


NEWEST_FIRST = Order((AuditRow.seq,))


@dataclass(frozen=True, slots=True)
class Audit:
    """What is written and asked about who did what."""

    rows: Rows

    async def append(self, new: NewEntry) -> None:
        """Adds the entry at the chain's end. Again: changes nothing."""
        await self.rows.execute(select(func.pg_advisory_xact_lock(CHAIN_LOCK)))
        known = select(AuditRow.seq).where(AuditRow.id == new.id).exists()
        newest = select(AuditRow.seq, AuditRow.hash, known.label("known")).order_by(AuditRow.seq.desc())
        last = (await self.rows.execute(newest.limit(1))).one_or_none()
        if last is not None and last.known:
            return
        seq, previous = (last.seq + 1, last.hash) if last else (1, FIRST)
        values = {field.name: getattr(new, field.name) for field in fields(new)}
        row = {name: storable(one) if isinstance(one, str) else one for name, one in values.items()}
        row |= {"seq": seq, "previous": previous}
        await self.rows.execute(insert(AuditRow).values(row | {"hash": hash_of(row)}))

    async def one(self, id: str) -> Entry | None:
        found = (await self.rows.execute(select(*columns(Entry, AuditRow)).where(AuditRow.id == id))).first()
        return None if found is None else Entry(*found)

    async def has(self, id: str) -> bool:
        """Whether the entry was written: then what it tells of is done."""
        return (await self.rows.execute(select(AuditRow.seq).where(AuditRow.id == id))).first() is not None

    async def details(self, id: str) -> str | None:
        """What the entry tells besides, as canonical JSON; None where it was not written."""
        asked = select(AuditRow.details).where(AuditRow.id == id)
        return (await self.rows.execute(asked)).scalar_one_or_none()

    async def page(self, page: Page, where: ColumnElement[bool] | None = None) -> Slice[Entry]:
        """The entries of which `where` is true, newest first."""
        return await read_page(self.rows, LISTED.narrowed(where), page)

    async def behind(self, seq: int, most: int, where: ColumnElement[bool] | None = None) -> list[Entry]:
        """The entries of which `where` is true, oldest first, from behind `seq`."""
        asked = LISTED.narrowed(where).statement.where(AuditRow.seq > seq)
        return [Entry(*row) for row in await self.rows.execute(asked.order_by(AuditRow.seq).limit(most))]


LISTED = Listed(select(*columns(Entry, AuditRow)), NEWEST_FIRST, Entry)
