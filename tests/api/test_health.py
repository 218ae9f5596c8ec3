"""Whether the platform can work, part by part."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete
from temporalio import activity
from temporalio.worker import Worker

from codeai.api.health import NotThere, Told, polled
from codeai.persistence.hosts import HostRow, Hosts, Sighting
from codeai.pollers import ACTIVITIES
from codeai.workflows.contracts.queues import TASK_QUEUES, control_on, exec_on
from tests.api.conftest import Served


@activity.defn
async def nothing() -> None: ...


@contextlib.asynccontextmanager
async def host(served: Served, seen: timedelta) -> AsyncIterator[str]:
    """A host that was last seen so long ago."""
    id = str(uuid.uuid4())
    async with served.database.session() as rows:
        told = Sighting(id, "build-7", "spool", ("", "gpu"), 4, 1)
        await Hosts(rows).seen(told, datetime.now(UTC) - seen)
        await rows.commit()
    try:
        yield id
    finally:
        async with served.database.session() as rows:
            await rows.execute(delete(HostRow).where(HostRow.id == id))
            await rows.commit()


async def parts(client: httpx2.AsyncClient, path: str) -> tuple[int, str, dict[str, Any]]:
    answer = await client.get(path)
    return answer.status_code, answer.json()["status"], answer.json()["parts"]


async def told_of(client: httpx2.AsyncClient, id: str) -> dict[str, Any]:
    """What is told of the host: what was found before it was there is told for some seconds."""
    while True:
        for one in (await client.get("/health")).json()["hosts"]:
            if one["id"] == id:
                return dict(one)


async def test_every_queue_of_the_platform_is_a_part(admin: httpx2.AsyncClient) -> None:
    status, word, found = await parts(admin, "/health/ready")
    assert (status, word) == (200, "ok")
    named = {queue.name for queue in TASK_QUEUES if not queue.name.endswith(("@", "-"))}
    assert {name.split()[1] for name in found if name.startswith("queue ")} == named
    assert {f"queue codeai-workflows ({kind})" for kind in ("workflows", "activities")} <= set(found)


async def test_a_queue_that_nobody_polls_is_missing(served: Served) -> None:
    with pytest.raises(NotThere, match="codeai worker all"):
        await polled(served.temporal, "a-queue-of-nobody", ACTIVITIES)


async def test_a_host_that_is_away_degrades_and_does_not_stop(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    async with host(served, timedelta(minutes=5)) as id:
        name = f"host build-7 ({id})"
        await told_of(admin, id)
        status, word, found = await parts(admin, "/health")
        assert (status, word) == (200, "degraded")
        assert found[name].startswith("no worker since ")
        status, word, needed = await parts(admin, "/health/ready")
        assert (status, word) == (200, "ok") and name not in needed
        async with (
            Worker(served.temporal, task_queue=exec_on(id), activities=[nothing]),
            Worker(served.temporal, task_queue=control_on(id), activities=[nothing]),
        ):
            while found[name] != "ok":  # the first poll is on its way
                _, word, found = await parts(admin, "/health")
        assert word == "ok"


async def test_a_host_that_has_been_away_for_long_is_forgotten(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    async with host(served, timedelta(hours=2)) as id:
        assert id not in str(await parts(admin, "/health"))


async def test_of_a_host_it_is_told_whom_it_serves_and_how_busy_it_is(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    async with host(served, timedelta(minutes=5)) as id:
        told = await told_of(admin, id)
        assert (told["name"], told["labels"], told["slots"], told["slots_taken"]) == (
            "build-7",
            ["", "gpu"],
            4,
            1,
        )
        assert told["state"].startswith("no worker since ")
        async with served.client() as everybody:
            told = (await everybody.get("/health")).json()
        assert told == {"status": "degraded", "parts": None, "hosts": None}


async def test_the_platform_is_looked_at_once_for_all_who_ask() -> None:
    looked, go_on = 0, asyncio.Event()

    async def look() -> int:
        nonlocal looked
        looked += 1
        await go_on.wait()
        return looked

    told = Told(look, seconds=3600)
    asking = [asyncio.create_task(told.found()) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()  # one who goes away takes nobody's answer with him
    go_on.set()
    assert await asyncio.gather(*asking[1:]) == [1] * 49
    assert await told.found() == 1
    anew = Told(look, seconds=-1)
    assert await anew.found() != await anew.found()


async def test_details_are_told_to_who_may_read_them(served: Served, admin: httpx2.AsyncClient) -> None:
    async with served.client() as nobody, served.client("a-role-of-nothing") as powerless:
        for path in ("/health", "/health/ready"):
            assert "database" in (await admin.get(path)).json()["parts"]
            assert (await nobody.get(path)).json()["parts"] is None
            assert (await powerless.get(path)).json()["parts"] is None
