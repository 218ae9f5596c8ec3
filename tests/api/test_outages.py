"""What is answered while Postgres or Temporal is away: accepted and kept, or a clear 503."""

from __future__ import annotations

import asyncio
import gc
import uuid
from dataclasses import replace

import httpx2
import pytest
from sqlalchemy import text
from temporalio import workflow
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.api.commands import Addressed
from codeai.api.operations import Operation
from codeai.stack.postgres import free_port
from codeai.workflows.contracts.commands import ParkedInput
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from tests.api.conftest import Served, bearer, serving
from tests.api.test_changes import PROGRAM, named
from tests.api.test_edge import problem
from tests.api.test_executions import running


@pytest.fixture
async def without_temporal(served: Served):
    """The API where nothing listens on Temporal's port."""
    settings = replace(
        served.settings,
        server=replace(served.settings.server, port=free_port()),
        temporal=replace(served.settings.temporal, address=f"127.0.0.1:{free_port()}"),
    )
    url = f"http://127.0.0.1:{settings.server.port}"
    async with (
        serving(settings),
        httpx2.AsyncClient(base_url=url, headers=bearer("admin"), timeout=70) as client,
    ):
        yield client


async def test_reads_wait_for_postgres(without_postgres: httpx2.AsyncClient) -> None:
    for path in ("/configs", "/deployments", f"/executions/{uuid.uuid4()}", "/executions", "/configs/a-name"):
        answer = await without_postgres.get(path)
        problem(answer, "no_database")
        assert answer.headers["retry-after"] == "1"


async def test_changes_hold_without_postgres(
    without_postgres: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    made = await without_postgres.post("/configs", json={"name": named(), "content": PROGRAM})
    assert made.status_code == 201
    assert (await admin.get(made.headers["location"])).json()["content"] == PROGRAM


async def test_runs_start_unread_without_postgres(
    without_postgres: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    config = (await admin.post("/configs", json={"name": named(), "content": PROGRAM})).json()
    started = await without_postgres.post("/executions", json={"config": config["id"]})
    assert started.status_code == 202
    ended = await running(admin, started.json()["id"], "complete")
    assert ended["result"] == "hello world"


async def test_an_unread_start_is_checked_by_the_run(
    without_postgres: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    started = await without_postgres.post("/executions", json={"config": "no such config"})
    assert started.status_code == 202
    ended = await running(admin, started.json()["id"], "failed")
    assert ended["error"]["kind"] == "not_found"


async def test_a_run_is_cancelled_without_postgres(
    without_postgres: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    id = (await without_postgres.post("/executions", json={"program": 'sleep("1h")'})).json()["id"]
    await running(admin, id)
    assert (await without_postgres.post(f"/executions/{id}/cancel")).status_code == 202
    await running(admin, id, "cancelled")


async def test_a_change_that_takes_long_goes_on_behind_its_answer(
    served: Served, admin: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    async with served.database.transaction() as rows:
        await rows.execute(text("LOCK TABLE configs"))
        accepted = await admin.post("/configs", json={"name": named(), "content": PROGRAM})
        assert accepted.status_code == 202
    for _ in range(200):
        shown = (await admin.get(accepted.headers["location"])).json()
        if shown["status"] != "running":
            break
        await asyncio.sleep(0.05)
    assert (await admin.get(shown["resource"])).json()["content"] == PROGRAM
    gc.collect()  # asyncio complains of what nobody asked for when it is collected
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@workflow.defn(name=EXECUTE_DEPLOYMENT.type)
class Breaking:
    """A run whose workflow tasks fail."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("not ready for this run")


async def test_a_command_to_a_run_that_no_worker_can_take_waits_as_a_signal(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    """Temporal refuses updates and queries when a workflow's tasks have failed a few times, or were lost."""
    id = str(uuid.uuid4())
    run = await served.temporal.start_workflow(
        EXECUTE_DEPLOYMENT.type, {}, id=EXECUTE_DEPLOYMENT.workflow_id(id), task_queue=id
    )
    async with Worker(
        served.temporal,
        task_queue=id,
        workflows=[Breaking],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,
    ):
        for _ in range(200):
            try:
                await run.query("status")
            except RPCError as error:
                if error.status is RPCStatusCode.FAILED_PRECONDITION:
                    break
            await asyncio.sleep(0.05)
        assert (await admin.post(f"/executions/{id}/pause")).status_code == 202
        # Also where the worker still answered when it was asked whether it is there.
        asked = Addressed(uuid.UUID(id), served.temporal, run, None)
        assert (
            await asked.send("abort", ParkedInput(), Operation("a-word", "somebody", "one"), by_signal=False)
            is None
        )
        problem(await admin.post(f"/executions/{id}/approve"), "no_worker")
    await run.terminate()


async def test_nothing_is_accepted_without_temporal(
    without_temporal: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    for path, body in (
        ("/configs", {"name": named(), "content": PROGRAM}),
        ("/executions", {"program": PROGRAM}),
    ):
        answer = await without_temporal.post(path, json=body)
        problem(answer, "no_temporal")
        assert answer.headers["retry-after"] == "1"
    assert (await without_temporal.get("/configs")).status_code == 200
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


async def test_ready_says_what_is_missing(
    without_temporal: httpx2.AsyncClient, without_postgres: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    assert (await admin.get("/health/ready")).json()["status"] == "ok"
    for client, missing in ((without_temporal, "temporal"), (without_postgres, "database")):
        ready = await client.get("/health/ready")
        assert ready.status_code == 503 and ready.json()["parts"][missing] != "ok"
        assert (await client.get("/health")).json()["status"] == "degraded"
        assert (await client.get("/health/live")).status_code == 200


async def test_health_tells_details_only_to_who_may_know(served: Served) -> None:
    async with served.client() as nobody, served.client("viewer") as viewer:
        assert (await nobody.get("/health/ready")).json()["parts"] is None
        assert (await viewer.get("/health/ready")).json()["parts"]["database"] == "ok"
