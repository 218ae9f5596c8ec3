"""Events: what happened, stored before anybody is told."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Row, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, as_shape, columns, is_uuid, key
from codeai.persistence.pages import Order, Page, Slice, read_page


class EventRow(Base):
    __tablename__ = "events"

    id: Mapped[str] = mapped_column(key(), primary_key=True)
    type: Mapped[str]
    source: Mapped[str]
    timestamp: Mapped[datetime]
    data: Mapped[str]
    # `metadata` is SQLAlchemy's own name on a mapped class.
    about: Mapped[str] = mapped_column("metadata")

    __table_args__ = (
        Index("ix_events_timestamp_id", "timestamp", "id"),
        Index("ix_events_type_timestamp_id", "type", "timestamp", "id"),
    )


@dataclass(frozen=True, slots=True)
class Event:
    """An event. `data` and `about` (its metadata: correlation, cause, depth) are canonical JSON."""

    id: str
    type: str
    source: str
    timestamp: datetime
    data: str = "{}"
    about: str = "{}"


NEWEST_FIRST = Order((EventRow.timestamp, EventRow.id))


@dataclass(frozen=True, slots=True)
class Events:
    """What is written and asked about events."""

    rows: AsyncSession

    async def store(self, event: Event) -> None:
        """Keeps the event. Again: changes nothing."""
        values = {field.name: getattr(event, field.name) for field in fields(event)}
        await self.rows.execute(insert(EventRow).values(values).on_conflict_do_nothing())

    async def get(self, id: str) -> Event | None:
        if not is_uuid(id):
            return None
        found = (await self.rows.execute(_read().where(EventRow.id == id))).one_or_none()
        return None if found is None else _event(found)

    async def page(self, page: Page, type: str | None = None) -> Slice[Event]:
        """The events, newest first."""
        asked = _read() if type is None else _read().where(EventRow.type == type)
        return await read_page(self.rows, asked, NEWEST_FIRST, page, _event)


def _read() -> Any:
    return select(*columns(Event, EventRow))


def _event(row: Row[Any]) -> Event:
    return as_shape(Event, row)
