"""The audit log: who changed what. Rows are only added, and each holds the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Row, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, as_shape, columns, key, storable
from codeai.persistence.pages import Order, Page, Slice, read_page

CHAIN_LOCK = 0x636F6465
"""The advisory lock that makes the chain one chain: who appends holds it until the commit."""
FIRST = "0" * 64


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
    details: Mapped[str]
    previous: Mapped[str]
    hash: Mapped[str]


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
    details: str
    previous: str
    hash: str


NEWEST_FIRST = Order((AuditRow.seq,))


@dataclass(frozen=True, slots=True)
class Audit:
    """What is written and asked about who did what."""

    rows: AsyncSession

    async def append(self, new: NewEntry) -> None:
        """Adds the entry at the chain's end. Again: changes nothing."""
        await self.rows.execute(select(func.pg_advisory_xact_lock(CHAIN_LOCK)))
        if await self.has(new.id):
            return
        newest = select(AuditRow.seq, AuditRow.hash).order_by(AuditRow.seq.desc()).limit(1)
        last = (await self.rows.execute(newest)).one_or_none()
        seq, previous = (last.seq + 1, last.hash) if last else (1, FIRST)
        values = {field.name: getattr(new, field.name) for field in fields(new)}
        row = values | {"seq": seq, "previous": previous}
        await self.rows.execute(insert(AuditRow).values(row | {"hash": _hash(row)}))

    async def has(self, id: str) -> bool:
        """Whether the entry was written: then what it tells of is done."""
        return (await self.rows.execute(select(AuditRow.seq).where(AuditRow.id == id))).first() is not None

    async def page(self, page: Page) -> Slice[Entry]:
        """The entries, newest first."""
        asked = select(*columns(Entry, AuditRow))
        return await read_page(self.rows, asked, NEWEST_FIRST, page, _entry)

    async def first_broken(self) -> int | None:
        """The number of the first entry that was changed or is gone; None: the chain holds."""
        previous, expected = FIRST, 1
        asked = select(*columns(Entry, AuditRow)).order_by(AuditRow.seq).execution_options(yield_per=1000)
        async for row in await self.rows.stream(asked):
            values = dict(row._mapping)
            hash = values.pop("hash")
            if values["seq"] != expected or values["previous"] != previous or _hash(values) != hash:
                return expected
            previous, expected = hash, expected + 1
        return None


def _hash(values: dict[str, Any]) -> str:
    plain = {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
    plain["at"] = values["at"].astimezone(UTC).isoformat()
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _entry(row: Row[Any]) -> Entry:
    return as_shape(Entry, row)
