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
from codeai.persistence.deployments import Deployments, NewDeployment
from codeai.persistence.engine import Database
from codeai.persistence.executions import Executions, NewExecution
from codeai.workflows.contracts.attributes import STATUS
from codeai.workflows.contracts.lanes import Concurrency, Turn, TurnInput, TurnsWanted
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
        found = described(id, states[id][1], says="queued")
        found.start_time = at + timedelta(minutes=list(states).index(id))
        return found

    monkeypatch.setattr(lanes, "run_as_it_is", looked_at)
    assert await known(database, "l") == ("holds", ["waits"])
    states["holds"] = states["terminated"]
    assert await known(database, "l") == ("holds", ["waits"])


@pytest.mark.parametrize("concurrency", ["queue", "reject", "replace"])
async def test_a_lane_that_comes_back_knows_who_has_it_and_no_host_yet(
    database: Database, monkeypatch: pytest.MonkeyPatch, concurrency: str
) -> None:
    """Else another one had it as well. Who began before it waits: its question came later."""
    at, key = datetime(2026, 11, 25, tzinfo=UTC), str(uuid.uuid4())
    async with database.transaction() as rows:
        deployment = str(uuid.uuid4())
        new = NewDeployment(name=deployment, concurrency=Concurrency(concurrency))
        await Deployments(rows).create(deployment, new)
        for name, of in (("asks", None), ("waits", None), ("granted", deployment)):
            id = str(uuid.uuid4())
            await Executions(rows).open(
                NewExecution(id, f"{name} {key}", at, status="queued", lane=key, deployment_id=of)
            )

    async def looked_at(_: Client, id: str) -> Any:
        name = id.partition(" ")[0]
        says = "queued" if name == "waits" else "running"
        return described(id, WorkflowExecutionStatus.RUNNING, says, asks=name == "asks")

    monkeypatch.setattr(lanes, "run_as_it_is", looked_at)
    holder, queue = await known(database, key)
    assert holder == f"granted {key}"
    assert sorted(queue) == [f"asks {key}", f"waits {key}"]


async def test_one_that_was_taken_up_again_waits_since_then(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, key = datetime(2026, 11, 25, tzinfo=UTC), str(uuid.uuid4())
    async with database.transaction() as rows:
        new = NewExecution(str(uuid.uuid4()), f"w {key}", at, status="queued", lane=key)
        await Executions(rows).open(new)
    reopened = at + timedelta(days=1)

    async def looked_at(_: Client, id: str, run_id: str | None = None) -> Any:
        found = described(id, WorkflowExecutionStatus.RUNNING, "queued")
        found.run_id = run_id or "continued as new since"
        found.start_time = reopened if run_id else reopened + timedelta(days=1)
        return found

    monkeypatch.setattr(lanes, "run_as_it_is", looked_at)
    place = ActivityEnvironment(client=sentinel.client)
    found = await place.run(Lanes(database, None).find_turns, TurnsWanted(key=key))
    assert [one.since for one in found.queue] == [reopened.timestamp()]


def described(id: str, status: WorkflowExecutionStatus, says: str, *, asks: bool = False) -> Any:
    """What Temporal tells of a run that `says` that status of itself."""
    asking = [SimpleNamespace(activity_type=SimpleNamespace(name="take_lane"))] if asks else []
    raw = SimpleNamespace(workflow_execution_info=SimpleNamespace(first_run_id=id), pending_activities=asking)
    return SimpleNamespace(
        status=status,
        run_id=id,
        start_time=datetime(2026, 11, 25, tzinfo=UTC),
        raw_description=raw,
        typed_search_attributes={STATUS: says},
    )


async def known(database: Database, key: str) -> tuple[str | None, list[str]]:
    """Who has the lane and who waits, by their workflow runs."""
    place = ActivityEnvironment(client=sentinel.client)
    found = await place.run(Lanes(database, None).find_turns, TurnsWanted(key=key))
    return found.holder and found.holder.run, [one.run for one in found.queue]
