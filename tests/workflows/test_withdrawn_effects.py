"""Effects that are no commands, when nobody wants them any more, on the server that skips time: what they took along is
written, and nothing of them is left. Breaks if a log has gaps, or a step of an ended run goes on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.dsl.compile import compile_source
from codeai.dsl.program import pack
from codeai.workflows.contracts.events import EmitInput, EmitResult, WaitInput, WaitOver, WaitResult
from codeai.workflows.contracts.http import HttpInput, HttpResult
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
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
from codeai.workflows.contracts.steps import Notes
from codeai.workflows.execute_deployment import ExecuteDeployment


@dataclass
class World:
    """What stands around a run; the database answers effects when it `is_back`. `wrote` has what was written, in
    order: lines, steps with their status, ends of waits."""

    program: str = ""
    wrote: list[str] = field(default_factory=list)
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    is_back: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, notes: Notes) -> None:
        self.wrote += [line.text for line in notes.lines]
        self.wrote += [f"{step.kind} begun" for step in notes.begun]
        self.wrote += [f"{step.status}" for step in notes.ended]

    @activity.defn(name="load_program")
    async def load(self, _given: LoadInput) -> LoadResult:
        code = compile_source(self.program).code
        assert code is not None
        return LoadResult(program_hash=self.program, code=pack(code))

    @activity.defn(name="claim_host")
    async def claim(self, _given: ClaimInput) -> ClaimResult:
        return ClaimResult(host="h", spool="s")

    @activity.defn(name="emit_event")
    async def emit(self, given: EmitInput) -> EmitResult:
        self.is_asked.set()
        await self.is_back.wait()
        self.write(given.notes.model_copy(update={"begun": (*given.notes.begun, given.step)}))
        return EmitResult(id="11111111-1111-4111-8111-111111111111")

    @activity.defn(name="await_event")
    async def wait(self, given: WaitInput) -> WaitResult:
        self.is_asked.set()
        await self.is_back.wait()
        self.write(given.notes.model_copy(update={"begun": (*given.notes.begun, given.step)}))
        return WaitResult()

    @activity.defn(name="end_wait")
    async def end_wait(self, _given: WaitOver) -> Nothing:
        self.wrote.append("waits no longer")
        return Nothing()

    @activity.defn(name="http_request")
    async def http(self, _given: HttpInput) -> HttpResult:
        self.is_asked.set()
        raise OSError("the database is away")

    @activity.defn(name="write_notes")
    async def notes(self, given: NotesInput) -> Nothing:
        self.write(given.notes)
        return Nothing()

    @activity.defn(name="close_execution")
    async def close(self, given: CloseInput) -> Nothing:
        self.write(given.notes)
        self.wrote.append(f"the run {given.status.value}")
        return Nothing()


@pytest.fixture
async def world(server: WorkflowEnvironment, without_attributes: None) -> AsyncIterator[World]:
    made = World()
    records = [made.load, made.emit, made.wait, made.end_wait, made.http, made.notes, made.close]
    async with (
        Worker(
            server.client,
            task_queue=EXECUTE_DEPLOYMENT.queue,
            workflows=[ExecuteDeployment],
            activities=records,
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
        Worker(server.client, task_queue=EXEC, activities=[made.claim]),
    ):
        yield made
        made.is_back.set()


async def cancelled_in(server: WorkflowEnvironment, world: World, effect: str) -> list[str]:
    """What was written of a run that is cancelled while the database has not answered its effect."""
    world.program = f'log("before")\n{effect}'
    run = await server.client.start_workflow(
        EXECUTE_DEPLOYMENT.type, {"program": "given"}, id="execution/one", task_queue=EXECUTE_DEPLOYMENT.queue
    )
    await world.is_asked.wait()
    await run.cancel()
    await run.query("status")  # it knows
    world.is_back.set()
    with pytest.raises(WorkflowFailureError):
        await run.result()
    assert world.wrote[-1] == "the run cancelled"
    return [one for one in world.wrote[:-1] if not one.startswith("cancel (")]


async def test_an_emit_that_is_cancelled_ends_as_its_record_says(
    server: WorkflowEnvironment, world: World
) -> None:
    wrote = await cancelled_in(server, world, 'emit("order.paid")')
    assert wrote == ["before", "emit begun", "succeeded"]


async def test_a_wait_that_is_cancelled_before_it_is_noted_is_ended_behind_that(
    server: WorkflowEnvironment, world: World
) -> None:
    wrote = await cancelled_in(server, world, 'wait_event("order.paid")')
    assert wrote == ["before", "wait_event begun", "waits no longer", "cancelled"]


async def test_a_request_that_is_cancelled_before_it_is_noted_has_its_step_and_loses_no_line(
    server: WorkflowEnvironment, world: World
) -> None:
    wrote = await cancelled_in(server, world, 'http("GET", "http://localhost/")')
    assert wrote == ["before", "http begun", "cancelled"]
