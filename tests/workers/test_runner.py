"""Questions to a run whose worker has died, while news of it waits: whoever takes the run over can go on with it."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError

from codeai.workers.runner import REFUSAL
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
