"""A lane's word reaches its run, whatever that does in the same moment."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import sentinel

import pytest
from temporalio import workflow
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.testing import ActivityEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.activities import lanes
from codeai.activities.lanes import Lanes
from codeai.activities.runs import run_as_it_is
from codeai.persistence.engine import Database
from codeai.persistence.executions import Executions, NewExecution
from codeai.workflows.contracts.lanes import Turn, TurnInput, TurnsWanted
from tests.skipping import skipping_time


@workflow.defn
class Waiting:
    """A run that waits for its lane, and continues as new when it is told to."""

    def __init__(self) -> None:
        self.granted = self.is_long = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.granted or self.is_long)
        if not self.granted:
            workflow.continue_as_new()
        return "granted"

    @workflow.signal(name="granted")
    def grant(self, _lane: dict[str, str]) -> None:
        self.granted = True

    @workflow.signal
    def grow(self) -> None:
        self.is_long = True


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with (
        await skipping_time() as server,
        Worker(
            server.client,
            task_queue="q",
            workflows=[Waiting],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
    ):
        yield server.client


@pytest.fixture
async def run(client: Client) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow("Waiting", id="waits", task_queue="q")


async def grant(
    client: Client,
    run: WorkflowHandle[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
    then: Callable[[], Awaitable[Any]],
) -> bool:
    """Whether the run was told; `then` is what happens when it has been looked at."""
    first = str(run.first_execution_run_id)
    todo = [then]

    async def looked_at(client: Client, id: str) -> WorkflowExecutionDescription | None:
        found = await run_as_it_is(client, id)
        if todo:
            await todo.pop()()
        return found

    monkeypatch.setattr(lanes, "run_as_it_is", looked_at)
    turn = Turn(execution="e", workflow_id=run.id, run=first, since=1.0)
    place = ActivityEnvironment(client=client)
    told = await place.run(Lanes(sentinel.database, None).grant_turn, TurnInput(key="l", turn=turn))
    return bool(told.told)


async def test_a_run_that_continues_as_new_just_then_has_its_turn(
    client: Client, run: WorkflowHandle[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def continues() -> None:
        newest = client.get_workflow_handle(run.id)
        await newest.signal("grow")
        while (await newest.describe()).run_id == run.first_execution_run_id:
            pass

    assert await grant(client, run, monkeypatch, continues)
    assert await client.get_workflow_handle(run.id).result() == "granted"


async def test_one_that_ends_just_then_is_passed_over(
    client: Client, run: WorkflowHandle[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ends() -> None:
        await client.get_workflow_handle(run.id).terminate()

    assert not await grant(client, run, monkeypatch, ends)


async def test_a_lane_that_comes_back_knows_which_of_two_holders_runs(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first was terminated, and its row is not mended yet; the second had the lane after it."""
    at = datetime(2026, 11, 25, tzinfo=UTC)
    states = {
        "terminated": ("running", WorkflowExecutionStatus.TERMINATED),
        "holds": ("running", WorkflowExecutionStatus.RUNNING),
        "waits": ("queued", WorkflowExecutionStatus.RUNNING),
        "left": ("queued", WorkflowExecutionStatus.CANCELED),
    }
    async with database.transaction() as rows:
        for number, (name, (status, _)) in enumerate(states.items()):
            since = at + timedelta(minutes=number)
            new = NewExecution(str(uuid.uuid4()), name, since, status=status, lane="l")
            await Executions(rows).open(new)

    async def looked_at(_: Client, id: str) -> Any:
        raw = SimpleNamespace(workflow_execution_info=SimpleNamespace(first_run_id=id))
        return SimpleNamespace(status=states[id][1], raw_description=raw)

    async def known() -> tuple[str | None, list[str]]:
        place = ActivityEnvironment(client=sentinel.client)
        found = await place.run(Lanes(database, None).find_turns, TurnsWanted(key="l"))
        return found.holder and found.holder.run, [one.run for one in found.queue]

    monkeypatch.setattr(lanes, "run_as_it_is", looked_at)
    assert await known() == ("holds", ["waits"])
    states["holds"] = states["terminated"]
    assert await known() == ("holds", ["waits"])
