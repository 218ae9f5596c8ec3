"""Events: what happened, stored before anybody is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Index, Select, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, columns, is_uuid, key
from codeai.persistence.pages import Listed, Order, Page, Slice, read_page

AT_ONCE = 200
"""Events that one question reads."""


class EventRow(Base):
    __tablename__ = "events"

    id: Mapped[str] = mapped_column(key(), primary_key=True)
    type: Mapped[str]
    source: Mapped[str]
    timestamp: Mapped[datetime]
    data: Mapped[str]
    # `metadata` is SQLAlchemy's own name on a mapped class.
    about: Mapped[str] = mapped_column("metadata")
    stored_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (
        Index("ix_events_timestamp_id", "timestamp", "id"),
        Index("ix_events_type_timestamp_id", "type", "timestamp", "id"),
        Index("ix_events_stored_at_id", "stored_at", "id"),
        Index("ix_events_type_stored_at_id", "type", "stored_at", "id"),
    )


@dataclass(frozen=True, slots=True)
class Event:
    """An event. `data` and `about` (its metadata: correlation, cause, depth) are canonical JSON; the database says
    when it was stored."""

    id: str
    type: str
    source: str
    timestamp: datetime
    data: str = "{}"
    about: str = "{}"
    stored_at: datetime | None = field(default=None, compare=False)


NEWEST_FIRST = Order((EventRow.timestamp, EventRow.id))


@dataclass(frozen=True, slots=True)
class Events:
    """What is written and asked about events."""

    rows: Rows

    async def store(self, event: Event) -> None:
        """Keeps the event. Again: changes nothing.

        It counts as stored no earlier than it happened, whatever the clock of the database says: a wait that began
        before the event happened finds it.
        """
        values = {one.name: getattr(event, one.name) for one in fields(event)}
        values["stored_at"] = func.greatest(func.clock_timestamp(), event.timestamp)
        await self.rows.execute(insert(EventRow).values(values).on_conflict_do_nothing())

    async def get(self, id: str) -> Event | None:
        if not is_uuid(id):
            return None
        found = (await self.rows.execute(_read().where(EventRow.id == id))).one_or_none()
        return None if found is None else Event(*found)

    async def newest(self) -> Event | None:
        """The event that was stored last."""
        asked = _read().order_by(EventRow.stored_at.desc(), EventRow.id.desc()).limit(1)
        found = (await self.rows.execute(asked)).one_or_none()
        return None if found is None else Event(*found)

    async def page(
        self, page: Page, type: str | None = None, where: ColumnElement[bool] | None = None
    ) -> Slice[Event]:
        """The events, newest first; those of which `where` is true."""
        asked = LISTED if type is None else LISTED.narrowed(EventRow.type == type)
        return await read_page(self.rows, asked.narrowed(where), page)

    async def stored_since(self, since: datetime, type: str | None = None) -> AsyncIterator[Event]:
        """The events that were stored at that time or later, in the order in which they were."""
        asked = _read().where(EventRow.stored_at >= since).order_by(EventRow.stored_at, EventRow.id)
        asked = asked.limit(AT_ONCE) if type is None else asked.limit(AT_ONCE).where(EventRow.type == type)
        found = [Event(*row) for row in await self.rows.execute(asked)]
        while found:
            for event in found:
                yield event
            if len(found) < AT_ONCE:
                return
            place = tuple_(EventRow.stored_at, EventRow.id) > (found[-1].stored_at, found[-1].id)
            found = [Event(*row) for row in await self.rows.execute(asked.where(place))]


def _read() -> Select[Any]:
    return select(*columns(Event, EventRow))


LISTED = Listed(_read(), NEWEST_FIRST, Event)
