"""A run below another one, on the server that skips time: it may be under way already, by somebody's command to it, or
be cancelled before its parent knows that it has begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio import workflow
from temporalio.exceptions import ApplicationError, CancelledError, ChildWorkflowError, TerminatedError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import (
    Interceptor,
    StartChildWorkflowInput,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from codeai.dsl.faults import NOT_CAUGHT
from codeai.workflows.compensation import not_compensated
from codeai.workflows.contracts.errors import NOTHING_KEPT, NOTHING_LEFT
from codeai.workflows.contracts.executions import ExecuteInput, ExecuteResult, ExecutionStatus
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.effects import children
from tests.skipping import skipping_time

CHILD = "11111111-1111-4111-8111-111111111111"


@workflow.defn(name=EXECUTE_DEPLOYMENT.type)
class Child:
    """By somebody's command it goes on until it is told to end; without one until it is cancelled, which it undoes."""

    def __init__(self) -> None:
        self.over = False

    @workflow.run
    async def run(self, asked: dict[str, Any]) -> ExecuteResult:
        if asked.get("execution") and not asked.get("do"):
            try:
                await workflow.wait_condition(lambda: self.over)
            except asyncio.CancelledError:
                await asyncio.sleep(60)
                raise
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


@workflow.defn
class Unsure:
    """Runs its child; that the child has started it hears when it is `confirmed`."""

    def __init__(self) -> None:
        self.confirmed = False

    @workflow.run
    async def run(self) -> str:
        try:
            await children.start_child(ExecuteInput(execution=CHILD), "a child")
        except ChildWorkflowError:
            return "the child has undone its work"
        except asyncio.CancelledError:
            return "the child was left alone"
        return "the child is complete"

    @workflow.signal
    def confirm(self) -> None:
        self.confirmed = True


class Starts(WorkflowOutboundInterceptor):
    async def start_child_workflow(
        self, input: StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        child = await super().start_child_workflow(input)
        parent = workflow.instance()
        if isinstance(parent, Unsure):
            await workflow.wait_condition(lambda: parent.confirmed)
        return child


class Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(Starts(outbound))


class LateConfirmations(Interceptor):
    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        return Inbound


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkflowEnvironment]:
    # The server that skips time knows no search attributes.
    monkeypatch.setattr(children, "at_start", lambda *_: None)
    async with (
        await skipping_time() as running,
        Worker(
            running.client,
            task_queue=EXECUTE_DEPLOYMENT.queue,
            workflows=[Parent, Unsure, Child],
            workflow_runner=UnsandboxedWorkflowRunner(),
            interceptors=[LateConfirmations()],
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


async def test_a_child_that_is_cancelled_before_its_parent_knows_that_it_began_undoes_its_work_first(
    server: WorkflowEnvironment,
) -> None:
    parent = await server.client.start_workflow("Unsure", id="unsure", task_queue=EXECUTE_DEPLOYMENT.queue)
    child = server.client.get_workflow_handle(EXECUTE_DEPLOYMENT.workflow_id(CHILD))
    while not [
        one async for one in parent.fetch_history_events() if "CHILD_WORKFLOW_EXECUTION_STARTED" in str(one)
    ]:
        pass
    await parent.cancel()
    await parent.query("__stack_trace")  # it knows
    await parent.signal("confirm")
    assert await parent.result() == "the child has undone its work"
    assert (await child.describe()).close_time is not None


def failed_by(cause: BaseException) -> ChildWorkflowError:
    error = ChildWorkflowError(
        "failed",
        namespace="",
        workflow_id="",
        run_id="",
        workflow_type="",
        initiated_event_id=0,
        started_event_id=0,
        retry_state=None,
    )
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (CancelledError("by somebody"), "failed"),
        (ApplicationError("aborted", type="cancelled"), "failed"),
        (ApplicationError("no", type="exec_failed"), "exec_failed"),
        (TerminatedError("by somebody"), "failed"),
    ],
)
def test_what_somebody_does_to_a_child_is_an_error_that_its_parent_can_catch(
    cause: BaseException, kind: str
) -> None:
    error = failed_by(cause)
    assert children.failure(error, "c", 3, unwanted=False).kind == kind
    assert kind not in NOT_CAUGHT


def test_a_child_is_undone_that_had_nothing_to_undo_and_not_one_whose_state_is_gone() -> None:
    refused = [failed_by(ApplicationError(why, type="nothing_to_do")) for why in (NOTHING_LEFT, NOTHING_KEPT)]
    assert [not_compensated(error, "c") for error in refused] == [None, f"run c: {NOTHING_KEPT}"]
