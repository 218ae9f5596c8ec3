"""An ended run that is told to go on, on the server that skips time: what its row says while it waits for its lane, and
when it comes to nothing. Breaks if nobody could cancel or stop it, or if retention could take what it needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.dsl.bind import bind
from codeai.dsl.compile import compile_source
from codeai.dsl.machine import Machine
from codeai.dsl.program import pack as pack_code
from codeai.workflows import lane_turn
from codeai.workflows.contracts.executions import Budget, Carried, ExecutionRecord
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.lanes import LaneAnswer, ReleaseLane, TakeLane
from codeai.workflows.contracts.packing import pack
from codeai.workflows.contracts.records import (
    CheckpointFound,
    CheckpointWanted,
    CloseInput,
    LoadInput,
    LoadResult,
    NotesInput,
    Nothing,
)
from codeai.workflows.execute_deployment import ExecuteDeployment

ID = "11111111-1111-4111-8111-111111111111"
CODE = compile_source("param n\nreturn 6 / n\n").code
assert CODE is not None


@dataclass
class World:
    """What stands around the run; `did` has what was asked and written, in order, `said` the words of people."""

    carried: str
    answer: str = "queued"
    did: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    found: int = 0
    cancelled_at: int = 0
    is_deleted: bool = False
    is_too_large: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    closed: list[CloseInput] = field(default_factory=list)
    may_find: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_find.set()

    @activity.defn(name="find_checkpoint")
    async def find(self, given: CheckpointWanted) -> CheckpointFound:
        self.found += 1
        if self.found == self.cancelled_at:
            await activity.client().get_workflow_handle(f"execution/{ID}").cancel()
            raise OSError("the database is away")
        await self.may_find.wait()
        waits = any("queued" in one for one in self.did)
        carried = None if self.is_too_large else self.carried
        return CheckpointFound(
            carried=carried, is_too_large=self.is_too_large, status="queued" if waits else "failed"
        )

    @activity.defn(name="load_program")
    async def load(self, given: LoadInput) -> LoadResult:
        assert CODE is not None
        return LoadResult(program_hash="reopened", code=pack_code(CODE))

    @activity.defn(name="take_lane")
    async def take(self, given: TakeLane) -> LaneAnswer:
        self.did.append("asks its lane")
        self.asked.set()
        return LaneAnswer.model_validate({"answer": self.answer, "position": 1})

    @activity.defn(name="release_lane")
    async def release(self, given: ReleaseLane) -> Nothing:
        self.did.append("gives it back")
        return Nothing()

    @activity.defn(name="write_notes")
    async def write(self, given: NotesInput) -> Nothing:
        if self.is_deleted:
            raise ApplicationError("there is no such run any more", type="not_found", non_retryable=True)
        self.said += [told.word for told in given.notes.told]
        if given.notes.status is not None:
            self.did.append(f"is {given.notes.status}{', anew' if given.notes.reopens else ''}")
        return Nothing()

    @activity.defn(name="close_execution")
    async def close(self, given: CloseInput) -> Nothing:
        self.closed.append(given)
        self.said += [told.word for told in given.notes.told]
        self.did.append(f"ends {given.status.value}")
        return Nothing()


def failed_in(lane: str | None) -> str:
    """The checkpoint of a run that has failed."""
    assert CODE is not None
    machine = Machine.start(bind(CODE), {"n": 0})
    machine.advance()
    record = ExecutionRecord(id=ID, workflow_id=f"execution/{ID}", started_at=1.0)
    kept = Carried(record=record, program="reopened", state=pack(machine.state()), budget=Budget(), lane=lane)
    return pack(kept.model_dump(mode="json", exclude_defaults=True))


@pytest.fixture
async def world(server: WorkflowEnvironment, without_attributes: None) -> AsyncIterator[World]:
    made = World(failed_in("l"))
    async with Worker(
        server.client,
        task_queue=EXECUTE_DEPLOYMENT.queue,
        workflows=[ExecuteDeployment],
        activities=[made.find, made.load, made.take, made.release, made.write, made.close],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield made


async def retry(server: WorkflowEnvironment) -> Any:
    return await server.client.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"execution": ID, "do": "retry"},
        id=f"execution/{ID}",
        task_queue=EXECUTE_DEPLOYMENT.queue,
    )


async def outcome(run: Any) -> str:
    with pytest.raises(WorkflowFailureError) as failure:
        await run.result()
    return type(failure.value.cause).__name__


async def test_it_is_queued_while_it_waits_and_runs_when_it_is_its_turn(
    server: WorkflowEnvironment, world: World
) -> None:
    run = await retry(server)
    await world.asked.wait()
    assert await run.query("status") == "queued"
    await run.signal("granted", {})
    assert await outcome(run) == "ApplicationError"
    steps = ["is queued, anew", "asks its lane", "is running, anew", "ends failed", "gives it back"]
    assert world.did == steps


async def test_one_that_is_cancelled_while_it_waits_is_what_it_was(
    server: WorkflowEnvironment, world: World
) -> None:
    run = await retry(server)
    await world.asked.wait()
    await run.cancel()
    assert await outcome(run) == "CancelledError"
    # A workflow task that is done again writes the same again.
    assert [*dict.fromkeys(world.did)] == ["is queued, anew", "asks its lane", "is failed", "gives it back"]


async def test_it_is_what_it_was_also_where_it_has_waited_for_weeks(
    server: WorkflowEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_turn, "MOST_EVENTS", 40)
    run = await retry(server)
    while world.did.count("is queued, anew") < 2:
        await server.sleep(3600)
    world.answer = "rejected"
    await server.sleep(7200)
    assert await outcome(server.client.get_workflow_handle(run.id)) == "ApplicationError"
    assert world.did[-2:] == ["is failed", "gives it back"]


async def test_one_that_retention_deletes_just_then_is_not_there(
    server: WorkflowEnvironment, world: World
) -> None:
    world.is_deleted = True
    with pytest.raises(WorkflowFailureError) as failure:
        await (await retry(server)).result()
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "not_found"
    assert world.did == ["gives it back"]


async def waits_for_weeks(server: WorkflowEnvironment, world: World) -> Any:
    """A run that has continued as new while it waits for its turn."""
    run = await retry(server)
    await world.asked.wait()
    await run.execute_update("pause", {"by": "ann", "id": "p"})
    while world.did.count("is queued, anew") < 2:
        await server.sleep(3600)
    return server.client.get_workflow_handle(run.id)


async def test_it_is_paused_still_where_it_has_waited_for_weeks(
    server: WorkflowEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_turn, "MOST_EVENTS", 40)
    run = await waits_for_weeks(server, world)
    await run.signal("granted", {})
    while await run.query("status") != "paused":
        assert (await run.describe()).close_time is None, "it went on"
    await run.execute_update("pause", {"by": "ann", "id": "p"})
    await run.signal("resume", {})
    assert await outcome(run) == "ApplicationError"
    assert world.said == ["pause", "retry", "resume"]


async def test_one_that_is_cancelled_before_it_has_taken_its_wait_up_is_what_it_was(
    server: WorkflowEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_turn, "MOST_EVENTS", 40)
    run = await retry(server)
    await world.asked.wait()
    await run.signal("pause", {})
    world.cancelled_at = 2
    while world.found < 2:
        await server.sleep(3600)
    assert await outcome(server.client.get_workflow_handle(run.id)) == "CancelledError"
    assert world.did[-2:] == ["is failed", "gives it back"]
    assert world.said == ["pause", "cancel"]


async def test_nothing_but_its_wait_can_be_changed_while_it_waits(
    server: WorkflowEnvironment, world: World
) -> None:
    run = await retry(server)
    await world.asked.wait()
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await run.execute_update("abort", {})
    assert "waits for its turn" in str(refusal.value.cause)
    await run.cancel()
    assert await outcome(run) == "CancelledError"


async def test_one_whose_state_is_too_large_is_refused_and_says_so(
    server: WorkflowEnvironment, world: World
) -> None:
    world.is_too_large = True
    with pytest.raises(WorkflowFailureError) as refused:
        await (await retry(server)).result()
    assert "too large" in str(refused.value.cause) and not world.closed


async def test_its_row_goes_on_before_anything_else_does(server: WorkflowEnvironment, world: World) -> None:
    world.carried = failed_in(None)
    assert await outcome(await retry(server)) == "ApplicationError"
    assert world.did == ["is queued, anew", "is running, anew", "ends failed"]
    assert world.closed[0].notes.status is None


async def test_what_is_said_to_it_before_it_has_taken_its_state_up_is_not_lost(
    server: WorkflowEnvironment, world: World
) -> None:
    world.carried = failed_in(None)
    world.may_find.clear()
    run = await retry(server)
    paused = asyncio.create_task(run.execute_update("pause", {"by": "ann"}))
    while not [one async for one in run.fetch_history_events() if "TIMER_FIRED" in str(one)]:
        pass  # a word is looked at a workflow task later (workflows/settling.py)
    world.may_find.set()
    await paused
    while await run.query("status") != "paused":
        pass
    await run.signal("resume", {})
    assert await outcome(run) == "ApplicationError"
    assert "is paused" in world.did
