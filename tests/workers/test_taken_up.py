"""A run that another worker takes up just when somebody tells it something: each replay tells it the same."""

from __future__ import annotations

import asyncio
import uuid

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT
from tests.workers.conftest import Start
from tests.workers.test_run import address
from tests.workflows.test_replay import replayer

QUIETS_DOWN = """
parallel for one in [1, 2, 3] {
    if one == 3 { approve("go on?") }
    sleep("${one}s")
}
"""
"""The first two fibres end in workflow tasks of their own, which leave no command."""


async def test_what_takes_a_run_up_comes_after_what_the_task_before_it_had_brought(
    worker: Start, temporal: Client
) -> None:
    """Temporal's SDK tells both at once, what is new first, where that task left no command
    (docs/decisions/0007-a-question-takes-no-run-further.md)."""
    first = worker("all", address(temporal))
    first.until_ready()
    run = await temporal.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"program": QUIETS_DOWN},
        id=f"taken-up/{uuid.uuid4()}",
        task_queue=EXECUTE_DEPLOYMENT.queue,
        task_timeout=TASK_TIMEOUT,
    )
    async with asyncio.timeout(60):
        while await ends_with(temporal, run.id) != (2, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED):
            await asyncio.sleep(0.05)
    first.process.kill()
    first.process.wait()
    told = asyncio.create_task(run.execute_update("resume", {}))
    worker("all", address(temporal)).until_ready()
    assert (await told)["status"] == "waiting"
    await run.execute_update("approve", {})
    assert (await run.result())["status"] == "complete"
    await replayer().replay_workflow(await run.fetch_history())


async def ends_with(temporal: Client, id: str) -> tuple[int, int]:
    """How many timers of a run have fired, and its last event."""
    history = await temporal.get_workflow_handle(id).fetch_history()
    kinds = [event.event_type for event in history.events]
    return kinds.count(EventType.EVENT_TYPE_TIMER_FIRED), kinds[-1]
