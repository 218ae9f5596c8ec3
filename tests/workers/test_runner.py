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
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.worker import Worker

from codeai.workers.runner import REFUSAL, Activations, QuietRunner
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT
from tests.workers.conftest import Start
from tests.workers.test_run import address
from tests.workflows.test_replay import replayer

DIVIDES = "var n = 0\nreturn 6 / n\n"


async def parked(client: Client) -> WorkflowHandle[Any, Any]:
    run = await client.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"program": DIVIDES, "failure_policy": "park"},
        id=f"parked/{uuid.uuid4()}",
        task_queue=EXECUTE_DEPLOYMENT.queue,
        task_timeout=TASK_TIMEOUT,
    )
    async with asyncio.timeout(60):
        while await run.query("status") != "parked":
            await asyncio.sleep(0.05)
    return run


async def test_what_is_said_while_a_question_waits_for_a_dead_worker_can_be_replayed(
    worker: Start, temporal: Client
) -> None:
    """The question reaches the other worker before the workflow task, with all of the history. Would it be answered
    from that, the run would have taken in the signal alone, and the next worker could not go on with it."""
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
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in answers if isinstance(one, WorkflowQueryFailedError) and str(one) == REFUSAL]
    assert refused, answers
    for run in runs:
        await replayer().replay_workflow(await run.fetch_history())


def brought(length: int, size: int, seconds: int, *, replaying: bool = False) -> WorkflowActivation:
    act = WorkflowActivation(history_length=length, history_size_bytes=size, is_replaying=replaying)
    act.timestamp.seconds = seconds
    return act


@pytest.mark.parametrize(
    ("act", "is_taken"),
    [
        (brought(13, 900, 2), True),
        (brought(13, 700, 2), True),  # a task that begins in the answer to one of which nothing was stored
        (brought(10, 700, 1), True),  # the answer of a local activity
        (brought(12, 700, 1, replaying=True), True),
        (brought(12, 700, 1), False),
    ],
)
def test_what_a_task_has_brought_is_taken_and_what_came_without_one_is_refused(
    act: WorkflowActivation, is_taken: bool
) -> None:
    taken: list[WorkflowActivation] = []

    def activate(act: WorkflowActivation) -> WorkflowActivationCompletion:
        taken.append(act)
        return WorkflowActivationCompletion()

    tasks = Activations(activate)
    before = brought(10, 700, 1)
    tasks(before)
    answer = tasks(act)
    assert taken == [before, act] if is_taken else [before]
    assert answer.HasField("failed") is not is_taken


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

    async def is_waiting() -> bool:
        return (await run.describe()).raw_description.HasField("pending_workflow_task")

    with ThreadPoolExecutor(1) as threads:

        def working() -> Worker:
            return Worker(
                temporal,
                task_queue="asked",
                workflows=[Asked],
                activities=[work],
                activity_executor=threads,
                workflow_runner=QuietRunner(),
            )

        async with working():
            while await is_waiting():
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
