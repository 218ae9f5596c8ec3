"""Rows are mended while others write them: a run that was reopened meanwhile keeps its row."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import sentinel

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment

from codeai.activities import reconciling
from codeai.activities.reconciling import Reconciling
from codeai.activities.run_events import run_events, store_events
from codeai.activities.runs import RunEnded
from codeai.persistence.engine import Database
from codeai.persistence.event_waits import EventWait, EventWaits
from codeai.persistence.events import Event, Events
from codeai.persistence.executions import Ending, Executions, NewExecution
from codeai.persistence.steps import NewStep, Steps
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.executions import ExecutionRecord, ExecutionStatus
from codeai.workflows.contracts.reconciling import FindCommands, MendRows
from tests.activities.conftest import SCHEDULED

TERMINATED = SimpleNamespace(run_id="first", status=WorkflowExecutionStatus.TERMINATED)
REOPENED = SimpleNamespace(run_id="second", status=WorkflowExecutionStatus.RUNNING)

Looked = Callable[[int], Awaitable[Any]]


@pytest.fixture
async def run(database: Database) -> str:
    id = str(uuid.uuid4())
    async with database.transaction() as rows:
        await Executions(rows).open(NewExecution(id, f"execution/{id}", datetime.now(UTC)))
    return id


async def mend(database: Database, monkeypatch: pytest.MonkeyPatch, run: str, looked: Looked) -> str:
    """One pass over the run, for which Temporal says what `looked` answers to the n-th question; the row's status."""
    looks = iter(range(1, 9))

    async def run_of(*_: Any) -> Any:
        return await looked(next(looks))

    async def none(*_: Any) -> set[str]:
        return set()

    async def how_it_ended(*_: Any) -> RunEnded:
        error = RunError(kind="terminated", message="it was terminated")
        return RunEnded(ExecutionStatus.FAILED, time.time(), "first", error=error)

    monkeypatch.setattr(reconciling, "run_of", run_of)
    monkeypatch.setattr(reconciling, "_running", none)
    monkeypatch.setattr(reconciling, "how_it_ended", how_it_ended)
    mending = Reconciling(database, None)
    environment = ActivityEnvironment(client=sentinel.client)
    await environment.run(mending.mend_rows, MendRows(execution=run))
    return await status(database, run)


async def status(database: Database, run: str) -> str:
    async with database.session() as rows:
        found = await Executions(rows).get(run)
    assert found is not None
    return found.status


async def test_a_run_that_was_terminated_has_failed(
    database: Database, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    async def looked(_: int) -> Any:
        return TERMINATED

    assert await mend(database, monkeypatch, run, looked) == "failed"


async def test_what_a_pass_that_died_has_written_is_told_by_the_next_attempt(
    database: Database, run: str
) -> None:
    waits = str(uuid.uuid4())
    event = run_events(
        ExecutionRecord(id=run, workflow_id="w", started_at=1.0), "first", ExecutionStatus.FAILED, time.time()
    )
    async with database.transaction() as rows:
        wait = EventWait(waits, 3, "who waits", event[-1].type, "{}", SCHEDULED)
        await EventWaits(rows).begin(wait)
        await store_events(rows, event)
    told: list[tuple[str, int]] = []

    class Handle:
        def __init__(self, id: str) -> None:
            self.id = id

        async def signal(self, _: str, arrived: Any, **__: Any) -> None:
            told.append((self.id, arrived.step))

    for attempt in (1, 2):
        environment = ActivityEnvironment(client=SimpleNamespace(get_workflow_handle=Handle))
        environment.info = dataclasses.replace(environment.info, attempt=attempt, scheduled_time=SCHEDULED)
        await environment.run(Reconciling(database, None).mend_rows, MendRows(execution=waits))
        assert told == [("who waits", 3)] * (attempt - 1)


async def test_what_nobody_has_told_is_told_to_those_who_still_wait(database: Database) -> None:
    """Whoever has stored an event may have been ended by force before it told it."""
    type = f"custom.{uuid.uuid4().hex}"
    paid = [Event(str(uuid.uuid4()), type, "here", SCHEDULED, data=f'{{"n":{n}}}') for n in (1, 2, 3)]
    waits = str(uuid.uuid4())
    async with database.transaction() as rows:
        for step, where in ((1, '{"n":2}'), (2, "{}"), (3, '{"n":4}')):
            await EventWaits(rows).begin(EventWait(waits, step, "who waits", type, where, SCHEDULED))
        for one in paid:
            await Events(rows).store(one)
    told: dict[int, Any] = {}

    class Handle:
        def __init__(self, _: str) -> None: ...

        async def signal(self, _: str, arrived: Any, **__: Any) -> None:
            told[arrived.step] = arrived.event["data"]["n"]

    environment = ActivityEnvironment(client=SimpleNamespace(get_workflow_handle=Handle))
    given = MendRows(execution=waits, since=time.time() - 3600)
    await environment.run(Reconciling(database, None).mend_rows, given)
    assert told == {1: 2, 2: 1}


async def test_commands_that_are_left_are_found_page_by_page(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "COMMANDS_AT_ONCE", 2)
    run, hosts = str(uuid.uuid4()), ["a b", "c", "d"]
    async with database.transaction() as rows:
        await Executions(rows).open(NewExecution(run, f"execution/{run}", SCHEDULED))
        for seq, host in enumerate(hosts, start=1):
            id = str(uuid.uuid4())
            await Steps(rows).started(NewStep(id, run, seq, "exec", 1, 1, "x", SCHEDULED, host=host))
        await Executions(rows).close(run, Ending("failed", SCHEDULED))
    finding, place, found = Reconciling(database, None).find_commands, None, []
    while not found or place is not None:
        page = await ActivityEnvironment().run(finding, FindCommands(execution=run, place=place))
        found += [one.host for one in page.commands]
        place = page.next
    assert found == hosts


async def test_one_that_was_reopened_while_it_was_looked_at_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    async def looked(nth: int) -> Any:
        return TERMINATED if nth == 1 else REOPENED

    assert await mend(database, monkeypatch, run, looked) == "running"


async def test_one_that_is_reopened_while_its_end_is_written_takes_its_row_up_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    async def reopen() -> None:
        async with database.transaction() as rows:
            await Executions(rows).reopen(run, "running")

    reopening: list[asyncio.Task[None]] = []

    async def looked(nth: int) -> Any:
        if nth == 2:
            reopening.append(asyncio.create_task(reopen()))
            await asyncio.wait(reopening, timeout=0.2)
        return TERMINATED

    await mend(database, monkeypatch, run, looked)
    await asyncio.gather(*reopening)
    assert (len(reopening), await status(database, run)) == (1, "running")
