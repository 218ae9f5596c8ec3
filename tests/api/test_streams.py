"""How streams end: with their token, with what their caller may, and each says so."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx2
import pytest
from structlog.testing import capture_logs

from codeai.api.event_stream import EventStream
from codeai.api.lifetimes import Lifetime
from codeai.api.problems import Refused
from codeai.api.routers import audit
from codeai.persistence.engine import Database
from codeai.persistence.events import Event, Events
from codeai.persistence.reads import Reads
from tests.api.conftest import Served, token
from tests.api.test_executions import events

WAITS = 'sleep("1h")\n'
EXPIRED = ": unauthenticated: the token has expired; come again with a new one\nretry: 1000\n\n"
TAKEN_AWAY = ": forbidden: this needs the permission {}, which was taken away\nretry: 1000\n\n"


async def of_a_run(admin: httpx2.AsyncClient, program: str = WAITS) -> str:
    """The path of the stream of a run."""
    started = await admin.post("/executions", json={"program": program})
    return f"/executions/{started.json()['id']}/logs?follow=true"


async def whole(client: httpx2.AsyncClient, path: str, token: str) -> str:
    """All that a stream says until it ends by itself."""
    answer = await client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_stream_ends_with_its_token(served: Served, admin: httpx2.AsyncClient) -> None:
    log = await of_a_run(admin)
    async with served.client() as client:
        short = token("viewer", lifetime=3)
        said = await asyncio.gather(*(whole(client, path, short) for path in (log, "/events/stream")))
        assert all(text.endswith(EXPIRED) for text in said), said
        again = await client.get(log, headers={"Authorization": f"Bearer {short}"})
        assert again.status_code == 401


async def test_a_stream_ends_when_its_permission_is_taken_away(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    """No later than the next request would be refused: roles are dropped when they change."""
    log, name = await of_a_run(admin), f"reader-{uuid.uuid4()}"
    held = ["executions:read", "events:read"]
    await admin.put(f"/roles/{name}", json={"permissions": held})
    async with (
        served.client(name) as reader,
        reader.stream("GET", log) as of_run,
        reader.stream("GET", "/events/stream") as of_events,
    ):
        said = [of_run.aiter_text(), of_events.aiter_text()]
        assert all([(await anext(text)).startswith("retry: ") for text in said])
        await admin.put(f"/roles/{name}", json={"permissions": held[:1]})
        rest = "".join([piece async for piece in said[1]])
        assert rest.endswith(TAKEN_AWAY.format("events:read"))
        await admin.put(f"/roles/{name}", json={})
        rest = "".join([piece async for piece in said[0]])
        assert rest.endswith(TAKEN_AWAY.format("executions:read"))


async def test_a_stream_whose_time_is_over_in_a_long_log_does_not_tell_the_rest(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await of_a_run(admin, "for n in range(1, 450) { log(n) }\n")
    await admin.get(log)  # it has ended
    looked: list[Any] = []

    async def three_times(lifetime: Lifetime) -> None:
        looked.append(lifetime)
        if len(looked) > 3:
            raise Refused("unauthenticated", "the token has expired; come again with a new one")

    monkeypatch.setattr(Lifetime, "check", three_times)
    text = (await admin.get(log)).text
    told = events(text)
    assert {name for name, *_ in told} == {"log"}, "no end is told that was not reached"
    assert 0 < len(told) < 450
    assert text.endswith(EXPIRED)


async def test_an_event_of_a_clock_that_was_ahead_hides_none_that_comes_after_it(
    database: Database, reading: Reads
) -> None:
    """It counts as stored when it happened, which the clock had put an hour off."""
    now = datetime.now(UTC)

    async def stream() -> EventStream:
        made = EventStream(reading, cast(Lifetime, None))
        await made._find_begin()
        return made

    async def told(stream: EventStream, happened: datetime) -> bool:
        new = Event(str(uuid.uuid4()), "custom.one", "a test", happened)
        async with database.transaction() as rows:
            await Events(rows).store(new)
        return [one.id for one in await stream._new()] == [new.id]

    first = await stream()
    assert await told(first, now + timedelta(hours=1))
    assert await told(first, now)
    assert await told(await stream(), now)


async def test_an_export_whose_time_is_over_is_cut_where_its_reader_sees_it(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end would look like that of the whole log."""
    for _ in range(2):
        await admin.post("/deployments", json={"name": f"exported-{uuid.uuid4()}"})
    checked: list[Lifetime] = []

    async def once(lifetime: Lifetime) -> None:
        if checked:
            raise Refused("unauthenticated", "the token has expired; come again with a new one")
        checked.append(lifetime)

    monkeypatch.setattr(Lifetime, "check", once)
    monkeypatch.setattr(audit, "AT_ONCE", 1)
    with capture_logs() as logged, pytest.raises(httpx2.RemoteProtocolError, match="incomplete"):
        await admin.get("/audit", headers={"Accept": "application/jsonl"})
    said = [(line["event"], line.get("reason")) for line in logged]
    assert ("stream cut", "unauthenticated") in said and "request failed" not in dict(said)
