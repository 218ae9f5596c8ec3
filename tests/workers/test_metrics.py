"""A worker tells what its workflows did, once, at a port of its own."""

from __future__ import annotations

import urllib.error
import uuid
from urllib.request import Request, urlopen

import pytest
from temporalio.client import Client

from codeai.workflows.contracts.executions import ExecuteInput
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from tests.api.test_metrics import figures
from tests.platform import free_ports, wait_until
from tests.workers.conftest import Start


def scrape(port: int, path: str = "/metrics", token: str = "scrape me") -> str:
    asked = Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})
    with urlopen(asked, timeout=10) as answer:
        return str(answer.read().decode())


async def test_a_worker_tells_what_its_workflows_did(temporal: Client, worker: Start) -> None:
    (port,) = free_ports(1)
    worker(
        "all",
        temporal.service_client.config.target_host,
        CODEAI_METRICS_PORT=str(port),
        CODEAI_METRICS_TOKEN="scrape me",
    ).until_ready()
    for program, status in (("return 1\n", "completed"), ('fail("no")\n', "failed")):
        id = str(uuid.uuid4())
        handle = await temporal.start_workflow(
            EXECUTE_DEPLOYMENT.type,
            ExecuteInput(program=program, execution=id),
            id=EXECUTE_DEPLOYMENT.workflow_id(id),
            task_queue=EXECUTE_DEPLOYMENT.queue,
        )
        if status == "completed":
            await handle.result()
        else:
            with pytest.raises(Exception, match="failed"):
                await handle.result()
        of = {"workflow_name": "ExecuteDeployment", "status": status}

        def counted(of: dict[str, str] = of) -> bool:
            return figures(scrape(port), "codeai_workflow_executions_total", **of) == [1]

        wait_until(counted, 20, f"one execution that {status}")
    text = scrape(port)
    of_runs = {"workflow_name": "ExecuteDeployment"}
    assert figures(text, "codeai_workflow_execution_duration_seconds_count", **of_runs) == [2]
    assert figures(text, "codeai_workflow_step_duration_seconds_count", step_name="load_program") == [2]
    assert sum(figures(text, "codeai_db_queries_total", operation="insert", status="success")) > 0
    assert "temporal_workflow_completed" in text
    for path, token, refused in (("/metrics", "guess", 401), ("/", "scrape me", 404)):
        with pytest.raises(urllib.error.HTTPError) as error:
            scrape(port, path, token)
        assert error.value.code == refused
