"""A run whose host does not take its commands, on the server that skips time. Breaks if the run ended without its undo,
or if its trace told another story than the run was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.dsl.compile import compile_source
from codeai.dsl.program import pack
from codeai.workflows import hosts
from codeai.workflows.contracts.executions import Budget
from codeai.workflows.contracts.hosts import ProbeInput, ProbeResult
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.packing import unpack
from codeai.workflows.contracts.queues import EXEC, control_on
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

CODE = compile_source("try { exec { make } } catch e { fail(e.kind) }\n").code
assert CODE is not None


@dataclass
class World:
    """What stands around the run. Its host answers no probe but with an error of its own."""

    probes: int = 0
    closed: list[CloseInput] = field(default_factory=list)

    @activity.defn(name="load_program")
    async def load(self, given: LoadInput) -> LoadResult:
        assert CODE is not None
        return LoadResult(program_hash="silent", code=pack(CODE))

    @activity.defn(name="claim_host")
    async def claim(self, given: ClaimInput) -> ClaimResult:
        return ClaimResult(host="h", spool="s", lost_after=600.0, budget=Budget())

    @activity.defn(name="probe_host")
    async def probe(self, given: ProbeInput) -> ProbeResult:
        self.probes += 1
        raise ApplicationError("too many open files")

    @activity.defn(name="write_notes")
    async def write(self, given: NotesInput) -> Nothing:
        return Nothing()

    @activity.defn(name="close_execution")
    async def close(self, given: CloseInput) -> Nothing:
        self.closed.append(given)
        return Nothing()


@pytest.fixture
async def world(
    server: WorkflowEnvironment, without_attributes: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    monkeypatch.setattr(hosts, "PICKED_UP", timedelta(seconds=1))  # no time is skipped while a command waits
    made = World()
    async with (
        Worker(
            server.client,
            task_queue=EXECUTE_DEPLOYMENT.queue,
            workflows=[ExecuteDeployment],
            activities=[made.load, made.write, made.close],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
        Worker(server.client, task_queue=EXEC, activities=[made.claim]),
        Worker(server.client, task_queue=control_on("h"), activities=[made.probe]),
    ):
        yield made


async def test_a_host_whose_probes_fail_is_given_up_and_its_run_keeps_what_it_was_told(
    server: WorkflowEnvironment, world: World
) -> None:
    """Each probe takes its time. That the command was lost is kept by the run: its host may have written how it ended
    just before it fell silent."""
    with pytest.raises(WorkflowFailureError):
        await server.client.execute_workflow(
            EXECUTE_DEPLOYMENT.type,
            {"deployment": "d"},
            id="execution/silent",
            task_queue=EXECUTE_DEPLOYMENT.queue,
        )
    (closed,) = world.closed
    assert closed.error is not None and closed.error.message == "lost"
    assert 2 <= world.probes <= 60
    assert closed.checkpoint is not None
    (_, answer), *_ = unpack(closed.checkpoint.journal)
    assert answer[1]["error"]["kind"] == "lost"
