"""Telling: an event that was stored reaches the runs that wait for it.

Who stores an event commits, then looks for waits; who waits commits the wait, then looks for events. So at least one
of the two sees the other, whatever the order. Both may be repeated at any point: a run takes an event once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from temporalio import activity
from temporalio.service import RPCError, RPCStatusCode

from codeai.activities.canonical import at, canonical
from codeai.dsl.matching import includes
from codeai.dsl.values import Value, from_plain
from codeai.persistence.engine import Database
from codeai.persistence.event_waits import EventWait, EventWaits
from codeai.persistence.events import Event, Events
from codeai.workflows.contracts.commands import EventArrived
from codeai.workflows.contracts.events import EventMetadata, EventRecord

SIGNAL = "event"
AT_ONCE = 16
"""Runs that one event is told to at a time."""
RPC_LIMIT = timedelta(seconds=5)

log = structlog.get_logger()


def row_of(event: EventRecord) -> Event:
    """The event as it is stored."""
    return Event(
        id=event.id,
        type=event.type,
        source=event.source,
        timestamp=at(event.timestamp),
        data=canonical(event.data),
        about=canonical(event.metadata.model_dump()),
    )


def record_of(row: Event) -> EventRecord:
    """The stored event as programs see it."""
    return EventRecord(
        id=row.id,
        type=row.type,
        source=row.source,
        timestamp=row.timestamp.timestamp(),
        data=json.loads(row.data),
        metadata=EventMetadata.model_validate_json(row.about),
    )


async def first_match(database: Database, wait: EventWait) -> EventRecord | None:
    """The event that a wait is over with: the first one stored since it began that has what it asks for."""
    async with database.session() as rows:
        found = await _first_matches(Events(rows), [Asking.of(wait)])
    return record_of(found[0][1]) if found else None


async def tell_waits(database: Database, event_id: str, type: str) -> None:
    """Tells the runs that wait for this event, once it is committed. An event that was not stored is told to nobody.

    Raises what Temporal raises where it does not answer, when all others were told: to be repeated.
    """
    async with database.session() as rows:
        waits = [Asking.of(wait) for wait in await EventWaits(rows).for_type(type)]
        event = await Events(rows).get(event_id) if waits else None
        met = _met(waits, event) if event is not None else []
        # An event before this one may be the first that a wait asks for, and nobody has told it yet.
        found = await _first_matches(Events(rows), met) if met else []
    await _tell_all(database, found)


async def tell_missed(database: Database, since: datetime) -> None:
    """Tells those who still wait what was stored since then: whoever stored it may have died before it told anybody.

    Raises what Temporal raises where it does not answer, when all others were told: to be repeated.
    """
    found: list[tuple[Asking, Event]] = []
    async with database.session() as rows:
        for type in await EventWaits(rows).types():
            waits = [Asking.of(wait) for wait in await EventWaits(rows).for_type(type)]
            met: list[Asking] = []
            async for event in Events(rows).stored_since(since, type):
                met += [one for one in _met(waits, event) if one not in met]
            found += await _first_matches(Events(rows), met) if met else []
    await _tell_all(database, found)


async def _tell_all(database: Database, found: Iterable[tuple[Asking, Event]]) -> None:
    at_once = asyncio.Semaphore(AT_ONCE)
    tellings = (_tell(database, asking.wait, first, at_once) for asking, first in found)
    for outcome in await asyncio.gather(*tellings, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


@dataclass(frozen=True, slots=True)
class Asking:
    """A wait with what its event must have, as a value."""

    wait: EventWait
    where: Value

    @classmethod
    def of(cls, wait: EventWait) -> Asking:
        return cls(wait, from_plain(json.loads(wait.where)))


def _met(waits: Iterable[Asking], event: Event) -> list[Asking]:
    """Those of the waits that the event fits."""
    data, stored_at = from_plain(json.loads(event.data)), event.stored_at or event.timestamp
    return [one for one in waits if one.wait.since <= stored_at and includes(data, one.where)]


async def _first_matches(events: Events, waits: list[Asking]) -> list[tuple[Asking, Event]]:
    """Each of the waits (for one type) that an event fits, with the first that does."""
    left, found = list(waits), []
    async for event in events.stored_since(min(one.wait.since for one in waits), waits[0].wait.type):
        met = _met(left, event)
        found += [(one, event) for one in met]
        left = [one for one in left if one not in met] if met else left
        if not left:
            break
    return found


async def _tell(database: Database, wait: EventWait, event: Event, at_once: asyncio.Semaphore) -> None:
    run = activity.client().get_workflow_handle(wait.workflow_id)
    arrived = EventArrived(step=wait.step, event=record_of(event).seen())
    async with at_once:
        try:
            await run.signal(SIGNAL, arrived, rpc_timeout=RPC_LIMIT)
        except RPCError as error:
            # A run that has had as many signals as it may have looks by itself when it continues as new.
            if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise
            log.info("not told", reason=str(error), workflow_id=wait.workflow_id, step=wait.step)
            if error.status is RPCStatusCode.NOT_FOUND:
                async with database.single() as rows:
                    await EventWaits(rows).end(wait.execution_id, wait.step)
