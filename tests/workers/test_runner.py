"""Questions to a run whose worker has died, while news of it waits: whoever takes the run over can go on with it."""

from __future__ import annotations

import asyncio
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.workflowservice.v1 import (
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    ResetStickyTaskQueueRequest,
    RespondWorkflowTaskFailedRequest,
)
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from codeai.workers.runner import Activations, QuietRunner
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT
from tests.workers.conftest import Start
from tests.workers.test_run import address
from tests.workflows.test_replay import replayer

DIVIDES = "var n = 0\nreturn 6 / n\n"


async def parked(client: Client, task_timeout: timedelta = TASK_TIMEOUT) -> WorkflowHandle[Any, Any]:
    run = await client.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"program": DIVIDES, "failure_policy": "park"},
        id=f"parked/{uuid.uuid4()}",
        task_queue=EXECUTE_DEPLOYMENT.queue,
        task_timeout=task_timeout,
    )
    async with asyncio.timeout(60):
        while await run.query("status") != "parked" or await has_task(run):
            await asyncio.sleep(0.05)
    return run


async def has_task(run: WorkflowHandle[Any, Any]) -> bool:
    return (await run.describe()).raw_description.HasField("pending_workflow_task")


async def test_what_is_said_while_a_question_waits_for_a_dead_worker_can_be_replayed(
    worker: Start, temporal: Client
) -> None:
    """The question reaches the other worker before the workflow task, with all of the history. Would the run be kept
    as it was for that, it would have taken in the signal alone, and the next worker could not go on with it."""
    first = worker("all", address(temporal))
    first.until_ready()
    runs = [await parked(temporal) for _ in range(4)]
    worker("all", address(temporal)).until_ready()
    first.process.kill()
    first.process.wait()
    asked = [asyncio.create_task(run.query("status")) for run in runs]
    await asyncio.sleep(0.3)  # they wait at the dead worker's own queue, for a second (run.STICKY)
    for run in runs:
        await run.signal("set", {"name": "n", "value": 2})
    told = await asyncio.gather(*(run.execute_update("retry", {}) for run in runs))
    assert {one["status"] for one in told} == {"running"}
    assert [(await run.result())["result"] for run in runs] == [3, 3, 3, 3]
    assert set(await asyncio.gather(*asked)) <= {"parked", "running", "complete"}
    for run in runs:
        await replayer().replay_workflow(await run.fetch_history())


async def test_a_question_may_come_in_between_while_another_worker_has_the_task(
    worker: Start, temporal: Client
) -> None:
    """It reaches a third worker with the news that the second one was to tell, and that one dies as well."""
    first = worker("all", address(temporal))
    first.until_ready()
    run = await parked(temporal, timedelta(seconds=60))
    first.process.kill()
    first.process.wait()
    question = asyncio.create_task(run.query("status"))
    await asyncio.sleep(0.3)  # it waits at the dead worker's own queue
    second = Hands(temporal)
    await second.call_back(run.id)
    await run.signal("set", {"name": "n", "value": 2})
    task = await second.take()
    assert not task.HasField("query")
    worker("all", address(temporal)).until_ready()
    assert await question == "parked"
    told = asyncio.create_task(run.execute_update("retry", {}))
    await asyncio.sleep(0.3)  # it goes with the task that is repeated
    await second.fail(task)
    assert (await told)["status"] == "running"
    assert (await run.result())["result"] == 3
    await replayer().replay_workflow(await run.fetch_history())


class Hands:
    """A worker that takes a task and does nothing with it."""

    def __init__(self, temporal: Client) -> None:
        self._service, self._namespace = temporal.workflow_service, temporal.namespace

    async def call_back(self, run: str) -> None:
        """Tasks of the run go to the queue of all, and no longer to that of the worker which had it last."""
        asked = ResetStickyTaskQueueRequest(namespace=self._namespace)
        asked.execution.workflow_id = run
        await self._service.reset_sticky_task_queue(asked)

    async def take(self) -> PollWorkflowTaskQueueResponse:
        asked = PollWorkflowTaskQueueRequest(namespace=self._namespace)
        asked.task_queue.name = EXECUTE_DEPLOYMENT.queue
        return await self._service.poll_workflow_task_queue(asked)

    async def fail(self, task: PollWorkflowTaskQueueResponse) -> None:
        await self._service.respond_workflow_task_failed(
            RespondWorkflowTaskFailedRequest(namespace=self._namespace, task_token=task.task_token)
        )


def news(length: int, seconds: int, *, is_known: bool = False) -> WorkflowActivation:
    act = WorkflowActivation(history_length=length, is_replaying=is_known)
    act.timestamp.seconds = seconds
    return act


def asked(id: str) -> WorkflowActivation:
    act = WorkflowActivation()
    act.jobs.add().query_workflow.query_id = id
    return act


KNOWN, FIRST, SECOND, THIRD = news(5, 1, is_known=True), news(9, 2), news(13, 3), news(17, 4)
UNTASKED = news(15, 3)
ALONE, BESIDE = asked("legacy_query"), asked("1")


@pytest.mark.parametrize(
    ("acts", "is_forgotten"),
    [
        ([FIRST, ALONE], True),
        ([KNOWN, FIRST, ALONE], True),
        ([KNOWN, FIRST, news(9, 2), ALONE], True),  # the answer of a local activity
        ([KNOWN, FIRST, SECOND, ALONE], False),  # a task that this worker has gone on to
        ([KNOWN, FIRST, SECOND, UNTASKED, ALONE], True),  # nothing has begun that would have brought it
        ([KNOWN, FIRST, SECOND, UNTASKED, THIRD, ALONE], False),
        ([KNOWN, ALONE, ALONE], False),  # who asks again and again is answered from memory
        ([FIRST, BESIDE], False),
    ],
)
def test_a_run_is_forgotten_where_a_question_may_have_brought_its_news(
    acts: list[WorkflowActivation], is_forgotten: bool
) -> None:
    taken: list[WorkflowActivation] = []
    forgotten: list[bool] = []

    def activate(act: WorkflowActivation) -> WorkflowActivationCompletion:
        taken.append(act)
        return WorkflowActivationCompletion()

    activations = Activations(activate, lambda: forgotten.append(True))
    for act in acts:
        activations(act)
    assert taken == acts
    assert bool(forgotten) is is_forgotten


WORKED, TOLD = threading.Event(), threading.Event()


@activity.defn
def work() -> None:
    WORKED.set()


@workflow.defn
class Asked:
    """Is asked while its local activity runs; the question takes until that has ended and more was told."""

    def __init__(self) -> None:
        self.worked = self.over = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.over)

    @workflow.signal
    async def works(self) -> None:
        await workflow.execute_local_activity(work, start_to_close_timeout=timedelta(seconds=5))
        workflow.upsert_memo({"worked": True})
        self.worked = True

    @workflow.signal
    async def ends(self) -> None:
        await asyncio.sleep(0.001)
        await workflow.wait_condition(lambda: self.worked)
        self.over = True

    @workflow.query
    def asked(self) -> bool:
        TOLD.wait(5)
        return self.worked


async def test_a_question_does_not_end_the_task_of_a_local_activity(temporal: Client) -> None:
    """Its result would be in the history already, and the run would hear of it after what the next task brings."""
    run = await temporal.start_workflow(Asked.run, id=str(uuid.uuid4()), task_queue="asked")

    with ThreadPoolExecutor(1) as threads:

        def working() -> Worker:
            runner = QuietRunner()
            worker = Worker(
                temporal,
                task_queue="asked",
                workflows=[Asked],
                activities=[work],
                activity_executor=threads,
                workflow_runner=runner,
            )
            runner.serve(worker)
            return worker

        async with working():
            while await has_task(run):
                await asyncio.sleep(0.01)
        await run.signal(Asked.works)
        question = asyncio.create_task(run.query(Asked.asked))
        await asyncio.sleep(0.2)  # it goes with the task that waits for a worker
        async with working():
            assert await asyncio.to_thread(WORKED.wait, 30)
            await run.signal(Asked.ends)
            TOLD.set()
            await run.result()
            await question
    await replayer(Asked).replay_workflow(await run.fetch_history())
