"""Events in the order in which they were stored, and the waits for them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from codeai.persistence import events as module
from codeai.persistence.engine import Database
from codeai.persistence.event_waits import EventWait, EventWaits
from codeai.persistence.events import Event, Events

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def event(type: str = "custom.one", happened: datetime = LONG_AGO) -> Event:
    return Event(str(uuid.uuid4()), type, "a test", happened)


async def store(database: Database, *events: Event) -> None:
    for one in events:
        async with database.transaction() as rows:
            await Events(rows).store(one)


async def since(database: Database, moment: datetime, type: str | None = None) -> list[Event]:
    async with database.session() as rows:
        return [one async for one in Events(rows).stored_since(moment, type)]


async def test_events_come_in_the_order_in_which_they_were_stored(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    kept = [event(happened=LONG_AGO - timedelta(days=n)) for n in range(5)]
    other = event("custom.other")
    await store(database, *kept[:3], other, *kept[3:])
    assert await since(database, LONG_AGO, "custom.one") == kept
    assert await since(database, LONG_AGO) == [*kept[:3], other, *kept[3:]]
    async with database.session() as rows:
        newest = await Events(rows).newest()
    assert newest == kept[-1]


async def test_what_counts_is_when_an_event_was_stored(database: Database) -> None:
    before, after = event(), event()
    await store(database, before)
    async with database.session() as rows:
        first = await Events(rows).get(before.id)
    assert first is not None and first.stored_at is not None
    await store(database, after, replace(before, data='{"again":1}'))
    found = await since(database, first.stored_at + timedelta(microseconds=1), "custom.one")
    assert found == [after]


async def test_an_event_is_not_stored_before_it_happened_whatever_the_clocks_say(database: Database) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    await store(database, event(happened=ahead))
    (found,) = await since(database, ahead, "custom.one")
    assert found.stored_at == ahead


async def test_a_wait_is_there_until_it_is_over(database: Database) -> None:
    run = str(uuid.uuid4())
    wait = EventWait(run, 3, f"execution/{run}", "custom.one", '{"a":1}', LONG_AGO)
    other = replace(wait, step=4, type="custom.other")
    for _ in range(2):
        async with database.transaction() as rows:
            await EventWaits(rows).begin(wait)
            await EventWaits(rows).begin(other)
    async with database.transaction() as rows:
        waits = EventWaits(rows)
        assert await waits.for_type("custom.one") == [wait]
        await waits.end(run, 3)
        await waits.end(run, 3)
        assert await waits.for_type("custom.one") == []
        assert await waits.for_type("custom.other") == [other]
