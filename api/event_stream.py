"""Events as server-sent events, as they are stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from codeai.api.lifetimes import BEGINNING, Lifetime, farewell
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.streams import ALIVE_EVERY, LOOK_EVERY, event_text
from codeai.api.views import EventView
from codeai.persistence.events import Event, Events
from codeai.persistence.reads import Reads

LATE = timedelta(seconds=10)
"""By how much an event may come to light after one that was stored later: as long as a transaction may take."""

log = structlog.get_logger()


@dataclass(slots=True)
class EventStream:
    """One client that follows the events of a type, or all: those behind `last` (an event's id), else new ones."""

    database: Reads
    lifetime: Lifetime
    type: str | None = None
    last: str | None = None
    _begin: datetime = field(default=datetime.fromtimestamp(0, UTC), init=False)
    _shown: dict[str, datetime] = field(default_factory=dict, init=False)

    async def events(self) -> AsyncIterator[str]:
        """Server-sent events until the stream's time is over. A database that went away cuts the stream; the client
        comes back with Last-Event-ID."""
        yield BEGINNING
        said = time.monotonic()
        try:
            await self._find_begin()
            while True:
                await self.lifetime.check()
                for event in await self._new():
                    said = time.monotonic()
                    yield event_text("event", EventView.of(event), event.id)
                if time.monotonic() - said > ALIVE_EVERY:
                    said = time.monotonic()
                    yield ": alive\n\n"
                await asyncio.sleep(LOOK_EVERY)
        except Refused as refused:
            log.info("stream cut", reason=refused.code)
            yield farewell(refused)

    async def _find_begin(self) -> None:
        async with reading(self.database) as rows:
            events = Events(rows)
            found = await events.get(self.last) if self.last is not None else None
            found = found or await events.newest()
        if found is not None and found.stored_at is not None:
            self._begin = datetime.now(UTC) if _is_ahead(found.stored_at) else found.stored_at
            self._shown[found.id] = found.stored_at

    async def _new(self) -> list[Event]:
        newest = max((at for at in self._shown.values() if not _is_ahead(at)), default=self._begin)
        since = max(self._begin, newest - LATE)
        self._shown = {id: at for id, at in self._shown.items() if at >= since}
        async with reading(self.database) as rows:
            found = Events(rows).stored_since(since, self.type)
            new = [event async for event in found if event.id not in self._shown]
        self._shown |= {event.id: event.stored_at for event in new if event.stored_at is not None}
        return new


def _is_ahead(stored_at: datetime) -> bool:
    """Whether it is of a clock that was ahead: then it says nothing of those that come."""
    return stored_at > datetime.now(UTC) + LATE
