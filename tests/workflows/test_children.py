"""A run below another one, on the server that skips time: it may be under way already, by somebody's command to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio import workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.workflows.contracts.executions import ExecuteResult, ExecutionStatus
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.effects import children
from tests.skipping import skipping_time

CHILD = "11111111-1111-4111-8111-111111111111"


@workflow.defn(name=EXECUTE_DEPLOYMENT.type)
class Child:
    """By somebody's command it goes on until it is told to end."""

    def __init__(self) -> None:
        self.over = False

    @workflow.run
    async def run(self, _asked: dict[str, Any]) -> ExecuteResult:
        await workflow.wait_condition(lambda: self.over or workflow.info().parent is not None)
        return ExecuteResult(execution_id=CHILD, status=ExecutionStatus.COMPENSATED)

    @workflow.signal
    def end(self) -> None:
        self.over = True


@workflow.defn
class Parent:
    """Undoes its child."""

    @workflow.run
    async def run(self) -> str:
        return (await children.compensate(CHILD)).status.value


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkflowEnvironment]:
    # The server that skips time knows no search attributes.
    monkeypatch.setattr(children, "at_start", lambda *_: None)
    async with (
        await skipping_time() as running,
        Worker(
            running.client,
            task_queue=EXECUTE_DEPLOYMENT.queue,
            workflows=[Parent, Child],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
    ):
        yield running


async def test_a_child_that_somebody_undoes_already_is_waited_for(server: WorkflowEnvironment) -> None:
    queue = EXECUTE_DEPLOYMENT.queue
    own = await server.client.start_workflow(
        EXECUTE_DEPLOYMENT.type, {}, id=EXECUTE_DEPLOYMENT.workflow_id(CHILD), task_queue=queue
    )
    parent = await server.client.start_workflow("Parent", id="parent", task_queue=queue)
    await server.sleep(600)
    assert (await parent.describe()).close_time is None
    await own.signal("end")
    assert await server.client.get_workflow_handle(parent.id).result() == "compensated"
