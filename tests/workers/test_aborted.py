"""An abort stays one, whatever becomes of the run before it has ended: nothing is undone any more."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError

from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT
from tests.platform import wait_until
from tests.workers.conftest import Start
from tests.workers.test_hosts import carried, result
from tests.workers.test_run import address
from tests.workers.test_withdrawn import SMALL

MUCH = 20
"""Words after which a run is over its budget."""


async def begin(client: Client, program: str, policy: str) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"program": program, "failure_policy": policy},
        id=str(uuid.uuid4()),
        task_queue=EXECUTE_DEPLOYMENT.queue,
        task_timeout=TASK_TIMEOUT,
    )


async def is_at(run: WorkflowHandle[Any, Any], status: str) -> None:
    async with asyncio.timeout(60):
        while await run.query("status") != status:
            await asyncio.sleep(0.05)


async def test_a_parked_run_that_is_aborted_undoes_nothing_in_the_run_that_follows(
    worker: Start, temporal: Client, tmp_path: Path
) -> None:
    """One of them has just so much in its history that the abort brings it over its budget."""
    worker("all", address(temporal), **SMALL).until_ready()

    async def aborted_after(words: int) -> bool:
        did = tmp_path / f"did {words}"
        program = f"var n = 1\nexec {{ echo made >> '{did}' }} undo {{ echo unmade >> '{did}' }}\nexec {{ exit $n }}"
        run = await begin(temporal, program, "park")
        await is_at(run, "parked")
        for value in range(words):
            await run.execute_update("set", {"name": "n", "value": value})
        await run.execute_update("abort")
        assert "exit code 1" in str(await result(run))
        assert did.read_text() == "made\n"
        return any(one.ends_by == "abort" for one in await carried(temporal, run))

    assert any(await asyncio.gather(*(aborted_after(words) for words in range(5))))


async def test_an_abort_in_the_middle_of_the_undo_ends_it_behind_the_block_under_way(
    worker: Start, temporal: Client, tmp_path: Path
) -> None:
    worker("all", address(temporal), **SMALL).until_ready()
    did = tmp_path / "did"
    run = await begin(
        temporal,
        f"""
        for n in [1, 2] {{
            exec {{ true }} undo {{ echo "undo $n" >> {did}; until [ -e {did}.go ]; do sleep 0.1; done }}
        }}
        fail("enough")
        """,
        "undo",
    )
    await asyncio.to_thread(wait_until, did.exists, 60, "the undo")
    for _ in range(MUCH):
        try:
            await run.execute_update("retry")
        except WorkflowUpdateFailedError:
            continue
    await run.execute_update("abort")
    did.with_name("did.go").touch()
    assert "enough" in str(await result(run))
    assert did.read_text() == "undo 2\n"
    assert [one.ends_by for one in await carried(temporal, run)][-1] == "abort"
