"""Publishing: an event is stored, then told to whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import activity

from codeai.activities.telling import row_of, tell_waits
from codeai.persistence.engine import Database
from codeai.persistence.events import Events
from codeai.workflows.contracts.events import EventRecord, EventStored
from codeai.workflows.contracts.records import Nothing


@dataclass(frozen=True, slots=True)
class Publishing:
    """The activities of `PublishEvent`."""

    database: Database

    @activity.defn(name="store_event")
    async def store_event(self, given: EventRecord) -> EventStored:
        async with self.database.single() as rows:
            await Events(rows).store(row_of(given))
        return EventStored(id=given.id, type=given.type)

    @activity.defn(name="tell_waits")
    async def tell_waits(self, given: EventStored) -> Nothing:
        await tell_waits(self.database, given.id, given.type)
        return Nothing()

    def activities(self) -> list[Callable[..., Any]]:
        return [self.store_event, self.tell_waits]
