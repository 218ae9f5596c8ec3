"""A command that is cancelled when its host has another spool than the one that it came to, on the server that skips
time. Breaks if what it did there is not undone."""

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
from codeai.workflows.contracts.executions import Budget
from codeai.workflows.contracts.hosts import Heard, HearInput, KillInput, KillResult
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.queues import EXEC, control_on, exec_on
from codeai.workflows.contracts.records import (
    CheckpointInput,
    ClaimInput,
    ClaimResult,
    CloseInput,
    LoadInput,
    LoadResult,
    NotesInput,
    Nothing,
    UndoEntriesInput,
    UndoEntriesResult,
)
from codeai.workflows.contracts.shell import CommandInput, CommandResult
from codeai.workflows.execute_deployment import ExecuteDeployment

CODE = compile_source("exec { make } undo { clean }\n").code
assert CODE is not None


@dataclass
class World:
    """What stands around the run: its host knows nothing of its command."""

    spool: str = "s"
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    killed: list[KillInput] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """What was written of steps that had ended when the undo began."""

    @activity.defn(name="load_program")
    async def load(self, given: LoadInput) -> LoadResult:
        assert CODE is not None
        return LoadResult(program_hash="forgotten", code=pack(CODE))

    @activity.defn(name="claim_host")
    async def claim(self, given: ClaimInput) -> ClaimResult:
        return ClaimResult(host="h", spool="s", budget=Budget())

    @activity.defn(name="run_command")
    async def run(self, given: CommandInput) -> CommandResult:
        self.begun.set()
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)

    @activity.defn(name="hear_cancel")
    async def hear(self, given: HearInput) -> Heard:
        return Heard(is_cancelled=False)

    @activity.defn(name="kill_commands")
    async def kill(self, given: KillInput) -> KillResult:
        self.killed.append(given)
        return KillResult(commands=(), spool=self.spool)

    @activity.defn(name="undo_entries")
    async def undo_entries(self, given: UndoEntriesInput) -> UndoEntriesResult:
        self.undone += given.steps
        return UndoEntriesResult(steps=())

    @activity.defn(name="save_checkpoint")
    async def save(self, given: CheckpointInput) -> Nothing:
        self.ended += [one.status for one in given.notes.ended]
        return Nothing()

    @activity.defn(name="write_notes")
    async def write(self, given: NotesInput) -> Nothing:
        return Nothing()

    @activity.defn(name="close_execution")
    async def close(self, given: CloseInput) -> Nothing:
        return Nothing()


@pytest.fixture
async def world(server: WorkflowEnvironment, without_attributes: None) -> AsyncIterator[World]:
    made = World()
    async with (
        Worker(
            server.client,
            task_queue=EXECUTE_DEPLOYMENT.queue,
            workflows=[ExecuteDeployment],
            activities=[made.load, made.undo_entries, made.save, made.write, made.close],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
        Worker(server.client, task_queue=EXEC, activities=[made.claim]),
        Worker(server.client, task_queue=exec_on("h"), activities=[made.run]),
        Worker(server.client, task_queue=control_on("h"), activities=[made.hear, made.kill]),
    ):
        yield made


@pytest.mark.parametrize(("spool", "undone"), [("s", []), ("another", [1])])
async def test_only_in_the_spool_that_it_came_to_is_it_certain_that_a_command_never_began(
    server: WorkflowEnvironment, world: World, spool: str, undone: list[int]
) -> None:
    world.spool = spool
    run = await server.client.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"deployment": "d"},
        id="execution/forgotten",
        task_queue=EXECUTE_DEPLOYMENT.queue,
    )
    await world.begun.wait()
    await run.cancel()
    with pytest.raises(WorkflowFailureError):
        await run.result()
    (killed,) = world.killed
    assert killed.attempt == 1
    assert world.undone == undone
    assert world.ended == ["lost"] * len(undone), "an undo block is told how its command ended"
