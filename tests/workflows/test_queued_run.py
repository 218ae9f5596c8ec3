"""A run that waits in its lane for weeks, on the server that skips time. Breaks if its history grows without end, or if
it is another run afterwards: with another place, another program, or without what was said to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.dsl.compile import compile_source
from codeai.dsl.program import pack
from codeai.workflows import lane_turn
from codeai.workflows.contracts.executions import Budget
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.lanes import Concurrency, LaneAnswer, ReleaseLane, TakeLane
from codeai.workflows.contracts.queues import EXEC
from codeai.workflows.contracts.records import (
    ClaimInput,
    ClaimResult,
    CloseInput,
    LoadInput,
    LoadResult,
    NotesInput,
    Nothing,
)
from codeai.workflows.execute_deployment import ExecuteDeployment

CODE = compile_source("param n\nreturn n + 1\n").code
assert CODE is not None
TURN_COMES = 40
"""The question by which it is the run's turn; a history has room for far fewer."""


@dataclass
class World:
    """What stands around the run: its lane, its rows, its host."""

    asked: list[TakeLane] = field(default_factory=list)
    loaded: list[LoadInput] = field(default_factory=list)
    notes: list[NotesInput] = field(default_factory=list)
    closed: list[CloseInput] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    has_turn_anew: bool = False
    """Its turn comes while it continues as new."""

    @activity.defn(name="load_program")
    async def load(self, given: LoadInput) -> LoadResult:
        self.loaded.append(given)
        assert CODE is not None
        found = LoadResult(program_hash="abc", code=pack(CODE))
        if given.program_hash is not None:
            return found
        return found.model_copy(
            update={"lane": "l", "concurrency": Concurrency.QUEUE, "version": 7, "deployment_id": "d"}
        )

    @activity.defn(name="take_lane")
    async def take(self, given: TakeLane) -> LaneAnswer:
        self.asked.append(given)
        is_turn = len(self.asked) >= TURN_COMES or (self.has_turn_anew and len(self.loaded) > 1)
        return LaneAnswer(answer="granted") if is_turn else LaneAnswer(answer="queued", position=2)

    @activity.defn(name="release_lane")
    async def release(self, given: ReleaseLane) -> Nothing:
        self.released.append(given.run)
        return Nothing()

    @activity.defn(name="claim_host")
    async def claim(self, given: ClaimInput) -> ClaimResult:
        return ClaimResult(host="h", spool="s", budget=Budget())

    @activity.defn(name="write_notes")
    async def write(self, given: NotesInput) -> Nothing:
        self.notes.append(given)
        return Nothing()

    @activity.defn(name="close_execution")
    async def close(self, given: CloseInput) -> Nothing:
        self.closed.append(given)
        return Nothing()


@pytest.fixture
async def world(
    server: WorkflowEnvironment, without_attributes: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    monkeypatch.setattr(lane_turn, "MOST_EVENTS", 60)
    made = World()
    ours = [made.load, made.take, made.release, made.write, made.close]
    async with (
        Worker(
            server.client,
            task_queue=EXECUTE_DEPLOYMENT.queue,
            workflows=[ExecuteDeployment],
            activities=ours,
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
        Worker(server.client, task_queue=EXEC, activities=[made.claim]),
    ):
        yield made


async def start(server: WorkflowEnvironment) -> Any:
    return await server.client.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"deployment": "d", "inputs": {"n": 1}, "triggered_by": "somebody"},
        id="execution/waits",
        task_queue=EXECUTE_DEPLOYMENT.queue,
    )


async def test_it_continues_as_new_and_stays_the_run_that_it_was(
    server: WorkflowEnvironment, world: World
) -> None:
    run = await start(server)
    await run.execute_update("pause", {"by": "somebody", "comment": "wait", "id": "p"})
    while len(world.asked) < TURN_COMES:
        await server.sleep(3600)
    handle = server.client.get_workflow_handle(run.id)
    await handle.signal("resume", {})
    assert (await handle.result())["result"] == 2

    assert world.loaded[0] == LoadInput(deployment="d")
    assert world.loaded[1:] == [LoadInput(program_hash="abc")] * (len(world.loaded) - 1)
    assert len(world.loaded) > 2, "it never continued as new"
    assert len({(one.turn.since, one.turn.run, one.key) for one in world.asked}) == 1
    assert all(one.execution == world.asked[0].execution for one in world.asked)
    assert world.asked[0].execution.version == 7
    told = [one for notes in world.notes for one in notes.notes.told]
    lines = [one.text for notes in world.notes for one in notes.notes.lines]
    assert ("pause", "somebody") in [(one.word, one.by) for one in told]
    assert "pause by somebody (by temporal): wait" in lines
    assert world.released == [run.first_execution_run_id]


async def test_it_says_that_it_runs_also_where_its_turn_came_while_it_continued_as_new(
    server: WorkflowEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(lane_turn, "describe_status", said.append)
    world.has_turn_anew = True
    run = await start(server)
    while len(world.loaded) < 2:
        await server.sleep(3600)
    await server.client.get_workflow_handle(run.id).result()
    assert (said[0], said[-1]) == ("queued", "running")


async def test_one_that_is_cancelled_before_it_has_begun_says_so_in_its_log(
    server: WorkflowEnvironment, world: World
) -> None:
    run = await start(server)
    while len(world.asked) < 20:
        await server.sleep(3600)
    handle = server.client.get_workflow_handle(run.id)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    (closed,) = world.closed
    assert [one.word for one in closed.notes.told] == ["cancel"]
    assert [one.text for one in closed.notes.lines] == ["cancel (by temporal)"]
    assert world.released == [run.first_execution_run_id]
